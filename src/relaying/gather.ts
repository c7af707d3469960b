/**
 * Looks up what the rule needs and asks it. The plugins do this at MAIL and RCPT, `explain` with facts typed in by
 * hand: there is no third way to a decision.
 */

import type { Answer, Directory } from '../directory/directory.ts'
import { attribute, isUnknown } from '../policy/attribute.ts'
import type { Decision, DecisionFacts } from '../policy/decide.ts'
import { decide } from '../policy/decide.ts'
import type { Terms } from '../policy/proof.ts'
import { counting } from '../policy/proof.ts'
import type { Route, RouteFacts } from '../policy/route.ts'
import { chooseRoute } from '../policy/route.ts'
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
  SmartHost,
  Step,
} from '../policy/types.ts'
import { withoutWildcard } from '../text/certificate-name.ts'
import { normalizeDomain } from '../text/domain-name.ts'
import { askFor, domainIn, routeFacts, routeFactsIn } from './route.ts'

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
  /** `[outbound] smart_host` of the instance; null where there is none. */
  readonly smartHost: SmartHost | null
  /**
   * Whether a route leads to the server that speaks, which takes a look into the DNS; asked only about mail that would be
   * accepted. Left out, no route does.
   */
  readonly leadsBack?: (route: Route) => Promise<boolean>
}

/** A decision, and where the mail goes. */
export interface RoutedDecision extends Decision {
  /** null where it was not asked, as the mail is not accepted whatever the route. */
  readonly route: Fact<Route> | null
  /** What the route was chosen from, for `explain`. */
  readonly routeFacts: RouteFacts | null
}

/**
 * RCPT: may it relay there?
 * @param directory the store
 * @param question the attribution, the recipient and the settings
 * @param trace filled with one step a rule when given
 * @returns the decision, and for mail that has somewhere to go the route
 */
export async function decideRecipient(
  directory: Directory,
  question: RecipientQuestion,
  trace?: Step[],
): Promise<RoutedDecision> {
  const { attribution, now, settings, smartHost } = question
  const { domain } = question.recipient
  const terms = { now, requireDomainProof: settings.requireDomainProof }
  const organization = attribution.matched?.connector.organization ?? null
  // Its outbound connectors come in the same round trip: most mail of a matched server is relayed.
  const answer = domain === '' ? null : await askFor(directory, domain, organization)
  const recipientDomain = answer === null ? null : domainIn(answer, domain, terms)
  const facts = { ...question, recipientDomain, hasRoute: true, routeUnknown: null, leadsBack: false }
  const unrouted = decide(facts)
  if (unrouted.outcome !== 'relay' && unrouted.outcome !== 'deliver') {
    return { ...(trace === undefined ? unrouted : decide(facts, trace)), route: null, routeFacts: null }
  }
  const route = { domain, organization, smartHost, terms }
  const { deliverTo } = unrouted
  const routed =
    answer === null || deliverTo !== null
      ? await routeFacts(directory, { ...route, domain: domainOfAddress(deliverTo ?? '') })
      : await routeFactsIn(directory, answer, route)
  return decideRouted(facts, routed, question.leadsBack, trace)
}

async function decideRouted(
  facts: DecisionFacts,
  routed: RouteFacts,
  leadsBack: RecipientQuestion['leadsBack'],
  trace: Step[] | undefined,
): Promise<RoutedDecision> {
  const route = chooseRoute(routed)
  const outcome = isUnknown(route)
    ? { routeUnknown: route }
    : {
        hasRoute: route.via !== 'none',
        leadsBack: route.via !== 'none' && (await leadsBack?.(route)) === true,
      }
  return { ...decide({ ...facts, ...outcome }, trace), route, routeFacts: routed }
}

/** @returns the domain of an address from the settings, '' where it has none */
function domainOfAddress(address: string): string {
  const domain = address.slice(address.lastIndexOf('@') + 1)
  return normalizeDomain(domain) ?? domain
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
  return domainIn(await askFor(directory, domain, null), domain, terms)
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
