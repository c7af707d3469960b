/** `connectorctl impact`: what would change for the mail that really came, before it is changed. */

import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { Directory } from '../../directory/directory.ts'
import { formatProblem, nameKey } from '../../directory/model.ts'
import { OrganizationsSource, SourceError } from '../../directory/organizations-source.ts'
import { parseInstant } from '../../directory/schema-report-only.ts'
import type { Impact, ImpactQuestion } from '../../impact/measure.ts'
import { measureImpact } from '../../impact/measure.ts'
import { UNCERTAIN } from '../../impact/judgement.ts'
import { ProposalRefused, readProposal } from '../../impact/proposal.ts'
import { enforcing, overlaid, wholeDirectory } from '../../impact/proposed-directory.ts'
import { impactText } from '../../impact/tell.ts'
import { readHarakaConfig } from '../../instance/haraka-config.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { requireInstance, settingsOf, withDirectory } from '../instance.ts'
import { journalFolder } from '../journals.ts'
import { collected, INSTANCE_OPTION } from '../options.ts'
import { Progress } from '../terminal.ts'
import { parseDuration } from '../../text/duration.ts'

interface Flags {
  readonly instance: string
  readonly since: string
  readonly with?: string
  readonly prune?: boolean
  readonly at?: string
  readonly journal: readonly string[]
  readonly organization?: string
  readonly json?: boolean
}

const HELP = `
Without --with and --at it tells what is refused as soon as report-only mode is off everywhere.

Nothing is changed. Each decision of the journal is made twice, under the directory as it is and as it would be, and the
two are compared; that what was decided then is decided otherwise by now is said apart. The settings are those of now.
What cannot be told from the journal is counted as such, and never guessed: docs/report-only.md.

Exit code 0: nothing would be refused or deferred that is not now; 1: something would be, or it cannot be told; 2: usage.

Examples:
  connectorctl impact
  connectorctl impact --at 2027-02-01 --since 7d
  connectorctl impact --with proposed.yaml --journal /backup/node2/journal
  connectorctl impact --with everything.yaml --prune --organization contoso
  connectorctl impact --json | jq '.changes[] | select(.to == "deny")'`

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerImpact(program: Command, context: CliContext): void {
  program
    .command('impact')
    .description('replay the journal against a proposed directory or date: who would be refused?')
    .option('--since <time>', 'how far back: 90s, 15m, 1h, 7d, or 2026-11-24T02:00:00Z', '30d')
    .option(
      '--with <file>',
      'organisations as they shall be, in the form of config/organizations.yaml; as apply would, they replace those of the same names',
    )
    .option('--prune', 'with --with: organisations that are not in the file are gone')
    .option('--at <date>', 'a time to come: 2027-02-01, or 2027-02-01T06:00:00Z')
    .option('--journal <dir>', "another node's data/journal, or a copy of it; may be repeated", collected, [])
    .option('--organization <name>', 'only what hangs on this organisation')
    .option('--json', 'print the report as one JSON object')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      await impact(flags, context)
    })
}

async function impact(flags: Flags, context: CliContext): Promise<void> {
  const until = new Date()
  const since = sinceOf(flags.since, until)
  const at = flags.at === undefined ? null : dateOf(flags.at, until)
  if (flags.prune === true && flags.with === undefined) {
    throw new UsageError(
      '--prune says what becomes of organisations that are not in the file of --with: give that',
    )
  }
  const instance = resolve(flags.instance)
  requireInstance(instance)
  const settings = settingsOf(instance)
  const copies = flags.journal.map((folder) => journalFolder(folder))
  const source = flags.with === undefined ? null : sourceOf(flags.with)
  await withDirectory(instance, settings, async (directory) => {
    const before = directory.summary().revision
    const proposed = await proposedBy(source, flags, directory, at, context)
    const measured = await replayed(
      {
        own: join(instance, 'data', 'journal'),
        copies,
        since,
        until,
        directory,
        proposed: { ...proposed, now: (at ?? until).toISOString() },
        settings,
        proxies: readHarakaConfig(instance).proxies,
        organization: flags.organization ?? null,
        instance: flags.instance === '.' ? null : flags.instance,
      },
      context,
    )
    requireDecisions(measured, flags)
    if (directory.summary().revision !== before) {
      context.stderr.write('connectorctl: the directory was changed meanwhile: run it again\n')
    }
    const text =
      flags.json === true ? `${JSON.stringify(jsonOf(measured))}\n` : impactText(measured, proposed.what)
    context.stdout.write(text)
    // What would be refused was said above.
    if (isRefusal(measured)) throw new CommandFailed('')
  })
}

