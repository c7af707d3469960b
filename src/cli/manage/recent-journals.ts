/** The journals of the last days, read for whoever asks what used a record. */

import { join } from 'node:path'
import type { JournalCoverage } from '../../journal/coverage.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed } from '../errors.ts'
import { journalFolder } from '../journals.ts'
import { Progress } from '../terminal.ts'
import type { Options } from './flags.ts'

/** How far back it is looked. */
export const DAYS = 7

export interface RecentJournals {
  /** The journal that the instance itself writes: it goes on until now. */
  readonly own: string
  /** Copies of other nodes' journals. */
  readonly copies: readonly string[]
  readonly since: Date
  readonly until: Date
}

/**
 * @param instance the instance's folder
 * @param options what commander made of the flags; --journal names copies
 * @returns which journals are read, and from when on
 */
export function recentJournals(instance: string, { journal }: Options): RecentJournals {
  const named: readonly unknown[] = Array.isArray(journal) ? journal : []
  const until = new Date()
  return {
    own: join(instance, 'data', 'journal'),
    copies: named.map((directory) => journalFolder(String(directory))),
    since: new Date(until.getTime() - DAYS * 86_400_000),
    until,
  }
}

/**
 * @param context where progress is shown
 * @param read reads the journals, and tells how much of them is read, from 0 to 1
 * @returns what `read` returns
 * @throws CommandFailed when one cannot be read
 */
export async function readJournals<T>(
  context: CliContext,
  read: (progress: (share: number) => void) => Promise<T>,
): Promise<T> {
  const progress = new Progress(context)
  try {
    return await read((share) => {
      if (context.signal.aborted) throw new CommandFailed('stopped; nothing was changed')
      progress.show('reading the journal', share)
    })
  } catch (error) {
    if (error instanceof CommandFailed) throw error
    const { code, message } = error as NodeJS.ErrnoException
    throw new CommandFailed(
      `the journal cannot be read: ${printable(code ?? message)}; make it readable for this user`,
    )
  } finally {
    progress.done()
  }
}

/** What was read, of which period. */
export interface ReadReport {
  readonly since: string
  readonly until: string
  readonly nodes: readonly JournalCoverage[]
}

/**
 * The period that was really read: the instance's own journal goes on until now, a copy to its last line.
 * @param node a journal
 * @param report all journals and the period, ISO 8601 in UTC
 * @param what what was counted in them
 * @returns a line for people
 */
export function readLine(
  node: JournalCoverage,
  { nodes, since, until }: ReadReport,
  what = 'decisions',
): string {
  const { completeSince, damaged, directory, latest, records } = node
  const where = printable(directory, 200)
  if (completeSince === null || latest === null) return `read: ${where}, which holds nothing`
  const from = completeSince > since ? completeSince : since
  const to = node === nodes[0] ? until : latest
  const lines = damaged > 0 ? `, ${damaged} damaged lines` : ''
  if (to < from) {
    const why =
      latest < since
        ? `which ends before the period, at ${latest}`
        : `which is whole only from ${completeSince} on`
    return `read: ${where}, ${why}, ${records} ${what}${lines}`
  }
  return `read: ${where} from ${from} to ${to}, ${records} ${what}${lines}`
}

/**
 * @param unknown what is not known, in words
 * @returns what is said where no use was found
 */
export function silentLine(unknown: readonly string[]): string {
  return unknown.length === 0 ? `not used in the last ${DAYS} days` : 'no use is known'
}

/** @returns `1 recipient`, `2 recipients` */
export function recipients(count: number): string {
  return `${count} ${count === 1 ? 'recipient' : 'recipients'}`
}
