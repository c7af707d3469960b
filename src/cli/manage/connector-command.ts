/** `connectorctl inbound-connector` and `outbound-connector`: the same verbs, for two kinds of records. */

import type { Command } from 'commander'
import type { StoredOrganization } from '../../directory/editor.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { withEditor } from '../editor.ts'
import { UsageError } from '../errors.ts'
import { canAsk } from '../wizard/dialogue.ts'
import { carryOut, tellOutcome, tellWarnings, warningsAbout } from './change.ts'
import type { ConnectorChange, ConnectorWish } from './connector-change.ts'
import { additionOf, editOf, removalOf } from './connector-change.ts'
import type { AnyConnector, ConnectorKind } from './connector-kind.ts'
import type { Examples } from './examples.ts'
import { addExamples } from './examples.ts'
import type { Given } from './flags.ts'
import { addPropertyOptions, addReportOnlyOptions, flagOf, readListChanges, readProperties } from './flags.ts'
import type { ManageOptions } from './options.ts'
import { addCommonOptions, addOwnerOption, addRemoveOptions } from './options.ts'
import { allOrganizations, connectorOf, organizationNamed, ownerOf } from './records.ts'
import { removeUsed } from './removal.ts'
import type { ShownProperty } from './show.ts'
import { connectorSubject, differentProperties, listText, writeProperties } from './show.ts'
import { mapped, writeJsonArray, writeTable } from './table.ts'
import type { RecentTraffic } from './traffic.ts'
import { addJournalOption } from './usage.ts'

/** Asks step by step, on a terminal. */
export interface ConnectorWizard<T extends AnyConnector> {
  add(
    open: OpenEditor,
    part: {
      readonly organization: string | undefined
      readonly name: string | undefined
      readonly given: Given
    },
    context: CliContext,
  ): Promise<ConnectorWish<T>>
  set(open: OpenEditor, stored: StoredOrganization, record: T, context: CliContext): Promise<Given>
}

/** What the commands on one kind say and ask. */
export interface ConnectorCommand<T extends AnyConnector> {
  readonly kind: ConnectorKind<T>
  /** e.g. `inbound connectors` */
  readonly plural: string
  readonly help: string
  readonly examples: Examples
  /** What `disable` does, and `enable`. */
  readonly switches: { readonly enable: string; readonly disable: string }
  readonly hasReportOnly: boolean
  readonly columns: readonly string[]
  row(connector: T): readonly string[]
  json(connector: T): object
  properties(connector: T): readonly ShownProperty[]
  /** @returns the flags that a new one cannot do without and that were not given */
  missing(name: string | undefined, given: Given): readonly string[]
  readonly wizard: ConnectorWizard<T> | null
  traffic(open: OpenEditor, options: ManageOptions, connector: T, context: CliContext): Promise<RecentTraffic>
  /** @returns what is noticed on this machine, beside what the schema says; not safe to print */
  remarks(open: OpenEditor, connector: T): Promise<readonly string[]>
  /** @returns what becomes of the mail that waits now when it goes; safe to print */
  queued(open: OpenEditor, connector: T): Promise<readonly string[]>
}

interface At<T extends AnyConnector> {
  readonly open: OpenEditor
  readonly told: ConnectorCommand<T>
  readonly options: ManageOptions
  readonly context: CliContext
}

/**
 * @param program the program to add the commands to
 * @param context where to write
 * @param told what the commands say and ask
 */
