/** What the journal says of a record, in words; nobody is told "unused" where the journal does not go back so far. */

import { join } from 'node:path'
import type { Command } from 'commander'
import type { JournalCoverage } from '../../journal/coverage.ts'
import { gapText } from '../../journal/coverage.ts'
import { goneText } from '../../journal/gone.ts'
import type { Counted, Use, UsageReport, Uses } from '../../journal/usage.ts'
import { countUsage } from '../../journal/usage.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { CommandFailed } from '../errors.ts'
import { journalFolder } from '../journals.ts'
import { collected } from '../options.ts'
import { Progress } from '../terminal.ts'
import type { Options } from './flags.ts'

const DAYS = 7

const USES: readonly (readonly [use: Use, what: string])[] = [
  ['connector', 'mail through it'],
  ['sender', 'mail from it'],
  ['recipient', 'mail to it'],
  ['certificate', 'mail relayed since a certificate is of it'],
]

/** @param command gets the option that names journals of other nodes */
export function addJournalOption(command: Command): void {
  command.option(
    '--journal <dir>',
    "a copy of another node's data/journal, to be counted as well; may be repeated",
    collected,
  )
}

/**
 * @param open the directory
 * @param options what commander made of the flags
 * @param uses what is looked for
 * @param context where progress is shown
 * @returns the traffic of the last seven days
 * @throws CommandFailed when a journal or the directory cannot be read
 */
export async function recentUsage(
  { editor, instance }: OpenEditor,
  options: Options,
  uses: Uses,
  context: CliContext,
): Promise<UsageReport> {
  const counted = await countRecent(instance, options, uses, context)
  if (counted.settled !== null) return counted.settled
  // What is renamed while the journal is read is seen as well: the directory is asked after it.
  return counted.settle(editor)
}

async function countRecent(
  instance: string,
  { journal }: Options,
  uses: Uses,
  context: CliContext,
): Promise<Counted> {
  const named: readonly unknown[] = Array.isArray(journal) ? journal : []
  const until = new Date()
  const since = new Date(until.getTime() - DAYS * 86_400_000)
  const copies = named.map((directory) => journalFolder(String(directory)))
  const progress = new Progress(context)
  try {
    return await countUsage(
      { own: join(instance, 'data', 'journal'), copies, since, until, uses },
      (share) => {
        if (context.signal.aborted) throw new CommandFailed('stopped; nothing was changed')
        progress.show('reading the journal', share)
      },
    )
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

/**
 * @param report what was counted
 * @param uses which uses there can be of what was asked about
 * @returns lines for people: the traffic, what is not known, and what was read
 */
export function usageLines(report: UsageReport, uses: readonly Use[]): string[] {
  const { nodes, usage } = report
  const used = USES.flatMap(([use, what]) => {
    const found = usage.get(use)
    if (!uses.includes(use) || found === undefined) return []
    const outcomes = [...found.outcomes].map(([outcome, count]) => `${count} ${outcome}`).join(', ')
    const from = `${found.addresses.map((address) => printable(address, 60)).join(', ')}${found.moreAddresses ? ', ...' : ''}`
    return [
      `${what}: ${recipients(found.decisions)} (${outcomes}), the last at ${found.last ?? ''}, from ${from}`,
    ]
  })
  const unknown = unknownLines(report)
  const silent = unknown.length === 0 ? `not used in the last ${DAYS} days` : 'no use is known'
  const read = nodes.map((node) => readLine(node, report))
  return [...(used.length === 0 ? [silent] : used), ...unknown, ...read]
}

/** The period that was really read: the instance's own journal goes on until now, a copy to its last decision. */
function readLine(node: JournalCoverage, { nodes, since, until }: UsageReport): string {
  const { completeSince, damaged, directory, latest, records } = node
  const where = printable(directory, 200)
  if (completeSince === null || latest === null) return `read: ${where}, which holds nothing`
  const from = completeSince > since ? completeSince : since
  const to = node === nodes[0] ? until : latest
  const lines = damaged > 0 ? `, ${damaged} damaged lines` : ''
  if (to < from) {
    const what =
      latest < since
        ? `which ends before the period, at ${latest}`
        : `which is whole only from ${completeSince} on`
    return `read: ${where}, ${what}, ${records} decisions${lines}`
  }
  return `read: ${where} from ${from} to ${to}, ${records} decisions${lines}`
}

function recipients(count: number): string {
  return `${count} ${count === 1 ? 'recipient' : 'recipients'}`
}

function unknownLines({ gaps, gone }: UsageReport): string[] {
  return [...gaps.map((gap) => gapText(gap)), ...(gone === null ? [] : [goneText(gone)])]
}

/**
 * @param report what was counted
 * @param options --force goes on where it is not known
 * @throws CommandFailed when the journals do not cover the seven days, or name connectors that are gone
 */
export function requireCovered(report: UsageReport, { force }: Options): void {
  const unknown = unknownLines(report)
  if (unknown.length === 0 || force === true) return
  throw new CommandFailed(
    `nothing was changed: what used it in the last ${DAYS} days is not known (${unknown.join('; ')}); add --force to remove it all the same`,
  )
}

/**
 * @param report what was counted
 * @returns it for --json
 */
export function usageJson({ gaps, gone, nodes, since, until, usage }: UsageReport): object {
  const counts = Object.fromEntries(
    [...usage].map(([use, { addresses, decisions, last, outcomes }]) => [
      use,
      { decisions, outcomes: Object.fromEntries(outcomes), last, addresses },
    ]),
  )
  return { since, until, covered: gaps.length === 0 && gone === null, gaps, gone, nodes, counts }
}
