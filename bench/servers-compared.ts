/**
 * This project and bare Haraka, side by side: alternating rounds in one run, ratios of the same round. Bare Haraka has
 * the same settings and a plugin of ten lines that relays without looking.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo, Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import type { SecureContext } from 'node:tls'
import { createSecureContext } from 'node:tls'
import { Authority, CA } from '../test/support/authority.ts'
import type { Made } from '../test/support/authority.ts'
import { median, quantile, spread } from './figures.ts'
import type { Scenario } from './load.ts'
import { scenarios } from './load.ts'
import type { Server } from './servers.ts'
import { startBare, startOurs } from './servers.ts'

interface Measured {
  /** CPU of the server for one operation, in milliseconds. */
  readonly cpu: number
  /** Operations a second. */
  readonly rate: number
  readonly p50: number
  readonly p99: number
}

interface Comparison {
  readonly title: string
  readonly unit: string
  readonly ours: readonly Measured[]
  readonly bare: readonly Measured[]
}

/**
 * @param rounds how many times each server is measured
 * @param scale how much load there is in a round; 1 is the whole
 * @param say where to write
 */
export async function compareServers(
  rounds: number,
  scale: number,
  say: (line: string) => void,
): Promise<void> {
  const authority = new Authority()
  const folder = mkdtempSync(join(tmpdir(), 'connectors-bench-'))
  const sink = await startSink()
  const port = (sink.address() as AddressInfo).port
  try {
    const root = authority.make({ name: 'Bench root', issuer: null, key: 'rsa', extensions: CA })
    const issuer = authority.make({ name: 'Bench intermediate', issuer: root, key: 'rsa', extensions: CA })
    const context = (name: string): SecureContext => {
      const own = authority.make({ name, issuer, key: 'rsa' })
      return contextOf(own, issuer)
    }
    const all = scenarios(context('mail.contoso.com'), context('mail.stranger.example'))
    const one = { folder: join(folder, 'one'), authorities: root.pem, sink: port }
    const system = { folder: join(folder, 'system'), authorities: null, sink: port }
    const told: Comparison[] = []
    for (const [options, trust, list] of [
      [one, 'one CA', [all.session, all.deny, all.accept]],
      [system, "the system's CAs", [all.session]],
    ] as const) {
      mkdirSync(options.folder)
      const servers = [await startOurs(options), await startBare(options)] as const
      try {
        for (const scenario of list) {
          say(`measuring ${scenario.name}, ${trust} ...`)
          told.push(await compare(scenario, trust, servers, rounds, scale))
        }
      } finally {
        for (const server of servers) await server.stop()
      }
    }
    report(told, rounds, say)
  } finally {
    sink.close()
    authority.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

function contextOf(own: Made, issuer: Made): SecureContext {
  return createSecureContext({ cert: own.pem + issuer.pem, key: readFileSync(own.keyFile) })
}

async function compare(
  scenario: Scenario,
  trust: string,
  servers: readonly [Server, Server],
  rounds: number,
  scale: number,
): Promise<Comparison> {
  const [ours, bare] = servers
  const measured = new Map<Server, Measured[]>(servers.map((server) => [server, []]))
  for (const server of servers) await scenario.run(server.port, Math.min(scale, 0.5))
  for (let round = 0; round < rounds; round += 1) {
    for (const server of round % 2 === 0 ? [ours, bare] : [bare, ours]) {
      const before = server.cpu()
      const { latencies, operations, seconds } = await scenario.run(server.port, scale)
      measured.get(server)?.push({
        cpu: (server.cpu() - before) / operations,
        rate: operations / seconds,
        p50: quantile(latencies, 0.5),
        p99: quantile(latencies, 0.99),
      })
    }
  }
  const title = `${scenario.name}; ${trust}`
  return { title, unit: scenario.unit, ours: measured.get(ours) ?? [], bare: measured.get(bare) ?? [] }
}

function report(told: readonly Comparison[], rounds: number, say: (line: string) => void): void {
  say('')
  say(`Ratios to bare Haraka: median of ${rounds} alternating rounds (least-most).`)
  say('')
  for (const { bare, ours, title, unit } of told) {
    const ratio = (what: keyof Measured): string =>
      spread(ours.map((own, round) => own[what] / (bare[round]?.[what] ?? Number.NaN)))
    const absolute = (what: keyof Measured, digits: number): string =>
      `${median(ours.map((own) => own[what])).toFixed(digits)} against ${median(bare.map((other) => other[what])).toFixed(digits)}`
    say(title)
    say(`  CPU a ${unit}:    ${ratio('cpu')}, ${absolute('cpu', 2)} ms`)
    say(`  ${unit}s a second: ${ratio('rate')}, ${absolute('rate', 0)}`)
    say(`  RCPT p50:         ${ratio('p50')}, ${absolute('p50', 1)} ms`)
    say(`  RCPT p99:         ${ratio('p99')}, ${absolute('p99', 1)} ms`)
  }
}

/** Takes everything, keeps nothing. */
export async function startSink(): Promise<TcpServer> {
  const server = createServer((socket) => {
    let text = ''
    let inData = false
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      for (;;) {
        const end = inData ? text.indexOf('\r\n.\r\n') : text.indexOf('\r\n')
        if (end === -1) return
        const line = text.slice(0, end)
        text = text.slice(end + (inData ? 5 : 2))
        if (!inData && /^DATA$/i.test(line)) {
          inData = true
          socket.write('354 go on\r\n')
        } else {
          inData = false
          // Whoever waits for the sender to close runs out of sockets.
          if (/^QUIT$/i.test(line)) socket.end('221 bye\r\n')
          else socket.write('250 fine\r\n')
        }
      }
    })
    socket.write('220 sink\r\n')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}
