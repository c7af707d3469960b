/**
 * Connectors that are for the same name or the same address. Ranges are nested or apart, never half over one another, so
 * that one pass in the order of their first addresses finds all that lie in another.
 */

import { parseRange } from '../text/ip-address.ts'
import type { ConnectorFacts } from './directory-facts.ts'
import { describeConnector } from './directory-facts.ts'
import type { Report } from './finding.ts'
import { wildcardsOver } from './reach.ts'

/**
 * @param connectors those that can be chosen
 * @param report where findings go
 */
export function checkOverlap(connectors: readonly ConnectorFacts[], report: Report): void {
  checkNames(connectors, report)
  checkRanges(connectors, report)
}

/** (b) of rule 6 comes first for a match by certificate. */
const GRANTING = 'the one whose certificate domain is accepted'

function checkNames(connectors: readonly ConnectorFacts[], report: Report): void {
  const byName = grouped(connectors, ({ certificateName }) =>
    certificateName === null ? [] : [certificateName],
  )
  for (const [name, group] of byName) {
    if (group.count > 1) tell(report, name, [group], `${GRANTING}; else ${group.winner()}`)
    const wider = wildcardsOver(name).find((wildcard) => byName.has(wildcard))
    const outer = wider === undefined ? undefined : byName.get(wider)
    if (wider === undefined || outer === undefined) continue
    const exact = `${name} before ${wider}`
    const chosen = isOfOne([group, outer])
      ? `${GRANTING}; else ${exact}`
      : `${GRANTING}; else the one whose organisation has the sender's domain; else ${exact}`
    tell(report, `${name}, which ${wider} matches as well,`, [group, outer], chosen)
  }
}

function checkRanges(connectors: readonly ConnectorFacts[], report: Report): void {
  const byRange = grouped(connectors, ({ ranges }) => new Set(ranges))
  const places = [...byRange].flatMap(([range, group]) => placeOf(range, group) ?? [])
  places.sort((left, right) => compare(left.key, right.key))
  const around: Place[] = []
  for (const place of places) {
    while (around.length > 0 && !isWithin(place, around.at(-1))) around.pop()
    const { group, range } = place
    if (group.count > 1) tell(report, range, [group], group.winner())
    const outer = around.at(-1)
    if (outer !== undefined && !isTheSame(group, outer.group)) {
      const groups = [group, outer.group]
      const chosen = isOfOne(groups)
        ? 'the narrower range goes first'
        : "the one whose organisation has the sender's domain; else the narrower range"
      tell(report, `${range}, which lies in ${outer.range},`, groups, chosen)
    }
    around.push(place)
  }
}

function tell(report: Report, what: string, groups: readonly Group[], chosen: string): void {
  const named = groups.map((group) => group.describe()).join('; and in ')
  report(
    isOfOne(groups) ? 'info' : 'warning',
    'connectors-overlap',
    `${what} is in ${named}. Chosen: ${chosen}`,
  )
}

const MOST_NAMED = 5

/** Connectors with the same name or range; of a crowd the first few are kept. */
class Group {
  readonly named: ConnectorFacts[] = []
  count = 0
  /** The one that goes before the others when nothing but the alphabet tells them apart. */
  #first: ConnectorFacts | null = null
  /** Null when they are of several. */
  organization: string | null = null

  add(connector: ConnectorFacts): void {
    this.count += 1
    if (this.named.length < MOST_NAMED) this.named.push(connector)
    if (this.count === 1) this.organization = connector.organization
    else if (this.organization !== connector.organization) this.organization = null
    if (this.#first === null || alphabetical(connector, this.#first) < 0) this.#first = connector
  }

  describe(): string {
    const names = this.named.map((connector) => describeConnector(connector)).join(', ')
    return this.count > this.named.length ? `${names} and ${this.count - this.named.length} more` : names
  }

  /** Rule 3 for the same name or the same range. */
  winner(): string {
    const first = this.#first === null ? '' : `${describeConnector(this.#first)}, the first in the alphabet`
    return this.organization === null
      ? `the one whose organisation has the sender's domain; else ${first}`
      : first
  }
}

function alphabetical(left: ConnectorFacts, right: ConnectorFacts): number {
  return (
    compare(left.organization.toLowerCase(), right.organization.toLowerCase()) ||
    compare(left.name.toLowerCase(), right.name.toLowerCase())
  )
}

function isOfOne([first, ...others]: readonly Group[]): boolean {
  return (
    first !== undefined &&
    [first, ...others].every(
      ({ organization }) => organization === first.organization && organization !== null,
    )
  )
}

/** One connector with both ranges overlaps with nobody. */
function isTheSame(left: Group, right: Group): boolean {
  return left.count === 1 && right.count === 1 && left.named[0] === right.named[0]
}

function grouped(
  connectors: readonly ConnectorFacts[],
  keysOf: (connector: ConnectorFacts) => Iterable<string>,
): Map<string, Group> {
  const groups = new Map<string, Group>()
  for (const connector of connectors) {
    for (const key of keysOf(connector)) {
      const group = groups.get(key) ?? new Group()
      groups.set(key, group)
      group.add(connector)
    }
  }
  return groups
}

interface Place {
  readonly range: string
  readonly group: Group
  /** In the order of families, first addresses, and the wider range first. */
  readonly key: string
  /** Of the network. */
  readonly bits: string
}

function placeOf(text: string, group: Group): Place | null {
  const range = parseRange(text)
  if (range === null) return null
  const binary = range.bytes.map((octet) => octet.toString(2).padStart(8, '0')).join('')
  const prefix = String(range.prefixLength).padStart(3, '0')
  return {
    range: text,
    group,
    key: `${range.family} ${binary} ${prefix}`,
    bits: `${range.family} ${binary.slice(0, range.prefixLength)}`,
  }
}

function isWithin(inner: Place, outer: Place | undefined): boolean {
  return outer !== undefined && inner.bits.startsWith(outer.bits)
}

function compare(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
