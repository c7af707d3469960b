/** `connectorctl domain verify NAME --organization OTHER`: an unproven domain goes to whoever shows control of it. */

import type { Organization } from '../../directory/model.ts'
import { isProven } from '../../policy/proof.ts'
import type { AcceptedDomain } from '../../policy/types.ts'
import type { ClaimPlan } from '../../proof/claim.ts'
import { carryOutClaim, planClaim } from '../../proof/claim.ts'
import type { Looked } from '../../proof/look.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { changeDirectory } from '../editor.ts'
import { CommandFailed } from '../errors.ts'
import { named } from '../manage/records.ts'
import { requireYes } from '../wizard/dialogue.ts'
import type { Proving, VerifyOptions } from './options.ts'
import { tell } from './outcome.ts'

export interface Claim {
  /** Who wants the domain. */
  readonly organization: Organization
  /** Normalised. */
  readonly domainName: string
  /** Looks in the DNS. */
  readonly look: (domain: AcceptedDomain, organization: Organization) => Promise<Looked>
}

/**
 * @param proving the directory, and what is kept beside it
 * @param wanted who wants which domain
 * @param options what commander made of the flags
 * @param context where to write, and to ask
 * @throws CommandFailed when it cannot be taken over, or is not proven; nothing was changed then
 */
export async function claim(
  { memory, open }: Proving,
  { domainName, look, organization }: Claim,
  options: VerifyOptions,
  context: CliContext,
): Promise<void> {
  const { editor, settings } = open
  const plan = async (): Promise<ClaimPlan> => {
    const below = await memory.domainsBelow(domainName)
    const wanted = { domainName, organization: organization.name }
    return planClaim(editor, below, wanted, new Date().toISOString())
  }
  const agreed = await plan()
  requireClaimable(agreed, settings.relay.requireDomainProof)

  const looked = await look(agreed.domain, organization)
  const { proof, state } = looked
  if (proof === null || state !== 'newly-proven') {
    tell(open, { looked, revision: null }, options, context)
    return
  }
  const stream = options.json === true ? context.stderr : context.stdout
  stream.write(`${planText(agreed).join('\n')}\n`)
  const question = `Register ${domainName} for ${printable(organization.name, 80)}, and take this away?`
  await requireYes(question, options.yes === true, `${domainName} is proven`, context)
  const written = await changeDirectory(open, () => carryOutClaim(editor, agreed, plan, proof))
  const revision = written?.revision ?? null
  tell(
    open,
    { looked: { ...looked, domain: agreed.domain }, revision, taken: agreed.taken },
    options,
    context,
  )
}

function requireClaimable({ domain, held, taken }: ClaimPlan, required: boolean): void {
  const { domainName } = domain
  const [first] = taken
  if (first === undefined) {
    const owner = printable(domain.organization, 80)
    throw new CommandFailed(
      `${domainName} is no accepted domain, and nothing is in the way: connectorctl domain add ${domainName} --organization "${owner}" registers it`,
    )
  }
  if (held !== null) {
    throw new CommandFailed(
      `${held.domainName} belongs to ${printable(held.organization, 80)}, who ${heldText(held)}; nothing was changed`,
    )
  }
  if (required) return
  throw new CommandFailed(
    `${first.domainName} is registered with ${printable(first.organization, 80)}, and proof of domains is not required here: nothing was changed; with connectorctl domain require-proof on, whoever proves an unproven domain takes it over`,
  )
}

function heldText({ proof = null }: AcceptedDomain): string {
  if (proof?.lostAt == null) return `has proven it since ${proof?.provenAt ?? ''}`
  return `has proven it; its record is gone, but it counts until ${proof.countsUntil ?? ''}`
}

function planText({ domain, taken }: ClaimPlan): string[] {
  const { delegatedSubDomains, domainName, organization } = domain
  const now = new Date().toISOString()
  const kept =
    delegatedSubDomains.length === 0
      ? []
      : [
          `  ${named(delegatedSubDomains)} below it is proven by others, and stays theirs (delegatedSubDomains)`,
        ]
  return [
    `${domainName} is proven for ${printable(organization, 80)}; to register it, this is taken away:`,
    ...taken.slice(0, MOST_LINES).map((record) => {
      const until = isProven(record, now)
        ? `, though it would count until ${record.proof?.countsUntil ?? ''}`
        : ''
      return `  ${record.domainName} from ${printable(record.organization, 80)}, who has not proven it${until}`
    }),
    ...(taken.length > MOST_LINES ? [`  and ${taken.length - MOST_LINES} more`] : []),
    ...kept,
  ]
}

const MOST_LINES = 20
