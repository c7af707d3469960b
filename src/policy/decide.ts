/**
 * May it relay there? DESIGN.md, rules 4 to 8. Pure: everything was looked up before. The one implementation of the
 * rule: the plugins, `explain`, the console and the simulator all call this.
 */

import { holds, isUnknown } from './attribute.ts'
import type { ReasonCode } from './reasons.ts'
import { explainReason } from './reasons.ts'
import { describe, describeDomain, describePeer } from './describe.ts'
import type {
  AcceptedDomain,
  Attribution,
  DomainFact,
  Fact,
  InboundConnector,
  Outcome,
  Recipient,
  RelaySettings,
  Step,
  Unknown,
  WeighedCandidate,
} from './types.ts'

/** Everything that one decision looks at. */
export interface DecisionFacts {
  readonly attribution: Attribution
  readonly recipient: Recipient
  /** What the directory says about the recipient's domain; null when the recipient has none. */
  readonly recipientDomain: Fact<DomainFact> | null
  readonly settings: RelaySettings
  /** ISO 8601 in UTC. */
  readonly now: string
  /** Rule 8: another plugin had allowed relaying before MAIL, and the settings respect that. */
  readonly relayingRespected: boolean
  /** Whether mail to accepted domains has somewhere to go that cannot be this server. */
  readonly hasRoute: boolean
  /** Why nobody knows where the mail would go; null when that is known. Asked where it would be accepted. */
  readonly routeUnknown: Unknown | null
  /** Whether its next hop is the very server that it came from. */
  readonly leadsBack: boolean
}

export interface Decision {
  readonly outcome: Outcome
  readonly reason: ReasonCode
  /** The matched connector's organisation, or, for delivery, the one that owns the recipient's domain. */
  readonly organization: string | null
  readonly connector: string | null
  readonly via: 'certificate' | 'address' | null
  /** Where `<postmaster>` goes instead, or null. */
  readonly deliverTo: string | null
  /** What it would be denied for, were the connector not in report-only mode. */
  readonly wouldBe: ReasonCode | null
}

/** Tells a rule's finding to whoever asked for an explanation; the text is only made then. */
type Note = (result: Step['result'], detail: () => string) => void

interface Rule {
  readonly name: string
  /** The decision, or null when this rule has nothing to say and the next is asked. */
  readonly apply: (facts: DecisionFacts, note: Note) => Decision | null
}

/** The main path: the first rule that answers decides. */
const RULES: readonly Rule[] = [
  { name: 'no source route', apply: refuseSourceRoute },
  { name: 'postmaster', apply: deliverPostmaster },
  { name: 'recipient has a domain', apply: refuseMissingDomain },
  { name: 'no routing characters', apply: refuseRoutingCharacters },
  { name: 'recipient domain is accepted', apply: deliverToAcceptedDomain },
  { name: 'sending from the domain is allowed', apply: refuseDisabledSender },
  { name: 'relaying granted by another plugin', apply: respectRelaying },
  { name: 'a connector matches', apply: requireConnector },
  { name: '(b) certificate domain is accepted', apply: relayByCertificate },
  { name: '(a) sender domain is accepted', apply: relayBySender },
  { name: 'its conditions could be looked up', apply: deferUnknown },
  { name: 'report-only mode is off', apply: reportOnly },
  { name: 'neither condition holds', apply: refuse },
]

/**
 * @param facts the attribution made at MAIL, the recipient, and the settings
 * @param trace when given, one step for each rule is added: what it saw and what it concluded
 * @returns the one outcome with its one reason
 */
export function decide(facts: DecisionFacts, trace?: Step[]): Decision {
  let decision: Decision | null = null
  for (const rule of RULES) {
    if (decision !== null) {
      trace?.push({ rule: rule.name, result: 'skipped', detail: 'already decided' })
      continue
    }
    decision = rule.apply(facts, (result, detail) => {
      trace?.push({ rule: rule.name, result, detail: detail() })
    })
    if (decision !== null && trace === undefined) break
  }
  // The last rule always answers; if it ever did not, nothing may be accepted.
  return onward(facts, decision ?? conclude(facts, 'internal-error'), (result, detail) => {
    trace?.push({ rule: 'it goes on to another server', result, detail: detail() })
  })
}

