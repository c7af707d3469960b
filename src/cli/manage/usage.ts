/** What the journal says of a record, in words; nobody is told "unused" where the journal does not go back so far. */

import type { Command } from 'commander'
import { gapText } from '../../journal/coverage.ts'
import { goneText } from '../../journal/gone.ts'
import type { Use, UsageReport, Uses } from '../../journal/usage.ts'
import { countUsage } from '../../journal/usage.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { CommandFailed } from '../errors.ts'
import { collected } from '../options.ts'
import type { Options } from './flags.ts'
import { DAYS, readJournals, readLine, recentJournals, recipients, silentLine } from './recent-journals.ts'

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
  const question = { ...recentJournals(instance, options), uses }
  const counted = await readJournals(context, (progress) => countUsage(question, progress))
  if (counted.settled !== null) return counted.settled
  // What is renamed while the journal is read is seen as well: the directory is asked after it.
  return counted.settle(editor)
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
  const read = nodes.map((node) => readLine(node, report))
  return [...(used.length === 0 ? [silentLine(unknown)] : used), ...unknown, ...read]
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
