/** Reads the journal of all workers of one node, in the order of time, and follows it. */

import { open } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { Outcome } from '../policy/types.ts'
import { ignoreMissing, listJournal } from './journal-files.ts'
import type { LineKind } from './line-kind.ts'
import { DECISIONS } from './line-kind.ts'
import { parseLine } from './parse-record.ts'
import type { DeliveryEvent, JournalLine, JournalRecord } from './record.ts'
import { isDelivery } from './record.ts'
import { scanLines } from './scan.ts'

export interface JournalFilter {
  /** A transaction id; of deliveries also that of the report about it, or of what it reports. */
  readonly id?: string
  /** An address or a domain; '' is the null sender. */
  readonly from?: string
  readonly to?: string
  /** In any case. */
  readonly organization?: string
  /** Decisions of other outcomes are not wanted. */
  readonly outcome?: Outcome
  /** Deliveries of other events are not wanted. */
  readonly events?: readonly DeliveryEvent[]
  readonly since?: Date
}

/**
 * @param directory the folder data/journal
 * @param filter which records are wanted
 * @param damaged told of each line that is no record, but for a last one that is still being written
 * @returns the decisions, the oldest first; nothing when the folder is missing
 */
export function readJournal(
  directory: string,
  filter: JournalFilter,
  damaged: (file: string) => void = () => undefined,
): AsyncGenerator<JournalRecord> {
  return readLines(DECISIONS, [directory], filter, damaged)
}

/**
 * As `readJournal`, for other lines as well.
 * @param kind which lines are wanted
 * @param directories journal folders: several nodes', or copies; what several of them hold is told once
 */
export async function* readLines<Line extends JournalLine>(
  kind: LineKind<Line>,
  directories: readonly string[],
  filter: JournalFilter,
  damaged: (file: string) => void = () => undefined,
): AsyncGenerator<Line> {
  const { since } = filter
  const isWanted = wanted(filter)
  const scan = scanLines(kind, directories, since === undefined ? {} : { since }, damaged)
  for await (const lines of scan.batches) {
    for (const line of lines) if (isWanted(line)) yield line
  }
}

/**
 * What is there, then what comes, of all workers, until it is told to stop.
 * @param directory the folder data/journal
 * @param filter which records are wanted
 * @param signal ends it
 */
export function followJournal(
  directory: string,
  filter: JournalFilter,
  signal: AbortSignal,
): AsyncGenerator<JournalRecord> {
  return followLines(DECISIONS, directory, filter, signal)
}

/**
 * As `followJournal`, for other lines as well.
 * @param kind which lines are wanted
 */
export async function* followLines<Line extends JournalLine>(
  kind: LineKind<Line>,
  directory: string,
  filter: JournalFilter,
  signal: AbortSignal,
): AsyncGenerator<Line> {
  const read = new Map<string, number>()
  const isWanted = wanted(filter)
  while (!signal.aborted) {
    const found: Line[] = []
    for (const path of await listJournal(directory)) {
      const { end, lines } = await linesFrom(path, read.get(path) ?? 0)
      read.set(path, end)
      for (const line of lines) {
        const taken = kind.take(line)
        if (taken !== null && isWanted(taken)) found.push(taken)
      }
    }
    yield* found.toSorted((left, right) => left.time.localeCompare(right.time))
    await wait(200, undefined, { signal }).catch(() => undefined)
  }
}

const FOLLOWED_BYTES = 1024 * 1024

/** The whole lines after an offset, and where the next one begins. */
async function linesFrom(path: string, offset: number): Promise<{ lines: JournalLine[]; end: number }> {
  const handle = await open(path, 'r').catch(ignoreMissing)
  if (handle === null) return { lines: [], end: offset }
  try {
    const { size } = await handle.stat()
    const buffer = Buffer.alloc(Math.min(Math.max(0, size - offset), FOLLOWED_BYTES))
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset)
    const whole = buffer.subarray(0, buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1)
    // A line without an end in so much is none of the writer's.
    if (whole.length === 0 && bytesRead === FOLLOWED_BYTES) return { lines: [], end: offset + bytesRead }
    const lines = whole.toString('utf8').split('\n')
    return { lines: lines.flatMap((line) => parseLine(line) ?? []), end: offset + whole.length }
  } finally {
    await handle.close()
  }
}

function wanted(filter: JournalFilter): (line: JournalLine) => boolean {
  const { events, id, organization, outcome, since } = filter
  const earliest = since?.toISOString() ?? ''
  const isFrom = addressFilter(filter.from)
  const isTo = addressFilter(filter.to)
  const owner = organization?.toLowerCase()
  const isIt = (line: JournalLine): boolean =>
    id === undefined || line.id === id || (isDelivery(line) && line.related === id)
  const isOfKind = (line: JournalLine): boolean =>
    isDelivery(line)
      ? line.recipients.some(isTo) && (events === undefined || events.includes(line.event))
      : isTo(line.recipient) && (outcome === undefined || line.outcome === outcome)
  return (line) =>
    (owner === undefined || line.organization?.toLowerCase() === owner) &&
    line.time >= earliest &&
    isIt(line) &&
    isFrom(line.sender) &&
    isOfKind(line)
}

function addressFilter(wanted: string | undefined): (address: string) => boolean {
  if (wanted === undefined) return () => true
  const pattern = wanted.replace(/^<(.*)>$/, '$1').toLowerCase()
  if (pattern === '') return (address) => address === ''
  if (pattern.includes('@') && !pattern.startsWith('@')) return (address) => address.toLowerCase() === pattern
  const ending = `@${pattern.replace(/^@/, '')}`
  return (address) => address.toLowerCase().endsWith(ending)
}
