/**
 * Where proof is required, an unproven domain keeps nobody from proving it: whoever shows control takes it over, with the
 * other unproven domains above and below it that would stand in the way. What somebody has proven stays his.
 */

import { canonical } from '../directory/difference.ts'
import { dissenting } from '../directory/domain-index.ts'
import type { DirectoryEditor, WantedOrganization } from '../directory/editor.ts'
import { nameKey, newDomain } from '../directory/model.ts'
import type { Terms } from '../policy/proof.ts'
import { isProven } from '../policy/proof.ts'
import type { AcceptedDomain, DomainProof } from '../policy/types.ts'
import { ancestorsOf } from '../text/domain-name.ts'
import { printable } from '../text/printable.ts'

export interface ClaimPlan {
  /** The domain as it will be registered. */
  readonly domain: AcceptedDomain
  /** Unproven domains of others, which go. */
  readonly taken: readonly AcceptedDomain[]
  /** A domain that somebody has proven, and because of which the claim cannot be; null when there is none. */
  readonly held: AcceptedDomain | null
}

/**
 * A proof that was lost, but counts for some days yet, still holds its domain.
 * @param domain a registered domain
 * @param now ISO 8601 in UTC
 * @returns whether another organisation that proves it takes it over
 */
export function isTakeable(domain: AcceptedDomain, now: string): boolean {
  const { proof = null } = domain
  return proof === null || proof.provenAt === null || !isProven(domain, now)
}

/**
 * @param editor the directory
 * @param below names of registered domains below; null where only a walk through all organisations knows
 * @param wanted the domain, and whose it shall be
 * @param now ISO 8601 in UTC
 * @returns what would be taken from whom, or what is in the way
 */
export async function planClaim(
  editor: DirectoryEditor,
  below: readonly string[] | null,
  { domainName, organization }: Pick<AcceptedDomain, 'domainName' | 'organization'>,
  now: string,
): Promise<ClaimPlan> {
  const lower = below ?? (await walkBelow(editor, domainName))
  const upper = ancestorsOf(domainName)
  const known = await editor.domains([domainName, ...upper, ...lower])
  const isOthers = (record: AcceptedDomain): boolean => nameKey(record.organization) !== nameKey(organization)
  const named = (names: readonly string[]): AcceptedDomain[] =>
    names.flatMap((name) => known.get(name) ?? []).filter((record) => isOthers(record))
  const beneath = named(lower)
  const kept = beneath.filter((record) => !isTakeable(record, now))
  const domain: AcceptedDomain = {
    ...newDomain(domainName, organization),
    // Who has proven a domain below keeps it: so much the owner of the upper one must leave him (rule 3).
    delegatedSubDomains: kept.map((record) => record.domainName),
    proof: null,
  }
  const inTheWay = [...named([domainName]), ...disagreeing(domain, named(upper))]
  return {
    domain,
    taken: [...inTheWay, ...beneath.filter((record) => isTakeable(record, now))],
    held: inTheWay.find((record) => !isTakeable(record, now)) ?? null,
  }
}

/** Every domain above of an organisation that does not agree: without the nearest, the next would stand in the way. */
function disagreeing(domain: AcceptedDomain, above: readonly AcceptedDomain[]): AcceptedDomain[] {
  const owners = new Set(dissenting(domain, above).map(({ organization }) => organization))
  return above.filter(({ organization }) => owners.has(organization))
}

async function walkBelow(editor: DirectoryEditor, domainName: string): Promise<string[]> {
  const names: string[] = []
  for await (const key of editor.names()) {
    for (const record of (await editor.read(key))?.organization.acceptedDomains ?? []) {
      if (record.domainName.endsWith(`.${domainName}`)) names.push(record.domainName)
    }
  }
  return names
}

/** Somebody changed what was agreed to. */
class ClaimChanged extends Error {
  override readonly name = 'ClaimChanged'
}

/**
 * @param editor the directory
 * @param plan what was agreed to
 * @param again makes the plan anew
 * @param proof what proves the domain
 * @returns the organisations as they shall be, for one write
 * @throws ClaimChanged when it is not any more what was agreed to
 */
export async function carryOutClaim(
  editor: DirectoryEditor,
  plan: ClaimPlan,
  again: () => Promise<ClaimPlan>,
  proof: DomainProof,
): Promise<WantedOrganization[]> {
  if (canonical(await again()) !== canonical(plan)) {
    throw new ClaimChanged(
      `${plan.domain.domainName} was changed by somebody else meanwhile: look at it again`,
    )
  }
  const gone = new Set(plan.taken.map(({ domainName }) => domainName))
  const owner = nameKey(plan.domain.organization)
  const wanted: WantedOrganization[] = []
  for (const key of new Set([...plan.taken.map(({ organization }) => nameKey(organization)), owner])) {
    const stored = await editor.read(key)
    if (stored === null) throw new ClaimChanged('an organisation was removed by somebody else meanwhile')
    const { organization, revision } = stored
    const kept = organization.acceptedDomains.filter(({ domainName }) => !gone.has(domainName))
    const added = key === owner ? [{ ...plan.domain, organization: organization.name, proof }] : []
    wanted.push({
      nameKey: key,
      after: { ...organization, acceptedDomains: [...kept, ...added] },
      expected: revision,
    })
  }
  return wanted
}

/**
 * @param inTheWay the domain of another organisation because of which one cannot be registered
 * @param wanted the one that cannot be, and for whom
 * @param terms the time, and whether proof of domains is required
 * @returns what to add to the refusal; '' where proving it would not help
 */
export function claimHint(
  inTheWay: AcceptedDomain,
  wanted: Pick<AcceptedDomain, 'domainName' | 'organization'>,
  { now, requireDomainProof }: Terms,
): string {
  if (!requireDomainProof || !isTakeable(inTheWay, now)) return ''
  const name = /^[\w.-]+$/.test(wanted.organization) ? wanted.organization : `"${wanted.organization}"`
  return `; nobody has proven ${inTheWay.domainName}: whoever shows control takes over, with connectorctl domain verify ${wanted.domainName} --organization ${printable(name, 80)}`
}
