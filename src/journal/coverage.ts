/**
 * From when on a journal folder holds all that was decided. Old files are removed, the oldest first; what was in them
 * is not "nothing": it is unknown.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { printable } from '../text/printable.ts'
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
   * From here on nothing was removed, nor lost as it could not be written: what is not in it did not happen there, up to `latest`, or until now where it is
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

/** Where a node's journal does not say what happened in the period. */
export interface JournalGap {
  readonly directory: string
  /**
   * nothing: it holds no decision at all. before: some of what came before `time` is gone, or could not be written.
   * after: the copy ends at `time`. damaged: there are lines in it that cannot be read.
   */
  readonly kind: 'nothing' | 'before' | 'after' | 'damaged'
  /** As records have it; '' for `nothing` and `damaged`. */
  readonly time: string
}

const DAY = 86_400_000

/** A copy that was made within this is as good as one of now: a quiet node may have had nothing to write. */
const FRESH_COPY = DAY

/** Where the writer notes up to when what it removed had been written, or it could not write. */
export const MARKER = 'removed'

/**
 * The one rule of what is covered: nobody is told "unused" or "none" of a period without it.
 * @param nodes what each folder had to say, after it was read
 * @param own the folder that the instance itself writes, as it was named: it goes on until now
 * @param since from when on it was asked for
 * @param until up to when
 * @returns where it is not known what happened; none when all of them cover all of it
 */
export function gapsOf(
  nodes: readonly JournalCoverage[],
  own: string | undefined,
  since: Date,
  until: Date,
): JournalGap[] {
  const enough = new Date(until.getTime() - FRESH_COPY).toISOString()
  return nodes.flatMap(({ completeSince: from, damaged, directory, latest }) => {
    const gaps: JournalGap[] = []
    if (from === null) gaps.push({ directory, kind: 'nothing', time: '' })
    else if (from > since.toISOString()) gaps.push({ directory, kind: 'before', time: from })
    const ends = from !== null && directory !== own && latest !== null && latest < enough
    if (ends) gaps.push({ directory, kind: 'after', time: latest })
    if (damaged > 0) gaps.push({ directory, kind: 'damaged', time: '' })
    return gaps
  })
}

/**
 * @param gap where something is not known
 * @returns it in words, safe to print
 */
export function gapText({ directory, kind, time }: JournalGap): string {
  const where = printable(directory, 200)
  if (kind === 'nothing') return `unknown: there is no decision in ${where}`
  if (kind === 'before') return `unknown before ${time} in ${where}`
  if (kind === 'after') return `unknown after ${time} in ${where}: the copy ends there`
  return `unknown: ${where} holds damaged lines, which may have been decisions`
}

/**
 * @param directory a journal folder
 * @returns the time up to which files were removed or decisions lost, as the writer noted it; null where nothing is
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
