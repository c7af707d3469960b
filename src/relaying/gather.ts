/**
 * Looks up what the rule needs and asks it. The plugins do this at MAIL and RCPT, `explain` with facts typed in by
 * hand: there is no third way to a decision.
 */

import type { Answer, Directory } from '../directory/directory.ts'
import { attribute, isUnknown } from '../policy/attribute.ts'
import type { Decision } from '../policy/decide.ts'
import { decide } from '../policy/decide.ts'
import type { Terms } from '../policy/proof.ts'
import { counting } from '../policy/proof.ts'
import type {
  Attribution,
  Candidate,
  DomainFact,
  Fact,
  InboundConnector,
  Peer,
  PeerCertificate,
  Recipient,
  RelaySettings,
  Sender,
  Step,
} from '../policy/types.ts'
import { withoutWildcard } from '../text/certificate-name.ts'
import { normalizeDomain } from '../text/domain-name.ts'

/** What the peer's certificate is worth to one connector: a verdict under its own trust is nobody else's (rule 2). */
export type CertificateFor = (connector: InboundConnector) => PeerCertificate

/**
 * MAIL: which connector is the server that speaks?
 * @param directory the store
 * @param peer what the peer proved about itself
 * @param sender the envelope sender
 * @param certificateFor the verdict under each connector's trust
 * @param terms the time, and whether proof of domains is required
 * @returns the attribution; what could not be looked up is in it as unknown, never as "not found"
 */
export async function attributeSender(
  directory: Directory,
  peer: Peer,
  sender: Sender,
  certificateFor: CertificateFor,
  terms: Terms,
): Promise<Attribution> {
  const { certificate } = peer
  const { connectors, domain: registered } = await directory.ask({
    presentedNames: 'names' in certificate ? certificate.names : [],
    address: peer.address,
    domains: isName(sender.domain) ? [sender.domain] : [],
  })
  const domain = (name: string): Fact<DomainFact> => counting(registered(name), terms)
  const senderDomain = sender.domain === '' ? null : factAbout(sender.domain, domain)
  if (isUnknown(connectors)) return attribute({ peer, sender, senderDomain, candidates: connectors })

  const candidates = connectors.map(({ connector, by }): Candidate => ({
    connector,
    match: by.via === 'certificate' ? { ...by, ...worth(certificateFor(connector)) } : by,
    certificateDomain:
      by.via === 'certificate' && connector.tlsSenderCertificateName !== null
        ? domain(withoutWildcard(connector.tlsSenderCertificateName))
        : null,
  }))
  const attribution = attribute({ peer, sender, senderDomain, candidates })
  return { ...attribution, peer: { ...peer, certificate: telling(attribution, certificateFor) } }
}

/** Of several verdicts, the one that the decision hangs on. */
function telling(
  { matched, peer, unverified }: Attribution,
  certificateFor: CertificateFor,
): PeerCertificate {
  const decisive =
    matched?.match.via === 'certificate' ? matched : matched === null ? unverified[0] : undefined
  return decisive === undefined ? peer.certificate : certificateFor(decisive.connector)
}

function worth(certificate: PeerCertificate): { verified: boolean; why?: string } {
  if (certificate.state === 'verified') return { verified: true }
  return { verified: false, why: certificate.state === 'not-verified' ? certificate.why : certificate.state }
}

/** What a decision needs beside the attribution. */
export interface RecipientQuestion {
  readonly attribution: Attribution
  readonly recipient: Recipient
  readonly settings: RelaySettings
  /** ISO 8601 in UTC. */
  readonly now: string
  readonly relayingRespected: boolean
  readonly hasRoute: boolean
}

/**
 * RCPT: may it relay there?
 * @param directory the store
 * @param question the attribution, the recipient and the settings
 * @param trace filled with one step a rule when given
 * @returns the decision
 */
export async function decideRecipient(
  directory: Directory,
  question: RecipientQuestion,
  trace?: Step[],
): Promise<Decision> {
  const { now, settings } = question
  const { domain } = question.recipient
  const terms = { now, requireDomainProof: settings.requireDomainProof }
  const recipientDomain = domain === '' ? null : await findDomain(directory, domain, terms)
  return decide({ ...question, recipientDomain }, trace)
}

/**
 * @param directory the store
 * @param domain a domain name or an address literal
 * @param terms the time, and whether proof of domains is required
 * @returns what counts as registered for it; an address literal is nobody's accepted domain without asking
 */
export async function findDomain(
  directory: Directory,
  domain: string,
  terms: Terms,
): Promise<Fact<DomainFact>> {
  if (!isName(domain)) return factAbout(domain, nothing)
  const answer = await directory.ask({ presentedNames: [], address: null, domains: [domain] })
  return counting(answer.domain(domain), terms)
}

function factAbout(name: string, find: Answer['domain']): Fact<DomainFact> {
  return isName(name) ? find(name) : nothing(name)
}

function nothing(domain: string): DomainFact {
  return { domain, acceptedDomain: null, uncoveredParent: null }
}

function isName(domain: string): boolean {
  return normalizeDomain(domain) !== null
}
