/**
 * Mail in at one side and out at the other: this project, bare Haraka and Postfix side by side, all running, in
 * alternating rounds; ratios are of the figures of one round. The next hops are Postfix's smtp-sink.
 */

import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createSecureContext } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { Authority, CA } from '../test/support/authority.ts'
import { median, spread } from './figures.ts'
import type { OutboundScenario } from './outbound-load.ts'
import { OUTBOUND_SCENARIOS, sendOutbound } from './outbound-load.ts'
import { startBareOutbound, startOursOutbound, startPostfixOutbound } from './outbound-servers.ts'
import { OutboundSinks } from './outbound-sinks.ts'
import type { Server } from './servers.ts'

interface Measured {
  /** Messages a second until the last was accepted. */
  readonly accepted: number
  /** Messages a second until the last was at the sink. */
  readonly delivered: number
  /** Milliseconds of CPU of the server and its children for a message. */
  readonly cpu: number
  /** To the sinks, for a message. */
  readonly connections: number
}

interface Bench {
  readonly servers: ReadonlyMap<string, Server>
  readonly sinks: OutboundSinks
  readonly context: SecureContext
  readonly scale: number
  readonly rounds: number
}

const BARE = 'bare Haraka'
const POSTFIX = 'Postfix'
const OURS = 'ours'
const OURS_TWO = 'ours, two workers'

/** For what a server still does when the last message has gone: it counts as its CPU. */
const AFTERWARDS_MILLISECONDS = 300

/**
 * @param rounds how many times each server is measured
 * @param scale how much load there is in a round; 1 is the whole
 * @param say where to write
 * @param scenarios what is measured; all of it unless it is said otherwise
 */
export async function measureOutbound(
  rounds: number,
  scale: number,
  say: (line: string) => void,
  scenarios = OUTBOUND_SCENARIOS,
): Promise<void> {
  const authority = new Authority()
  const folder = mkdtempSync(join(tmpdir(), 'connectors-bench-'))
  chmodSync(folder, 0o755)
  const sinks = await OutboundSinks.start()
  const servers = new Map<string, Server>()
  try {
    const root = authority.make({ name: 'Bench root', issuer: null, key: 'rsa', extensions: CA })
    const own = authority.make({ name: 'mail.contoso.com', issuer: root, key: 'rsa' })
    const print = authority.openssl('x509', '-in', own.file, '-noout', '-fingerprint', '-sha256')
    const fingerprint = print.trim().replace(/^.*=/, '')
    const options = { folder, authorities: root.pem, fingerprint, port: sinks.port }
    servers.set(OURS, await startOursOutbound(options, 0))
    servers.set(OURS_TWO, await startOursOutbound(options, 2))
    servers.set(BARE, await startBareOutbound(options))
    servers.set(POSTFIX, await startPostfixOutbound(options))
    const context = createSecureContext({ cert: own.pem, key: readFileSync(own.keyFile) })
    for (const scenario of scenarios) {
      say(`measuring ${scenario.name} ...`)
      report(scenario, await compare(scenario, { servers, sinks, context, scale, rounds }), say)
    }
  } finally {
    for (const server of servers.values()) await server.stop()
    await sinks.stop()
    authority.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function compare(
  scenario: OutboundScenario,
  bench: Bench,
): Promise<ReadonlyMap<string, readonly Measured[]>> {
  const names = [...bench.servers.keys()]
  const measured = new Map<string, Measured[]>(names.map((name) => [name, []]))
  for (const name of names) await oneRound(scenario, bench, name, Math.min(bench.scale, 0.2))
  for (let round = 0; round < bench.rounds; round += 1) {
    // Each comes first, second and so on equally often.
    const order = [...names.slice(round % names.length), ...names.slice(0, round % names.length)]
    for (const name of order) {
      measured.get(name)?.push(await oneRound(scenario, bench, name, bench.scale))
    }
  }
  return measured
}

async function oneRound(
  scenario: OutboundScenario,
  { context, servers, sinks }: Bench,
  name: string,
  scale: number,
): Promise<Measured> {
  const server = servers.get(name)
  if (server === undefined) throw new Error(`no ${name}`)
  const messages = Math.round(scenario.messages * scale)
  const before = { cpu: server.cpu(), messages: sinks.messages(), connections: sinks.connections() }
  const { accepted, begin } = await sendOutbound(scenario, server.port, context, messages)
  const delivered = await sinks.arrived(before.messages + messages)
  const connections = sinks.connections() - before.connections
  await pause(AFTERWARDS_MILLISECONDS)
  if (sinks.messages() > before.messages + messages) throw new Error(`${name} delivered something twice`)
  const rate = (end: number): number => (messages * 1000) / (end - begin)
  return {
    accepted: rate(accepted),
    delivered: rate(delivered),
    cpu: (server.cpu() - before.cpu) / messages,
    connections: connections / messages,
  }
}

function report(
  { name }: OutboundScenario,
  measured: ReadonlyMap<string, readonly Measured[]>,
  say: (line: string) => void,
): void {
  const rows = (what: keyof Measured): readonly (readonly [string, readonly number[]])[] =>
    [...measured].map(([server, rounds]) => [server, rounds.map((round) => round[what])])
  const absolute = (what: keyof Measured, digits: number): string =>
    rows(what)
      .map(([server, values]) => `${server} ${median(values).toFixed(digits)}`)
      .join('; ')
  const ratios = (what: keyof Measured, base: string): string => {
    const bases = measured.get(base) ?? []
    return rows(what)
      .filter(([server]) => server !== base)
      .map(
        ([server, values]) =>
          `${server} ${spread(values.map((value, round) => value / (bases[round]?.[what] ?? Number.NaN)))}`,
      )
      .join('; ')
  }
  say(name)
  say(`  delivered a second: ${absolute('delivered', 0)}`)
  for (const base of [BARE, POSTFIX]) say(`    ratios to ${base}: ${ratios('delivered', base)}`)
  say(`  accepted a second: ${absolute('accepted', 0)}`)
  for (const base of [BARE, POSTFIX]) say(`    ratios to ${base}: ${ratios('accepted', base)}`)
  say(`  CPU a message, in milliseconds: ${absolute('cpu', 2)}`)
  for (const base of [BARE, POSTFIX]) say(`    ratios to ${base}: ${ratios('cpu', base)}`)
  say(`  connections a message: ${absolute('connections', 3)}`)
}
