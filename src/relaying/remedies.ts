/**
 * What would let a refused mail through: changes that an administrator could make, each tried on the same question, the
 * smallest first. Nothing is advised that was not tried.
 */

import type { Directory } from '../directory/directory.ts'
import type { Organization } from '../directory/model.ts'
import { isUnknown } from '../policy/attribute.ts'
import type { Decision } from '../policy/decide.ts'
import type { AcceptedDomain, DomainFact, Fact, InboundConnector, PeerCertificate } from '../policy/types.ts'
import { withoutWildcard } from '../text/certificate-name.ts'
import { normalizeDomain } from '../text/domain-name.ts'
import { isPublicSuffix } from '../text/public-suffix.ts'
import { findDomain } from './gather.ts'
import { proposing } from './proposed.ts'
import type { SimulatedMessage, Simulation, SimulationSettings } from './simulate.ts'
import { givenPeer, simulate } from './simulate.ts'
import { termsNow } from './terms.ts'

/** One change. */
export interface Change {
  /** A sentence without its full stop. */
  readonly what: string
  /** Arguments of connectorctl that make it; null where it is made elsewhere. */
  readonly command: readonly string[] | null
  readonly domain?: AcceptedDomain
  readonly connector?: InboundConnector
  /** What the server would present from then on. */
  readonly certificate?: PeerCertificate
  readonly settings?: SimulationSettings
}

/** Changes that together let the mail through. */
export interface Remedy {
  readonly changes: readonly Change[]
  readonly decision: Decision
}

export interface Question {
  readonly directory: Directory
  readonly settings: SimulationSettings
  readonly message: SimulatedMessage
  readonly simulation: Simulation
  /** The organisation whose mail it seems to be, with all that it owns; null when nobody knows. */
  readonly organization: Organization | null
  /** ISO 8601 in UTC, up to when report-only mode may last. */
  readonly reportOnlyUntil: string
}

/** More would be a list of everything that can be done with the product. */
const MOST_REMEDIES = 6

/**
 * @param question a message that was not accepted, and what is known about it
 * @returns what would let it through, the smallest first; nothing for a message that is accepted
 */
export async function remediesFor(question: Question): Promise<Remedy[]> {
  const { outcome } = question.simulation.decision
  if (outcome === 'relay' || outcome === 'deliver') return []
  const remedies: Remedy[] = []
  const tried = new Set<string>()
  /** Changes that are enough by themselves. */
  const enough = new Set<string>()
  for (const changes of await ideas(question)) {
    const key = JSON.stringify(changes.map(({ what }) => what))
    if (tried.has(key) || remedies.length === MOST_REMEDIES) continue
    if (changes.some(({ what }) => enough.has(what))) continue
    tried.add(key)
    const decision = await tryOut(question, changes)
    if (decision.outcome !== 'relay' && decision.outcome !== 'deliver') continue
    remedies.push({ changes, decision })
    if (changes.length === 1) enough.add(changes[0]?.what ?? '')
  }
  return remedies
}

async function tryOut(
  { directory, message, settings }: Question,
  changes: readonly Change[],
): Promise<Decision> {
  const proposed = proposing(directory, {
    domains: changes.flatMap(({ domain }) => domain ?? []),
    connectors: changes.flatMap(({ connector }) => connector ?? []),
  })
  const certificate = changes.find((change) => change.certificate !== undefined)?.certificate
  const peer = certificate === undefined ? message.peer : givenPeer(message.peer.address, certificate)
  const changed = changes.find((change) => change.settings !== undefined)?.settings ?? settings
  return (await simulate(proposed, changed, { ...message, peer }, { steps: false })).decision
}

/** Single changes first, then pairs; in each the ones that let the least through come first. */
async function ideas(question: Question): Promise<(readonly Change[])[]> {
  const settings = settingChanges(question)
  const domains = await domainChanges(question)
  const connectors = await connectorChanges(question)
  const presenting = presentingChanges(question)
  const pairs = connectors.flatMap((connector) => domains.map((domain) => [connector, domain]))
  return [
    ...[...settings, ...healed(question), ...domains, ...connectors].map((change) => [change]),
    ...presenting,
    ...pairs,
    ...reportOnly(question).map((change) => [change]),
  ]
}

