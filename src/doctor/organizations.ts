/** Checks of one organisation at a time: what it says by itself, whoever else there is. */

import type { Organization } from '../directory/model.ts'
import type { Terms } from '../policy/proof.ts'
import { isProven } from '../policy/proof.ts'
import type { AcceptedDomain } from '../policy/types.ts'
import type { OrganizationFacts } from './directory-facts.ts'
import { describeConnector } from './directory-facts.ts'
import type { Report } from './finding.ts'

/**
 * @param organization as it stands in the store
 * @param facts what is kept of it
 * @param terms the time, and whether proof of domains is required
 * @param report where findings go
 */
export function checkOrganization(
  organization: Organization,
  facts: OrganizationFacts,
  terms: Terms,
  report: Report,
): void {
  checkDomains(facts, report)
  for (const connector of organization.inboundConnectors) {
    const { connectorType, enabled, senderIPAddresses, tlsSenderCertificateName } = connector
    const who = describeConnector(connector)
    if (!enabled) {
      report('info', 'connector-disabled', `${who} is disabled`)
    } else if (connectorType === 'Partner') {
      report('warning', 'partner-not-enforced', `${who} is of type Partner`)
    } else if (tlsSenderCertificateName !== null && senderIPAddresses.length > 0) {
      report(
        'warning',
        'connector-name-and-addresses',
        `${who} is for ${tlsSenderCertificateName} and for ${some(senderIPAddresses)}`,
      )
    }
  }
  checkReportOnlyEnded(organization, terms.now, report)
  if (!terms.requireDomainProof) return
  for (const domain of organization.acceptedDomains) checkProof(domain, terms.now, report)
}

function checkDomains(
  { connectors, countingDomains, domains, name }: OrganizationFacts,
  report: Report,
): void {
  if (connectors === 0 || countingDomains > 0) return
  const which = domains === 0 ? 'no accepted domain' : `${domains} accepted domains, of which none counts now`
  report(
    'warning',
    'organization-without-domains',
    `organisation ${name} has ${connectors} connectors and ${which}`,
  )
}

/** Those that have not ended are told with what they let through (`traffic.ts`). */
function checkReportOnlyEnded(
  { name, reportOnlyUntil = null, inboundConnectors }: Organization,
  now: string,
  report: Report,
): void {
  if (reportOnlyUntil !== null && reportOnlyUntil <= now) {
    report('info', 'report-only-ended', `organisation ${name}: ended on ${reportOnlyUntil}`)
  }
  for (const connector of inboundConnectors) {
    const { reportOnlyUntil: until = null } = connector
    if (until !== null && until <= now)
      report('info', 'report-only-ended', `${describeConnector(connector)}: ended on ${until}`)
  }
}

function checkProof(domain: AcceptedDomain, now: string, report: Report): void {
  const { domainName, organization, proof = null } = domain
  const what = `${domainName} of ${organization}`
  if (proof === null) {
    report('error', 'domain-unproven', `${what}: it was never proven`)
    return
  }
  const { countsUntil, lostAt, provenAt } = proof
  const counts = isProven(domain, now)
  if (lostAt !== null) {
    const end = counts ? `it counts until ${countsUntil ?? ''}` : 'it does not count any more'
    const evidence = `${what}: the record is gone since ${lostAt}, and ${end}`
    report(counts ? 'warning' : 'error', 'domain-proof-lost', evidence)
  } else if (!counts) {
    report(
      'error',
      'domain-unproven',
      `${what}: it was not proven${countsUntil === null ? '' : ` by ${countsUntil}`}`,
    )
  } else if (provenAt === null) {
    report('warning', 'domain-proof-grace', `${what}: not proven, and counts until ${countsUntil ?? ''}`)
  }
}

const MOST_NAMED = 5

/** @returns the first few, and how many more there are */
export function some(names: readonly string[]): string {
  const named = names.slice(0, MOST_NAMED).join(', ')
  return names.length > MOST_NAMED ? `${named} and ${names.length - MOST_NAMED} more` : named
}