/**
 * Whatever rule accepted the mail: when nobody knows where it goes it waits, and it never goes back to where it came
 * from, which would send it here again.
 */
function onward(facts: DecisionFacts, decision: Decision, note: Note): Decision {
  const { leadsBack, routeUnknown } = facts
  const instead = (reason: ReasonCode): Decision => {
    const { outcome } = explainReason(reason)
    return { ...decision, outcome, reason, deliverTo: null, wouldBe: null }
  }
  if (decision.outcome !== 'relay' && decision.outcome !== 'deliver') {
    note('skipped', () => 'it is not accepted')
    return decision
  }
  if (routeUnknown !== null) {
    note('unknown', () => `where it would go could not be looked up: ${routeUnknown.why}`)
    return instead('directory-unavailable')
  }
  if (leadsBack) {
    note('no', () => 'its next hop is the server that it came from')
    return instead('route-leads-back')
  }
  note('yes', () => 'its next hop is not the server that it came from')
  return decision
}

function refuseSourceRoute(facts: DecisionFacts, note: Note): Decision | null {
  if (!facts.recipient.sourceRoute) {
    note('yes', () => `<${facts.recipient.address}> holds no source route`)
    return null
  }
  note('no', () => `<${facts.recipient.address}> was given with a source route`)
  return conclude(facts, 'source-route')
}

function deliverPostmaster(facts: DecisionFacts, note: Note): Decision | null {
  const { recipient, settings } = facts
  if (recipient.domain !== '' || recipient.localPart.toLowerCase() !== 'postmaster') {
    note('no', () => 'the recipient is not <postmaster> without a domain')
    return null
  }
  if (settings.postmaster === null) {
    note('yes', () => 'the recipient is <postmaster>, but [relay] postmaster names nobody')
    return conclude(facts, 'postmaster-not-set')
  }
  note('yes', () => `the recipient is <postmaster>, which goes to ${settings.postmaster ?? ''}`)
  if (!facts.hasRoute) return conclude(facts, 'no-route')
  return { ...conclude(facts, 'postmaster'), deliverTo: settings.postmaster }
}

function refuseMissingDomain(facts: DecisionFacts, note: Note): Decision | null {
  if (facts.recipient.domain !== '') {
    note('yes', () => `the domain is ${facts.recipient.domain}`)
    return null
  }
  note('no', () => `<${facts.recipient.address}> has no domain`)
  return conclude(facts, 'recipient-without-domain')
}

/** Sendmail-style routing: the next hop may read user%other.example@contoso.com as a relay request, and it trusts us. */
function refuseRoutingCharacters(facts: DecisionFacts, note: Note): Decision | null {
  const { attribution, recipient } = facts
  if (!/[%!@]/.test(recipient.localPart)) {
    note('yes', () => 'the local part holds no %, ! or @')
    return null
  }
  if (attribution.matched !== null) {
    note(
      'yes',
      () => `the local part holds %, ! or @, and the server matched ${describe(attribution.matched)}`,
    )
    return null
  }
  if (attribution.unknown !== null) {
    note('unknown', () => `the local part holds %, ! or @, and ${attribution.unknown?.why ?? ''}`)
    return conclude(facts, 'directory-unavailable')
  }
  note(
    'no',
    () => `the local part ${recipient.localPart} holds %, ! or @, and the server matched no connector`,
  )
  return conclude(facts, 'routing-characters')
}

function deliverToAcceptedDomain(facts: DecisionFacts, note: Note): Decision | null {
  const { recipientDomain, attribution, settings } = facts
  if (recipientDomain === null || isUnknown(recipientDomain)) {
    note('unknown', () => `${facts.recipient.domain} could not be looked up`)
    return conclude(facts, 'directory-unavailable')
  }
  const record = recipientDomain.acceptedDomain
  if (record === null) {
    note('no', () => describeDomain(recipientDomain))
    return null
  }
  note('yes', () => describeDomain(recipientDomain))
  if (!settings.acceptInbound && attribution.matched === null) {
    return conclude(facts, attribution.unknown === null ? 'inbound-not-accepted' : 'directory-unavailable')
  }
  const decision = conclude(facts, facts.hasRoute ? 'recipient-domain-accepted' : 'no-route')
  return { ...decision, organization: decision.organization ?? record.organization }
}

