/** The way out as a whole: a real server with two workers, real next hops, and what an administrator sees of it. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { readDeliveryStatus } from '../support/delivery-status.ts'
import { Authority, CA, LEAF } from '../support/authority.ts'
import type { NextHop } from '../support/hostile-next-hop.ts'
import { startNextHop } from '../support/hostile-next-hop.ts'
import type { Given, Message } from '../support/hostile-script.ts'
import { hasPrograms } from '../support/programs.ts'
import { PYTHON, PythonMail } from '../support/python-mail.ts'
import type { Smarthost } from '../support/smarthost.ts'
import { atEnd, connectorctl, makeInstance, startInstance } from '../support/smarthost.ts'
import { SmtpClient } from '../support/smtp-client.ts'

/** What the next hops do at the moment; a test changes it. */
interface Mood {
  exchange: 'well' | 'without TLS'
  adatum: 'well' | 'busy' | 'refuses'
}

interface Running {
  readonly server: Smarthost
  readonly exchange: NextHop
  readonly fabrikam: NextHop
  readonly provider: NextHop
  readonly adatum: NextHop
  readonly mood: Mood
  readonly restart: () => Promise<Smarthost>
}

const organizationsOf = (
  ports: Readonly<Record<'exchange' | 'fabrikam' | 'provider' | 'adatum', number>>,
): string => `
organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
    inboundConnectors:
      - name: Servers
        connectorType: OnPremises
        senderIPAddresses: [127.50.0.0/24]
    outboundConnectors:
      - name: Own servers
        connectorType: OnPremises
        allAcceptedDomains: true
        smartHosts: ["127.0.0.1:${ports.exchange}"]
        tlsSettings: EncryptionOnly
      - name: Partner
        connectorType: Partner
        recipientDomains: [fabrikam.com]
        smartHosts: ["127.0.0.1:${ports.fabrikam}"]
      - name: Rest
        recipientDomains: ['*']
        smartHosts: ["127.0.0.1:${ports.provider}"]
  - name: adatum
    acceptedDomains:
      - domainName: adatum.com
    outboundConnectors:
      - name: Adatum's own
        connectorType: OnPremises
        allAcceptedDomains: true
        smartHosts: ["127.0.0.1:${ports.adatum}"]
`

async function start(t: TestContext): Promise<Running> {
  const authority = new Authority()
  atEnd(t, () => {
    authority.close()
  })
  const ca = authority.make({ name: 'Some CA', issuer: null, extensions: CA })
  const made = authority.make({ name: 'mail.contoso.com', issuer: ca, extensions: LEAF })
  const tls = { cert: made.pem, key: readFileSync(made.keyFile, 'utf8') }
  const mood: Mood = { exchange: 'well', adatum: 'well' }
  const exchange = await startNextHop(t, {
    tls,
    script: {
      EHLO: ({ secure }: Given) =>
        mood.exchange === 'without TLS' && !secure ? '250-exchange.test\r\n250 8BITMIME' : undefined,
    },
  })
  const fabrikam = await startNextHop(t, { tls: null })
  const provider = await startNextHop(t, {
    tls: null,
    script: {
      RCPT: ({ line }: Given) => (line.includes('<nobody@') ? '550 5.1.1 No such user here' : undefined),
    },
  })
  const adatum = await startNextHop(t, {
    tls: null,
    script: {
      RCPT: () => ({ well: undefined, busy: '451 4.2.1 Busy', refuses: '550 5.7.1 Not you' })[mood.adatum],
    },
  })
  const hops = { exchange, fabrikam, provider, adatum }
  const ports = {
    exchange: exchange.port,
    fabrikam: fabrikam.port,
    provider: provider.port,
    adatum: adatum.port,
  }
  const instance = await makeInstance(t, {
    organizations: organizationsOf(ports),
    config: {
      'smtp.ini': (text) => text.replace(/^nodes=.*$/m, 'nodes=2'),
      // Nothing is tried again unless somebody says so.
      'connectors.ini': (text) => text.replace(/^retry_intervals = .*$/m, 'retry_intervals = 1h'),
    },
  })
  let server = await startInstance(t, instance)
  const restart = async (): Promise<Smarthost> => {
    assert.equal(await server.stop(), 0)
    server = await startInstance(t, instance)
    return server
  }
  return { server, ...hops, mood, restart }
}

interface Queued {
  readonly envelope: { readonly id: string; readonly organization: string | null }
}

