/** `connectorctl domain add`: registers a domain, after saying where the world delivers its mail. */

import type { Command } from 'commander'
import type { Organization } from '../../directory/model.ts'
import { isProven } from '../../policy/proof.ts'
import { normalizeDomain } from '../../text/domain-name.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { withEditor } from '../editor.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { carryOut, prepareChange, tellOutcome } from '../manage/change.ts'
import { domainAddition, domainIn, requireFreeDomain } from '../manage/domain-change.ts'
import { idleWarnings, sortGiven } from '../manage/exchange-rules.ts'
import { addPropertyOptions, readProperties } from '../manage/flags.ts'
import type { ManageOptions } from '../manage/options.ts'
import { addCommonOptions, addOwnerOption } from '../manage/options.ts'
import { DOMAIN_FLAGS } from '../manage/properties.ts'
import { addDnsOptions, findPublicMx } from '../manage/public-mx.ts'
import { ownerOf } from '../manage/records.ts'
import { domainJson, domainSubject } from '../manage/show.ts'
import { canAsk, Dialogue, requireYes } from '../wizard/dialogue.ts'
import { chooseOwner } from '../wizard/properties.ts'

const HELP = `
It looks up where the world delivers the domain's mail. When that is not this server it wants to be told that it is right:
whoever registers a domain of somebody else lets mail from it out.`

/**
 * @param command `connectorctl domain`
 * @param context where to write
 */
export function registerDomainAdd(command: Command, context: CliContext): void {
  const added = command.command('add').description('register a domain').argument('[name]')
  addPropertyOptions(added, DOMAIN_FLAGS, false)
  addDnsOptions(addOwnerOption(addCommonOptions(added)))
  added
    .option('--yes', 'do not ask where its mail is not delivered here')
    .addHelpText('after', HELP)
    .action((name: string | undefined, options: ManageOptions) =>
      withEditor(options.instance, `domain add ${name ?? ''}`.trimEnd(), (open) =>
        add(open, name, options, context),
      ),
    )
}

async function add(
  open: OpenEditor,
  typed: string | undefined,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const given = readProperties(options, DOMAIN_FLAGS)
  const { name, owner } = await whose(open, typed, options, context)
  const change = domainAddition(owner, name, given)
  // As it was typed it may be no name at all: the schema says so.
  const domainName = normalizeDomain(name) ?? name
  const own = domainIn(owner, domainName)
  if (own !== null) await requireFreeDomain(open, own)
  const domain = domainIn((await prepareChange(open, change)).after, domainName)
  if (domain === null) throw new CommandFailed(`${domainName} cannot be registered`)
  await requireFreeDomain(open, domain)

  const { text, ours } = await findPublicMx(domainName, open.instance, options, context.signal)
  context.stderr.write(`${text}${ours ? ': this server' : ''}\n`)
  const question = `Register ${domainName} for ${printable(owner.name, 80)} all the same?`
  if (!ours) await requireYes(question, options.yes === true, `${text}, and not this server`, context)

  const carried = await carryOut(open, change)
  const record = domainIn(carried.after, domainName)
  const unproven =
    open.settings.relay.requireDomainProof && record !== null && !isProven(record, new Date().toISOString())
  const warnings = [
    ...idleWarnings(sortGiven(given, DOMAIN_FLAGS).idle),
    ...carried.warnings,
    ...(unproven
      ? [
          `${domainName} counts for nothing until its owner shows control of it: connectorctl domain verify ${domainName}`,
        ]
      : []),
  ]
  const subject = domainSubject(domainName, owner.name)
  const json = options.json === true
  tellOutcome(
    {
      subject,
      verb: 'added',
      carried: { ...carried, warnings },
      record: record === null ? null : domainJson(record),
      json,
    },
    context,
  )
}

/** The name and the organisation, asked for where they were not given. */
async function whose(
  open: OpenEditor,
  typed: string | undefined,
  { organization }: ManageOptions,
  context: CliContext,
): Promise<{ readonly name: string; readonly owner: Organization }> {
  if (!canAsk(context)) {
    if (typed === undefined) throw new UsageError('the name of the domain is missing')
    return { name: typed, owner: (await ownerOf(open, organization)).organization }
  }
  return Dialogue.with(context, async (dialogue) => {
    const { organization: owner } = await chooseOwner(open, organization, dialogue)
    return { name: typed ?? (await dialogue.ask('Domain (e.g. contoso.com)')), owner }
  })
}
