/** `connectorctl domain`: the accepted domains of the organisations. */

import type { Command } from 'commander'
import { domainAsWritten } from '../../directory/as-written.ts'
import { usesOfDomain } from '../../journal/usage.ts'
import { isProven } from '../../policy/proof.ts'
import type { AcceptedDomain } from '../../policy/types.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { withEditor } from '../editor.ts'
import { UsageError } from '../errors.ts'
import type { Change } from '../manage/change.ts'
import { carryOut, tellOutcome, tellWarnings, warningsAbout } from '../manage/change.ts'
import type { DomainWish } from '../manage/domain-change.ts'
import { domainEdit, domainIn, domainRemoval } from '../manage/domain-change.ts'
import { addExamples, DOMAIN_EXAMPLES } from '../manage/examples.ts'
import { idleWarnings, sortGiven } from '../manage/exchange-rules.ts'
import { addPropertyOptions, flagOf, readListChanges, readProperties } from '../manage/flags.ts'
import type { ManageOptions } from '../manage/options.ts'
import { addCommonOptions, addRemoveOptions } from '../manage/options.ts'
import { DOMAIN_FLAGS } from '../manage/properties.ts'
import type { OwnedDomain } from '../manage/records.ts'
import { allOrganizations, domainNamed, organizationNamed } from '../manage/records.ts'
import { remove } from '../manage/removal.ts'
import {
  differentProperties,
  domainJson,
  domainProperties,
  domainSubject,
  listText,
  proofState,
  writeProperties,
} from '../manage/show.ts'
import { mapped, writeJsonArray, writeTable } from '../manage/table.ts'
import { addJournalOption, recentUsage, usageJson, usageLines } from '../manage/usage.ts'
import { canAsk } from '../wizard/dialogue.ts'
import { askForDomain } from '../wizard/properties.ts'
import { registerDomainAdd } from './domain-add.ts'
import { registerDomainRequireProof } from './domain-require-proof.ts'
import { registerDomainVerify } from './domain-verify.ts'

const HELP = `
Examples:
  connectorctl domain add contoso.com --organization contoso
  connectorctl domain set contoso.com --match-sub-domains true
  connectorctl domain set contoso.com --add-delegated-sub-domains eu.contoso.com
  connectorctl domain show contoso.com
  connectorctl domain disable old.contoso.com
  connectorctl domain remove old.contoso.com

disable and enable set and take away sendingFromDomainDisabled: mail from a disabled domain is refused, whatever connector
matched; mail to it is still delivered, and it still counts as the domain of a certificate. To take it out of the
conditions for relaying instead: connectorctl domain set NAME --pending-removal true.`

/**
 * @param program the program to add the commands to
 * @param context where to write
 */
export function registerDomain(program: Command, context: CliContext): void {
  const command = program
    .command('domain')
    .description('accepted domains: list, show, add, set, remove, enable, disable, verify, require-proof')
    .addHelpText('after', HELP)
  const listed = command.command('list').description('all accepted domains')
  addCommonOptions(listed.option('--organization <name>', 'only those of this organisation')).action(
    (options: ManageOptions) =>
      withEditor(options.instance, 'domain list', (open) => list(open, options, context)),
  )
  const shown = command.command('show').description('one domain, and what used it').argument('<name>')
  addJournalOption(addCommonOptions(shown))
  shown.action((name: string, options: ManageOptions) =>
    withEditor(options.instance, `domain show ${name}`, (open) => show(open, name, options, context)),
  )
  registerDomainAdd(command, context)
  const changed = command.command('set').description('change a domain').argument('<name>')
  addPropertyOptions(changed, DOMAIN_FLAGS, true)
  addCommonOptions(changed).action((name: string, options: ManageOptions) =>
    withEditor(options.instance, `domain set ${name}`, (open) => set(open, name, options, context)),
  )
  const removed = command.command('remove').description('remove a domain').argument('<name>')
  addJournalOption(addRemoveOptions(addCommonOptions(removed)))
  removed.action((name: string, options: ManageOptions) =>
    withEditor(options.instance, `domain remove ${name}`, (open) =>
      removeDomain(open, name, options, context),
    ),
  )
  registerSwitch(command, context, true)
  registerSwitch(command, context, false)
  addExamples(command, DOMAIN_EXAMPLES)
  registerDomainVerify(command, context)
  registerDomainRequireProof(command, context)
}

function registerSwitch(command: Command, context: CliContext, enabled: boolean): void {
  const verb = enabled ? 'enable' : 'disable'
  const what = enabled
    ? 'let mail from a domain be relayed again'
    : 'refuse mail from a domain, whatever connector matched'
  addCommonOptions(command.command(verb).description(what).argument('<name>')).action(
    (name: string, options: ManageOptions) =>
      withEditor(options.instance, `domain ${verb} ${name}`, async (open) => {
        const found = await domainNamed(open, name)
        const given = new Map([['sendingFromDomainDisabled', !enabled]])
        await edit(open, found, { given }, `${verb}d`, options, context)
      }),
  )
}

