/** `connectorctl apply`: makes organisations equal to those in a file, after showing what will change. */

import { statSync } from 'node:fs'
import type { Command } from 'commander'
import type { Organization } from '../../directory/model.ts'
import { formatProblem, nameKey } from '../../directory/model.ts'
import { OrganizationsSource, SourceError } from '../../directory/organizations-source.ts'
import type { DirectoryEditor, EditWritten } from '../../directory/editor.ts'
import type { PlannedOrganization, ProofsOf } from '../../directory/plan.ts'
import { planOrganization, takenElsewhere } from '../../directory/plan.ts'
import { tooLarge } from '../../directory/redis/writer.ts'
import { quoted } from '../../directory/yaml-reader.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { INSTANCE_OPTION } from '../options.ts'
import { carryOut, groupsOf } from '../apply-plan.ts'
import type { OpenEditor } from '../editor.ts'
import { withEditor } from '../editor.ts'
import { requireReplicas } from '../replication.ts'
import { Progress, requireConsent } from '../terminal.ts'

interface ApplyOptions {
  readonly instance: string
  readonly prune?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly json?: boolean
  readonly withProofs?: boolean
}

/** Lines of a plan that are printed, about; the counts say the rest. */
const MOST_LINES = 1_000

const EXAMPLES = `
Examples:
  connectorctl apply organizations.yaml --dry-run
  connectorctl apply organizations.yaml --instance /srv/smarthost
  connectorctl apply organizations.yaml --prune --yes`

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerApply(program: Command, context: CliContext): void {
  program
    .command('apply')
    .description('make organisations equal to those in a file; shows the plan first')
    .argument('<file>', 'organisations, in the form of config/organizations.yaml')
    .option('--prune', 'remove organisations that are not in the file')
    .option('--dry-run', 'show the plan and change nothing')
    .option('--yes', 'do not ask; without a terminal nothing is changed without it')
    .option(
      '--with-proofs',
      'take the proofs of domains from the file, too: for a backup of this directory, and for no other file',
    )
    .option('--json', 'print the plan and what became of it as one JSON object; needs --yes or --dry-run')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async (file: string, options: ApplyOptions) => {
      requireAnswer(options)
      await withEditor(options.instance, `apply ${file}${options.prune === true ? ' --prune' : ''}`, (open) =>
        apply(file, options, open, context),
      )
    })
}

/** Nobody can agree to a plan that was not shown. */
function requireAnswer({ dryRun, json, yes }: ApplyOptions): void {
  if (json !== true || yes === true || dryRun === true) return
  throw new UsageError('--json shows the plan together with what became of it: add --yes or --dry-run')
}

async function apply(
  file: string,
  options: ApplyOptions,
  { editor, replicas }: OpenEditor,
  context: CliContext,
): Promise<void> {
  const proofsOf: ProofsOf = options.withProofs === true ? 'file' : 'directory'
  const source = openSource(file)
  const progress = new Progress(context)
  const before = stampOf(file)
  const planned = await plan(source, { prune: options.prune === true, proofsOf }, editor, {
    context,
    progress,
  })
  // Without a directory the nodes defer everything: one without organisations is one.
  const begins = planned.length === 0 && (await editor.isMissing())
  const tell = teller(options.json === true, planned, begins, context)
  if (planned.length === 0 && !begins) {
    tell.nothing()
    // An earlier write may have been "written, not replicated".
    if (options.dryRun !== true) requireReplicas(await editor.confirm(), replicas)
    return
  }
  tell.plan(options.dryRun === true)
  if (options.dryRun === true) return
  if (options.yes !== true) await requireConsent('Apply it?', context)
  if (stampOf(file) !== before)
    throw new CommandFailed(`${file} changed meanwhile, nothing was: run it again`)
  const written = begins
    ? await editor.begin()
    : await carryOut(source, planned, { editor, progress, proofsOf })
  if (written === null) return
  tell.applied(written)
  requireReplicas(written.replicas, replicas)
}

interface Teller {
  nothing(): void
  plan(only: boolean): void
  applied(written: EditWritten): void
}

