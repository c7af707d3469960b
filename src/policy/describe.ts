/** The words in which `explain` tells a decision. What comes from the network is escaped by whoever prints it. */

import type { Attribution, Candidate, DomainFact, WeighedCandidate } from './types.ts'

/**
 * @param candidate a candidate, or null
 * @returns e.g. `connector "Branch scanners" of contoso, by its address in 10.1.0.0/24`
 */
export function describe(candidate: Candidate | WeighedCandidate | null): string {
  if (candidate === null) return 'no connector'
  const { connector, match } = candidate
  const how =
    match.via === 'address'
      ? `by its address in ${match.range}`
      : `by the certificate name ${match.presentedName}, which ${connector.tlsSenderCertificateName ?? ''} matches`
  return `connector "${connector.name}" of ${connector.organization}, ${how}`
}

/**
 * @param fact what the directory says about a domain
 * @returns e.g. `sales.contoso.com is not accepted: contoso.com is, but without matchSubDomains`
 */
export function describeDomain(fact: DomainFact): string {
  const { domain, acceptedDomain, uncoveredParent, unproven } = fact
  if (unproven !== undefined && acceptedDomain === null) {
    return `${domain} is registered with ${unproven.organization}, but counts for nothing until that is proven to own ${unproven.domainName}`
  }
  if (acceptedDomain === null) {
    return uncoveredParent === null
      ? `${domain} is nobody's accepted domain here`
      : `${domain} is nobody's accepted domain here: ${uncoveredParent.domainName} of ${uncoveredParent.organization} is, but without matchSubDomains`
  }
  const by =
    acceptedDomain.domainName === domain ? '' : ` through ${acceptedDomain.domainName} with matchSubDomains`
  const leaving = acceptedDomain.pendingRemoval ? ', but it is pending removal' : ''
  return `${domain} is an accepted domain of ${acceptedDomain.organization}${by}${leaving}`
}

/**
 * @param attribution the attribution of a transaction
 * @returns who speaks, told apart in the four ways of rule 3
 */
export function describePeer({ peer }: Attribution): string {
  const from = peer.address === null ? 'no address counts' : `the address is ${peer.address}`
  const { certificate } = peer
  switch (certificate.state) {
    case 'no-tls':
      return `${from}, without TLS`
    case 'no-certificate':
      return `${from}, TLS without a certificate`
    case 'not-verified':
      return `${from}, with a certificate for ${list(certificate.names)} that is not verified (${certificate.why})`
    case 'verified':
      return `${from}, with a verified certificate for ${list(certificate.names)}`
  }
}

/**
 * Where Microsoft 365 would, or might, decide otherwise (docs/differences.md).
 * @param attribution the attribution of a transaction
 * @returns a sentence for each difference that this message meets
 */
export function differencesFromMicrosoft({ peer, matched }: Attribution): string[] {
  const told: string[] = []
  if (
    matched?.match.via === 'address' &&
    matched.senderAccepted === 'no' &&
    peer.certificate.state === 'verified'
  ) {
    told.push(
      'Microsoft 365 looks at the certificate apart from the connector, and might relay this. Here a match by address never counts as a certificate: add a connector with tlsSenderCertificateName.',
    )
  }
  if (matched?.match.via === 'certificate' && matched.certificateAccepted === 'yes') {
    const wildcard = matched.connector.tlsSenderCertificateName ?? ''
    const depth = matched.match.presentedName.split('.').length - wildcard.split('.').length
    if (wildcard.startsWith('*.') && depth > 0) {
      told.push(
        `Microsoft 365 takes ${wildcard} for one level only (KB 4019940), and ${matched.match.presentedName} is deeper: it might deny what needs the certificate.`,
      )
    }
  }
  return told
}

function list(names: readonly string[]): string {
  if (names.length === 0) return 'no usable name'
  const shown = names.slice(0, 5).join(', ')
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown
}
