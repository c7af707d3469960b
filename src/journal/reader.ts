/** Reads the journal of all workers of one node, in the order of time, and follows it. */

import { open } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { Outcome } from '../policy/types.ts'
import { ignoreMissing, listJournal } from './journal-files.ts'
import { parseRecord } from './parse-record.ts'
import type { JournalRecord } from './record.ts'
import { scanJournal } from './scan.ts'

export interface JournalFilter {
  /** A transaction id. */
  readonly id?: string
  /** An address or a domain; '' is the null sender. */
  readonly from?: string
  readonly to?: string
  readonly outcome?: Outcome
  readonly since?: Date
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
  const { since } = filter
  const isWanted = wanted(filter)
  const scan = scanJournal([directory], since === undefined ? {} : { since }, damaged)
  for await (const records of scan.batches) {
    for (const record of records) if (isWanted(record)) yield record
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
  const isWanted = wanted(filter)
  while (!signal.aborted) {
    const found: JournalRecord[] = []
    for (const path of await listJournal(directory)) {
      const { records, end } = await recordsFrom(path, read.get(path) ?? 0)
      read.set(path, end)
      for (const record of records) if (isWanted(record)) found.push(record)
    }
    yield* found.toSorted((left, right) => left.time.localeCompare(right.time))
    await wait(200, undefined, { signal }).catch(() => undefined)
  }
}

const FOLLOWED_BYTES = 1024 * 1024

/** The whole lines after an offset, and where the next one begins. */
async function recordsFrom(path: string, offset: number): Promise<{ records: JournalRecord[]; end: number }> {
  const handle = await open(path, 'r').catch(ignoreMissing)
  if (handle === null) return { records: [], end: offset }
  try {
    const { size } = await handle.stat()
    const buffer = Buffer.alloc(Math.min(Math.max(0, size - offset), FOLLOWED_BYTES))
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset)
    const whole = buffer.subarray(0, buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1)
    // A line without an end in so much is none of the writer's.
    if (whole.length === 0 && bytesRead === FOLLOWED_BYTES) return { records: [], end: offset + bytesRead }
    const lines = whole.toString('utf8').split('\n')
    return { records: lines.flatMap((line) => parseRecord(line) ?? []), end: offset + whole.length }
  } finally {
    await handle.close()
  }
}

function wanted({ id, from, to, outcome, since }: JournalFilter): (record: JournalRecord) => boolean {
  const earliest = since?.toISOString() ?? ''
  const isFrom = addressFilter(from)
  const isTo = addressFilter(to)
  return (record) =>
    (id === undefined || record.id === id) &&
    (outcome === undefined || record.outcome === outcome) &&
    record.time >= earliest &&
    isFrom(record.sender) &&
    isTo(record.recipient)
}

function addressFilter(wanted: string | undefined): (address: string) => boolean {
  if (wanted === undefined) return () => true
  const pattern = wanted.replace(/^<(.*)>$/, '$1').toLowerCase()
  if (pattern === '') return (address) => address === ''
  if (pattern.includes('@') && !pattern.startsWith('@')) return (address) => address.toLowerCase() === pattern
  const ending = `@${pattern.replace(/^@/, '')}`
  return (address) => address.toLowerCase().endsWith(ending)
}