function teller(
  json: boolean,
  planned: readonly PlannedOrganization[],
  begins: boolean,
  context: CliContext,
): Teller {
  const { stdout } = context
  if (json) {
    const told = planned.map(({ kind, name, lines, count }) => ({
      organization: name,
      kind,
      records: count,
      lines,
    }))
    const print = (applied: boolean, revision: string | null): void => {
      stdout.write(`${JSON.stringify({ organizations: told, begins, applied, revision })}\n`)
    }
    return {
      nothing: () => {
        print(false, null)
      },
      plan: (only) => {
        if (only) print(false, null)
      },
      applied: ({ revision }) => {
        print(true, revision)
      },
    }
  }
  return {
    nothing: () => {
      stdout.write('nothing to change\n')
    },
    plan: () => {
      if (begins) stdout.write('+ directory, without organisations\n')
      else showPlan(planned, context)
    },
    applied: ({ revision }) => {
      stdout.write(`applied: ${planned.length} organisations, revision ${revision}\n`)
    },
  }
}

function openSource(file: string): OrganizationsSource {
  try {
    return new OrganizationsSource(file)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new CommandFailed(`${file} cannot be read: ${code ?? message}`)
  }
}

function stampOf(file: string): string {
  const { mtimeMs, size, ino } = statSync(file)
  return `${mtimeMs} ${size} ${ino}`
}

async function plan(
  source: OrganizationsSource,
  { prune, proofsOf }: { prune: boolean; proofsOf: ProofsOf },
  editor: DirectoryEditor,
  { context, progress }: { context: CliContext; progress: Progress },
): Promise<PlannedOrganization[]> {
  const planned: PlannedOrganization[] = []
  let lines = 0
  const compare = async (key: string, after: Organization | null): Promise<void> => {
    const item = await planOrganization(await editor.read(key), after, editor, proofsOf)
    if (item === null) return
    // Lines that are not shown are not kept.
    planned.push(lines < MOST_LINES ? item : { ...item, lines: [] })
    lines += item.lines.length + 1
  }
  const inFile = new Set<string>()
  try {
    for await (const { organization, warnings, read } of source.organizations()) {
      for (const problem of warnings) context.stderr.write(`${formatProblem(problem)}\n`)
      const key = nameKey(organization.name)
      inFile.add(key)
      await compare(key, organization)
      progress.show('comparing', read / Math.max(1, source.bytes))
    }
  } catch (error) {
    if (!(error instanceof SourceError)) throw error
    const said = error.problems.map((problem) => formatProblem(problem)).join('\n')
    throw new CommandFailed(`${said}\nnothing was changed`)
  } finally {
    progress.done()
  }
  if (prune) {
    for await (const key of editor.names()) {
      if (!inFile.has(key)) await compare(key, null)
    }
  }
  const obstacles = [...takenElsewhere(planned), ...tooLargeAtOnce(planned, editor)]
  if (obstacles.length === 0) return planned
  throw new CommandFailed(
    [...obstacles.map((line) => printable(line, 1000)), 'nothing was changed'].join('\n'),
  )
}

function tooLargeAtOnce(planned: readonly PlannedOrganization[], editor: DirectoryEditor): string[] {
  const { mostRecords } = editor
  if (mostRecords === null) return []
  return groupsOf(planned, editor)
    .map((group) => ({ group, records: group.reduce((sum, { count }) => sum + count, 0) }))
    .filter(({ records }) => records > mostRecords)
    .map(({ group, records }) => `${group.map(({ name }) => quoted(name)).join(', ')}: ${tooLarge(records)}`)
}

const MARKS = { added: '+', changed: '~', removed: '-' } as const

function showPlan(planned: readonly PlannedOrganization[], { stdout }: CliContext): void {
  const lines: string[] = []
  let shown = 0
  for (const { kind, name, lines: inside, count } of planned) {
    if (lines.length >= MOST_LINES) break
    lines.push(`${MARKS[kind]} organization ${printable(name)}`)
    lines.push(...inside.map((line) => `    ${printable(line, 400)}`))
    if (count > inside.length + 1) lines.push(`    ... ${count} records in all`)
    shown++
  }
  stdout.write(`${lines.join('\n')}\n`)
  if (shown < planned.length) stdout.write(`... ${planned.length - shown} more organisations\n`)
  const count = (kind: PlannedOrganization['kind']): number =>
    planned.filter((item) => item.kind === kind).length
  stdout.write(
    `Plan: ${count('added')} organisations to add, ${count('changed')} to change, ${count('removed')} to remove\n`,
  )
}