export function registerConnectorCommand<T extends AnyConnector>(
  program: Command,
  context: CliContext,
  told: ConnectorCommand<T>,
): void {
  const { hasReportOnly, kind, plural } = told
  const command = program
    .command(kind.command)
    .description(`${plural}: list, show, add, set, remove, enable, disable`)
    .addHelpText('after', told.help)
  const run = (words: string, options: ManageOptions, use: (at: At<T>) => Promise<void>): Promise<void> =>
    withEditor(options.instance, `${kind.command} ${words}`.trimEnd(), (open) =>
      use({ open, told, options, context }),
    )
  const listed = command.command('list').description(`all ${plural}`)
  addCommonOptions(listed.option('--organization <name>', 'only those of this organisation')).action(
    (options: ManageOptions) => run('list', options, list),
  )
  const shown = command.command('show').description('one connector, and what used it').argument('<name>')
  addJournalOption(addOwnerOption(addCommonOptions(shown)))
  shown.action((name: string, options: ManageOptions) => run(`show ${name}`, options, (at) => show(at, name)))
  const added = command.command('add').description('a new connector').argument('[name]')
  addPropertyOptions(added, kind.flags, false)
  if (hasReportOnly) addReportOnlyOptions(added, false)
  addOwnerOption(addCommonOptions(added)).action((name: string | undefined, options: ManageOptions) =>
    run(`add ${name ?? ''}`, options, (at) => add(at, name)),
  )
  const changed = command.command('set').description('change a connector').argument('<name>')
  addPropertyOptions(changed, kind.flags, true)
  if (hasReportOnly) addReportOnlyOptions(changed, true)
  addOwnerOption(addCommonOptions(changed)).action((name: string, options: ManageOptions) =>
    run(`set ${name}`, options, (at) => set(at, name)),
  )
  const removed = command.command('remove').description('remove a connector').argument('<name>')
  addJournalOption(addRemoveOptions(addOwnerOption(addCommonOptions(removed))))
  removed.action((name: string, options: ManageOptions) =>
    run(`remove ${name}`, options, (at) => remove(at, name)),
  )
  for (const verb of ['enable', 'disable'] as const) {
    const switched = command.command(verb).description(told.switches[verb]).argument('<name>')
    addOwnerOption(addCommonOptions(switched)).action((name: string, options: ManageOptions) =>
      run(`${verb} ${name}`, options, (at) => turn(at, name, verb)),
    )
  }
  addExamples(command, told.examples)
}

async function* all<T extends AnyConnector>({ open, told, options }: At<T>): AsyncGenerator<T> {
  if (options.organization !== undefined) {
    yield* told.kind.of((await organizationNamed(open, options.organization)).organization)
    return
  }
  for await (const owner of allOrganizations(open)) yield* told.kind.of(owner)
}

async function list<T extends AnyConnector>(at: At<T>): Promise<void> {
  const { context, options, told } = at
  const { stderr, stdout } = context
  const connectors = all(at)
  if (options.json === true) {
    await writeJsonArray(
      mapped(connectors, (connector) => told.json(connector)),
      stdout,
    )
    return
  }
  const rows = mapped(connectors, (connector) => told.row(connector))
  if ((await writeTable(told.columns, rows, stdout)) === 0) stderr.write(`there are no ${told.plural}\n`)
}

async function show<T extends AnyConnector>(at: At<T>, name: string): Promise<void> {
  const { context, open, options, told } = at
  const { kind } = told
  const stored = await ownerOf(open, options.organization)
  const connector = connectorOf(stored, name, kind)
  const traffic = await told.traffic(open, options, connector, context)
  const warnings = [
    ...warningsAbout(open, stored.organization, kind.touched([connector])),
    ...(await told.remarks(open, connector)),
  ]
  if (options.json === true) {
    const record = { ...told.json(connector), usage: traffic.json, warnings }
    context.stdout.write(`${JSON.stringify(record)}\n`)
    return
  }
  const subject = connectorSubject(connector.name, connector.organization, kind.command)
  writeProperties(subject, told.properties(connector), context.stdout)
  context.stdout.write(`  ${traffic.lines.join('\n  ')}\n`)
  tellWarnings(warnings, context.stderr)
}

async function add<T extends AnyConnector>(at: At<T>, name: string | undefined): Promise<void> {
  const { context, open, options, told } = at
  const { kind, wizard } = told
  const given = readProperties(options, kind.flags)
  const lacking = told.missing(name, given)
  const asks = lacking.length > 0 && wizard !== null && canAsk(context)
  if (lacking.length > 0 && !asks) {
    const asked = wizard === null ? '' : '; on a terminal the command asks for it'
    throw new UsageError(`missing: ${lacking.join(', ')}${asked}`)
  }
  const wish: ConnectorWish<T> = asks
    ? await wizard.add(open, { organization: options.organization, name, given }, context)
    : { owner: (await ownerOf(open, options.organization)).organization, name: name ?? '', given }
  await carry(at, wish.owner.name, additionOf(kind, wish), () => 'added')
}

