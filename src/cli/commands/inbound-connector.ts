/** `connectorctl inbound-connector`: which servers an organisation's mail may come from. */

import type { Command } from 'commander'
import { connectorAsWritten } from '../../directory/as-written.ts'
import type { StoredOrganization } from '../../directory/editor.ts'
import type { ConfiguredConnector } from '../../directory/model.ts'
import { usesOfConnector } from '../../journal/usage.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { withEditor } from '../editor.ts'
import { UsageError } from '../errors.ts'
import { carryOut, tellOutcome, tellWarnings, warningsAbout } from '../manage/change.ts'
import type { ConnectorChange, ConnectorWish } from '../manage/connector-change.ts'
import { connectorAddition, connectorEdit, connectorRemoval } from '../manage/connector-change.ts'
import { addExamples, CONNECTOR_EXAMPLES } from '../manage/examples.ts'
import type { Given } from '../manage/flags.ts'
import {
  addPropertyOptions,
  addReportOnlyOptions,
  flagOf,
  readListChanges,
  readProperties,
} from '../manage/flags.ts'
import type { ManageOptions } from '../manage/options.ts'
import { addCommonOptions, addOwnerOption, addRemoveOptions } from '../manage/options.ts'
import { CONNECTOR_FLAGS } from '../manage/properties.ts'
import { allOrganizations, connectorNamed, organizationNamed, ownerOf } from '../manage/records.ts'
import { remove } from '../manage/removal.ts'
import {
  connectorJson,
  connectorProperties,
  connectorSubject,
  differentProperties,
  listText,
  writeProperties,
} from '../manage/show.ts'
import { mapped, writeJsonArray, writeTable } from '../manage/table.ts'
import { addJournalOption, recentUsage, usageJson, usageLines } from '../manage/usage.ts'
import { askForChange, askForConnector } from '../wizard/connector-wizard.ts'
import { canAsk } from '../wizard/dialogue.ts'

const HELP = `
Examples:
  connectorctl inbound-connector add
      asks for everything, step by step, when it is run on a terminal
  connectorctl inbound-connector add Exchange --organization contoso --connector-type OnPremises \\
      --tls-sender-certificate-name "*.contoso.com"
  connectorctl inbound-connector add Scanners --organization contoso --connector-type OnPremises \\
      --sender-ip-addresses 10.1.2.0/24,10.1.3.7
  connectorctl inbound-connector set Scanners --organization contoso --add-sender-ip-addresses 10.1.4.0/24
  connectorctl inbound-connector set Exchange --organization contoso --report-only
  connectorctl inbound-connector disable Scanners --organization contoso
  connectorctl inbound-connector remove Scanners --organization contoso

An empty text takes a property away: --comment "". set with no property asks for all of them on a terminal.`

/**
 * @param program the program to add the commands to
 * @param context where to write
 */
export function registerInboundConnector(program: Command, context: CliContext): void {
  const command = program
    .command('inbound-connector')
    .description('inbound connectors: list, show, add, set, remove, enable, disable')
    .addHelpText('after', HELP)
  const listed = command.command('list').description('all inbound connectors')
  addCommonOptions(listed.option('--organization <name>', 'only those of this organisation')).action(
    (options: ManageOptions) =>
      withEditor(options.instance, 'inbound-connector list', (open) => list(open, options, context)),
  )
  const shown = command.command('show').description('one connector, and what used it').argument('<name>')
  addJournalOption(addOwnerOption(addCommonOptions(shown)))
  shown.action((name: string, options: ManageOptions) =>
    withEditor(options.instance, `inbound-connector show ${name}`, (open) =>
      show(open, name, options, context),
    ),
  )
  const added = command.command('add').description('a new connector').argument('[name]')
  addPropertyOptions(added, CONNECTOR_FLAGS, false)
  addReportOnlyOptions(added, false)
  addOwnerOption(addCommonOptions(added)).action((name: string | undefined, options: ManageOptions) =>
    withEditor(options.instance, `inbound-connector add ${name ?? ''}`.trimEnd(), (open) =>
      add(open, name, options, context),
    ),
  )
  const changed = command.command('set').description('change a connector').argument('<name>')
  addPropertyOptions(changed, CONNECTOR_FLAGS, true)
  addReportOnlyOptions(changed, true)
  addOwnerOption(addCommonOptions(changed)).action((name: string, options: ManageOptions) =>
    withEditor(options.instance, `inbound-connector set ${name}`, (open) =>
      set(open, name, options, context),
    ),
  )
  const removed = command.command('remove').description('remove a connector').argument('<name>')
  addJournalOption(addRemoveOptions(addOwnerOption(addCommonOptions(removed))))
  removed.action((name: string, options: ManageOptions) =>
    withEditor(options.instance, `inbound-connector remove ${name}`, (open) =>
      removeConnector(open, name, options, context),
    ),
  )
  registerSwitch(command, context, true)
  registerSwitch(command, context, false)
  addExamples(command, CONNECTOR_EXAMPLES)
}

