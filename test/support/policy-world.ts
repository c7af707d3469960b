/** A small world for tests of the rule: organisations as plain data, and the facts that a directory would give. */

import { attribute } from '../../src/policy/attribute.ts'
import type { Decision } from '../../src/policy/decide.ts'
import { decide } from '../../src/policy/decide.ts'
import type { Terms } from '../../src/policy/proof.ts'
import { counting } from '../../src/policy/proof.ts'
import type {
  AcceptedDomain,
  Attribution,
  Candidate,
  DomainFact,
  DomainProof,
  Fact,
  InboundConnector,
  Peer,
  PeerCertificate,
  Recipient,
  RelaySettings,
  Sender,
  Step,
} from '../../src/policy/types.ts'
import { matchesCertificateName } from '../../src/text/certificate-name.ts'
import { parseRange } from '../../src/text/ip-address.ts'
import ipaddr from 'ipaddr.js'

const HOUR = 3_600_000

/** When tests of the rule decide, and days around it: the schema takes no end of report-only mode that is far ahead. */
const BEGAN = Date.now()
export const NOW = new Date(BEGAN).toISOString()
export const LATER = new Date(BEGAN + 30 * 24 * HOUR).toISOString()
export const EARLIER = new Date(BEGAN - 24 * HOUR).toISOString()

/** A proof that was found, and is lost when that is said. */
export function proof(more: Partial<DomainProof> = {}): DomainProof {
  return { token: 't0k3n', domain: null, provenAt: EARLIER, lostAt: null, countsUntil: null, ...more }
}

export interface World {
  readonly domains: readonly AcceptedDomain[]
  readonly connectors: readonly InboundConnector[]
}

export function domain(
  organization: string,
  domainName: string,
  more: Partial<AcceptedDomain> = {},
): AcceptedDomain {
  return {
    organization,
    domainName,
    domainType: 'Authoritative',
    matchSubDomains: false,
    sendingFromDomainDisabled: false,
    pendingRemoval: false,
    delegatedSubDomains: [],
    ...more,
    // Found under the domain itself, where nothing else is said.
    ...((more.proof?.provenAt ?? null) === null
      ? {}
      : { proof: proof({ ...more.proof, domain: more.proof?.domain ?? domainName }) }),
  }
}

export function connector(
  organization: string,
  name: string,
  more: Partial<InboundConnector> = {},
): InboundConnector {
  return {
    organization,
    name,
    connectorType: 'OnPremises',
    enabled: true,
    tlsSenderCertificateName: null,
    senderIPAddresses: [],
    ...more,
  }
}

/** The straightforward reading of DomainFact, to compare the indexed directory with. */
export function factOf(world: World, name: string): DomainFact {
  const labels = name.split('.')
  const covering: AcceptedDomain[] = []
  let owner: string | null = null
  let uncoveredParent: AcceptedDomain | null = null
  for (let depth = 0; depth < labels.length; depth++) {
    const ancestor = labels.slice(depth).join('.')
    const record = world.domains.find(({ domainName }) => domainName === ancestor)
    if (record === undefined) continue
    if (covering.length > 0 && record.organization !== owner) break
    owner = record.organization
    if (depth === 0 || record.matchSubDomains) covering.push(record)
    else uncoveredParent ??= record
  }
  const [acceptedDomain = null, ...alternatives] = covering
  return {
    domain: name,
    acceptedDomain,
    uncoveredParent: acceptedDomain === null ? uncoveredParent : null,
    ...(alternatives.length === 0 ? {} : { alternatives }),
  }
}

