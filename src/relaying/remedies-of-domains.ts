/** Changes of accepted domains that might let a mail through. */

import type { Directory } from '../directory/directory.ts'
import { dissenting } from '../directory/domain-index.ts'
import { newDomain } from '../directory/model.ts'
import { isUnknown } from '../policy/attribute.ts'
import type { AcceptedDomain, DomainFact, Fact } from '../policy/types.ts'
import { withoutWildcard } from '../text/certificate-name.ts'
import { ancestorsOf, normalizeDomain } from '../text/domain-name.ts'
import { isPublicSuffix } from '../text/public-suffix.ts'
import { findDomain } from './gather.ts'
import type { Change, Question } from './remedy-types.ts'
import { termsNow } from './terms.ts'

/**
 * @param question a message that was not accepted
 * @returns changes of records of domains
 */
export async function domainChanges(question: Question): Promise<DomainChanges> {
  const { directory, organization, simulation } = question
  const { matched } = simulation.attribution
  const owner = matched?.connector.organization ?? organization?.name ?? null
  if (owner === null) return { mended: [], registered: [] }
  const mended: Change[] = []
  const registered: Change[] = []
  for (const fact of await factsAbout(question)) {
    mended.push(...changesOf(fact, owner))
    // A stranger's word for whose domain it is is nobody's.
    const isBelow = fact.uncoveredParent?.organization === owner
    if ((matched !== null || isBelow) && (await mayRegister(directory, fact, owner))) {
      registered.push(registering(fact.domain, owner))
    }
  }
  return { mended, registered }
}

/** What is known of the sender's domain, of the connector's, and of those in the certificate of a stranger. */
async function factsAbout({ directory, message, settings, simulation }: Question): Promise<DomainFact[]> {
  const { matched, senderDomain } = simulation.attribution
  const facts: (Fact<DomainFact> | null)[] = [senderDomain, matched?.certificateDomain ?? null]
  if (matched === null && 'names' in message.peer.certificate) {
    const terms = termsNow(settings.relay)
    for (const name of message.peer.certificate.names.slice(0, 5)) {
      facts.push(await findDomain(directory, withoutWildcard(name), terms))
    }
  }
  return facts.flatMap((fact) => (fact === null || isUnknown(fact) ? [] : [fact]))
}

export interface DomainChanges {
  /** Of records that are there. */
  readonly mended: readonly Change[]
  readonly registered: readonly Change[]
}

/** Whether the directory would take it: not where it is registered, nor below a domain of somebody who does not agree. */
async function mayRegister(directory: Directory, fact: DomainFact, owner: string): Promise<boolean> {
  const { acceptedDomain, domain, unproven } = fact
  if (acceptedDomain?.domainName === domain || unproven?.domainName === domain) return false
  if (normalizeDomain(domain) === null || isPublicSuffix(domain)) return false
  const names = ancestorsOf(domain).filter((name) => !isPublicSuffix(name))
  const answer = await directory.ask({ presentedNames: [], address: null, domains: names })
  const above: AcceptedDomain[] = []
  for (const name of names) {
    const found = answer.domain(name)
    if (isUnknown(found)) return false
    if (found.acceptedDomain?.domainName === name) above.push(found.acceptedDomain)
  }
  return dissenting(newDomain(domain, owner), above).length === 0
}

function changesOf({ acceptedDomain, uncoveredParent, unproven }: DomainFact, owner: string): Change[] {
  if (unproven !== undefined) {
    const { domainName, organization } = unproven
    if (organization !== owner) return []
    const proof = {
      token: null,
      domain: domainName,
      provenAt: new Date(0).toISOString(),
      lostAt: null,
      countsUntil: null,
    }
    return [
      {
        what: `prove that ${organization} owns ${domainName}`,
        command: ['domain', 'verify', domainName, '--organization', organization],
        domain: { ...unproven, proof },
      },
    ]
  }
  if (acceptedDomain !== null)
    return acceptedDomain.organization === owner ? mendedDomain(acceptedDomain) : []
  return uncoveredParent?.organization === owner ? [covering(uncoveredParent)] : []
}

function mendedDomain(record: AcceptedDomain): Change[] {
  const { domainName, pendingRemoval, sendingFromDomainDisabled } = record
  const set = (what: string, flag: string, changed: Partial<AcceptedDomain>): Change => ({
    what,
    command: ['domain', 'set', domainName, flag, 'false'],
    domain: { ...record, ...changed },
  })
  return [
    ...(pendingRemoval
      ? [set(`keep ${domainName}, which is pending removal`, '--pending-removal', { pendingRemoval: false })]
      : []),
    ...(sendingFromDomainDisabled
      ? [
          set(`allow sending from ${domainName}`, '--sending-from-domain-disabled', {
            sendingFromDomainDisabled: false,
          }),
        ]
      : []),
  ]
}

function covering(parent: AcceptedDomain): Change {
  return {
    what: `let ${parent.domainName} cover its sub-domains`,
    command: ['domain', 'set', parent.domainName, '--match-sub-domains', 'true'],
    domain: { ...parent, matchSubDomains: true },
  }
}

function registering(domainName: string, organization: string): Change {
  return {
    what: `register ${domainName} with ${organization}, if it is the organisation's own`,
    // Without --yes: the command names the domain's public MX, and asks.
    command: ['domain', 'add', domainName, '--organization', organization],
    domain: newDomain(domainName, organization),
  }
}
