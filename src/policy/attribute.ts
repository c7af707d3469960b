/**
 * Which connector is the server that speaks? DESIGN.md, rules 2 and 3. Pure: everything was looked up before.
 */

import type {
  Attribution,
  Candidate,
  DomainFact,
  Fact,
  PassedOver,
  Peer,
  Sender,
  Unknown,
  Verdict,
  WeighedCandidate,
} from './types.ts'

/** Everything that attribution looks at. */
export interface AttributionFacts {
  readonly peer: Peer
  readonly sender: Sender
  /** What the directory says about the sender's domain; null when the sender has none. */
  readonly senderDomain: Fact<DomainFact> | null
  /** Enabled connectors of any organisation that name the peer, verified or not. */
  readonly candidates: Fact<readonly Candidate[]>
}

/**
 * @param fact a fact of the directory
 * @returns whether it could not be looked up
 */
export function isUnknown(fact: unknown): fact is Unknown {
  return typeof fact === 'object' && fact !== null && 'unknown' in fact
}

/**
 * A connector under which a condition holds is never passed over for one under which none does: adding
 * `*.contoso.com` beside a trapped `mail.contoso.com` heals the trap, and a stranger's connector for the same name
 * or address takes nothing away.
 * @param facts who speaks, the sender, and the connectors that name the peer
 * @returns the connector that the transaction belongs to, if any, and what it was chosen over
 */
export function attribute(facts: AttributionFacts): Attribution {
  const { peer, sender, senderDomain } = facts
  const base = { peer, sender, senderDomain }
  if (isUnknown(facts.candidates)) {
    return { ...base, matched: null, passedOver: [], unverified: [], partners: [], unknown: facts.candidates }
  }

  const counted: WeighedCandidate[] = []
  const unverified: Candidate[] = []
  const partners: Candidate[] = []
  for (const candidate of facts.candidates) {
    if (!candidate.connector.enabled) continue
    if (!provesItself(candidate)) unverified.push(candidate)
    else if (candidate.connector.connectorType === 'Partner') partners.push(candidate)
    else counted.push(weigh(candidate, facts))
  }

  const owner = ownerOf(senderDomain)
  counted.sort((left, right) => firstDifference(left, right, owner)?.order ?? 0)
  const [matched = null, ...others] = counted
  const passedOver: PassedOver[] = []
  if (matched !== null) {
    for (const candidate of others) {
      passedOver.push({
        candidate,
        because: firstDifference(matched, candidate, owner)?.because ?? 'it is the same',
      })
    }
  }
  return { ...base, matched, passedOver, unverified, partners, unknown: undecided(matched, others) }
}

/** An address proves itself; a certificate only when its path is verified under the connector's own trust. */
function provesItself(candidate: Candidate): boolean {
  return candidate.match.via === 'address' || candidate.match.verified
}

function weigh(candidate: Candidate, facts: AttributionFacts): WeighedCandidate {
  const { organization } = candidate.connector
  const byVerifiedName = candidate.match.via === 'certificate' && candidate.match.verified
  return {
    ...candidate,
    senderAccepted: facts.sender.domain === '' ? 'no' : acceptedBy(facts.senderDomain, organization),
    certificateAccepted: byVerifiedName ? acceptedBy(candidate.certificateDomain, organization) : 'no',
  }
}

/** Whether the domain is registered with the organisation and good for relaying (rule 4: not while going away). */
function acceptedBy(fact: Fact<DomainFact> | null, organization: string): Verdict {
  if (fact === null) return 'no'
  if (isUnknown(fact)) return 'unknown'
  const record = fact.acceptedDomain
  return record !== null && record.organization === organization && !record.pendingRemoval ? 'yes' : 'no'
}

function ownerOf(senderDomain: Fact<DomainFact> | null): string | null {
  if (senderDomain === null || isUnknown(senderDomain)) return null
  return senderDomain.acceptedDomain?.organization ?? null
}

/** A candidate whose conditions are not known might have been the one that lets the mail through. */
function undecided(matched: WeighedCandidate | null, others: readonly WeighedCandidate[]): Unknown | null {
  if (matched === null || holds(matched)) return null
  for (const candidate of [matched, ...others]) {
    if (candidate.certificateAccepted === 'unknown' || candidate.senderAccepted === 'unknown') {
      return { unknown: true, why: 'an accepted domain could not be looked up' }
    }
  }
  return null
}

/**
 * @param candidate a weighed candidate
 * @returns whether (a) or (b) of rule 6 holds under it
 */
export function holds(candidate: WeighedCandidate): boolean {
  return candidate.senderAccepted === 'yes' || candidate.certificateAccepted === 'yes'
}

interface Criterion {
  /** Said of the winner. */
  readonly because: string
  /** The lower value goes first. */
  readonly rank: (candidate: WeighedCandidate, owner: string | null) => number | string
}

/** Rule 3, the first that decides. */
const CRITERIA: readonly Criterion[] = [
  {
    because: "its certificate's domain is an accepted domain of its organisation",
    rank: ({ certificateAccepted }) => (certificateAccepted === 'yes' ? 0 : 1),
  },
  {
    because: "the sender's domain is an accepted domain of its organisation",
    rank: ({ senderAccepted }) => (senderAccepted === 'yes' ? 0 : 1),
  },
  {
    because: 'a match by certificate comes before one by address',
    rank: ({ match }) => (match.via === 'certificate' ? 0 : 1),
  },
  {
    because: "its organisation owns the sender's domain",
    rank: ({ connector }, owner) => (connector.organization === owner ? 0 : 1),
  },
  {
    because: 'an exact name comes before a wildcard',
    rank: ({ connector, match }) =>
      match.via === 'certificate' && isWildcard(connector.tlsSenderCertificateName) ? 1 : 0,
  },
  {
    because: 'the longer name or prefix comes first',
    rank: ({ connector, match }) =>
      match.via === 'certificate' ? -(connector.tlsSenderCertificateName ?? '').length : -match.prefixLength,
  },
  {
    because: "its organisation's name comes first in the alphabet",
    rank: ({ connector }) => connector.organization.toLowerCase(),
  },
  { because: 'its name comes first in the alphabet', rank: ({ connector }) => connector.name.toLowerCase() },
]

function isWildcard(name: string | null): boolean {
  return name !== null && name.startsWith('*.')
}

function firstDifference(
  left: WeighedCandidate,
  right: WeighedCandidate,
  owner: string | null,
): { order: number; because: string } | null {
  for (const { because, rank } of CRITERIA) {
    const leftRank = rank(left, owner)
    const rightRank = rank(right, owner)
    if (leftRank !== rightRank) return { order: leftRank < rightRank ? -1 : 1, because }
  }
  return null
}
