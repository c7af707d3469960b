/** Mail is not sent back to where it came from; and what happened to it stands in the log in one line. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { describeDelivery } from '../../src/haraka/outbound-log.ts'
import { wouldLeadBack } from '../../src/outbound/delivery/leads-back.ts'
import type { NextHopResolver } from '../../src/outbound/delivery/resolve.ts'
import type { Route } from '../../src/policy/route.ts'
import { deliveryRecord } from '../support/delivery-record.ts'
import { outbound } from '../support/outbound.ts'

const resolver: NextHopResolver = {
  addresses: (host) =>
    Promise.resolve(
      host === 'unknown.test'
        ? { failed: 'ETIMEOUT' }
        : host === 'both.test'
          ? { found: ['10.1.0.7', '10.1.0.8'] }
          : { found: [host] },
    ),
  exchanges: () => Promise.resolve({ failed: 'not asked' }),
}

const through = (...hosts: string[]): Route => ({
  via: 'connector',
  connector: outbound('contoso', 'Own servers', { smartHosts: hosts.map((host) => ({ host, port: 25 })) }),
})

describe('mail would lead back', () => {
  const rows: readonly (readonly [what: string, route: Route, peer: string | null, leads: boolean])[] = [
    ['when its only smart host has the address that it came from', through('10.1.0.7'), '10.1.0.7', true],
    [
      "by the instance's smart host, too",
      { via: 'smart-host', smartHost: { host: '2001:db8:0::7', port: 25 } },
      '2001:db8::7',
      true,
    ],
    ['not when another smart host is left', through('10.1.0.7', '10.1.0.8'), '10.1.0.7', false],
    ['not when the name has another address', through('both.test'), '10.1.0.7', false],
    ['not when a name cannot be looked up', through('unknown.test', '10.1.0.7'), '10.1.0.7', false],
    ['not on this machine', through('127.0.0.1'), '127.0.0.1', false],
    ['not on this machine by IPv6', through('::1'), '::1', false],
    ['not by MX, which is looked at when it is tried', { via: 'mx' }, '10.1.0.7', false],
    ['not when no address counts', through('10.1.0.7'), null, false],
  ]
  for (const [what, route, peer, leads] of rows) {
    it(what, async () => {
      assert.equal(await wouldLeadBack(route, peer, resolver), leads)
    })
  }
})

describe('the log', () => {
  it('has a delivery in one line, whatever the server and the addresses hold', () => {
    const line = describeDelivery({
      ...deliveryRecord('5F.1'),
      event: 'deferred',
      sender: 'kate@contoso.com',
      recipients: ['a@fabrikam.com', 'b\n@fabrikam.com', 'c@fabrikam.com', 'd@fabrikam.com'],
      remote: { host: 'mx.fabrikam.com', address: '192.0.2.1', port: 25 },
      tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', verified: true },
      status: '4.2.1',
      reply: '4.2.1 "later"\r\n250 forged',
      age: 1250,
      nextAttempt: '2026-11-24T02:05:00.000Z',
    })
    assert.equal(
      line,
      'deferred 5F.1 from=<kate@contoso.com> to=<a@fabrikam.com>,<b\\x0a@fabrikam.com>,<c@fabrikam.com> and 1 more host=mx.fabrikam.com[192.0.2.1]:25 tls=TLSv1.3 delay=1.3 said="4.2.1 \\"later\\"\\\\x0d\\\\x0a250 forged" next=2026-11-24T02:05:00.000Z',
    )
  })
})
