/** Reads the journal of all workers, in the order of time, with memory for one record a file. */

import { createReadStream } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { setTimeout as wait } from 'node:timers/promises'
import type { Outcome } from '../policy/types.ts'
import type { JournalRecord } from './record.ts'

export interface JournalFilter {
  /** A transaction id. */
  readonly id?: string
  /** An address or a domain; '' is the null sender. */
  readonly from?: string
  readonly to?: string
  readonly outcome?: Outcome
  readonly since?: Date
}

const SCHEMA: z.ZodType<JournalRecord> = z.looseObject({
  time: z.iso.datetime(),
  id: z.string(),
  peer: z.looseObject({
    address: z.string(),
    helo: z.string(),
    tls: z.string().nullable(),
    certificate: z.looseObject({
      state: z.enum(['no-tls', 'no-certificate', 'not-verified', 'verified']),
      fingerprint: z.string().nullable(),
      names: z.array(z.string()),
      why: z.string().nullable(),
    }),
  }),
  organization: z.string().nullable(),
  connector: z.string().nullable(),
  via: z.enum(['certificate', 'address']).nullable(),
  sender: z.string(),
  recipient: z.string(),
  outcome: z.enum(['relay', 'deliver', 'deny', 'defer']),
  reason: z.string(),
  reply: z.string(),
  revision: z.string(),
})

interface Cursor {
  readonly records: AsyncIterator<JournalRecord>
  head: JournalRecord
}

/**
 * @param directory the folder data/journal
 * @param filter which records are wanted
 * @param damaged told of each line that is no record, but for a last one that is still being written
 * @returns the records, the oldest first; nothing when the folder is missing
 */
export async function* readJournal(
  directory: string,
  filter: JournalFilter,
  damaged: (file: string) => void = () => undefined,
): AsyncGenerator<JournalRecord> {
  const cursors: Cursor[] = []
  for (const file of await journalFiles(directory, filter.since)) {
    const records = recordsOf(join(directory, file), damaged)
    const first = await records.next()
    if (first.done !== true) cursors.push({ records, head: first.value })
  }
  while (cursors.length > 0) {
    let earliest = 0
    for (const [index, { head }] of cursors.entries()) {
      const best = cursors[earliest]
      if (best !== undefined && head.time < best.head.time) earliest = index
    }
    const cursor = cursors[earliest]
    if (cursor === undefined) return
    if (isWanted(cursor.head, filter)) yield cursor.head
    const next = await cursor.records.next()
    if (next.done === true) cursors.splice(earliest, 1)
    else cursor.head = next.value
  }
}

/**
 * What is there, then what comes, of all workers, until it is told to stop.
 * @param directory the folder data/journal
 * @param filter which records are wanted
 * @param signal ends it
 */
export async function* followJournal(
  directory: string,
  filter: JournalFilter,
  signal: AbortSignal,
): AsyncGenerator<JournalRecord> {
  const read = new Map<string, number>()
  while (!signal.aborted) {
    const found: JournalRecord[] = []
    for (const file of await journalFiles(directory, filter.since)) {
      const { records, end } = await recordsFrom(join(directory, file), read.get(file) ?? 0)
      read.set(file, end)
      found.push(...records.filter((record) => isWanted(record, filter)))
    }
    yield* found.toSorted((left, right) => left.time.localeCompare(right.time))
    await wait(200, undefined, { signal }).catch(() => undefined)
  }
}

async function journalFiles(directory: string, since: Date | undefined): Promise<string[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const files = names.filter((name) => name.endsWith('.jsonl')).toSorted()
  if (since === undefined) return files
  const recent: string[] = []
  for (const file of files) {
    const changed = await stat(join(directory, file)).catch(() => null)
    if (changed !== null && changed.mtimeMs >= since.getTime()) recent.push(file)
  }
  return recent
}

async function* recordsOf(path: string, damaged: (file: string) => void): AsyncGenerator<JournalRecord> {
  const stream = createReadStream(path, 'utf8')
  // A file that another process removed meanwhile was the oldest: there is nothing to say about it.
  stream.on('error', () => undefined)
  let torn = false
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (torn) damaged(path)
      const record = parseRecord(line)
      torn = record === null
      if (record !== null) yield record
    }
  } finally {
    stream.destroy()
  }
}

/** The whole lines after an offset, and where the next one begins. */
async function recordsFrom(path: string, offset: number): Promise<{ records: JournalRecord[]; end: number }> {
  const handle = await open(path, 'r').catch(() => null)
  if (handle === null) return { records: [], end: offset }
  try {
    const { size } = await handle.stat()
    const buffer = Buffer.alloc(Math.min(Math.max(0, size - offset), 1024 * 1024))
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset)
    const whole = buffer.subarray(0, buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1)
    const records = whole
      .toString('utf8')
      .split('\n')
      .flatMap((line) => parseRecord(line) ?? [])
    return { records, end: offset + whole.length }
  } finally {
    await handle.close()
  }
}

function parseRecord(line: string): JournalRecord | null {
  try {
    const parsed = SCHEMA.safeParse(JSON.parse(line))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}

function isWanted(record: JournalRecord, { id, from, to, outcome, since }: JournalFilter): boolean {
  return (
    (id === undefined || record.id === id) &&
    (outcome === undefined || record.outcome === outcome) &&
    (since === undefined || Date.parse(record.time) >= since.getTime()) &&
    matchesAddress(record.sender, from) &&
    matchesAddress(record.recipient, to)
  )
}

function matchesAddress(address: string, wanted: string | undefined): boolean {
  if (wanted === undefined) return true
  const pattern = wanted.replace(/^<(.*)>$/, '$1').toLowerCase()
  const lower = address.toLowerCase()
  if (pattern === '' || lower === '') return pattern === lower
  if (pattern.includes('@') && !pattern.startsWith('@')) return lower === pattern
  return lower.endsWith(`@${pattern.replace(/^@/, '')}`)
}