async function carry<T extends AnyConnector>(
  { context, open, options, told }: At<T>,
  owner: string,
  { change, find, warnings }: ConnectorChange<T>,
  verb: (before: T | null, after: T | null) => string,
): Promise<void> {
  const carried = await carryOut(open, change)
  const record = find(carried.after)
  const remarks = record === null ? [] : await told.remarks(open, record)
  tellOutcome(
    {
      subject: connectorSubject(record?.name ?? '', owner, told.kind.command),
      verb: verb(find(carried.before), record),
      carried: { ...carried, warnings: [...warnings(), ...carried.warnings, ...remarks] },
      record: record === null ? null : told.json(record),
      json: options.json === true,
    },
    context,
  )
}

async function set<T extends AnyConnector>(at: At<T>, name: string): Promise<void> {
  const { context, open, options, told } = at
  const { kind, wizard } = told
  const given = readProperties(options, kind.flags)
  const lists = readListChanges(options, kind.flags)
  const stored = await ownerOf(open, options.organization)
  const record = connectorOf(stored, name, kind)
  if (given.size + lists.length > 0) {
    await edit(at, stored, record, { given, lists })
    return
  }
  if (wizard === null || !canAsk(context)) {
    const flags = kind.flags.filter((flag) => flag.idle !== true).map(({ property }) => flagOf(property))
    const asks = wizard === null ? '' : '; on a terminal the command asks'
    throw new UsageError(`nothing to set: give at least one of ${listText(flags)}${asks}`)
  }
  const asked = await wizard.set(open, stored, record, context)
  await edit(at, stored, record, { given: asked, shown: record })
}

async function turn<T extends AnyConnector>(
  at: At<T>,
  name: string,
  verb: 'enable' | 'disable',
): Promise<void> {
  const { context, open, options, told } = at
  const stored = await ownerOf(open, options.organization)
  const record = connectorOf(stored, name, told.kind)
  const waiting = verb === 'disable' && record.enabled ? await told.queued(open, record) : []
  await edit(at, stored, record, { given: new Map([['enabled', verb === 'enable']]), verb: `${verb}d` })
  for (const line of waiting) context.stderr.write(`warning: ${line}\n`)
}

interface Edit<T extends AnyConnector> extends Pick<ConnectorWish<T>, 'given' | 'lists' | 'shown'> {
  /** What is said of it; the properties that changed where nothing else is. */
  readonly verb?: string
}

async function edit<T extends AnyConnector>(
  at: At<T>,
  { organization: owner }: StoredOrganization,
  record: T,
  { verb, ...wish }: Edit<T>,
): Promise<void> {
  const { kind } = at.told
  const changed = editOf(kind, { owner, name: record.name, ...wish })
  const said = (before: T | null, after: T | null): string => {
    if (verb !== undefined) return verb
    // Under another name it is not found in what was.
    const was: T = before ?? record
    const is: T = after ?? record
    return `changed (${differentProperties(kind.asWritten(was), kind.asWritten(is)).join(', ')})`
  }
  await carry(at, owner.name, changed, said)
}

async function remove<T extends AnyConnector>(at: At<T>, name: string): Promise<void> {
  const { context, open, options, told } = at
  const { kind } = told
  const stored = await ownerOf(open, options.organization)
  const record = connectorOf(stored, name, kind)
  const removal = {
    subject: connectorSubject(record.name, record.organization, kind.command),
    change: removalOf(kind, stored.organization, record),
    details: record.enabled ? await told.queued(open, record) : ['it is disabled'],
    traffic: (): Promise<RecentTraffic> => told.traffic(open, options, record, context),
  }
  await removeUsed(open, removal, options, context)
}
