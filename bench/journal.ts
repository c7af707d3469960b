/** How fast the journal is read back, beside what parsing its lines as JSON takes alone, in the same run. */

import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { cp, mkdir, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JournalRecord } from '../src/journal/record.ts'
import type { JournalPeriod } from '../src/journal/scan.ts'
import { scanJournal } from '../src/journal/scan.ts'
import { spread } from './figures.ts'
import { memoryOf } from './program.ts'

const WORKERS = 4
const FILE_BYTES = 16 * 1024 * 1024
/** A record every so many milliseconds: a million are a month. */
const APART = 2592
const BEGIN = Date.UTC(2026, 9, 25)

/**
 * @param count records, over four workers' files
 * @param rounds how often each is measured, in turns
 * @param say where to say the figures
 */
export async function measureJournal(
  count: number,
  rounds: number,
  say: (line: string) => void,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'connectors-bench-'))
  try {
    const own = join(folder, 'own')
    const bytes = await writeJournal(own, count)
    say(
      `Reading a journal of ${count.toLocaleString('en')} records (${Math.round(bytes / count)} bytes each, ${WORKERS} workers):`,
    )
    const before = memoryOf(process.pid, 'VmHWM')
    await scan([own])
    say(`  peak memory: ${Math.round(memoryOf(process.pid, 'VmHWM'))} MiB, ${Math.round(before)} before`)
    const ways: readonly (readonly [what: string, read: () => Promise<number>, expected: number])[] = [
      ['JSON.parse alone', () => parseAlone(own), count],
      ['scanJournal', () => scan([own]), count],
      ['scanJournal, the last day', () => scan([own], { since: lastDay(count) }), Math.min(count, perDay())],
    ]
    const seconds = ways.map((): number[] => [])
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, [what, read, expected]] of ways.entries()) {
        const begin = performance.now()
        const found = await read()
        if (found !== expected) throw new Error(`${what}: ${found} records instead of ${expected}`)
        seconds[index]?.push((performance.now() - begin) / 1000)
      }
    }
    const [alone = []] = seconds
    for (const [index, [what]] of ways.entries()) {
      const own = seconds[index] ?? []
      const ratios = own.map((value, round) => value / (alone[round] ?? Number.NaN))
      const perSecond = Math.round(count / (own.toSorted((left, right) => left - right)[0] ?? Number.NaN))
      say(
        `  ${what}: ${spread(own)} s, ${perSecond.toLocaleString('en')} records/s at best, ${spread(ratios)} of JSON.parse`,
      )
    }
    await cp(own, join(folder, 'copy'), { recursive: true })
    const begin = performance.now()
    const found = await scan([own, join(folder, 'copy')])
    if (found !== count) throw new Error(`with a copy: ${found} records instead of ${count}`)
    say(`  with a whole copy of it, each record once: ${((performance.now() - begin) / 1000).toFixed(2)} s`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function scan(directories: readonly string[], period: JournalPeriod = {}): Promise<number> {
  let count = 0
  for await (const records of scanJournal(directories, period).batches) count += records.length
  return count
}

async function parseAlone(directory: string): Promise<number> {
  let count = 0
  for (const name of await readdir(directory)) {
    let rest = ''
    const stream = createReadStream(join(directory, name), { encoding: 'utf8', highWaterMark: 256 * 1024 })
    for await (const chunk of stream as AsyncIterable<string>) {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        JSON.parse(line)
        count += 1
      }
    }
  }
  return count
}

function perDay(): number {
  return Math.ceil(86_400_000 / APART)
}

function lastDay(count: number): Date {
  return new Date(BEGIN + Math.max(0, count - perDay()) * APART)
}

/** What four workers write that take turns. @returns bytes */
async function writeJournal(directory: string, count: number): Promise<number> {
  await mkdir(directory)
  const workers = Array.from({ length: WORKERS }, (_, worker) => new Writer(directory, 1000 + worker))
  for (let index = 0; index < count; index += 1) await workers[index % WORKERS]?.write(recordOf(index))
  for (const worker of workers) await worker.close()
  return workers.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Names and sizes of files as `writer.ts` makes them; its own pid and clock would be the same for all four. */
class Writer {
  bytes = 0
  readonly #directory: string
  readonly #pid: number
  #file: FileHandle | null = null
  #counter = 0
  #size = 0
  #lines = ''

  constructor(directory: string, pid: number) {
    this.#directory = directory
    this.#pid = pid
  }

  async write(record: JournalRecord): Promise<void> {
    const line = `${JSON.stringify(record)}\n`
    if (this.#size + line.length > FILE_BYTES) await this.close()
    if (this.#file === null) {
      this.#counter += 1
      const name = `${record.time.replaceAll(/[-:]/g, '')}-${this.#pid}-${this.#counter}.jsonl`
      this.#file = await open(join(this.#directory, name), 'ax', 0o600)
    }
    this.#lines += line
    this.#size += line.length
    this.bytes += line.length
    if (this.#lines.length > 100_000) await this.#flush()
  }

  async close(): Promise<void> {
    await this.#flush()
    await this.#file?.close()
    this.#file = null
    this.#size = 0
  }

  async #flush(): Promise<void> {
    await this.#file?.write(this.#lines)
    this.#lines = ''
  }
}

function recordOf(index: number): JournalRecord {
  const digits = (index * 2_654_435_761).toString(16).toUpperCase().padStart(12, '0').slice(-12)
  const denied = index % 10 === 0
  return {
    time: new Date(BEGIN + index * APART).toISOString(),
    id: `4F2A9C31-E22F-4A49-9A46-${digits}.1`,
    peer: {
      address: `10.1.${index % 7}.${index % 200}`,
      helo: `mail${index % 50}.contoso.com`,
      tls: 'TLSv1.3',
      certificate: {
        state: 'verified',
        fingerprint: `${'3A:'.repeat(31)}9F`,
        names: [`mail${index % 50}.contoso.com`],
        why: null,
      },
    },
    organization: 'contoso',
    connector: denied ? 'Branch scanners' : 'Datacentre Exchange',
    via: denied ? 'address' : 'certificate',
    sender: `user${index % 5000}@contoso.com`,
    recipient: `someone${index % 90_000}@tailspintoys.com`,
    outcome: denied ? 'deny' : 'relay',
    reason: denied ? 'sender-domain-not-accepted' : 'certificate-domain-accepted',
    reply: '250 2.1.5 Recipient OK',
    revision: '0123456789ab',
  }
}
