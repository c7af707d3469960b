/** `connectorctl organization`: who uses the smarthost. */

import type { Command } from 'commander'
import { organizationAsWritten } from '../../directory/as-written.ts'
import { canonical } from '../../directory/difference.ts'
import type { Organization } from '../../directory/model.ts'
import { nameKey } from '../../directory/model.ts'
import { usesOfOrganization } from '../../journal/usage.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { withEditor } from '../editor.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import type { Carried, Change } from '../manage/change.ts'
import { carryOut, changedMeanwhile, tellOutcome, tellWarnings, warningsAbout } from '../manage/change.ts'
import { withItself } from '../manage/edits.ts'
import { addExamples, ORGANIZATION_EXAMPLES } from '../manage/examples.ts'
import { addPropertyOptions, addReportOnlyOptions, readProperties } from '../manage/flags.ts'
import type { ManageOptions } from '../manage/options.ts'
import { addCommonOptions, addRemoveOptions } from '../manage/options.ts'
import { ORGANIZATION_FLAGS } from '../manage/properties.ts'
import { allOrganizations, named, organizationNamed } from '../manage/records.ts'
import { remove } from '../manage/removal.ts'
import {
  differentProperties,
  listText,
  organizationJson,
  organizationSubject,
  reportOnlyText,
  writeProperties,
} from '../manage/show.ts'
import { mapped, writeJsonArray, writeTable } from '../manage/table.ts'
import { addJournalOption, recentUsage, usageJson, usageLines } from '../manage/usage.ts'
import { canAsk, Dialogue } from '../wizard/dialogue.ts'
import { askForItself } from '../wizard/properties.ts'

const HELP = `
Examples:
  connectorctl organization add contoso --comment "our own servers"
  connectorctl organization set contoso --report-only 2027-02-01
  connectorctl organization show contoso
  connectorctl organization disable contoso

An organisation has no switch of its own: disable disables each of its inbound connectors, and enable enables each of
them, those as well that had been disabled one by one before. Its domains stay registered with either.`

/**
 * @param program the program to add the commands to
 * @param context where to write
 */
export function registerOrganization(program: Command, context: CliContext): void {
  const command = program
    .command('organization')
    .description('organisations: list, show, add, set, remove, enable, disable')
    .addHelpText('after', HELP)
  addCommonOptions(command.command('list').description('all organisations')).action(
    (options: ManageOptions) =>
      withEditor(options.instance, 'organization list', (open) => list(open, options, context)),
  )
  const shown = command.command('show').description('one organisation, and what used it').argument('<name>')
  addJournalOption(addCommonOptions(shown))
  shown.action((name: string, options: ManageOptions) =>
    withEditor(options.instance, `organization show ${name}`, (open) => show(open, name, options, context)),
  )
  const added = command.command('add').description('a new organisation').argument('[name]')
  addPropertyOptions(added, ORGANIZATION_FLAGS, false)
  addReportOnlyOptions(added, false)
  addCommonOptions(added).action((name: string | undefined, options: ManageOptions) =>
    withEditor(options.instance, `organization add ${name ?? ''}`.trimEnd(), (open) =>
      add(open, name, options, context),
    ),
  )
  const changed = command.command('set').description('change an organisation').argument('<name>')
  addPropertyOptions(changed, ORGANIZATION_FLAGS, true)
  addReportOnlyOptions(changed, true)
  addCommonOptions(changed).action((name: string, options: ManageOptions) =>
    withEditor(options.instance, `organization set ${name}`, (open) => set(open, name, options, context)),
  )
  const removed = command
    .command('remove')
    .description('remove an organisation with its domains and connectors')
    .argument('<name>')
  addJournalOption(addRemoveOptions(addCommonOptions(removed)))
  removed.action((name: string, options: ManageOptions) =>
    withEditor(options.instance, `organization remove ${name}`, (open) =>
      removeOrganization(open, name, options, context),
    ),
  )
  for (const enabled of [true, false]) {
    const verb = enabled ? 'enable' : 'disable'
    addCommonOptions(
      command.command(verb).description(`${verb} each inbound connector of it`).argument('<name>'),
    ).action((name: string, options: ManageOptions) =>
      withEditor(options.instance, `organization ${verb} ${name}`, (open) =>
        enable(open, name, enabled, options, context),
      ),
    )
  }
  addExamples(command, ORGANIZATION_EXAMPLES)
}

const COLUMNS = ['NAME', 'DOMAINS', 'CONNECTORS', 'ENABLED', 'REPORT-ONLY UNTIL', 'COMMENT']

async function list(
  open: OpenEditor,
  { json }: ManageOptions,
  { stdout, stderr }: CliContext,
): Promise<void> {
  if (json === true) {
    await writeJsonArray(mapped(allOrganizations(open), organizationJson), stdout)
    return
  }
  const rows = mapped(
    allOrganizations(open),
    ({ acceptedDomains, comment, inboundConnectors, name, reportOnlyUntil }) => [
      name,
      String(acceptedDomains.length),
      String(inboundConnectors.length),
      String(inboundConnectors.filter(({ enabled }) => enabled).length),
      reportOnlyUntil ?? '',
      comment ?? '',
    ],
  )
  if ((await writeTable(COLUMNS, rows, stdout)) === 0) stderr.write('there are no organisations\n')
}