/** Rule 4 comes before (a), (b) and whatever another plugin granted. */
function refuseDisabledSender(facts: DecisionFacts, note: Note): Decision | null {
  const { senderDomain, sender } = facts.attribution
  if (senderDomain === null) {
    note('yes', () => (sender.address === '' ? 'the null sender has no domain' : 'the sender has no domain'))
    return null
  }
  if (isUnknown(senderDomain)) {
    note('unknown', () => `${sender.domain} could not be looked up: ${senderDomain.why}`)
    // Without a connector it is denied whatever the sender is.
    return strangerForCertain(facts) ? null : conclude(facts, 'directory-unavailable')
  }
  const { acceptedDomain } = senderDomain
  const records = [acceptedDomain, ownUnproven(facts.attribution)]
  const barred = records.find((record) => record?.sendingFromDomainDisabled === true) ?? null
  if (barred === null) {
    note('yes', () => `${sender.domain} is not barred from sending`)
    return null
  }
  note('no', () => `${barred.domainName} has sendingFromDomainDisabled`)
  return conclude(facts, 'sending-disabled')
}

/**
 * What an organisation closes for its own servers stays closed while a proof is missing or lost; whoever claims a domain
 * of somebody else bars nobody.
 */
function ownUnproven({ matched, senderDomain }: Attribution): AcceptedDomain | null {
  return matched === null ? null : unprovenOf(matched.connector, senderDomain)
}

function strangerForCertain({ attribution, relayingRespected }: DecisionFacts): boolean {
  return attribution.matched === null && attribution.unknown === null && !relayingRespected
}

function respectRelaying(facts: DecisionFacts, note: Note): Decision | null {
  if (!facts.relayingRespected) {
    note('no', () => 'no other plugin allowed relaying, or [relay] respect_relaying is false')
    return null
  }
  note(
    'yes',
    () => 'another plugin had allowed this connection to relay, and [relay] respect_relaying is true',
  )
  return conclude(facts, 'relaying-respected')
}

function requireConnector(facts: DecisionFacts, note: Note): Decision | null {
  const { attribution } = facts
  if (attribution.matched !== null) {
    note('yes', () => `${describePeer(attribution)}; it is ${describe(attribution.matched)}`)
    return null
  }
  if (attribution.unknown !== null) {
    note('unknown', () => `the connectors could not be looked up: ${attribution.unknown?.why ?? ''}`)
    return conclude(facts, 'directory-unavailable')
  }
  note('no', () => `${describePeer(attribution)}; no OnPremises connector names it`)
  return conclude(facts, reasonForStranger(attribution))
}

/** The four ways in which a peer can be nobody's, never lumped together (rule 3). */
function reasonForStranger({ partners, peer }: Attribution): ReasonCode {
  if (partners.length > 0) return 'partner-connector-only'
  switch (peer.certificate.state) {
    case 'no-tls':
      return 'no-tls'
    case 'no-certificate':
      return 'no-certificate'
    case 'not-verified':
      return 'certificate-not-verified'
    case 'verified':
      return 'no-connector-for-certificate'
  }
}

function relayByCertificate(facts: DecisionFacts, note: Note): Decision | null {
  const { matched } = facts.attribution
  if (matched === null) return null
  note(matched.certificateAccepted, () => describeCertificateCondition(matched))
  return matched.certificateAccepted === 'yes' ? conclude(facts, 'certificate-domain-accepted') : null
}

function describeCertificateCondition(matched: WeighedCandidate): string {
  if (matched.match.via === 'address') {
    return 'the server was matched by its address, and that never satisfies this condition'
  }
  const fact = matched.certificateDomain
  if (fact === null || isUnknown(fact)) return "the certificate's domain could not be looked up"
  const pattern = matched.connector.tlsSenderCertificateName ?? ''
  const owner = fact.acceptedDomain?.organization
  const foreign =
    owner !== undefined && owner !== matched.connector.organization ? ', another organisation' : ''
  return `the connector's name ${pattern} stands for ${fact.domain}: ${describeDomain(fact)}${foreign}`
}