function registerSwitch(command: Command, context: CliContext, enabled: boolean): void {
  const verb = enabled ? 'enable' : 'disable'
  const what = enabled ? 'let a connector count again' : 'keep a connector, but let it count for nothing'
  const switched = command.command(verb).description(what).argument('<name>')
  addOwnerOption(addCommonOptions(switched)).action((name: string, options: ManageOptions) =>
    withEditor(options.instance, `inbound-connector ${verb} ${name}`, async (open) => {
      const stored = await ownerOf(open, options.organization)
      const given = new Map([['enabled', enabled]])
      await edit(open, stored, connectorNamed(stored, name), { given, verb: `${verb}d` }, options, context)
    }),
  )
}

async function* all(open: OpenEditor, organization: string | undefined): AsyncGenerator<ConfiguredConnector> {
  if (organization !== undefined) {
    yield* (await organizationNamed(open, organization)).organization.inboundConnectors
    return
  }
  for await (const owner of allOrganizations(open)) yield* owner.inboundConnectors
}

const COLUMNS = [
  'ORGANIZATION',
  'NAME',
  'TYPE',
  'ENABLED',
  'CERTIFICATE NAME',
  'ADDRESSES',
  'REPORT-ONLY UNTIL',
]

async function list(
  open: OpenEditor,
  { json, organization }: ManageOptions,
  { stdout, stderr }: CliContext,
): Promise<void> {
  const connectors = all(open, organization)
  if (json === true) {
    await writeJsonArray(mapped(connectors, connectorJson), stdout)
    return
  }
  const rows = mapped(connectors, (connector) => [
    connector.organization,
    connector.name,
    connector.connectorType,
    connector.enabled ? 'yes' : 'no',
    connector.tlsSenderCertificateName ?? '',
    connector.senderIPAddresses.join(', '),
    connector.reportOnlyUntil ?? '',
  ])
  if ((await writeTable(COLUMNS, rows, stdout)) === 0) stderr.write('there are no inbound connectors\n')
}

async function show(
  open: OpenEditor,
  name: string,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const stored = await ownerOf(open, options.organization)
  const connector = connectorNamed(stored, name)
  const report = await recentUsage(open, options, usesOfConnector(connector), context)
  const touched = { acceptedDomains: [], inboundConnectors: [connector] }
  const warnings = warningsAbout(open, stored.organization, touched)
  if (options.json === true) {
    const usage = usageJson(report)
    context.stdout.write(`${JSON.stringify({ ...connectorJson(connector), usage, warnings })}\n`)
    return
  }
  const subject = connectorSubject(connector.name, connector.organization)
  writeProperties(subject, connectorProperties(connector), context.stdout)
  context.stdout.write(`  ${usageLines(report, ['connector']).join('\n  ')}\n`)
  tellWarnings(warnings, context.stderr)
}

