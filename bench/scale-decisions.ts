/** Decisions from Redis in this process, as the plugins take them: one look-up at MAIL, one at RCPT. */

import type { Directory } from '../src/directory/directory.ts'
import { openRedisDirectory } from '../src/directory/redis/redis-store.ts'
import { attributeSender, decideRecipient } from '../src/relaying/gather.ts'
import { connectionTo } from '../test/support/redis.ts'
import { median, quantile } from './figures.ts'
import type { BenchRedis } from './redis-server.ts'
import type { Message, Size } from './scale-data.ts'
import { messageOf } from './scale-data.ts'

const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined }
const FORGETFUL = { read: () => null, write: () => undefined }
const SETTINGS = { acceptInbound: true, postmaster: null, requireDomainProof: false }
const TERMS = { now: '2026-11-25T00:00:00.000Z', requireDomainProof: false }

/** Times that each question is asked again. */
const AGAIN = 10

export interface Sized {
  readonly size: Size
  readonly redis: BenchRedis
}

export interface Decisions {
  /** Microseconds of a whole decision (MAIL and RCPT) that was never asked for before, sorted. */
  readonly cold: readonly number[]
  /** And of the same ones again. */
  readonly warm: readonly number[]
  /** Microseconds of this process' CPU for a warm one: other people's work on the machine hardly shows in it. */
  readonly warmCpu: number
  /** Redis commands of a decision, by name, e.g. `mget 2`. */
  readonly coldCommands: string
  readonly warmCommands: string
}

/**
 * @param sizes the directories, asked in turn
 * @param passes how often, each time with nothing remembered; one more goes before it, for compiling
 * @param messages how many different ones in each pass
 * @returns the figures of each
 * @throws when one is not decided as it must be
 */
export async function measureDecisions(
  sizes: readonly Sized[],
  passes: number,
  messages: number,
): Promise<Decisions[]> {
  const all = sizes.map((): Decisions[] => [])
  for (let pass = 0; pass <= passes; pass += 1) {
    for (const [index, sized] of sizes.entries()) {
      const one = await onePass(sized, messages)
      if (pass > 0) all[index]?.push(one)
    }
  }
  return all.map((ones) => ({
    cold: ascending(ones.flatMap(({ cold }) => cold)),
    warm: ascending(ones.flatMap(({ warm }) => warm)),
    warmCpu: median(ones.map(({ warmCpu }) => warmCpu)),
    coldCommands: [...new Set(ones.map(({ coldCommands }) => coldCommands))].join(', then '),
    warmCommands: [...new Set(ones.map(({ warmCommands }) => warmCommands))].join(', then '),
  }))
}

function ascending(values: readonly number[]): number[] {
  return values.toSorted((left, right) => left - right)
}

async function onePass({ size, redis }: Sized, count: number): Promise<Decisions> {
  const messages = Array.from({ length: count }, (_, number) => messageOf(number, count, size))
  const directory = await openRedisDirectory({
    connection: connectionTo(redis.port),
    prefix: 'connectors',
    seen: FORGETFUL,
    log: LOG,
    cache: { maxBytes: 67_108_864, ttlMilliseconds: 60_000 },
  })
  try {
    await redis.reset()
    const cold: number[] = []
    for (const message of messages) cold.push(await timed(directory, message))
    const coldCommands = await counted(redis, count)
    await redis.reset()
    const warm: number[] = []
    const before = process.cpuUsage()
    for (let again = 0; again < AGAIN; again += 1) {
      for (const message of messages) warm.push(await timed(directory, message))
    }
    const { system, user } = process.cpuUsage(before)
    const warmCpu = (system + user) / warm.length
    return { cold, warm, warmCpu, coldCommands, warmCommands: await counted(redis, warm.length) }
  } finally {
    await directory.close()
  }
}

async function counted(redis: BenchRedis, decisions: number): Promise<string> {
  const commands = [...(await redis.commands())].map(([name, calls]) => `${name} ${calls / decisions}`)
  return commands.length === 0 ? 'none' : commands.toSorted().join(' ')
}

/** Microseconds of one decision. */
async function timed(directory: Directory, message: Message): Promise<number> {
  const { peer, senderDomain, recipientDomain } = message
  const sender = { address: `a@${senderDomain}`, domain: senderDomain }
  const recipient = {
    address: `b@${recipientDomain}`,
    localPart: 'b',
    domain: recipientDomain,
    sourceRoute: false,
  }
  const begin = performance.now()
  const attribution = await attributeSender(directory, peer, sender, () => peer.certificate, TERMS)
  const { outcome, reason } = await decideRecipient(directory, {
    now: TERMS.now,
    attribution,
    recipient,
    settings: SETTINGS,
    relayingRespected: false,
    smartHost: { host: 'next.example', port: 25 },
  })
  const microseconds = (performance.now() - begin) * 1000
  if (outcome !== 'relay') throw new Error(`${senderDomain}: ${outcome} (${reason})`)
  return microseconds
}

/** @returns e.g. `p50 0.41 p99 0.93` */
export function quantiles(sorted: readonly number[], unit: 1 | 1000, digits: number): string {
  const figure = (share: number): string => (quantile(sorted, share) / unit).toFixed(digits)
  return `p50 ${figure(0.5)} p99 ${figure(0.99)}`
}
