/** `connectorctl apply`: makes organisations in Redis equal to those in a file, after showing what will change. */

import { statSync } from 'node:fs'
import type { Command } from 'commander'
import type { Organization } from '../../directory/model.ts'
import { formatProblem, nameKey } from '../../directory/model.ts'
import { OrganizationsSource, SourceError } from '../../directory/organizations-source.ts'
import { ChangeRefused } from '../../directory/redis/changes.ts'
import type { PlannedOrganization } from '../../directory/redis/plan.ts'
import { groupPlan, obstaclesOf, planOrganization, writeGroup } from '../../directory/redis/plan.ts'
import type { DirectoryWriter, Written } from '../../directory/redis/writer.ts'
import { OutcomeUnknown } from '../../directory/redis/writer.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed } from '../errors.ts'
import { INSTANCE_OPTION } from '../options.ts'
import type { OpenWriter } from '../redis.ts'
import { requireReplicas, withWriter } from '../redis.ts'
import { Progress, requireConsent } from '../terminal.ts'
import { messageOf } from '../../text/message-of.ts'

interface ApplyOptions {
  readonly instance: string
  readonly prune?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
}

/** Lines of a plan that are printed, about; the counts say the rest. */
const MOST_LINES = 1_000

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerApply(program: Command, context: CliContext): void {
  program
    .command('apply')
    .description('make organisations in Redis equal to those in a file; shows the plan first')
    .argument('<file>', 'organisations, in the form of config/organizations.yaml')
    .option('--prune', 'remove organisations that are not in the file')
    .option('--dry-run', 'show the plan and change nothing')
    .option('--yes', 'do not ask; without a terminal nothing is changed without it')
    .option(...INSTANCE_OPTION)
    .action(async (file: string, options: ApplyOptions) => {
      await withWriter(options.instance, `apply ${file}${options.prune === true ? ' --prune' : ''}`, (open) =>
        apply(file, options, open, context),
      )
    })
}

async function apply(
  file: string,
  options: ApplyOptions,
  { writer, replicas }: OpenWriter,
  context: CliContext,
): Promise<void> {
  const source = openSource(file)
  const progress = new Progress(context)
  const before = stampOf(file)
  const planned = await plan(source, options.prune === true, writer, { context, progress })
  // Without a directory the nodes defer everything: one without organisations is one.
  const begins = planned.length === 0 && (await writer.organizations.base()).header === null
  if (planned.length === 0 && !begins) {
    context.stdout.write('nothing to change\n')
    // An earlier write may have been "written, not replicated".
    if (options.dryRun !== true) requireReplicas(await writer.confirm(), replicas)
    return
  }
  if (begins) context.stdout.write('+ directory, without organisations\n')
  else showPlan(planned, context)
  if (options.dryRun === true) return
  if (options.yes !== true) await requireConsent('Apply it?', context)
  if (stampOf(file) !== before)
    throw new CommandFailed(`${file} changed meanwhile, nothing was: run it again`)
  const written = begins ? await writer.begin() : await carryOut(source, planned, writer, progress)
  if (written === null) return
  context.stdout.write(
    `applied: ${planned.length} organisations, revision ${written.revision.epoch}-${written.revision.number}\n`,
  )
  requireReplicas(written.replicas, replicas)
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
  prune: boolean,
  writer: DirectoryWriter,
  { context, progress }: { context: CliContext; progress: Progress },
): Promise<PlannedOrganization[]> {
  const planned: PlannedOrganization[] = []
  let lines = 0
  const compare = async (key: string, after: Organization | null): Promise<void> => {
    const { organizations } = writer
    const item = await planOrganization(await organizations.read(key), after, organizations)
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
    for await (const key of writer.organizations.names()) {
      if (!inFile.has(key)) await compare(key, null)
    }
  }
  const obstacles = obstaclesOf(planned)
  if (obstacles.length === 0) return planned
  throw new CommandFailed(
    [...obstacles.map((line) => printable(line, 1000)), 'nothing was changed'].join('\n'),
  )
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

async function carryOut(
  source: OrganizationsSource,
  planned: readonly PlannedOrganization[],
  writer: DirectoryWriter,
  progress: Progress,
): Promise<Written | null> {
  const work = new Work(writer, planned, progress)
  try {
    await work.removals()
    for await (const { organization } of source.organizations()) await work.arrived(organization)
    return await work.rest()
  } catch (error) {
    const done =
      work.done === 0
        ? 'nothing was changed'
        : `${work.done} of ${planned.length} organisations were changed, the others are as they were; run it again`
    throw new CommandFailed(error instanceof OutcomeUnknown ? error.message : `${messageOf(error)}\n${done}`)
  } finally {
    progress.done()
  }
}

/** Groups are written as soon as all of their organisations were read. */
class Work {
  done = 0
  readonly #writer: DirectoryWriter
  readonly #progress: Progress
  readonly #total: number
  readonly #groups: readonly (readonly PlannedOrganization[])[]
  readonly #groupOf = new Map<string, readonly PlannedOrganization[]>()
  /** Organisations of groups that are not complete, or were refused. */
  readonly #held = new Map<string, Organization>()
  #refused: (readonly PlannedOrganization[])[] = []
  #last: Written | null = null

  constructor(writer: DirectoryWriter, planned: readonly PlannedOrganization[], progress: Progress) {
    this.#writer = writer
    this.#progress = progress
    this.#total = planned.length
    this.#groups = groupPlan(planned)
    for (const group of this.#groups) for (const { nameKey: key } of group) this.#groupOf.set(key, group)
  }

  async removals(): Promise<void> {
    for (const group of this.#groups) {
      if (group.every(({ kind }) => kind === 'removed')) await this.#write(group)
    }
  }

  async arrived(organization: Organization): Promise<void> {
    const key = nameKey(organization.name)
    const group = this.#groupOf.get(key)
    if (group === undefined) return
    this.#held.set(key, organization)
    if (group.every(({ kind, nameKey: member }) => kind === 'removed' || this.#held.has(member))) {
      await this.#write(group)
    }
  }

  /** What hung on a change that came later in the file; at last all that is left at once. */
  async rest(): Promise<Written | null> {
    for (let before = Infinity; this.#refused.length > 0 && this.#refused.length < before;) {
      const again = this.#refused
      before = again.length
      this.#refused = []
      for (const group of again) await this.#write(group)
    }
    if (this.#refused.length > 0) await this.#put(this.#refused.flat())
    return this.#last
  }

  async #write(group: readonly PlannedOrganization[]): Promise<void> {
    try {
      await this.#put(group)
    } catch (error) {
      if (!(error instanceof ChangeRefused)) throw error
      this.#refused.push(group)
    }
  }

  async #put(group: readonly PlannedOrganization[]): Promise<void> {
    const written = await writeGroup(this.#writer, group, this.#held)
    const fewest = Math.min(this.#last?.replicas ?? Infinity, written?.replicas ?? Infinity)
    if (written !== null) this.#last = { ...written, replicas: fewest }
    for (const { nameKey: key } of group) this.#held.delete(key)
    this.done += group.length
    this.#progress.show('writing', this.done / this.#total)
  }
}
