/**
 * Organisations in memory, indexed so that a look-up takes the same time however many there are: names and suffixes
 * by exact key, addresses by exact range for each prefix length that exists.
 */

import type { DomainFact, Fact, InboundConnector, OutboundConnector } from '../policy/types.ts'
import { withoutWildcard } from '../text/certificate-name.ts'
import { ancestorsOf, parentOf } from '../text/domain-name.ts'
import type { Family } from '../text/ip-address.ts'
import { addressBytes, formatRange, maskBytes, parseRange } from '../text/ip-address.ts'
import type { Answer, ConnectorMatch, DirectorySummary, Question } from './directory.ts'
import { MOST_NAMES } from './directory.ts'
import { indexDomains } from './domain-index.ts'
import type { Organization } from './model.ts'
import { nameKey } from './model.ts'
import { quoted } from './yaml-reader.ts'

/** The look-ups of `Directory`, answered at once. */
export interface MemoryDirectory {
  /** @returns every enabled connector that names the peer, once by certificate and once by address */
  findConnectors(presentedNames: readonly string[], address: string | null): readonly ConnectorMatch[]
  findDomain(domain: string): DomainFact
  /** As of `Directory`. */
  ask(question: Question): Answer
  readonly summary: DirectorySummary
}

type Connectors = Map<string, InboundConnector[]>

interface NameIndex {
  /** `mail.contoso.com`, by itself. */
  readonly exact: Connectors
  /** `*.contoso.com`, by contoso.com. */
  readonly wildcard: Connectors
  /** `mail.contoso.com`, by contoso.com: what a certificate for `*.contoso.com` proves. */
  readonly below: Connectors
}

/** For each family, for each prefix length that exists, the longest first: connectors by the network's octets. */
type AddressIndex = ReadonlyMap<Family, readonly (readonly [prefixLength: number, Connectors])[]>

/**
 * @param organizations validated organisations (`schema.ts`)
 * @param revision what the content is called in the journal
 * @returns an immutable directory
 */
export function buildDirectory(organizations: readonly Organization[], revision: string): MemoryDirectory {
  const domains = indexDomains(organizations.flatMap(({ acceptedDomains }) => acceptedDomains))
  const connectors = organizations.flatMap(({ inboundConnectors }) => inboundConnectors)
  const enabled = connectors.filter((connector) => connector.enabled)
  const findConnectors = remembering(connectorFinder(enabled))
  const findDomain = (domain: string): DomainFact => domains.find(domain)
  const outbound = outboundIndex(organizations)
  return {
    findConnectors,
    findDomain,
    ask: ({ presentedNames, address, outboundOf = [] }) => ({
      connectors: findConnectors(presentedNames, address),
      domain: findDomain,
      outboundConnectors: outboundIn(outbound, outboundOf),
    }),
    summary: {
      organizations: organizations.length,
      acceptedDomains: domains.size,
      inboundConnectors: connectors.length,
      outboundConnectors: organizations.reduce((sum, { outboundConnectors: own }) => sum + own.length, 0),
      revision,
    },
  }
}

/** @returns outbound connectors by the `nameKey` of their organisation */
function outboundIndex(
  organizations: readonly Organization[],
): ReadonlyMap<string, readonly OutboundConnector[]> {
  const some = organizations.filter(({ outboundConnectors }) => outboundConnectors.length > 0)
  return new Map(some.map(({ name, outboundConnectors }) => [nameKey(name), outboundConnectors]))
}

/**
 * @param known outbound connectors by the `nameKey` of their organisation
 * @param asked the organisations that were asked about
 * @returns as of `Answer`
 */
export function outboundIn(
  known: ReadonlyMap<string, Fact<readonly OutboundConnector[]>>,
  asked: readonly string[],
): Answer['outboundConnectors'] {
  const keys = new Set(asked.map((name) => nameKey(name)))
  return (organization) => {
    const key = nameKey(organization)
    if (keys.has(key)) return known.get(key) ?? []
    return { unknown: true, why: `the outbound connectors of ${quoted(organization)} were not asked for` }
  }
}

/**
 * @param enabled enabled connectors of all organisations
 * @returns finds among them those that name a peer
 */
export function connectorFinder(enabled: readonly InboundConnector[]): MemoryDirectory['findConnectors'] {
  const names = indexNames(enabled)
  const addresses = indexAddresses(enabled)
  return (presentedNames, address) => [
    ...matchesByName(names, presentedNames),
    ...(address === null ? [] : matchesByAddress(addresses, address)),
  ]
}

