/**
 * Many workers, as on many nodes, change one directory in Redis and decide from it for a while. Every decision is
 * compared with the audit stream: it must have been right at some moment of the second before it was asked for.
 */

import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Audited } from '../src/directory/redis/audit.ts'
import { AuditTrail } from '../src/directory/redis/audit.ts'
import { verifyDirectory } from '../src/directory/redis/verify.ts'
import { DirectoryWriter } from '../src/directory/redis/writer.ts'
import { connectionTo } from '../test/support/redis.ts'
import type { BenchRedis } from './redis-server.ts'
import { startBenchRedis } from './redis-server.ts'
import { History } from './soak-history.ts'
import type { WorkerOptions, WorkerReport } from './soak-report.ts'
import { bucketOf, bucketQuantile } from './soak-report.ts'
import type { Read } from './soak-world.ts'
import { FIRST_STATE, organizationsFor, readRead } from './soak-world.ts'

const BENCH = fileURLToPath(new URL('../bin/bench.js', import.meta.url))
const PREFIX = 'soak'

/** Beyond it an answer contradicts the audit stream. */
const MOST_STALENESS = 1_000

/** The same for a worker that had noticed that Redis did not answer: cache_ttl. */
const LONGEST_MEMORY = 60_000

/** Contradictions that are printed. */
const MOST_SHOWN = 20

interface Plan {
  readonly workers: number
  readonly seconds: number
  readonly writeEach: number
}

const WHOLE: Plan = { workers: 16, seconds: 600, writeEach: 2_000 }
const SHORT: Plan = { workers: 4, seconds: 8, writeEach: 400 }

/**
 * @param short whether to look only whether it works
 * @param say where to write
 * @returns whether nothing contradicted the audit stream
 */
export async function soak(short: boolean, say: (line: string) => void): Promise<boolean> {
  const plan = short ? SHORT : WHOLE
  const folder = mkdtempSync(join(tmpdir(), 'connectors-soak-'))
  const redis = await startBenchRedis(join(folder, 'redis'))
  try {
    const writer = await DirectoryWriter.open({
      connection: connectionTo(redis.port),
      prefix: PREFIX,
      replicas: 0,
      command: 'soak',
      seen: null,
    })
    try {
      const everything = Array.from({ length: plan.workers }, (_, worker) =>
        organizationsFor(worker, FIRST_STATE, false),
      )
      await writer.replace(everything.flat().map((after) => ({ nameKey: after.name, after, expected: null })))
      say(`${plan.workers} workers change and decide for ${plan.seconds} s ...`)
      const reports = await runWorkers(plan, redis, folder)
      return await judge(plan, writer, reports, folder, say)
    } finally {
      writer.close()
    }
  } finally {
    await redis.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function runWorkers(
  { workers, seconds, writeEach }: Plan,
  { port }: BenchRedis,
  folder: string,
): Promise<WorkerReport[]> {
  const children = Array.from({ length: workers }, (_, worker) => {
    const options: WorkerOptions = { worker, workers, port, prefix: PREFIX, folder, writeEach }
    return fork(BENCH, ['soak-worker', JSON.stringify(options)])
  })
  try {
    await Promise.all(children.map((child) => messageFrom(child)))
    const until = Date.now() + seconds * 1000
    return await Promise.all(
      children.map((child) => {
        child.send(until)
        return messageFrom(child) as Promise<WorkerReport>
      }),
    )
  } finally {
    for (const child of children) if (child.connected) child.kill('SIGKILL')
  }
}

async function messageFrom(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController()
  const { signal } = ended
  try {
    const [message] = (await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(() => {
        throw new Error('a worker ended before its time')
      }),
    ])) as [unknown]
    return message
  } finally {
    ended.abort()
  }
}

interface Judged {
  reads: number
  /** Decisions of a worker that had noticed that Redis did not answer, and how old they were at most. */
  away: number
  longestAway: number
  /** Answers that could not be had: 451. */
  deferred: number
  stale: number
  longest: number
  contradictions: number
}

