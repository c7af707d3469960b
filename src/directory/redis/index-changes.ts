/** Which entries of the indexes a connector stands in, and what they become when connectors and domains change. */

import type { AcceptedDomain } from '../../policy/types.ts'
import { isPublicSuffix } from '../../text/public-suffix.ts'
import { parentOf } from '../../text/domain-name.ts'
import type { ConfiguredConnector } from '../model.ts'
import { nameKey } from '../model.ts'
import type { Keys } from './keys.ts'
import type { IndexEntry } from './records.ts'

/**
 * @param connector a connector
 * @param keys names of keys
 * @returns for each entry that lists it, what the entry says of it; none for one that is disabled
 */
export function entriesOf(connector: ConfiguredConnector, keys: Keys): Map<string, ConfiguredConnector> {
  const entries = new Map<string, ConfiguredConnector>()
  if (!connector.enabled) return entries
  const { tlsSenderCertificateName: name } = connector
  if (name !== null) {
    // The ranges do not matter where it is found by name, nor the CAs where it is found by address: with a hundred
    // ranges and a dozen CAs each entry would be a book.
    const byName = { ...connector, senderIPAddresses: [], comment: null }
    entries.set(keys.named(name), byName)
    const parent = listedBelow(name)
    if (parent !== null) entries.set(keys.below(parent), byName)
  }
  for (const range of connector.senderIPAddresses) {
    entries.set(keys.range(range), { ...connector, senderIPAddresses: [range], trust: null, comment: null })
  }
  return entries
}

/**
 * @param name a tlsSenderCertificateName or an accepted domain
 * @returns the name whose `below` entry is concerned with it, or null: wildcards stand in none, and no certificate is
 *   for `*.` and a public suffix
 */
export function listedBelow(name: string): string | null {
  const parent = name.startsWith('*.') ? null : parentOf(name)
  return parent === null || isPublicSuffix(parent) ? null : parent
}

/** @returns what tells a connector apart in an entry */
export function connectorKey({ organization, name }: ConfiguredConnector): string {
  return `${nameKey(organization)}\n${nameKey(name)}`
}

/**
 * @param entry an entry as it stands, undefined when there is none
 * @param leaving `connectorKey`s of connectors that change or go
 * @param coming connectors that come or come back
 * @returns the connectors that it lists then
 */
export function connectorsAfter(
  entry: IndexEntry | undefined,
  leaving: ReadonlySet<string>,
  coming: readonly ConfiguredConnector[],
): readonly ConfiguredConnector[] {
  const staying = (entry?.connectors ?? []).filter((connector) => !leaving.has(connectorKey(connector)))
  // In order of names, so that the same directory is the same text however it came about.
  return [...staying, ...coming].toSorted((left, right) =>
    connectorKey(left) < connectorKey(right) ? -1 : 1,
  )
}

/**
 * @param connectors the connectors of a `below` entry
 * @param domainOf the record of an accepted domain, once the write is done
 * @returns the domains that stand beside them
 */
export function domainsBeside(
  connectors: readonly ConfiguredConnector[],
  domainOf: (name: string) => AcceptedDomain | undefined,
): readonly AcceptedDomain[] {
  const names = new Set(connectors.map(({ tlsSenderCertificateName: name }) => name ?? ''))
  return [...names].toSorted().flatMap((name) => domainOf(name) ?? [])
}