interface Mail {
  readonly from: string
  /** With their parameters. */
  readonly to: readonly string[]
  readonly localAddress?: string
  readonly subject?: string
}

/** @returns the id that the server gave it */
async function send({ smtp: port }: Pick<Smarthost, 'smtp'>, mail: Mail): Promise<string> {
  const { from, localAddress = '127.50.0.1', subject = 'Offer', to } = mail
  const client = await SmtpClient.connect({ port, localAddress })
  await client.greet(false)
  assert.match(await client.command(`MAIL FROM:${from}`), /^250/)
  for (const recipient of to) assert.match(await client.command(`RCPT TO:${recipient}`), /^250/, recipient)
  const reply = await client.message(`From: kate@contoso.com\r\nSubject: ${subject}\r\n\r\n.dot\r\n`)
  await client.quit()
  const [, id = ''] = /^250 2\.0\.0 .*\(([0-9A-F-]+\.\d+)\)$/.exec(reply) ?? []
  assert.notEqual(id, '', reply)
  return id
}

async function json<Line>(server: Pick<Smarthost, 'folder'>, ...args: string[]): Promise<Line[]> {
  const { code, stderr, stdout } = await connectorctl(...args, '--json', '--instance', server.folder)
  assert.ok(code === 0 || code === 1, stderr)
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}

async function ok(server: Pick<Smarthost, 'folder'>, ...args: string[]): Promise<string> {
  const { code, stderr, stdout } = await connectorctl(...args, '--instance', server.folder)
  assert.equal(code, 0, stderr)
  return stdout
}

/** The message that fits, once it has arrived. */
async function arrived(
  server: Smarthost,
  hop: NextHop,
  fits: (message: Message) => boolean,
): Promise<Message> {
  for (;;) {
    const found = hop.messages.find((message) => fits(message))
    if (found !== undefined) return found
    const seen = server.output().length
    await server.printed(new RegExp(`^[^]{${seen}}[^]*(?:delivered|deferred|bounced|held) `))
  }
}

/** RFC 2920 section 3.1: where nobody was taken, DATA is ended with nothing. */
function contentsOf({ messages }: NextHop): string[] {
  return messages.map(({ content }) => content.toString()).filter((content) => content !== '')
}

