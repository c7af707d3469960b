/** Which name of a certificate a connector should be for, and why: the trap of KB 3169958 is stepped into here. */

import { indexDomains } from '../../directory/domain-index.ts'
import type { Organization } from '../../directory/model.ts'
import { withoutWildcard } from '../../text/certificate-name.ts'
import { ancestorsOf } from '../../text/domain-name.ts'

/** One name that a connector can be for. */
export interface NameChoice {
  /** As tlsSenderCertificateName, e.g. `*.contoso.com`. */
  readonly name: string
  /** Whether non-delivery reports and forwarded mail get through: condition (b). */
  readonly accepted: boolean
  /** What comes of it, for people. */
  readonly because: string
}

/** Certificates may have thousands. */
export const MOST_NAMES = 8

/**
 * @param presented the names in a certificate, normalised
 * @param organization whose the connector will be
 * @returns the names that can be used, the recommended one first; none for a certificate without names
 */
export function nameChoices(presented: readonly string[], organization: Organization): NameChoice[] {
  const index = indexDomains(organization.acceptedDomains)
  const registered = (domain: string): string | null => {
    const record = index.find(domain).acceptedDomain
    return record === null || record.pendingRemoval ? null : record.domainName
  }
  const choices = new Map<string, NameChoice>()
  for (const name of presented.slice(0, MOST_NAMES)) {
    for (const choice of choicesFor(name, organization, registered)) {
      if (!choices.has(choice.name)) choices.set(choice.name, choice)
    }
  }
  // Only stable sorting keeps the order of the certificate.
  return [...choices.values()].toSorted((left, right) => Number(right.accepted) - Number(left.accepted))
}

function choicesFor(
  name: string,
  organization: Organization,
  registered: (domain: string) => string | null,
): NameChoice[] {
  const base = withoutWildcard(name)
  const covering = registered(base)
  if (covering !== null) {
    const scope = name === base ? 'only a server with this very name is recognised' : everyHost(base)
    const through =
      covering === base ? `${base} is an accepted domain` : `${covering} is one, with its sub-domains`
    return [{ name, accepted: true, because: `${through}: all mail of the server gets through; ${scope}` }]
  }
  const parent = ancestorsOf(base).find((domain) => registered(domain) === domain)
  const trap: NameChoice = {
    name,
    accepted: false,
    because: `the trap: ${base} is no accepted domain of ${organization.name}, so non-delivery reports, forwarded mail and other foreign senders get 5.7.64`,
  }
  if (parent === undefined) return [trap]
  const wide: NameChoice = {
    name: `*.${parent}`,
    accepted: true,
    because: `${parent} is an accepted domain: non-delivery reports and forwarded mail get through as well; ${everyHost(parent)}`,
  }
  return [wide, trap]
}

function everyHost(domain: string): string {
  return `every server with a certificate for a name under ${domain} is recognised`
}