/** What New-InboundConnector cannot do without. */
function missing(name: string | undefined, given: Given): string[] {
  const has = (property: string): boolean => {
    const value = given.get(property)
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null
  }
  const type = given.get('connectorType')
  const recognised = has('tlsSenderCertificateName') || has('senderIPAddresses')
  return [
    ...(name === undefined ? ['the name'] : []),
    ...(has('connectorType') ? [] : [flagOf('connectorType')]),
    ...(type === 'Partner' && !has('senderDomains') ? [flagOf('senderDomains')] : []),
    ...(type === 'Partner' || recognised
      ? []
      : [`${flagOf('tlsSenderCertificateName')} or ${flagOf('senderIPAddresses')}`]),
  ]
}

async function add(
  open: OpenEditor,
  name: string | undefined,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const given = readProperties(options, CONNECTOR_FLAGS)
  const lacking = missing(name, given)
  const asks = lacking.length > 0 && canAsk(context)
  if (lacking.length > 0 && !asks) {
    throw new UsageError(`missing: ${lacking.join(', ')}; on a terminal the command asks for it`)
  }
  const wish: ConnectorWish = asks
    ? await askForConnector(open, { organization: options.organization, name, given }, context)
    : { owner: (await ownerOf(open, options.organization)).organization, name: name ?? '', given }
  await carry(open, wish.owner.name, connectorAddition(wish), () => 'added', options, context)
}

async function carry(
  open: OpenEditor,
  owner: string,
  { change, find, warnings }: ConnectorChange,
  verb: (before: ConfiguredConnector | null, after: ConfiguredConnector | null) => string,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const carried = await carryOut(open, change)
  const record = find(carried.after)
  const subject = connectorSubject(record?.name ?? '', owner)
  tellOutcome(
    {
      subject,
      verb: verb(find(carried.before), record),
      carried: { ...carried, warnings: [...warnings(), ...carried.warnings] },
      record: record === null ? null : connectorJson(record),
      json: options.json === true,
    },
    context,
  )
}

async function set(
  open: OpenEditor,
  name: string,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const given = readProperties(options, CONNECTOR_FLAGS)
  const lists = readListChanges(options, CONNECTOR_FLAGS)
  const stored = await ownerOf(open, options.organization)
  const record = connectorNamed(stored, name)
  if (given.size + lists.length > 0) {
    await edit(open, stored, record, { given, lists }, options, context)
    return
  }
  if (!canAsk(context)) {
    const flags = CONNECTOR_FLAGS.filter((flag) => flag.idle !== true).map(({ property }) => flagOf(property))
    throw new UsageError(
      `nothing to set: give at least one of ${listText(flags)}; on a terminal the command asks`,
    )
  }
  const asked = await askForChange(open, stored, record, context)
  await edit(open, stored, record, { given: asked, shown: record }, options, context)
}

interface Edit extends Pick<ConnectorWish, 'given' | 'lists' | 'shown'> {
  /** What is said of it; the properties that changed where nothing else is. */
  readonly verb?: string
}

async function edit(
  open: OpenEditor,
  { organization: owner }: StoredOrganization,
  record: ConfiguredConnector,
  { verb, ...wish }: Edit,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const changed = connectorEdit({ owner, name: record.name, ...wish })
  const said = (before: ConfiguredConnector | null, after: ConfiguredConnector | null): string => {
    if (verb !== undefined) return verb
    // Under another name it is not found in what was.
    const [was, is] = [before ?? record, after ?? record]
    return `changed (${differentProperties(connectorAsWritten(was), connectorAsWritten(is)).join(', ')})`
  }
  await carry(open, owner.name, changed, said, options, context)
}

async function removeConnector(
  open: OpenEditor,
  name: string,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const stored = await ownerOf(open, options.organization)
  const record = connectorNamed(stored, name)
  const removal = {
    subject: connectorSubject(record.name, record.organization),
    change: connectorRemoval(stored.organization, record),
    details: record.enabled ? [] : ['it is disabled'],
    uses: usesOfConnector(record),
    possible: ['connector'] as const,
  }
  await remove(open, removal, options, context)
}
