/** A small world for tests of the rule: organisations as plain data, and the facts that a directory would give. */

import { attribute } from '../../src/policy/attribute.ts'
import type { Decision } from '../../src/policy/decide.ts'
import { decide } from '../../src/policy/decide.ts'
import type {
  AcceptedDomain,
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
} from '../../src/policy/types.ts'
import { matchesCertificateName } from '../../src/text/certificate-name.ts'
import { parseRange } from '../../src/text/ip-address.ts'
import ipaddr from 'ipaddr.js'

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
  let acceptedDomain: AcceptedDomain | null = null
  let uncoveredParent: AcceptedDomain | null = null
  for (let depth = 0; depth < labels.length && acceptedDomain === null; depth++) {
    const ancestor = labels.slice(depth).join('.')
    const record = world.domains.find(({ domainName }) => domainName === ancestor)
    if (record === undefined) continue
    if (depth === 0 || record.matchSubDomains) acceptedDomain = record
    else uncoveredParent ??= record
  }
  return { domain: name, acceptedDomain, uncoveredParent: acceptedDomain === null ? uncoveredParent : null }
}

export function candidatesFor(world: World, peer: Peer): Candidate[] {
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
        certificateDomain: factOf(world, pattern.replace(/^\*\./, '')),
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
  readonly sourceRoute?: boolean
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
    settings: { acceptInbound: message.acceptInbound ?? true, postmaster: message.postmaster ?? null },
    relayingRespected: message.relayingRespected ?? false,
    hasRoute: message.hasRoute ?? true,
  }
}

export function attributeMessage(world: World, message: Message): Attribution {
  const { peer, sender } = factsOf(message)
  return attribute({
    peer,
    sender,
    senderDomain: sender.domain === '' ? null : factOf(world, sender.domain),
    candidates: candidatesFor(world, peer),
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
  const { recipient, settings, relayingRespected, hasRoute } = factsOf(message)
  const registered = recipient.domain === '' ? null : factOf(world, recipient.domain)
  return decide(
    {
      attribution,
      recipient,
      recipientDomain: recipientDomain ?? registered,
      settings,
      relayingRespected,
      hasRoute,
    },
    trace,
  )
}
