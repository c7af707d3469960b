/** What a message looks like at the next hop: as it came in, below our own field. And what is never taken. */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import type { Arrived, TestSink } from '../support/sink.ts'
import { startTestSink } from '../support/sink.ts'
import type { Smarthost } from '../support/smarthost.ts'
import { startSmarthost } from '../support/smarthost.ts'
import { certificateFiles, SmtpClient } from '../support/smtp-client.ts'

const HEADER =
  'From: Kate <kate@contoso.com>\r\nTo: john@fabrikam.com\r\nDate: Tue, 24 Nov 2026 02:00:00 +0000\r\nMessage-ID: <1@contoso.com>\r\n'

/** The two ways through: relayed to the Internet, and to an accepted domain only. */
const WAYS = [
  ['relayed', 'kate@contoso.com', 'john@fabrikam.com'],
  ['delivered', 'john@fabrikam.com', 'kate@contoso.com'],
] as const

interface Running {
  readonly server: Smarthost
  readonly sink: TestSink
}

async function start(t: TestContext): Promise<Running> {
  const sink = await startTestSink(t)
  const server = await startSmarthost(t, { smartHost: sink.port })
  return { server, sink }
}

async function connect(server: Smarthost, certificate = true): Promise<SmtpClient> {
  const client = await SmtpClient.connect({
    port: server.smtp,
    ...(certificate ? { certificate: certificateFiles(server.path('demo'), 'mail.contoso.com') } : {}),
  })
  await client.greet(true)
  return client
}

/** Sends one message either way and returns it as it arrived. */
async function through(
  { server, sink }: Running,
  [, from, to]: (typeof WAYS)[number],
  message: string | Buffer,
  parameters = '',
): Promise<Arrived> {
  const client = await connect(server, from === 'kate@contoso.com')
  const id = `x${randomBytes(8).toString('hex')}`
  assert.match(await client.command(`MAIL FROM:<${from.replace('@', `+${id}@`)}>${parameters}`), /^250/)
  assert.match(await client.command(`RCPT TO:<${to}>`), /^250/)
  const reply = await client.message(message)
  assert.match(reply, /^250 2\.0\.0/)
  await client.quit()
  return sink.message((arrived) => arrived.from.includes(id))
}

/** Ours is one Received field (several lines) and nothing else. */
function assertBelowOurs(arrived: Arrived, message: Buffer): void {
  const start = arrived.message.length - message.length
  assert.ok(start > 0, `only ${arrived.message.length} of ${message.length} octets arrived`)
  assert.ok(arrived.message.subarray(start).equals(message), 'the message was changed')
  const ours = arrived.message.subarray(0, start).toString('latin1')
  assert.match(ours, /^Received: from [^\r]*(?:\r\n[ \t][^\r]*)*\r\n$/)
}

const lineOf = (length: number): string => `${'x'.repeat(length)}\r\n`