function relayBySender(facts: DecisionFacts, note: Note): Decision | null {
  const { matched, sender, senderDomain } = facts.attribution
  if (matched === null) return null
  note(matched.senderAccepted, () => {
    if (sender.address === '') return 'the null sender has no domain'
    if (senderDomain === null) return 'the sender has no domain'
    if (isUnknown(senderDomain)) return `${sender.domain} could not be looked up`
    return describeDomain(senderDomain)
  })
  return matched.senderAccepted === 'yes' ? conclude(facts, 'sender-domain-accepted') : null
}

function deferUnknown(facts: DecisionFacts, note: Note): Decision | null {
  const { matched, unknown } = facts.attribution
  if (matched === null || holds(matched)) return conclude(facts, 'internal-error')
  if (unknown === null) {
    note('yes', () => 'everything was looked up')
    return null
  }
  note('unknown', () => unknown.why)
  return conclude(facts, 'directory-unavailable')
}

/** For mail of a matched connector that fails both conditions, and for nothing else: no connector, no relay. */
function reportOnly(facts: DecisionFacts, note: Note): Decision | null {
  const { matched } = facts.attribution
  if (matched === null) return null
  const { connector } = matched
  const until = reportOnlyUntil(connector)
  if (until === null || until <= facts.now) {
    note('yes', () =>
      until === null ? 'neither the connector nor its organisation is in it' : `it ended on ${until}`,
    )
    return null
  }
  const wouldBe = reasonForNeither(matched, facts.attribution)
  note('no', () => `until ${until}: it would be denied (${wouldBe}), and is relayed`)
  return { ...conclude(facts, 'report-only'), wouldBe }
}

/**
 * @param connector a connector
 * @returns until when it is in report-only mode, by itself or through its organisation; null when neither was said
 */
export function reportOnlyUntil({
  reportOnlyUntil: own = null,
  organizationReportOnlyUntil: organization = null,
}: Pick<InboundConnector, 'reportOnlyUntil' | 'organizationReportOnlyUntil'>): string | null {
  if (own === null || organization === null) return own ?? organization
  return own > organization ? own : organization
}

function refuse(facts: DecisionFacts, note: Note): Decision {
  const { matched } = facts.attribution
  if (matched === null) return conclude(facts, 'internal-error')
  const reason = reasonForNeither(matched, facts.attribution)
  note('yes', () => explainReason(reason).sentence)
  return conclude(facts, reason)
}

function reasonForNeither(matched: WeighedCandidate, { sender, senderDomain }: Attribution): ReasonCode {
  const { certificateDomain, connector, match } = matched
  if (match.via === 'certificate') {
    return unprovenOf(connector, certificateDomain) !== null
      ? 'certificate-domain-not-proven'
      : 'certificate-domain-not-accepted'
  }
  if (sender.address === '') return 'null-sender'
  if (unprovenOf(connector, senderDomain) !== null) return 'sender-domain-not-proven'
  if (senderDomain !== null && !isUnknown(senderDomain)) {
    const parent = senderDomain.uncoveredParent
    if (parent?.organization === matched.connector.organization) return 'sender-sub-domain-not-covered'
  }
  return 'sender-domain-not-accepted'
}

/** The record of the connector's own organisation that would cover the domain, but counts for nothing. */
function unprovenOf(
  { organization }: InboundConnector,
  fact: Fact<DomainFact> | null,
): AcceptedDomain | null {
  if (fact === null || isUnknown(fact)) return null
  return fact.unproven?.organization === organization ? fact.unproven : null
}

function conclude({ attribution: { matched } }: DecisionFacts, reason: ReasonCode): Decision {
  return {
    outcome: explainReason(reason).outcome,
    reason,
    organization: matched?.connector.organization ?? null,
    connector: matched?.connector.name ?? null,
    via: matched?.match.via ?? null,
    deliverTo: null,
    wouldBe: null,
  }
}