async function show(
  open: OpenEditor,
  name: string,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const { organization } = await organizationNamed(open, name)
  const report = await recentUsage(open, options, usesOfOrganization(organization), context)
  const warnings = warningsAbout(open, organization, organization)
  if (options.json === true) {
    const usage = usageJson(report)
    context.stdout.write(`${JSON.stringify({ ...organizationJson(organization), usage, warnings })}\n`)
    return
  }
  const { acceptedDomains, comment, inboundConnectors, reportOnlyUntil } = organization
  const properties = [
    ['acceptedDomains', listText(acceptedDomains.map(({ domainName }) => domainName))],
    ['inboundConnectors', listText(inboundConnectors.map((connector) => labelOf(connector)))],
    ['reportOnlyUntil', reportOnlyText(reportOnlyUntil)],
    ['comment', comment ?? 'none'],
  ] as const
  writeProperties(organizationSubject(organization.name), properties, context.stdout)
  context.stdout.write(`  ${usageLines(report, ['connector', 'sender', 'recipient']).join('\n  ')}\n`)
  tellWarnings(warnings, context.stderr)
}

function labelOf({ enabled, name }: Organization['inboundConnectors'][number]): string {
  return enabled ? name : `${name} (disabled)`
}

async function add(
  open: OpenEditor,
  name: string | undefined,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const given = readProperties(options, ORGANIZATION_FLAGS)
  if (name === undefined && !canAsk(context)) throw new UsageError('the name of the organisation is missing')
  const wanted =
    name ??
    (await Dialogue.with(context, (dialogue) => dialogue.ask('Name of the organisation (e.g. contoso)')))
  const carried = await carryOut(open, {
    nameKey: nameKey(wanted),
    edit: (before) => {
      if (before !== null) throw new CommandFailed(`${organizationSubject(before.name)} is there already`)
      return { name: wanted, ...Object.fromEntries([...given].filter(([, value]) => value !== null)) }
    },
    touched: (after) => after,
  })
  tell('added', carried, options, context)
}

function tell(verb: string, carried: Carried, options: ManageOptions, context: CliContext): void {
  const now = carried.after ?? carried.before
  const record = carried.after === null ? null : organizationJson(carried.after)
  const subject = organizationSubject(now?.name ?? '')
  tellOutcome({ subject, verb, carried, record, json: options.json === true }, context)
}

async function set(
  open: OpenEditor,
  name: string,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const stored = await organizationNamed(open, name)
  const typed = readProperties(options, ORGANIZATION_FLAGS)
  const asked = typed.size === 0
  if (asked && !canAsk(context)) {
    throw new UsageError(
      'nothing to set: give at least one of --name, --comment, --report-only, --no-report-only',
    )
  }
  const given = asked ? await askForItself(stored.organization, context) : typed
  await requireFree(open, given.get('name'), stored.organization)
  const shown = asked ? canonical(stored.organization) : null
  const carried = await carryOut(open, {
    nameKey: nameKey(stored.organization.name),
    edit: (before) => withItself(present(before, stored.organization, shown), given),
  })
  const { after, before } = carried
  const changed =
    before === null || after === null
      ? []
      : differentProperties(organizationAsWritten(before), organizationAsWritten(after))
  tell(`changed (${changed.join(', ')})`, carried, options, context)
}

async function requireFree(open: OpenEditor, name: unknown, { name: current }: Organization): Promise<void> {
  if (typeof name !== 'string' || nameKey(name) === nameKey(current)) return
  const other = await open.editor.read(nameKey(name))
  if (other !== null) {
    throw new CommandFailed(
      `${organizationSubject(other.organization.name)} is there already, nothing was changed`,
    )
  }
}

/** The organisation as it is now; `shown` is what was agreed to, null when nobody was asked. */
function present(before: Organization | null, was: Organization, shown: string | null): Organization {
  if (before === null || (shown !== null && canonical(before) !== shown)) {
    throw changedMeanwhile(organizationSubject(was.name))
  }
  return before
}

async function removeOrganization(
  open: OpenEditor,
  name: string,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const { organization } = await organizationNamed(open, name)
  const { acceptedDomains, inboundConnectors } = organization
  const shown = canonical(organization)
  const change: Change = {
    nameKey: nameKey(organization.name),
    edit: (before) => {
      present(before, organization, shown)
      return null
    },
  }
  const domains = acceptedDomains.map(({ domainName }) => domainName)
  const connectors = inboundConnectors.map((connector) => labelOf(connector))
  const details = [
    `domains that go with it: ${domains.length === 0 ? 'none' : `${domains.length}: ${named(domains)}`}`,
    `connectors that go with it: ${connectors.length === 0 ? 'none' : `${connectors.length}: ${named(connectors)}`}`,
  ]
  const subject = organizationSubject(organization.name)
  const uses = usesOfOrganization(organization)
  const possible = ['connector', 'sender', 'recipient'] as const
  await remove(open, { subject, change, details, uses, possible }, options, context)
}

async function enable(
  open: OpenEditor,
  name: string,
  enabled: boolean,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const { organization } = await organizationNamed(open, name)
  const carried = await carryOut(open, {
    nameKey: nameKey(organization.name),
    edit: (before) => {
      const now = present(before, organization, null)
      const inboundConnectors = now.inboundConnectors.map((connector) => ({ ...connector, enabled }))
      return organizationAsWritten({ ...now, inboundConnectors })
    },
  })
  const switched = (carried.before?.inboundConnectors ?? []).filter(
    (connector) => connector.enabled !== enabled,
  )
  const names = named(switched.map((connector) => connector.name))
  tell(`${enabled ? 'enabled' : 'disabled'} (${names})`, carried, options, context)
}
