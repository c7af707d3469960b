/** The load: real SMTP clients over real TLS, each scenario the same for every server. */

import type { SecureContext } from 'node:tls'
import { SmtpClient } from '../test/support/smtp-client.ts'

export interface Load {
  /** How many operations were done, e.g. messages. */
  readonly operations: number
  readonly seconds: number
  /** Milliseconds from RCPT to its reply, sorted. */
  readonly latencies: readonly number[]
}

export interface Scenario {
  readonly name: string
  /** What one operation is. */
  readonly unit: string
  run(port: number, scale: number): Promise<Load>
}

/** 4 KiB. */
const MESSAGE = [
  'From: kate@contoso.com',
  'To: bob@example.net',
  'Subject: bench',
  'Date: Tue, 24 Nov 2026 02:00:00 +0000',
  'Message-ID: <bench@contoso.com>',
  '',
  ...Array.from({ length: 57 }, () => 'x'.repeat(70)),
  '',
].join('\r\n')

const SENDER = 'kate@contoso.com'
const DENIED = 'someone@denied.example'

/**
 * @param accepted TLS of a client whose certificate a connector names
 * @param stranger TLS of a client whose certificate nobody names
 * @returns the scenarios
 */
export function scenarios(
  accepted: SecureContext,
  stranger: SecureContext,
): Record<'accept' | 'deny' | 'session', Scenario> {
  return {
    accept: {
      name: 'accepted messages, 20 connections, STARTTLS with a client certificate, 4 KiB',
      unit: 'message',
      run: (port, scale) =>
        sendMessages(port, scale, accepted, () => ({ from: SENDER, to: 'bob@example.net' })),
    },
    deny: {
      name: 'denied recipients, 20 connections, STARTTLS with a client certificate',
      unit: 'recipient',
      run: (port, scale) =>
        together(20, Math.round(200 * scale), port, stranger, async (client, times) => {
          times.push(await timed(() => client.envelope(SENDER, DENIED), '550'))
          require250(await client.command('RSET'))
        }),
    },
    session: {
      name: 'sessions, 10 at a time: STARTTLS with a client certificate, one denied recipient, QUIT',
      unit: 'session',
      run: (port, scale) =>
        shared(10, Math.round(150 * scale), async (times) => {
          const client = await open(port, stranger)
          times.push(await timed(() => client.envelope(SENDER, DENIED), '550'))
          await client.quit()
        }),
    },
  }
}

/**
 * @param port of the server
 * @param scale how many; 1 is 40 in each of 20 connections
 * @param context TLS of the client
 * @param envelope the addresses of the next message
 * @returns what it took to have all of them accepted
 */
export function sendMessages(
  port: number,
  scale: number,
  context: SecureContext,
  envelope: () => { readonly from: string; readonly to: string },
): Promise<Load> {
  return together(20, Math.round(40 * scale), port, context, async (client, times) => {
    const { from, to } = envelope()
    times.push(await timed(() => client.envelope(from, to), '250'))
    require250(await client.message(MESSAGE))
  })
}

async function open(port: number, secureContext: SecureContext): Promise<SmtpClient> {
  const client = await SmtpClient.connect({ port, tls: { secureContext } })
  await client.greet(true)
  return client
}

async function timed(act: () => Promise<string>, code: string): Promise<number> {
  const begin = performance.now()
  const reply = await act()
  if (!reply.startsWith(code)) throw new Error(`expected ${code}, got ${reply}`)
  return performance.now() - begin
}

function require250(reply: string): void {
  if (!reply.startsWith('250')) throw new Error(`expected 250, got ${reply}`)
}

type Operation = (client: SmtpClient, times: number[]) => Promise<void>

/** Connections that are opened before the clock runs. */
async function together(
  connections: number,
  each: number,
  port: number,
  context: SecureContext,
  operation: Operation,
): Promise<Load> {
  const clients = await Promise.all(Array.from({ length: connections }, () => open(port, context)))
  const times: number[] = []
  const begin = performance.now()
  await Promise.all(
    clients.map(async (client) => {
      for (let count = 0; count < each; count += 1) await operation(client, times)
    }),
  )
  const seconds = (performance.now() - begin) / 1000
  await Promise.all(clients.map((client) => client.quit()))
  return { operations: connections * each, seconds, latencies: times.toSorted((left, right) => left - right) }
}

/** So many at a time until all are done. */
async function shared(
  workers: number,
  all: number,
  operation: (times: number[]) => Promise<void>,
): Promise<Load> {
  const times: number[] = []
  let left = all
  const begin = performance.now()
  await Promise.all(
    Array.from({ length: workers }, async () => {
      while (left > 0) {
        left -= 1
        await operation(times)
      }
    }),
  )
  const seconds = (performance.now() - begin) / 1000
  return { operations: all, seconds, latencies: times.toSorted((a, b) => a - b) }
}
