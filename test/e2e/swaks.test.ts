/** The plain cases with swaks, the client that mail administrators try things with. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { hasPrograms } from '../support/programs.ts'
import { startTestSink } from '../support/sink.ts'
import { startSmarthost } from '../support/smarthost.ts'

const SWAKS = '/usr/bin/swaks'

async function swaks(...args: string[]): Promise<{ code: number; text: string }> {
  const child = spawn(SWAKS, ['--helo', 'client.test', '--timeout', '20', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number]
  return { code, text }
}

describe('swaks', () => {
  it('relays, delivers and is denied as the connectors say', async (t) => {
    if (!hasPrograms(t, SWAKS)) return
    const sink = await startTestSink(t)
    const server = await startSmarthost(t, { smartHost: sink.port })
    const certificate = (name: string): string[] => [
      '--tls-cert',
      server.path('demo', `${name}.cert.pem`),
      '--tls-key',
      server.path('demo', `${name}.key.pem`),
    ]
    const starttls = ['--server', `127.0.0.1:${server.smtp}`, '--tls']
    const implicit = ['--server', `127.0.0.1:${server.smtps}`, '--tlsc']
    const plain = ['--server', `127.0.0.1:${server.smtp}`]
    const scanner = ['--local-interface', '127.0.10.7']
    const out = ['--to', 'bob@example.net']
    const ok = /250 2\.0\.0 Message queued/
    const rows: readonly (readonly [what: string, args: readonly string[], expected: RegExp])[] = [
      [
        'a certificate over STARTTLS',
        [...starttls, ...certificate('mail.contoso.com'), '--from', 'kate@contoso.com', ...out],
        ok,
      ],
      [
        'a certificate over implicit TLS',
        [...implicit, ...certificate('mail.contoso.com'), '--from', 'kate@contoso.com', ...out],
        ok,
      ],
      [
        'a null sender with a certificate',
        [...starttls, ...certificate('mail.contoso.com'), '--from', '<>', ...out],
        ok,
      ],
      [
        'pipelined',
        [...starttls, ...certificate('mail.contoso.com'), '--pipeline', '--from', 'kate@contoso.com', ...out],
        ok,
      ],
      ['an address in plain text', [...plain, ...scanner, '--from', 'scanner@contoso.com', ...out], ok],
      [
        'mail for contoso from anybody',
        [...plain, '--from', 'john@fabrikam.com', '--to', 'kate@contoso.com'],
        ok,
      ],
      [
        'an unregistered sender by address',
        [...plain, ...scanner, '--from', 'john@fabrikam.com', ...out],
        /550 5\.7\.64 Relay Access Denied ATTR36.*\[sender-domain-not-accepted /,
      ],
      [
        'a null sender by address',
        [...plain, ...scanner, '--from', '<>', ...out],
        /550 5\.7\.64 .*ATTR36.*\[null-sender /,
      ],
      [
        'nobody in plain text',
        [...plain, '--from', 'kate@contoso.com', ...out],
        /550 5\.7\.64 TenantAttribution; Relay Access Denied \[no-tls /,
      ],
      [
        'nobody with TLS',
        [...starttls, '--from', 'kate@contoso.com', ...out],
        /TenantAttribution.*\[no-certificate /,
      ],
      [
        'an untrusted certificate',
        [...starttls, ...certificate('untrusted.mail.contoso.com'), '--from', 'kate@contoso.com', ...out],
        /TenantAttribution.*\[certificate-not-verified /,
      ],
      [
        'the trap',
        [...starttls, ...certificate('mail.adatum.com'), '--from', '<>', ...out],
        /ATTR36.*\[certificate-domain-not-accepted /,
      ],
    ]
    for (const [what, args, expected] of rows) {
      await t.test(what, async () => {
        const { code, text } = await swaks(...args)
        assert.match(text, expected)
        assert.equal(code, expected === ok ? 0 : 24, text)
      })
    }
    const accepted = rows.filter(([, , expected]) => expected === ok).length
    await sink.message(() => sink.arrived.length === accepted)
  })
})