describe('mail on its way out', () => {
  it('is split by next hop, each with what was promised; who is refused comes back to the sender', async (t) => {
    if (!hasPrograms(t, PYTHON)) return
    const { adatum, exchange, fabrikam, provider, server } = await start(t)
    const id = await send(server, {
      from: '<kate@contoso.com> RET=HDRS ENVID=QQ314159',
      to: [
        '<bob@fabrikam.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@fabrikam.com',
        '<john@contoso.com>',
        '<zoe@adatum.com> NOTIFY=NEVER',
        '<nobody@tailspin.example> ORCPT=rfc822;somebody@tailspin.example',
      ],
    })
    await arrived(server, exchange, ({ rcpt }) => rcpt.some((line) => line.includes('<kate@')))
    await arrived(server, fabrikam, () => true)
    await arrived(server, adatum, () => true)

    const to = (hop: NextHop): string[] => hop.messages.flatMap(({ rcpt }) => rcpt)
    assert.deepEqual(to(fabrikam), [
      'RCPT TO:<bob@fabrikam.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@fabrikam.com',
    ])
    assert.match(
      fabrikam.messages[0]?.mail ?? '',
      /^MAIL FROM:<kate@contoso\.com>.* RET=HDRS ENVID=QQ314159$/,
    )
    assert.deepEqual(to(adatum), ['RCPT TO:<zoe@adatum.com> NOTIFY=NEVER'])
    assert.deepEqual(to(provider), [])
    assert.deepEqual(
      to(exchange).map((line) => line.split(' ').at(1)),
      ['TO:<john@contoso.com>', 'TO:<kate@contoso.com>'],
    )
    assert.ok(exchange.messages.every(({ secure }) => secure))
    assert.match(fabrikam.messages[0]?.content.toString() ?? '', /\r\n\r\n\.\.dot\r\n$/)

    // RFC 3464, RFC 3461 section 6.
    const bounce = exchange.messages.find(({ rcpt }) => rcpt.some((line) => line.includes('<kate@')))
    assert.match(bounce?.mail ?? '', /^MAIL FROM:<>/)
    const python = new PythonMail()
    const read = await python.read(bounce?.content ?? Buffer.alloc(0))
    await python.close()
    assert.equal(read.type, 'multipart/report')
    assert.deepEqual(read.defects, [])
    assert.deepEqual(
      read.parts.map(({ type }) => type),
      ['text/plain', 'message/delivery-status', 'text/rfc822-headers'],
    )
    const status = readDeliveryStatus(read.parts[1]?.body ?? Buffer.alloc(0), false)
    assert.equal(status.message.get('Original-Envelope-Id'), 'QQ314159')
    assert.equal(status.message.get('Reporting-MTA'), 'dns; smarthost.test')
    assert.equal(status.recipients.length, 1)
    const [refused] = status.recipients
    assert.equal(refused?.get('Original-Recipient'), 'rfc822; somebody@tailspin.example')
    assert.equal(refused.get('Final-Recipient'), 'rfc822; nobody@tailspin.example')
    assert.equal(refused.get('Action'), 'failed')
    assert.equal(refused.get('Status'), '5.1.1')
    assert.match(refused.get('Diagnostic-Code') ?? '', /^smtp; 550 5\.1\.1 No such user here$/)

    const told = await ok(server, 'trace', id)
    for (const what of [
      'kate@contoso.com',
      'delivered',
      'bounced',
      'bob@fabrikam.com',
      'No such user here',
    ]) {
      assert.ok(told.includes(what), `${what}\n${told}`)
    }
    assert.deepEqual(await json(server, 'queue', 'list'), [])
  })

  it('of a stranger is held when it is refused, told of, and dropped by an administrator only', async (t) => {
    const { adatum, mood, server } = await start(t)
    mood.adatum = 'refuses'
    const id = await send(server, {
      from: '<stranger@example.net>',
      to: ['<zoe@adatum.com>'],
      localAddress: '127.0.0.1',
    })
    await server.printed(/held /)
    const [held] = await json<Queued>(server, 'queue', 'list', '--held')
    assert.equal(held?.envelope.id, id)
    assert.deepEqual(contentsOf(adatum), [])
    const { stdout } = await connectorctl('doctor', '--instance', server.folder)
    assert.match(stdout, /held/)
    const refused = await connectorctl('queue', 'bounce', id, '--yes', '--instance', server.folder)
    assert.equal(refused.code, 1, 'a stranger is never told')
    assert.match(refused.stdout + refused.stderr, /its sender was not attributed/)
    await ok(server, 'queue', 'drop', id, '--yes')
    assert.deepEqual(await json(server, 'queue', 'list'), [])
    assert.match(await ok(server, 'trace', id), /dropped/)
  })

  it('that waits goes the same way after a restart, and is tried when an administrator says so', async (t) => {
    const { adatum, fabrikam, mood, restart, server } = await start(t)
    mood.adatum = 'busy'
    const id = await send(server, { from: '<kate@contoso.com>', to: ['<zoe@adatum.com>'] })
    await server.printed(/deferred /)
    const again = await restart()
    const [waiting] = await json<Queued>(again, 'queue', 'list')
    assert.equal(waiting?.envelope.id, id)
    assert.equal(waiting.envelope.organization, 'contoso')
    mood.adatum = 'well'
    await ok(again, 'queue', 'retry', '--destination', 'adatum.com', '--yes')
    await arrived(again, adatum, ({ content }) => content.length > 0)
    assert.equal(contentsOf(adatum).length, 1)
    assert.equal(fabrikam.messages.length, 0)
    await again.printed(/delivered /)
    assert.match(await ok(again, 'trace', id), /Busy[^]*delivered/)
  })

  it('never goes in plain text where TLS was promised, and says in the queue why it waits', async (t) => {
    const { exchange, mood, server } = await start(t)
    mood.exchange = 'without TLS'
    const id = await send(server, { from: '<kate@contoso.com>', to: ['<john@contoso.com>'] })
    await server.printed(/deferred /)
    const listed = await ok(server, 'queue', 'list')
    assert.ok(listed.includes('4.7.4') && listed.includes('STARTTLS'), listed)
    await ok(server, 'queue', 'retry', id, '--yes')
    await server.printed(/deferred [^]*deferred /)
    for (const { plain } of exchange.connections) assert.doesNotMatch(plain, /^(?!EHLO |QUIT\r)./m)
    mood.exchange = 'well'
    await ok(server, 'queue', 'retry', id, '--yes')
    const { secure } = await arrived(server, exchange, () => true)
    assert.equal(secure, true)
  })
})