function settingChanges({ settings, simulation }: Question): Change[] {
  const { reason } = simulation.decision
  const { relay } = settings
  const setting = (what: string, changed: Partial<SimulationSettings>): Change[] => [
    { what: `set ${what} in config/connectors.ini`, command: null, settings: { ...settings, ...changed } },
  ]
  switch (reason) {
    case 'no-route':
      return setting('[outbound] smart_host to the server that takes your mail', {
        outbound: { smartHost: {} },
      })
    case 'postmaster-not-set':
      return setting('[relay] postmaster to an address that is read', {
        relay: { ...relay, postmaster: 'postmaster@invalid' },
      })
    case 'inbound-not-accepted':
      return setting('[relay] accept_inbound = true, so that anybody may send to your domains', {
        relay: { ...relay, acceptInbound: true },
      })
    default:
      return []
  }
}

/** What can be done about the sender's domain and about the certificate's. */
async function domainChanges({
  directory,
  message,
  organization,
  settings,
  simulation,
}: Question): Promise<Change[]> {
  const { matched, senderDomain } = simulation.attribution
  const owner = matched?.connector.organization ?? organization?.name ?? null
  const facts: (Fact<DomainFact> | null)[] = [senderDomain, matched?.certificateDomain ?? null]
  if (matched === null && 'names' in message.peer.certificate) {
    const terms = termsNow(settings.relay)
    for (const name of message.peer.certificate.names.slice(0, 5)) {
      facts.push(await findDomain(directory, withoutWildcard(name), terms))
    }
  }
  return facts.flatMap((fact) => (fact === null || isUnknown(fact) ? [] : changesOf(fact, owner)))
}

