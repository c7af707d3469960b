/** Accepted domains by name, and which of them covers a name (DESIGN.md, rules 3 and 6). */

import type { AcceptedDomain, DomainFact } from '../policy/types.ts'
import { ancestorsOf } from '../text/domain-name.ts'

export interface DomainIndex {
  readonly size: number
  /** @returns the record of exactly this name */
  get(domain: string): AcceptedDomain | undefined
  /** @returns what is registered for the name; one look-up a label, however many domains there are */
  find(domain: string): DomainFact
}

/**
 * @param records accepted domains of all organisations; of two records for one name the first counts
 * @returns the index
 */
export function indexDomains(records: Iterable<AcceptedDomain>): DomainIndex {
  const byName = new Map<string, AcceptedDomain>()
  const delegators = new Map<string, Set<string>>()
  for (const record of records) {
    if (byName.has(record.domainName)) continue
    byName.set(record.domainName, record)
    for (const name of record.delegatedSubDomains) addDelegator(delegators, name, record.organization)
  }
  return {
    size: byName.size,
    get: (domain) => byName.get(domain),
    find: (domain) => findDomain(byName, delegators, domain),
  }
}

/**
 * An ancestor with matchSubDomains covers the name, unless a nearer registered one belongs to another organisation, or
 * the ancestor's organisation delegated the name away: what was given to somebody else is not inherited.
 */
function findDomain(
  byName: ReadonlyMap<string, AcceptedDomain>,
  delegators: ReadonlyMap<string, ReadonlySet<string>>,
  domain: string,
): DomainFact {
  const ancestors = ancestorsOf(domain)
  const { covering, nearest } = recordsFor(byName, domain, ancestors)
  if (nearest === null) return { domain, acceptedDomain: null, uncoveredParent: null }
  const { organization } = nearest
  const isExact = nearest.domainName === domain
  // matchSubDomains would not bring a delegated name back: the parent is no advice then.
  const isDelegated = (): boolean =>
    [domain, ...ancestors].some((name) => delegators.get(name)?.has(organization) === true)
  if (!isExact && isDelegated()) return { domain, acceptedDomain: null, uncoveredParent: null }
  const [acceptedDomain = null, ...others] = covering
  const fact = { domain, acceptedDomain, uncoveredParent: acceptedDomain === null ? nearest : null }
  return others.length === 0 || isDelegated() ? fact : { ...fact, alternatives: others }
}

/** The nearest record at or above a name, and those of its organisation that cover the name, the nearest first. */
function recordsFor(
  byName: ReadonlyMap<string, AcceptedDomain>,
  domain: string,
  ancestors: readonly string[],
): { nearest: AcceptedDomain | null; covering: AcceptedDomain[] } {
  const exact = byName.get(domain)
  let nearest: AcceptedDomain | null = exact ?? null
  const covering: AcceptedDomain[] = exact === undefined ? [] : [exact]
  for (const ancestor of ancestors) {
    const record = byName.get(ancestor)
    if (record === undefined) continue
    nearest ??= record
    if (record.organization !== nearest.organization) break
    if (record.matchSubDomains) covering.push(record)
  }
  return { nearest, covering }
}

function addDelegator(delegators: Map<string, Set<string>>, name: string, organization: string): void {
  const known = delegators.get(name)
  if (known === undefined) delegators.set(name, new Set([organization]))
  else known.add(organization)
}

/**
 * Rule 3: nobody takes over another's servers by registering mail.contoso.com. Of each organisation above, one record
 * that lists the name is enough.
 * @param domain a registered domain
 * @param above registered domains above it, the nearest first
 * @returns of each other organisation that does not agree, its nearest domain
 */
export function dissenting(domain: AcceptedDomain, above: readonly AcceptedDomain[]): AcceptedDomain[] {
  const nearest = new Map<string, AcceptedDomain>()
  const consenting = new Set<string>()
  for (const upper of above) {
    if (upper.organization === domain.organization) continue
    if (!nearest.has(upper.organization)) nearest.set(upper.organization, upper)
    if (delegates(upper, domain.domainName)) consenting.add(upper.organization)
  }
  return [...nearest.values()].filter(({ organization }) => !consenting.has(organization))
}

/**
 * @param upper a registered domain
 * @param domain a name below it
 * @returns whether the upper domain's record lets other organisations register the name
 */
function delegates(upper: AcceptedDomain, domain: string): boolean {
  return upper.delegatedSubDomains.some((name) => domain === name || domain.endsWith(`.${name}`))
}
