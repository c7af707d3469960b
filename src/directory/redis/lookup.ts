/**
 * A question turned into keys, and what stands under them into the answer that a directory in memory would give: the
 * few records that can matter are indexed by the very code that indexes a file.
 */

import type { AcceptedDomain, DomainFact, Fact, OutboundConnector } from '../../policy/types.ts'
import { withoutWildcard } from '../../text/certificate-name.ts'
import { addressBytes, formatRange, maskBytes } from '../../text/ip-address.ts'
import type { Answer, ConnectorMatch, Question } from '../directory.ts'
import { MOST_NAMES } from '../directory.ts'
import { indexDomains } from '../domain-index.ts'
import { connectorFinder, outboundIn } from '../memory-directory.ts'
import type { ConfiguredConnector } from '../model.ts'
import { nameKey } from '../model.ts'
import { quoted } from '../yaml-reader.ts'
import type { Header } from './header.ts'
import type { Keys } from './keys.ts'
import { registrableAbove } from './keys.ts'
import type { Stored } from './near-cache.ts'

/** A record that is wanted, and what it is. */
export interface Wanted {
  readonly key: string
  readonly kind: 'domain' | 'index' | 'outbound'
  /** The name of the accepted domain, the `nameKey` of the organisation; '' for an entry of an index. */
  readonly of: string
}

/**
 * @param question what is asked
 * @param keys names of keys
 * @param prefixLengths the lengths of ranges that exist
 * @returns the keys of all records that the answer can hang on, each once
 */
export function wantedFor(
  question: Question,
  keys: Keys,
  prefixLengths: Header['prefixLengths'],
): readonly Wanted[] {
  const wanted = new Map<string, Wanted>()
  const index = (key: string): void => {
    wanted.set(key, { key, kind: 'index', of: '' })
  }
  const domains = (names: readonly string[]): void => {
    for (const of of names) wanted.set(keys.domain(of), { key: keys.domain(of), kind: 'domain', of })
  }
  for (const presentedName of question.presentedNames.slice(0, MOST_NAMES)) {
    const base = withoutWildcard(presentedName)
    const chain = [base, ...registrableAbove(base)]
    index(base === presentedName ? keys.named(base) : keys.below(base))
    for (const name of chain) index(keys.named(`*.${name}`))
    domains(chain)
  }
  for (const range of rangesOf(question.address, prefixLengths)) index(keys.range(range))
  for (const domain of question.domains) domains([domain, ...registrableAbove(domain)])
  for (const organization of question.outboundOf ?? []) {
    const of = nameKey(organization)
    wanted.set(keys.outboundOf(of), { key: keys.outboundOf(of), kind: 'outbound', of })
  }
  return [...wanted.values()]
}

function rangesOf(address: string | null, prefixLengths: Header['prefixLengths']): string[] {
  const bytes = address === null ? null : addressBytes(address)
  if (bytes === null) return []
  const lengths = prefixLengths[bytes.length === 4 ? 4 : 6].keys()
  return [...lengths].map((length) => formatRange(maskBytes(bytes, length), length))
}

/**
 * @param question what was asked
 * @param stored what stands under each wanted key
 * @param keys names of keys
 * @returns the answer
 */
export function answerFrom(question: Question, stored: ReadonlyMap<string, Stored>, keys: Keys): Answer {
  const facts = new Map<string, Fact<DomainFact>>()
  const domain = (name: string): Fact<DomainFact> => {
    const fact = facts.get(name) ?? domainIn(name, stored, keys)
    facts.set(name, fact)
    return fact
  }
  const { outboundOf = [] } = question
  const outbound = new Map(
    outboundOf.map((name) => [nameKey(name), outboundOfOne(nameKey(name), stored, keys)]),
  )
  return {
    connectors: connectorsIn(question, stored),
    domain,
    outboundConnectors: outboundIn(outbound, outboundOf),
  }
}

/** Damage is no absence: mail would leave another way than its connector promises. */
function outboundOfOne(
  organization: string,
  stored: ReadonlyMap<string, Stored>,
  keys: Keys,
): Fact<readonly OutboundConnector[]> {
  const item = stored.get(keys.outboundOf(organization))
  if (item?.kind === 'outbound') return item.connectors
  if (item?.kind === 'unreadable') return unreadable(item)
  return { unknown: true, why: `the outbound connectors of ${quoted(organization)} were not asked for` }
}

function connectorsIn(
  { presentedNames, address }: Question,
  stored: ReadonlyMap<string, Stored>,
): Fact<readonly ConnectorMatch[]> {
  const found = new Map<string, ConfiguredConnector>()
  for (const item of stored.values()) {
    // A damaged record of something else is no reason not to know the connectors.
    if (item.kind === 'unreadable' && item.of === 'index') return unreadable(item)
    if (item.kind !== 'index') continue
    for (const connector of item.entry?.connectors ?? []) merge(found, connector)
  }
  return connectorFinder([...found.values()])(presentedNames, address)
}

/** An entry of a range knows that range only: a connector that several entries name is put together. */
function merge(found: Map<string, ConfiguredConnector>, connector: ConfiguredConnector): void {
  const key = `${nameKey(connector.organization)}\n${nameKey(connector.name)}`
  const before = found.get(key)
  if (before === undefined) {
    found.set(key, connector)
    return
  }
  found.set(key, {
    ...(before.trust === null ? connector : before),
    senderIPAddresses: [...new Set([...before.senderIPAddresses, ...connector.senderIPAddresses])],
  })
}

function domainIn(name: string, stored: ReadonlyMap<string, Stored>, keys: Keys): Fact<DomainFact> {
  const records: AcceptedDomain[] = []
  for (const domainName of [name, ...registrableAbove(name)]) {
    const item = stored.get(keys.domain(domainName))
    if (item?.kind === 'unreadable') return unreadable(item)
    if (item?.kind === 'domain') {
      if (item.record !== null) records.push(item.record)
      continue
    }
    const beside = besideConnector(domainName, stored)
    if (beside === undefined) return { unknown: true, why: `${domainName} was not asked for` }
    if (beside !== null) records.push(beside)
  }
  return indexDomains(records).find(name)
}

/** The domain of a connector that a wildcard certificate matched stands beside the connector. */
function besideConnector(
  domainName: string,
  stored: ReadonlyMap<string, Stored>,
): AcceptedDomain | null | undefined {
  for (const item of stored.values()) {
    if (item.kind !== 'index' || item.entry === null || item.entry.domains === null) continue
    if (!item.entry.connectors.some((connector) => connector.tlsSenderCertificateName === domainName))
      continue
    return item.entry.domains.find((domain) => domain.domainName === domainName) ?? null
  }
  return undefined
}

function unreadable({ key, why }: Stored & { readonly kind: 'unreadable' }): Fact<never> {
  return { unknown: true, why: `${key} in Redis ${why}` }
}
