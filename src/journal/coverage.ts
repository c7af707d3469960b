/**
 * From when on a journal folder holds all that was decided. Old files are removed, the oldest first; what was in them
 * is not "nothing": it is unknown.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JournalFile } from './journal-files.ts'
import { isTime } from './parse-record.ts'

/** What one folder, that is one node, has to say. Times are as records have them. */
export interface JournalCoverage {
  /** As it was named. */
  readonly directory: string
  readonly files: number
  readonly bytes: number
  /** Of the earliest and the latest record that is there, whatever period was asked for; null without any. */
  readonly earliest: string | null
  readonly latest: string | null
  /**
   * From here on nothing was removed: what is not in it did not happen there, up to `latest`, or until now where it is
   * the journal that a running server writes. Null when there is no record: then nothing is known at all.
   */
  readonly completeSince: string | null
  /** Records of the period that came from here. */
  readonly records: number
  /** Those that came from another folder already: a copy of the same journal. */
  readonly repeated: number
  /** Whole lines that are no record, in what was read. */
  readonly damaged: number
}

const DAY = 86_400_000

/** Where the writer notes up to when what it removed had been written. */
export const MARKER = 'removed'

/**
 * @param directory a journal folder
 * @returns the time up to which files were removed, as the writer noted it; null where nothing is noted
 */
export async function removedUntil(directory: string): Promise<string | null> {
  const text = await readFile(join(directory, MARKER), 'utf8').catch(() => '')
  const time = text.trim()
  return isTime(time) ? time : null
}

/**
 * A process whose numbers have a gap shows that a file of it was removed, by the writer or by hand; it had been closed
 * when the next one was opened. The writer removes files in the order of their opening, those of processes that have
 * ended as well, and one that was opened before the oldest that is left may have been written to for a day (`writer.ts`
 * closes it then): that day is taken off, unless the writer noted what it removed.
 * @param files the files of one folder, in the order of their names
 * @param noted what `removedUntil` returned
 * @returns from when on nothing is missing; null without any record
 */
export function completeSince(files: readonly JournalFile[], noted: string | null): string | null {
  const earliest = earliestOf(files)
  if (earliest === null) return null
  const gap = endOfGaps(files)
  if (gap === null) return noted === null ? earliest : later(earliest, noted)
  if (noted !== null) return later(earliest, later(gap, noted))
  const oldest = files.find(({ name }) => name !== null)?.name?.openedAt ?? earliest
  return later(earliest, later(gap, new Date(Date.parse(oldest) + DAY).toISOString()))
}

/**
 * @param files files of a folder
 * @returns the time of the earliest record at the beginning of one; null without any
 */
export function earliestOf(files: readonly JournalFile[]): string | null {
  const times = files.flatMap(({ first }) => first ?? [])
  return times.length === 0 ? null : times.reduce((least, time) => (time < least ? time : least))
}

/** When the last file was opened before which another of its process is missing: that one had been closed by then. */
function endOfGaps(files: readonly JournalFile[]): string | null {
  const counters = new Map<string, number>()
  let end: string | null = null
  for (const { name } of files) {
    if (name === null) continue
    const before = counters.get(name.process) ?? 0
    // A new process may have the number of an old one: it begins at 1 again.
    if (name.counter !== before + 1 && name.counter !== 1) end = name.openedAt
    counters.set(name.process, name.counter)
  }
  return end
}

/**
 * @param left a time, or null for none
 * @param right another
 * @returns the later one
 */
export function later(left: string | null, right: string): string {
  return left !== null && left > right ? left : right
}
