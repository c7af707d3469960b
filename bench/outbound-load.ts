/** The load of `bench outbound`: real clients that send ready-made bytes, so that they cost as little as they can. */

import type { SecureContext } from 'node:tls'
import { SmtpClient } from '../test/support/smtp-client.ts'
import { DESTINATIONS, destinationDomain } from './outbound-sinks.ts'

export interface OutboundScenario {
  readonly name: string
  /** Of the content, in bytes. */
  readonly size: number
  /** In a whole round. */
  readonly messages: number
  readonly starttls: boolean
  readonly destinations: boolean
}

const KIB = 1024

export const OUTBOUND_SCENARIOS: readonly OutboundScenario[] = [
  { name: '4 KiB, one smart host', size: 4 * KIB, messages: 2000, starttls: false, destinations: false },
  {
    name: '4 KiB, one smart host, clients by STARTTLS with a certificate',
    size: 4 * KIB,
    messages: 2000,
    starttls: true,
    destinations: false,
  },
  { name: '4 KiB, 100 destinations', size: 4 * KIB, messages: 2000, starttls: false, destinations: true },
  { name: '1 MiB, one smart host', size: KIB * KIB, messages: 200, starttls: false, destinations: false },
  { name: '1 MiB, 100 destinations', size: KIB * KIB, messages: 200, starttls: false, destinations: true },
]

/** Where clients without a certificate come from. */
const CLIENT_ADDRESS = '127.50.0.1'

const CONNECTIONS = 20

const HEADER = [
  'From: kate@contoso.com',
  'To: bob@example.net',
  'Subject: bench',
  'Date: Tue, 24 Nov 2026 02:00:00 +0000',
  'Message-ID: <bench@contoso.com>',
  '',
  '',
].join('\r\n')

/**
 * Twenty connections, opened before the clock runs, each with one message at a time.
 * @param scenario what is sent
 * @param port of the server
 * @param context TLS of the client
 * @param messages how many
 * @returns when the first was begun and the last was accepted, by `performance.now()`
 */
export async function sendOutbound(
  scenario: OutboundScenario,
  port: number,
  context: SecureContext,
  messages: number,
): Promise<{ readonly begin: number; readonly accepted: number }> {
  const { destinations, starttls } = scenario
  const content = contentOf(scenario.size)
  const open = async (): Promise<SmtpClient> => {
    const client = await SmtpClient.connect(
      starttls ? { port, tls: { secureContext: context } } : { port, localAddress: CLIENT_ADDRESS },
    )
    await client.greet(starttls)
    return client
  }
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, open))
  let next = 0
  const begin = performance.now()
  await Promise.all(
    clients.map(async (client) => {
      while (next < messages) {
        const domain = destinations ? destinationDomain(next % DESTINATIONS) : 'example.net'
        next += 1
        await sendOne(client, `bob@${domain}`, content)
      }
    }),
  )
  const accepted = performance.now()
  await Promise.all(clients.map((client) => client.quit()))
  return { begin, accepted }
}

async function sendOne(client: SmtpClient, recipient: string, content: Buffer): Promise<void> {
  client.write('MAIL FROM:<kate@contoso.com>\r\n')
  await client.expect(/^250/)
  client.write(`RCPT TO:<${recipient}>\r\n`)
  await client.expect(/^250/)
  client.write('DATA\r\n')
  await client.expect(/^354/)
  client.write(content)
  await client.expect(/^250/)
}

function contentOf(size: number): Buffer {
  const line = `${'x'.repeat(70)}\r\n`
  return Buffer.from(`${HEADER}${line.repeat(Math.ceil((size - HEADER.length) / line.length))}.\r\n`)
}