const BODIES: readonly (readonly [what: string, message: () => Buffer])[] = [
  ['lines that begin with dots', () => Buffer.from(`${HEADER}\r\n.\r\n..\r\n...a\r\n.b\r\n\r\n.\r\n`)],
  [
    '8-bit text that is no UTF-8',
    () =>
      Buffer.concat([Buffer.from(`${HEADER}\r\n`), Buffer.from([0xe4, 0xf6, 0xfc, 0xff, 0x80, 0x0d, 0x0a])]),
  ],
  ['lines of 998 octets', () => Buffer.from(`${HEADER}\r\n${lineOf(998)}${lineOf(998)}`)],
  ['lines of 10,000 octets', () => Buffer.from(`${HEADER}\r\n${lineOf(10_000)}a\r\n${lineOf(10_000)}`)],
  ['a header line of 10,000 octets', () => Buffer.from(`${HEADER}X-Long: ${lineOf(10_000)}\r\nbody\r\n`)],
  [
    'header fields in raw Latin-1',
    () =>
      Buffer.concat([
        Buffer.from(HEADER),
        Buffer.from([...Buffer.from('Subject: Gr'), 0xfc, 0xdf, 0x65, 0x0d, 0x0a]),
        Buffer.from('\r\nbody\r\n'),
      ]),
  ],
  [
    'folded fields, tabs, odd case and doubles',
    () =>
      Buffer.from(
        `${HEADER}subJECT:  a\r\n\tb \r\n  c\r\nX-Same: 1\r\nx-same: 2\r\nX-Empty:\r\nBcc: hidden@contoso.com\r\nReturn-Path: <a@b.example>\r\nAuthentication-Results: other; spf=pass\r\nReceived: from a by b; Tue, 24 Nov 2026 01:00:00 +0000\r\n\r\nbody\r\n`,
      ),
  ],
  ['no body at all', () => Buffer.from(`${HEADER}\r\n`)],
  ['empty lines at its end', () => Buffer.from(`${HEADER}\r\n\r\n\r\nbody\r\n\r\n\r\n`)],
  [
    'MIME parts with odd boundaries',
    () =>
      Buffer.from(
        `${HEADER}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="=_a b"\r\n\r\npreamble\r\n--=_a b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n--=_a b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\n.\r\n--=_a b--\r\nepilogue\r\n`,
      ),
  ],
]

describe('a message', () => {
  it('arrives byte for byte below our own Received field, relayed or delivered', async (t) => {
    const running = await start(t)
    for (const way of WAYS) {
      for (const [what, make] of BODIES) {
        await t.test(`${what}, ${way[0]}`, async () => {
          const message = make()
          assertBelowOurs(await through(running, way, message, ' BODY=8BITMIME'), message)
        })
      }
    }
  })

  it('with an attachment of 25 MB in base64 arrives byte for byte', async (t) => {
    const running = await start(t)
    const lines = randomBytes(19_000_000).toString('base64').replaceAll(/.{76}/g, '$&\r\n')
    const message = Buffer.from(`${HEADER}Content-Transfer-Encoding: base64\r\n\r\n${lines}\r\n`)
    assert.ok(message.length > 25_000_000)
    for (const way of WAYS) assertBelowOurs(await through(running, way, message), message)
  })

  it('in SMTPUTF8 keeps its addresses and asks the next hop for SMTPUTF8', async (t) => {
    const running = await start(t)
    const message = Buffer.from(`${HEADER}Subject: Grüße\r\n\r\nbody\r\n`)
    const client = await connect(running.server)
    assert.match(await client.command('MAIL FROM:<käthe@contoso.com> SMTPUTF8'), /^250/)
    assert.match(await client.command('RCPT TO:<jürgen@bücher.example>'), /^250/)
    assert.match(await client.message(message), /^250/)
    await client.quit()
    const arrived = await running.sink.message(({ from }) => from.includes('the@'))
    assert.equal(arrived.from, 'käthe@contoso.com')
    assert.match(arrived.to[0] ?? '', /^jürgen@(?:bücher|xn--bcher-kva)\.example$/)
    assert.match(arrived.parameters, /SMTPUTF8/)
    assertBelowOurs(arrived, message)
  })

  it('without Date and Message-ID gets them, as scanners forget them', async (t) => {
    const running = await start(t)
    for (const way of WAYS) {
      const arrived = await through(running, way, 'Subject: scan\r\n\r\nbody\r\n')
      const text = arrived.message.toString()
      assert.match(text, /^Date: .*\d{4}/im)
      assert.match(text, /^Message-ID: <.+>/im)
      assert.match(text, /\r\nSubject: scan\r\n/)
      assert.ok(text.endsWith('\r\n\r\nbody\r\n'))
    }
  })

  it('without a header at all is taken, and its text stays', async (t) => {
    const running = await start(t)
    const arrived = await through(running, WAYS[0], '\r\njust text\r\n')
    assert.ok(arrived.message.toString().endsWith('\r\n\r\njust text\r\n'))
  })

  it('to several recipients, one granted and one not, goes to the granted one', async (t) => {
    const running = await start(t)
    const client = await connect(running.server, false)
    await client.command('MAIL FROM:<somebody@fabrikam.com>')
    assert.match(await client.command('RCPT TO:<kate@contoso.com>'), /^250/)
    assert.match(await client.command('RCPT TO:<bob@example.net>'), /^550 5\.7\.64/)
    assert.match(await client.message(`${HEADER}\r\nx\r\n`), /^250/)
    await client.quit()
    const { to } = await running.sink.message(() => true)
    assert.deepEqual(to, ['kate@contoso.com'])
  })
})