interface Proposed {
  readonly directory: Directory
  readonly isOther: boolean
  /** What it is replayed against, for people. */
  readonly what: string
}

async function proposedBy(
  source: OrganizationsSource | null,
  flags: Flags,
  directory: Directory,
  at: Date | null,
  { stderr }: CliContext,
): Promise<Proposed> {
  const then = at === null ? '' : ` as of ${at.toISOString()}`
  if (source === null) {
    return at === null
      ? { directory: enforcing(directory), isOther: false, what: 'with report-only mode off' }
      : { directory, isOther: false, what: `with the directory as it is,${then}` }
  }
  const prune = flags.prune === true
  const organizations = await readProposal(source, directory, prune, (problem) => {
    stderr.write(`${formatProblem(problem)}\n`)
  }).catch((error: unknown) => {
    throw refusal(error)
  })
  return {
    directory: prune ? wholeDirectory(organizations) : overlaid(directory, organizations),
    isOther: true,
    what: `with ${source.path}${prune ? ' alone' : ''}${then}`,
  }
}

function refusal(error: unknown): unknown {
  if (error instanceof ProposalRefused) {
    const lines = error.message.split('\n').map((line) => printable(line, 1000))
    return new CommandFailed(lines.join('\n'))
  }
  if (!(error instanceof SourceError)) return error
  const said = error.problems.map((problem) => formatProblem(problem)).join('\n')
  return new CommandFailed(`${said}\nnothing was replayed`)
}

async function replayed(question: ImpactQuestion, context: CliContext): Promise<Impact> {
  const bar = new Progress(context)
  const { signal } = context
  const progress = (share: number): void => {
    bar.show('replaying the journal', share)
  }
  try {
    return await measureImpact(question, { signal, progress })
  } catch (error) {
    if (signal.aborted) throw new CommandFailed('stopped: nothing is said')
    const { code, message, path } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    throw new CommandFailed(
      `the journal${path === undefined ? '' : ` ${printable(path)}`} cannot be read: ${printable(code === '' ? message : code)}; make it readable for this user`,
    )
  } finally {
    bar.done()
  }
}

/** "Nothing would change" is not what follows from no mail. */
function requireDecisions({ decisions, nodes, period }: Impact, { organization, with: file }: Flags): void {
  if (decisions > 0) return
  const folders = nodes.map(({ directory }) => printable(directory, 200)).join(', ')
  const read = nodes.reduce((sum, { records }) => sum + records, 0)
  throw new CommandFailed(
    read === 0 || organization === undefined
      ? `there is no decision since ${period.since} in ${folders}: nothing can be told; name other nodes' journals with --journal, or an earlier --since`
      : `none of the ${read} decisions since ${period.since} hangs on the organisation ${JSON.stringify(printable(nameKey(organization), 100))}${file === undefined ? '' : ', nor would'}: see connectorctl organization list`,
  )
}

/** A script that asks first must not go on where it is not known. */
function isRefusal({ changes, uncertain }: Impact): boolean {
  return changes.some(({ isLoss }) => isLoss) || uncertain.some(({ mayBeRefused }) => mayBeRefused)
}

function jsonOf(measured: Impact): object {
  const { changes, decisions, lossServers, nodes, otherReason, otherwiseThen, period, unchanged } = measured
  return {
    period,
    nodes,
    decisions,
    changes: changes.map(({ facts: _facts, covered: _covered, isLoss, ...change }) => ({
      ...change,
      lost: isLoss,
    })),
    uncertain: measured.uncertain.map((one) => ({ ...one, why: UNCERTAIN[one.reason] })),
    unchanged,
    otherReason,
    otherwiseThen,
    lostServers: lossServers.count,
  }
}

function sourceOf(file: string): OrganizationsSource {
  try {
    return new OrganizationsSource(file)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new CommandFailed(`${printable(file)} cannot be read: ${code ?? message}`)
  }
}

function sinceOf(text: string, now: Date): Date {
  const duration = parseDuration(text)
  const time = duration === null ? Date.parse(parseInstant(text) ?? '') : now.getTime() - duration
  // A million years ago is no time that records have.
  if (time >= 0 && time < now.getTime()) return new Date(time)
  throw new UsageError(
    `--since "${printable(text)}" is no time that has been: give 90s, 15m, 1h, 7d or 2026-11-24T02:00:00Z`,
  )
}

function dateOf(text: string, now: Date): Date {
  const instant = parseInstant(text)
  if (instant !== null && instant > now.toISOString()) return new Date(instant)
  throw new UsageError(
    `--at "${printable(text)}" is no time to come: give 2027-02-01 or 2027-02-01T06:00:00Z`,
  )
}