export function candidatesFor(
  world: World,
  peer: Peer,
  terms: Terms = { now: NOW, requireDomainProof: false },
): Candidate[] {
  const { certificate, address } = peer
  const names = 'names' in certificate ? certificate.names : []
  const found: Candidate[] = []
  for (const item of world.connectors) {
    if (!item.enabled) continue
    const pattern = item.tlsSenderCertificateName
    const presentedName = names.find((name) => pattern !== null && matchesCertificateName(pattern, name))
    if (presentedName !== undefined && pattern !== null) {
      found.push({
        connector: item,
        match: { via: 'certificate', presentedName, verified: certificate.state === 'verified' },
        certificateDomain: counting(factOf(world, pattern.replace(/^\*\./, '')), terms),
      })
    }
    for (const text of item.senderIPAddresses) {
      const parsed = parseRange(text)
      if (parsed === null || address === null) continue
      const ip = ipaddr.parse(address)
      const [network, length] = ipaddr.parseCIDR(parsed.range)
      if (ip.kind() !== network.kind() || !ip.match(network, length)) continue
      found.push({
        connector: item,
        match: { via: 'address', range: parsed.range, prefixLength: length },
        certificateDomain: null,
      })
    }
  }
  return found
}

export interface Message {
  readonly certificate?: PeerCertificate
  readonly address?: string | null
  readonly from: string
  readonly to: string
  readonly acceptInbound?: boolean
  readonly postmaster?: string | null
  readonly relayingRespected?: boolean
  readonly hasRoute?: boolean
  readonly routeUnknown?: boolean
  readonly leadsBack?: boolean
  readonly sourceRoute?: boolean
  readonly requireDomainProof?: boolean
}

function domainPart(address: string): string {
  return address.includes('@') ? address.slice(address.lastIndexOf('@') + 1) : ''
}

/** What a message says of itself, as the rule takes it. */
export function factsOf(message: Message): {
  readonly peer: Peer
  readonly sender: Sender
  readonly recipient: Recipient
  readonly settings: RelaySettings
  readonly now: string
  readonly relayingRespected: boolean
  readonly hasRoute: boolean
} {
  const { from, to } = message
  return {
    peer: { address: message.address ?? null, certificate: message.certificate ?? { state: 'no-tls' } },
    sender: { address: from, domain: domainPart(from) },
    recipient: {
      address: to,
      localPart: to.includes('@') ? to.slice(0, to.lastIndexOf('@')) : to,
      domain: domainPart(to),
      sourceRoute: message.sourceRoute ?? false,
    },
    settings: {
      acceptInbound: message.acceptInbound ?? true,
      postmaster: message.postmaster ?? null,
      requireDomainProof: message.requireDomainProof ?? false,
    },
    now: NOW,
    relayingRespected: message.relayingRespected ?? false,
    hasRoute: message.hasRoute ?? true,
  }
}

export function attributeMessage(world: World, message: Message): Attribution {
  const { now, peer, sender, settings } = factsOf(message)
  const terms = { now, requireDomainProof: settings.requireDomainProof }
  return attribute({
    peer,
    sender,
    senderDomain: sender.domain === '' ? null : counting(factOf(world, sender.domain), terms),
    candidates: candidatesFor(world, peer, terms),
  })
}

export function decideMessage(world: World, message: Message, trace?: Step[]): Decision {
  return decideWith(world, message, attributeMessage(world, message), trace)
}

export function decideWith(
  world: World,
  message: Message,
  attribution: Attribution,
  trace?: Step[],
  recipientDomain?: Fact<DomainFact>,
): Decision {
  const { recipient, settings, now, relayingRespected, hasRoute } = factsOf(message)
  const routeUnknown =
    message.routeUnknown === true ? ({ unknown: true, why: 'Redis is away' } as const) : null
  const terms = { now, requireDomainProof: settings.requireDomainProof }
  const registered = recipient.domain === '' ? null : counting(factOf(world, recipient.domain), terms)
  return decide(
    {
      attribution,
      recipient,
      recipientDomain: recipientDomain ?? registered,
      settings,
      now,
      relayingRespected,
      hasRoute,
      routeUnknown,
      leadsBack: message.leadsBack ?? false,
    },
    trace,
  )
}