async function* all(open: OpenEditor, organization: string | undefined): AsyncGenerator<AcceptedDomain> {
  if (organization !== undefined) {
    yield* (await organizationNamed(open, organization)).organization.acceptedDomains
    return
  }
  for await (const owner of allOrganizations(open)) yield* owner.acceptedDomains
}

const COLUMNS = ['ORGANIZATION', 'DOMAIN', 'TYPE', 'SUB-DOMAINS', 'SENDING', 'PENDING REMOVAL', 'PROOF']

async function list(
  open: OpenEditor,
  { json, organization }: ManageOptions,
  { stdout, stderr }: CliContext,
): Promise<void> {
  const domains = all(open, organization)
  if (json === true) {
    await writeJsonArray(mapped(domains, domainJson), stdout)
    return
  }
  const rows = mapped(domains, (domain) => [
    domain.organization,
    domain.domainName,
    domain.domainType,
    domain.matchSubDomains ? 'yes' : 'no',
    domain.sendingFromDomainDisabled ? 'disabled' : 'yes',
    domain.pendingRemoval ? 'yes' : 'no',
    proofState(domain).split(/[ :]/)[0] ?? '',
  ])
  if ((await writeTable(COLUMNS, rows, stdout)) === 0) stderr.write('there are no accepted domains\n')
}

async function show(
  open: OpenEditor,
  name: string,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const { record, stored } = await domainNamed(open, name)
  const owner = stored.organization
  const report = await recentUsage(open, options, usesOfDomain(record, owner), context)
  const warnings = warningsAbout(open, owner, { acceptedDomains: [record], inboundConnectors: [] })
  const { requireDomainProof } = open.settings.relay
  if (options.json === true) {
    const counts = !requireDomainProof || isProven(record, new Date().toISOString())
    const shown = { ...domainJson(record), counts, usage: usageJson(report), warnings }
    context.stdout.write(`${JSON.stringify(shown)}\n`)
    return
  }
  const subject = domainSubject(record.domainName, record.organization)
  writeProperties(subject, domainProperties(record, requireDomainProof), context.stdout)
  context.stdout.write(`  ${usageLines(report, ['sender', 'recipient', 'certificate']).join('\n  ')}\n`)
  tellWarnings(warnings, context.stderr)
}

async function set(
  open: OpenEditor,
  name: string,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const given = readProperties(options, DOMAIN_FLAGS)
  const lists = readListChanges(options, DOMAIN_FLAGS)
  const found = await domainNamed(open, name)
  if (given.size + lists.length > 0) {
    await edit(open, found, { given, lists }, null, options, context)
    return
  }
  if (!canAsk(context)) {
    const flags = DOMAIN_FLAGS.filter((flag) => flag.idle !== true).map(({ property }) => flagOf(property))
    throw new UsageError(
      `nothing to set: give at least one of ${listText(flags)}; on a terminal the command asks`,
    )
  }
  const asked = await askForDomain(found.record, context)
  await edit(open, found, { given: asked, agreed: true }, null, options, context)
}

/** @param verb what is said of it; null for the properties that changed */
async function edit(
  open: OpenEditor,
  { record, stored }: OwnedDomain,
  wish: DomainWish,
  verb: string | null,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const owner = stored.organization
  const change: Change = domainEdit(owner, record, wish)
  const carried = await carryOut(open, change)
  const { domainName } = record
  const [before, after] = [domainIn(carried.before, domainName), domainIn(carried.after, domainName)]
  const changed = differentProperties(domainAsWritten(before ?? record), domainAsWritten(after ?? record))
  const warnings = [...idleWarnings(sortGiven(wish.given, DOMAIN_FLAGS).idle), ...carried.warnings]
  tellOutcome(
    {
      subject: domainSubject(domainName, owner.name),
      verb: verb ?? `changed (${changed.join(', ')})`,
      carried: { ...carried, warnings },
      record: after === null ? null : domainJson(after),
      json: options.json === true,
    },
    context,
  )
}

async function removeDomain(
  open: OpenEditor,
  name: string,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const { record, stored } = await domainNamed(open, name)
  const removal = {
    subject: domainSubject(record.domainName, record.organization),
    change: domainRemoval(stored.organization, record),
    details: [],
    uses: usesOfDomain(record, stored.organization),
    possible: ['sender', 'recipient', 'certificate'] as const,
  }
  await remove(open, removal, options, context)
}