function changesOf(
  { acceptedDomain, domain, uncoveredParent, unproven }: DomainFact,
  owner: string | null,
): Change[] {
  if (unproven !== undefined) {
    const { domainName, organization } = unproven
    if (organization !== owner) return []
    const proof = {
      token: null,
      domain: null,
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
  if (owner === null || normalizeDomain(domain) === null || isPublicSuffix(domain)) return []
  return [
    ...(uncoveredParent?.organization === owner ? [covering(uncoveredParent)] : []),
    registering(domain, owner),
  ]
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
    command: ['domain', 'add', domainName, '--organization', organization, '--yes'],
    domain: {
      organization,
      domainName,
      domainType: 'Authoritative',
      matchSubDomains: false,
      sendingFromDomainDisabled: false,
      pendingRemoval: false,
      delegatedSubDomains: [],
    },
  }
}

/** What can be done about connectors: the one that was matched, ones that are off or of the wrong type, a new one. */
async function connectorChanges(question: Question): Promise<Change[]> {
  const { organization, simulation } = question
  const { matched, partners } = simulation.attribution
  const off = organization?.inboundConnectors.filter(({ enabled }) => !enabled) ?? []
  return [
    ...off.map((connector): Change => ({
      what: `enable connector "${connector.name}" of ${connector.organization}`,
      command: ['inbound-connector', 'enable', connector.name, '--organization', connector.organization],
      connector: { ...connector, enabled: true },
    })),
    ...partners.map(({ connector }): Change => ({
      what: `make connector "${connector.name}" one of type OnPremises, if the server is ${connector.organization}'s own`,
      command: setting(connector, '--connector-type', 'OnPremises'),
      connector: { ...connector, connectorType: 'OnPremises' },
    })),
    ...(await byName(question)),
    ...(matched === null ? byAddress(question) : []),
  ]
}

function setting({ name, organization }: InboundConnector, flag: string, value: string): string[] {
  return ['inbound-connector', 'set', name, '--organization', organization, flag, value]
}

/** The trap of the KB: mail.contoso.com becomes *.contoso.com where contoso.com is registered. */
function healed({ simulation: { attribution } }: Question): Change[] {
  const { matched } = attribution
  if (matched === null) return []
  const { certificateDomain: fact, connector } = matched
  if (fact === null || isUnknown(fact) || fact.uncoveredParent?.organization !== connector.organization)
    return []
  const name = `*.${fact.uncoveredParent.domainName}`
  return [
    {
      what: `change the certificate name of connector "${connector.name}" to ${name}`,
      command: setting(connector, '--tls-sender-certificate-name', name),
      connector: { ...connector, tlsSenderCertificateName: name },
    },
  ]
}

/** A connector for a name in the certificate that the server presents: the exact one where that is enough. */
async function byName({
  directory,
  message,
  organization,
  settings,
  simulation,
}: Question): Promise<Change[]> {
  const { certificate } = message.peer
  if (certificate.state !== 'verified' || simulation.attribution.matched?.match.via === 'certificate')
    return []
  const changes: Change[] = []
  for (const name of certificate.names.slice(0, 5)) {
    const fact = await findDomain(directory, withoutWildcard(name), termsNow(settings.relay))
    if (isUnknown(fact)) continue
    const { acceptedDomain, uncoveredParent } = fact
    const owner = (acceptedDomain ?? uncoveredParent)?.organization ?? organization?.name
    if (owner === undefined) continue
    changes.push(adding(owner, uncoveredParent === null ? name : `*.${uncoveredParent.domainName}`))
  }
  return changes
}

function adding(organization: string, tlsSenderCertificateName: string): Change {
  const name = `Server ${tlsSenderCertificateName}`.slice(0, 64)
  return {
    what: `add a connector of ${organization} for ${tlsSenderCertificateName}, a name in the server's certificate`,
    command: adds(name, organization, '--tls-sender-certificate-name', tlsSenderCertificateName),
    connector: { ...NEW_CONNECTOR, organization, name, tlsSenderCertificateName },
  }
}

function adds(name: string, organization: string, flag: string, value: string): string[] {
  const type = ['--connector-type', 'OnPremises']
  return ['inbound-connector', 'add', name, '--organization', organization, ...type, flag, value]
}

const NEW_CONNECTOR = {
  connectorType: 'OnPremises',
  enabled: true,
  tlsSenderCertificateName: null,
  senderIPAddresses: [],
} as const

function byAddress({ message, organization, simulation }: Question): Change[] {
  const { address } = message.peer
  const { senderDomain } = simulation.attribution
  const owner =
    senderDomain === null || isUnknown(senderDomain)
      ? organization?.name
      : (senderDomain.acceptedDomain?.organization ?? organization?.name)
  if (address === null || owner === undefined) return []
  const name = `Server ${address}`
  const range = `${address}/${address.includes(':') ? 128 : 32}`
  return [
    {
      what: `add a connector of ${owner} for the address ${address}, if the server is the organisation's own`,
      command: adds(name, owner, '--sender-ip-addresses', address),
      connector: { ...NEW_CONNECTOR, organization: owner, name, senderIPAddresses: [range] },
    },
  ]
}

/** What would be if the server proved who it is: by a certificate at all, or by one that is verified. */
function presentingChanges({ message, organization, simulation }: Question): (readonly Change[])[] {
  const { certificate } = message.peer
  const { matched, unverified } = simulation.attribution
  if (certificate.state === 'not-verified' && unverified.length > 0) {
    return [
      [
        {
          what: `mend the server's certificate or name its CA: it is not verified (${certificate.why})`,
          command: null,
          certificate: { state: 'verified', names: certificate.names },
        },
      ],
    ]
  }
  if (certificate.state === 'verified' || matched?.match.via === 'certificate' || organization === null)
    return []
  const registered = organization.acceptedDomains.find(({ pendingRemoval }) => !pendingRemoval)
  if (registered === undefined) return []
  const { domainName } = registered
  const covers = organization.inboundConnectors.some(
    ({ connectorType, enabled, tlsSenderCertificateName: name }) =>
      enabled && connectorType === 'OnPremises' && name === `*.${domainName}`,
  )
  const presents: Change = {
    what: `let the server present a certificate for a name under ${domainName}, e.g. mail.${domainName} (connectorctl client-setup says how)`,
    command: null,
    certificate: { state: 'verified', names: [`mail.${domainName}`] },
  }
  return [covers ? [presents] : [presents, adding(organization.name, `*.${domainName}`)]]
}

/** For a while, and journalled: not a remedy but time to find one. */
function reportOnly({ reportOnlyUntil, simulation }: Question): Change[] {
  const { matched } = simulation.attribution
  if (matched === null) return []
  const { connector } = matched
  const day = reportOnlyUntil.slice(0, 10)
  return [
    {
      what: `put connector "${connector.name}" into report-only mode until ${day}, while you mend the cause`,
      command: setting(connector, '--report-only', day),
      connector: { ...connector, reportOnlyUntil },
    },
  ]
}

/**
 * @param simulation what was decided
 * @returns names of organisations whose mail it may be, the likeliest first
 */
export function likelyOrganizations({ attribution }: Simulation): string[] {
  const { matched, partners, senderDomain, unverified } = attribution
  const ofSender =
    senderDomain === null || isUnknown(senderDomain)
      ? []
      : [senderDomain.acceptedDomain, senderDomain.unproven, senderDomain.uncoveredParent].flatMap(
          (record) => record?.organization ?? [],
        )
  const ofConnectors = [matched, ...unverified, ...partners].flatMap(
    (candidate) => candidate?.connector.organization ?? [],
  )
  return [...new Set([...ofConnectors, ...ofSender])]
}
