/** Real smarthosts with directories of different sizes, at the same time, under the same load. */

import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { SecureContext } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { Authority, CA } from '../test/support/authority.ts'
import { SmtpClient } from '../test/support/smtp-client.ts'
import { median, spread } from './figures.ts'
import type { Scenario } from './load.ts'
import { scenarios, sendMessages } from './load.ts'
import { memoryOf } from './program.ts'
import type { BenchRedis } from './redis-server.ts'
import { domainName } from './scale-data.ts'
import type { Sized } from './scale-decisions.ts'
import { startSink } from './servers-compared.ts'
import type { Server } from './servers.ts'
import { startOurs } from './servers.ts'

interface Round {
  /** Milliseconds of CPU of the server for a message. */
  readonly cpu: number
  readonly rate: number
  /** Redis commands for a message, the look at the header each 200 ms left out. */
  readonly commands: number
}

interface Loaded extends Sized {
  readonly server: Server
}

export interface Options {
  readonly folder: string
  readonly rounds: number
  /** How much load there is in a round; 1 is the whole. */
  readonly scale: number
  /** Different domains that each server is asked about before its memory is looked at. */
  readonly asked: number
}

/**
 * @param small the smaller directory
 * @param large the larger one
 * @param options how much
 * @param say where to write
 */
export async function compareSizes(
  small: Sized,
  large: Sized,
  options: Options,
  say: (line: string) => void,
): Promise<void> {
  const authority = new Authority()
  const sink = await startSink()
  const loaded: Loaded[] = []
  try {
    const root = authority.make({ name: 'Bench root', issuer: null, key: 'rsa', extensions: CA })
    const own = authority.make({ name: 'mail.contoso.com', issuer: root, key: 'rsa' })
    const context = createSecureContext({ cert: own.pem, key: readFileSync(own.keyFile) })
    for (const [index, sized] of [small, large].entries()) {
      const folder = join(options.folder, `server${index}`)
      mkdirSync(folder)
      const { port } = sink.address() as AddressInfo
      const server = await startOurs({ folder, authorities: root.pem, sink: port, redis: sized.redis.port })
      loaded.push({ ...sized, server })
    }
    const [left, right] = loaded
    if (left === undefined || right === undefined) throw new Error('there are two')
    const known = scenarios(context, context).accept
    for (const scenario of [known, strangers(context)]) {
      report(scenario.name, await alternate(scenario, [left, right], options), say)
    }
    say('memory of a worker, in MiB of RSS:')
    sayMemory('after these messages', left, right, say)
    const commands = await Promise.all(loaded.map((one) => fill(one, options.asked, context)))
    sayMemory(`after MAIL from ${options.asked.toLocaleString('en')} domains more`, left, right, say)
    say(`  Redis commands for each of these MAIL: ${commands.join(' and ')}`)
  } finally {
    for (const { server } of loaded) await server.stop()
    sink.close()
    authority.close()
  }
}

/** The certificate's domain is registered, so that senders of any domain are relayed: each name is asked for once. */
function strangers(context: SecureContext): Scenario {
  let number = 0
  return {
    name: 'the same with a sender and a recipient never seen before in each message',
    unit: 'message',
    run: (port, scale) =>
      sendMessages(port, scale, context, () => {
        number += 1
        return { from: `a@s${number}.example`, to: `b@r${number}.example.net` }
      }),
  }
}

async function alternate(
  scenario: Scenario,
  servers: readonly [Loaded, Loaded],
  { rounds, scale }: Options,
): Promise<readonly [Round[], Round[]]> {
  const [left, right] = servers
  const measured: readonly [Round[], Round[]] = [[], []]
  for (const { server } of servers) await scenario.run(server.port, Math.min(scale, 0.5))
  for (let round = 0; round < rounds; round += 1) {
    for (const one of round % 2 === 0 ? [left, right] : [right, left]) {
      measured[one === left ? 0 : 1].push(await oneRound(scenario, one, scale))
    }
  }
  return measured
}

async function oneRound(scenario: Scenario, { server, redis }: Loaded, scale: number): Promise<Round> {
  await redis.reset()
  const before = server.cpu()
  const { operations, seconds } = await scenario.run(server.port, scale)
  const cpu = (server.cpu() - before) / operations
  return { cpu, rate: operations / seconds, commands: (await callsOf(redis)) / operations }
}

async function callsOf(redis: BenchRedis): Promise<number> {
  return [...(await redis.commands()).values()].reduce((sum, calls) => sum + calls, 0)
}

function report(
  name: string,
  [small, large]: readonly [Round[], Round[]],
  say: (line: string) => void,
): void {
  const ratio = (what: 'cpu' | 'rate'): string =>
    spread(large.map((round, index) => round[what] / (small[index]?.[what] ?? Number.NaN)))
  const both = (what: keyof Round, digits: number): string =>
    [large, small]
      .map((rounds) => median(rounds.map((round) => round[what])).toFixed(digits))
      .join(' against ')
  say(`${name}; the largest against the smallest directory, median of ${small.length} rounds (least-most):`)
  say(`  CPU a message:     ${ratio('cpu')}, ${both('cpu', 2)} ms`)
  say(`  messages a second: ${ratio('rate')}, ${both('rate', 0)}`)
  say(`  Redis commands a message: ${both('commands', 3)}`)
}

function sayMemory(when: string, small: Loaded, large: Loaded, say: (line: string) => void): void {
  const [left, right] = [small, large].map(({ server }) => memoryOf(server.pid, 'VmRSS'))
  say(`  ${when}: ${right?.toFixed(0)} against ${left?.toFixed(0)}`)
}

/** Connections, and how many MAIL each of them sends at once. */
const CONNECTIONS = 10
const AT_ONCE = 20

/** MAIL and RSET from different domains until the near cache is full: how many Redis commands each took. */
async function fill({ server, redis }: Loaded, domains: number, context: SecureContext): Promise<string> {
  await redis.reset()
  let next = 0
  const some = async (): Promise<void> => {
    const client = await SmtpClient.connect({ port: server.port, tls: { secureContext: context } })
    await client.greet(true)
    while (next < domains) {
      const numbers = Array.from({ length: Math.min(AT_ONCE, domains - next) }, (_, index) => next + index)
      next += numbers.length
      client.write(numbers.map((number) => `MAIL FROM:<a@${domainName(number)}>\r\nRSET\r\n`).join(''))
      for (let reply = 0; reply < 2 * numbers.length; reply += 1) await client.expect(/^250/)
    }
    await client.quit()
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, () => some()))
  return ((await callsOf(redis)) / domains).toFixed(3)
}
