/**
 * Looks up what the rule needs and asks it. The plugins do this at MAIL and RCPT, `explain` with facts typed in by
 * hand: there is no third way to a decision.
 */

import type { ConnectorMatch, Directory } from '../directory/directory.ts'
import { attribute, isUnknown } from '../policy/attribute.ts'
import type { Decision } from '../policy/decide.ts'
import { decide } from '../policy/decide.ts'
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
import { normalizeDomain } from '../text/domain-name.ts'

/** What the peer's certificate is worth to one connector: a verdict under its own trust is nobody else's (rule 2). */
export type CertificateFor = (connector: InboundConnector) => PeerCertificate

/**
 * MAIL: which connector is the server that speaks?
 * @param directory the store
 * @param peer what the peer proved about itself
 * @param sender the envelope sender
 * @param certificateFor the verdict under each connector's trust
 * @returns the attribution; what could not be looked up is in it as unknown, never as "not found"
 */
export async function attributeSender(
  directory: Directory,
  peer: Peer,
  sender: Sender,
  certificateFor: CertificateFor,
): Promise<Attribution> {
  const { certificate } = peer
  const names = 'names' in certificate ? certificate.names : []
  const matches = await directory.findConnectors(names, peer.address)
  if (isUnknown(matches)) {
    const [senderDomain = null] = await findDomains(directory, sender.domain === '' ? [] : [sender.domain])
    return attribute({ peer, sender, senderDomain, candidates: matches })
  }

  const wanted = matches.map((match) => certificateDomainOf(match))
  const asked = [...new Set([sender.domain, ...wanted])].filter((domain) => domain !== '')
  const facts = await findDomains(directory, asked)
  const factOf = new Map(asked.map((domain, index) => [domain, facts[index] ?? missing(domain)]))
  const candidates = matches.map(({ connector, by }): Candidate => ({
    connector,
    match: by.via === 'certificate' ? { ...by, ...worth(certificateFor(connector)) } : by,
    certificateDomain:
      by.via === 'certificate' ? (factOf.get(certificateDomainOf({ connector, by })) ?? null) : null,
  }))
  const senderDomain = factOf.get(sender.domain) ?? null
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
  const { domain } = question.recipient
  const [recipientDomain = null] = await findDomains(directory, domain === '' ? [] : [domain])
  return decide({ ...question, recipientDomain }, trace)
}

/** `*.contoso.com` stands for contoso.com, `mail.contoso.com` for itself (rule 6). */
function certificateDomainOf({ connector, by }: ConnectorMatch): string {
  if (by.via !== 'certificate') return ''
  return (connector.tlsSenderCertificateName ?? '').replace(/^\*\./, '')
}

/** Asks for names only: an address literal is nobody's accepted domain without asking. */
async function findDomains(
  directory: Directory,
  domains: readonly string[],
): Promise<readonly Fact<DomainFact>[]> {
  const names = domains.filter((domain) => normalizeDomain(domain) !== null)
  const found = names.length === 0 ? [] : await directory.findDomains(names)
  const factOf = new Map(names.map((name, index) => [name, found[index] ?? missing(name)]))
  return domains.map(
    (domain) => factOf.get(domain) ?? { domain, acceptedDomain: null, uncoveredParent: null },
  )
}

function missing(domain: string): Fact<DomainFact> {
  return { unknown: true, why: `the directory gave no answer for ${domain}` }
}