async function judge(
  plan: Plan,
  writer: DirectoryWriter,
  reports: readonly WorkerReport[],
  folder: string,
  say: (line: string) => void,
): Promise<boolean> {
  const entries: Audited[] = []
  for await (const entry of new AuditTrail(writer.client, writer.keys).entries()) entries.push(entry)
  const history = new History(plan.workers, entries.toReversed())
  const judged: Judged = {
    reads: 0,
    away: 0,
    longestAway: 0,
    deferred: 0,
    stale: 0,
    longest: 0,
    contradictions: 0,
  }
  const staleness: number[] = []
  for (let worker = 0; worker < plan.workers; worker += 1) {
    for await (const line of createInterface({ input: createReadStream(join(folder, `reads${worker}`)) })) {
      const read = readRead(line)
      const old = history.staleness(read)
      count(judged, staleness, read, old)
      if (isContradiction(read, old) && judged.contradictions <= MOST_SHOWN) {
        say(`  contradiction of worker ${worker}, ${old} ms: ${JSON.stringify(read)}`)
      }
    }
  }
  const { findings } = await verifyDirectory(writer.client, writer.keys)
  report(judged, staleness, reports, say)
  const faults = [...history.faults, ...findings.map(({ key, what }) => `${key} ${what}`)]
  for (const fault of faults) say(`  ${fault}`)
  say(`  directory verify: ${findings.length} faults; audit stream: ${history.faults.length} faults`)
  return judged.contradictions === 0 && faults.length === 0
}

/** While Redis cannot be asked what is remembered counts for a minute; it must have been true once all the same. */
function isContradiction({ away }: Read, old: number): boolean {
  return old > (away ? LONGEST_MEMORY : MOST_STALENESS)
}

function count(judged: Judged, staleness: number[], read: Read, old: number): void {
  judged.reads += 1
  if (read.seen.outcome === 'defer') judged.deferred += 1
  if (isContradiction(read, old)) judged.contradictions += 1
  if (read.away) {
    judged.away += 1
    judged.longestAway = Math.max(judged.longestAway, old)
    return
  }
  if (old > 0) {
    judged.stale += 1
    const bucket = bucketOf(Math.min(old, 1e9))
    staleness[bucket] = (staleness[bucket] ?? 0) + 1
    judged.longest = Math.max(judged.longest, old)
  }
}

function report(
  { reads, away, longestAway, deferred, stale, longest, contradictions }: Judged,
  staleness: readonly number[],
  reports: readonly WorkerReport[],
  say: (line: string) => void,
): void {
  const sum = (of: (report: WorkerReport) => number): number => reports.reduce((all, one) => all + of(one), 0)
  const latencies: number[] = []
  for (const report of reports) {
    for (const [bucket, times] of report.latencies.entries()) {
      latencies[bucket] = (latencies[bucket] ?? 0) + times
    }
  }
  const latency = (share: number): string => (bucketQuantile(latencies, share) / 1000).toFixed(2)
  say(`  decisions: ${reads}, p50 ${latency(0.5)} ms, p99 ${latency(0.99)} ms; answered 451: ${deferred}`)
  say(
    `  writes: ${sum(({ writes }) => writes)}, refused since another has the domain: ${sum(({ refused }) => refused)}`,
  )
  say(
    `  decisions by what was true no more: ${stale}, for ${longest} ms at most, p99 ${bucketQuantile(staleness, 0.99).toFixed(0)} ms`,
  )
  say(
    `  decisions while Redis was noticed not to answer: ${away}, by what was true no more for ${longestAway} ms at most`,
  )
  say(`  contradictions of the audit stream (beyond ${MOST_STALENESS} ms): ${contradictions}`)
  const complaints = new Set(reports.flatMap((report) => report.complaints))
  for (const complaint of complaints) say(`  a worker logged: ${complaint}`)
}
