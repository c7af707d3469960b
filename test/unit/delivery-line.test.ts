/** What people read of deliveries. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deliveryText } from '../../src/cli/queue/delivery-line.ts'
import { deliveryRecord } from '../support/delivery-record.ts'

const REFUSED = { status: '4.4.1', reply: 'connect ECONNREFUSED 192.0.2.25:25' }

function textOf(more: Parameters<typeof deliveryRecord>[1]): string {
  return deliveryText(deliveryRecord('2E0958EC-88EB-44B6-8F19-A0E9C38B458C.1', more))
}

describe('a delivery in words', () => {
  it('is said to be without TLS only where mail was sent so', () => {
    assert.match(textOf({ event: 'delivered', tls: null }), /:25, without TLS, /)
    assert.doesNotMatch(textOf({ event: 'deferred', tls: null, ...REFUSED }), /TLS/)
  })

  it('tells of one that waited for others that nobody tried it', () => {
    const nextAttempt = '2026-11-30T02:10:48.026Z'
    assert.match(
      textOf({ event: 'deferred', attempts: 0, nextAttempt, ...REFUSED }),
      /; not tried itself; next at /,
    )
    assert.match(textOf({ event: 'deferred', attempts: 1, nextAttempt, ...REFUSED }), /; attempt 1; next at /)
  })

  it('does not give the last answer as the reason of what an administrator did', () => {
    for (const event of ['dropped', 'released'] as const) {
      const text = textOf({ event, remote: null, tls: null, route: null, by: 'root', ...REFUSED, status: '' })
      assert.match(text, /^the last answer was: connect ECONNREFUSED \S+; by root/, event)
    }
  })
})