/** Peers whose connectors are remembered. */
const MOST_REMEMBERED = 1000
/** Of more names the key would cost more than the look-up. */
const MOST_NAMES_REMEMBERED = 20

/** A directory never changes, and the same servers come again and again. */
function remembering(find: MemoryDirectory['findConnectors']): MemoryDirectory['findConnectors'] {
  const known = new Map<string, readonly ConnectorMatch[]>()
  return (presentedNames, address) => {
    if (presentedNames.length > MOST_NAMES_REMEMBERED) return find(presentedNames, address)
    // Neither holds a line break: names are normalised, addresses canonical.
    const key = [address ?? '', ...presentedNames].join('\n')
    const before = known.get(key)
    if (before !== undefined) return before
    const matches = find(presentedNames, address)
    if (known.size >= MOST_REMEMBERED) known.clear()
    known.set(key, matches)
    return matches
  }
}

function indexNames(connectors: readonly InboundConnector[]): NameIndex {
  const index: NameIndex = { exact: new Map(), wildcard: new Map(), below: new Map() }
  for (const connector of connectors) {
    const name = connector.tlsSenderCertificateName
    if (name === null) continue
    const domain = withoutWildcard(name)
    if (domain !== name) {
      add(index.wildcard, domain, connector)
      continue
    }
    add(index.exact, name, connector)
    const parent = parentOf(name)
    if (parent !== null) add(index.below, parent, connector)
  }
  return index
}

function indexAddresses(connectors: readonly InboundConnector[]): AddressIndex {
  const byFamily = new Map<Family, Map<number, Connectors>>([
    [4, new Map()],
    [6, new Map()],
  ])
  for (const connector of connectors) {
    for (const text of new Set(connector.senderIPAddresses)) {
      const range = parseRange(text)
      const byLength = range === null ? undefined : byFamily.get(range.family)
      if (range === null || byLength === undefined) throw new RangeError(`${text} is no address range`)
      const ranges: Connectors = byLength.get(range.prefixLength) ?? new Map()
      byLength.set(range.prefixLength, ranges)
      add(ranges, range.bytes.join('.'), connector)
    }
  }
  return new Map(
    [...byFamily].map(([family, byLength]) => [
      family,
      [...byLength].toSorted(([left], [right]) => right - left),
    ]),
  )
}

function add(index: Connectors, key: string, connector: InboundConnector): void {
  const list = index.get(key)
  if (list === undefined) index.set(key, [connector])
  else list.push(connector)
}

/** Rule 2. A connector that several names match is listed once, with the first of them. */
function matchesByName(index: NameIndex, presentedNames: readonly string[]): ConnectorMatch[] {
  const found = new Map<InboundConnector, string>()
  for (const presentedName of new Set(presentedNames.slice(0, MOST_NAMES))) {
    for (const connector of namedBy(index, presentedName)) {
      if (!found.has(connector)) found.set(connector, presentedName)
    }
  }
  return [...found].map(([connector, presentedName]) => ({
    connector,
    by: { via: 'certificate', presentedName },
  }))
}

/** The same as matchesCertificateName of `text/certificate-name.ts`, by look-up. */
function namedBy({ exact, wildcard, below }: NameIndex, presentedName: string): InboundConnector[] {
  const domain = withoutWildcard(presentedName)
  const own = domain === presentedName ? exact.get(domain) : below.get(domain)
  const wild = [domain, ...ancestorsOf(domain)].flatMap((name) => wildcard.get(name) ?? [])
  return [...(own ?? []), ...wild]
}

/** Of the ranges of one connector the longest that holds the address is listed. */
function matchesByAddress(index: AddressIndex, address: string): ConnectorMatch[] {
  const bytes = addressBytes(address)
  if (bytes === null) return []
  const family = bytes.length === 4 ? 4 : 6
  const found = new Map<InboundConnector, ConnectorMatch>()
  for (const [prefixLength, ranges] of index.get(family) ?? []) {
    const network = maskBytes(bytes, prefixLength)
    for (const connector of ranges.get(network.join('.')) ?? []) {
      if (found.has(connector)) continue
      const range = formatRange(network, prefixLength)
      found.set(connector, { connector, by: { via: 'address', range, prefixLength } })
    }
  }
  return [...found.values()]
}