describe('never taken', () => {
  it('is a message with a bare CR, a NUL, a bare LF, too many hops or too much of it', async (t) => {
    const { server, sink } = await start(t)
    const refused = async (message: string, expected: RegExp): Promise<void> => {
      const client = await connect(server)
      assert.match(await client.envelope('kate@contoso.com', 'john@fabrikam.com'), /^250/)
      assert.match(await client.message(Buffer.from(message, 'latin1')), expected)
      // The connection goes on, and the next message is judged by itself.
      if (expected.source.startsWith('^5')) {
        assert.match(await client.command('RSET'), /^250/)
      }
      client.close()
    }
    await refused(`${HEADER}\r\na\rb\r\n`, /^554 5\.6\.0 .*bare CR/)
    await refused(`${HEADER}X: a\rb\r\n\r\nbody\r\n`, /^554 5\.6\.0 .*bare CR/)
    await refused(`${HEADER}\r\na\r\r\n`, /^554 5\.6\.0 .*bare CR/)
    await refused(`${HEADER}\r\na\u0000b\r\n`, /^554 5\.6\.0 .*NUL/)
    await refused(`${HEADER}\r\n${'x'.repeat(1_100_000)}\r\n`, /^554 5\.6\.0 .*line that is too long/)
    await refused(`${'X-Much: more of it\r\n'.repeat(60_000)}\r\nbody\r\n`, /^552 5\.3\.4 .*header/)
    await refused(
      `${'Received: from a by b; Tue, 24 Nov 2026 01:00:00 +0000\r\n'.repeat(51)}${HEADER}\r\nx\r\n`,
      /^554 5\.4\.6 Routing loop detected: 51 Received fields/,
    )
    await refused(`From: a@contoso.com\r\n${HEADER}\r\nx\r\n`, /^550 .*(?:From|from)/)
    assert.deepEqual(sink.arrived, [])
    const { message } = await through(
      { server, sink },
      WAYS[0],
      `${'Received: from a by b; Tue, 24 Nov 2026 01:00:00 +0000\r\n'.repeat(50)}${HEADER}\r\nx\r\n`,
    )
    assert.match(message.toString(), /(?:Received: from a [^\n]*\n){50}/)
  })

  it('is a message over the limit, said with SIZE before it is sent and after it was', async (t) => {
    const sink = await startTestSink(t)
    const server = await startSmarthost(t, {
      smartHost: sink.port,
      config: { 'connection.ini': (text) => text.replace('bytes=52428800', 'bytes=100000') },
    })
    const client = await connect(server)
    assert.match(await client.command('MAIL FROM:<kate@contoso.com> SIZE=100001'), /^552 5\.3\.4/)
    assert.match(await client.envelope('kate@contoso.com', 'john@fabrikam.com'), /^250/)
    assert.match(await client.message(`${HEADER}\r\n${lineOf(900).repeat(200)}`), /^552 5\.3\.4/)
    assert.match(await client.envelope('kate@contoso.com', 'john@fabrikam.com'), /^250/)
    assert.match(await client.message(`${HEADER}\r\nsmall\r\n`), /^250/)
    await client.quit()
    const arrived = await sink.message(() => true)
    assert.match(arrived.message.toString(), /small/)
  })
})
