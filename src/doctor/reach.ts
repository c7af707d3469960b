/**
 * Connectors that can never be chosen (DESIGN.md, rule 3). Only what is certain is said: a connector is out of reach when
 * whatever names it also names one that goes before it for every sender. One look-up a label and a range: it takes the
 * same time for each of 100,000 connectors.
 */

import ipaddr from 'ipaddr.js'
import { withoutWildcard } from '../text/certificate-name.ts'
import { ancestorsOf } from '../text/domain-name.ts'
import { parseRange } from '../text/ip-address.ts'
import type { ConnectorFacts } from './directory-facts.ts'
import { describeConnector, isActive } from './directory-facts.ts'
import type { Report } from './finding.ts'

/** Which addresses can connect at all. */
export interface Arrival {
  readonly v4: boolean
  readonly v6: boolean
}

export interface Reach {
  /** Cannot be chosen at all. */
  readonly unreachable: ReadonlySet<ConnectorFacts>
  /** Are never chosen by their certificate name, for another connector that grants goes before them. */
  readonly healed: ReadonlySet<ConnectorFacts>
}

/** Why something is never chosen, as the end of a sentence. */
type Why = string

/**
 * @param connectors the whole directory's
 * @param arrival which addresses can connect
 * @param report where findings go
 * @returns which connectors need not be looked at any more
 */
export function checkReach(connectors: readonly ConnectorFacts[], arrival: Arrival, report: Report): Reach {
  const active = connectors.filter((connector) => isActive(connector))
  const names = new NamedFirst(active)
  const ranges = firstOfRanges(active)
  const unreachable = new Set<ConnectorFacts>()
  const healed = new Set<ConnectorFacts>()
  for (const connector of active) {
    const byName = names.goesBefore(connector)
    if (byName !== null) healed.add(connector)
    const reasons = [
      ...(connector.certificateName === null ? [] : [byName === null ? null : because(byName)]),
      ...connector.ranges.map((range) => whyNoAddress(connector, range, ranges, arrival)),
    ]
    const certain = reasons.filter((reason) => reason !== null)
    if (certain.length < reasons.length || certain.length === 0) continue
    unreachable.add(connector)
    report(
      'warning',
      'connector-unreachable',
      `${describeConnector(connector)}: ${[...new Set(certain)].slice(0, 3).join('; ')}`,
    )
  }
  return { unreachable, healed }
}

function because({ winner, grants }: Before): Why {
  return grants
    ? `${describeConnector(winner)} is chosen for every certificate that it matches, as the certificate domain of that one is accepted`
    : `${describeConnector(winner)} has the same name and goes before it in the alphabet`
}

function whyNoAddress(
  connector: ConnectorFacts,
  range: string,
  first: ReadonlyMap<string, ConnectorFacts>,
  arrival: Arrival,
): Why | null {
  const never = whyNever(range, arrival)
  if (never !== null) return never
  const winner = first.get(rangeKey(connector.organization, range))
  if (winner === undefined || winner === connector) return null
  return `${describeConnector(winner)} has ${range}, too, and goes before it in the alphabet`
}

/** A server that connects by TCP has none of these addresses. */
const NEVER = new Set(['multicast', 'broadcast'])

function whyNever(text: string, { v4, v6 }: Arrival): Why | null {
  const range = parseRange(text)
  if (range === null) return null
  // A wide range begins with something else than it ends with.
  const kind = range.prefixLength >= 8 ? ipaddr.fromByteArray([...range.bytes]).range() : ''
  if (NEVER.has(kind)) return `no server connects from ${text} (${kind})`
  if (range.family === 6 && !v6) return `${text} is of IPv6, and the smarthost listens on IPv4 addresses only`
  if (range.family === 4 && !v4) return `${text} is of IPv4, and the smarthost listens on IPv6 addresses only`
  return null
}

function rangeKey(organization: string, range: string): string {
  return `${organization}\n${range}`
}

/** Of the connectors of one organisation with one range, the one that is chosen. */
function firstOfRanges(active: readonly ConnectorFacts[]): Map<string, ConnectorFacts> {
  const first = new Map<string, ConnectorFacts>()
  for (const connector of active) {
    for (const range of connector.ranges) keepFirst(first, rangeKey(connector.organization, range), connector)
  }
  return first
}

function keepFirst(first: Map<string, ConnectorFacts>, key: string, connector: ConnectorFacts): void {
  const known = first.get(key)
  if (known === undefined || connector.name.toLowerCase() < known.name.toLowerCase())
    first.set(key, connector)
}

interface Before {
  readonly winner: ConnectorFacts
  /** Whether it is chosen since (b) holds under it. */
  readonly grants: boolean
}

/** Who goes before whom among those with a name. A verdict under one trust says nothing about another: they never meet. */
class NamedFirst {
  /** By organisation, name and trust. */
  readonly #first = new Map<string, ConnectorFacts>()
  /** By name and trust: one under which (b) holds. */
  readonly #granting = new Map<string, ConnectorFacts>()

  constructor(active: readonly ConnectorFacts[]) {
    for (const connector of active) {
      const { certificateDomain, certificateName, organization, trust } = connector
      if (certificateName === null) continue
      keepFirst(this.#first, `${organization}\n${certificateName}\n${trust}`, connector)
      if (certificateDomain?.state === 'accepted')
        keepFirst(this.#granting, `${certificateName}\n${trust}`, connector)
    }
  }

  /** @returns the connector that is chosen whenever this one is matched by its name */
  goesBefore(connector: ConnectorFacts): Before | null {
    const { certificateDomain, certificateName: name, organization, trust } = connector
    if (name === null || certificateDomain === null) return null
    const first = this.#first.get(`${organization}\n${name}\n${trust}`)
    if (first !== undefined && first !== connector) return { winner: first, grants: false }
    if (certificateDomain.state === 'accepted') return null
    for (const other of [name, ...wildcardsOver(name)]) {
      const winner = this.#granting.get(`${other}\n${trust}`)
      if (winner !== undefined) return { winner, grants: true }
    }
    return null
  }
}

/**
 * @param name a tlsSenderCertificateName
 * @returns the wildcards that match every certificate that it matches. `*.mail.contoso.com` is none for
 *   mail.contoso.com: it does not match a certificate for `*.contoso.com`
 */
export function wildcardsOver(name: string): string[] {
  return ancestorsOf(withoutWildcard(name)).map((ancestor) => `*.${ancestor}`)
}
