/** What `apply` is going to do, worked out before anything is done, and then done group by group. */

import type { AcceptedDomain } from '../../policy/types.ts'
import type { ConfiguredConnector, Organization } from '../model.ts'
import { nameKey } from '../model.ts'
import type { Difference } from '../difference.ts'
import { connectorDifference, domainDifference, isOtherwiseItself } from '../difference.ts'
import type { StoredOrganization, WantedOrganization } from '../editor.ts'
import { quoted } from '../yaml-reader.ts'
import { registeredAlready } from './changes.ts'
import type { Organizations } from './organizations.ts'
import type { DirectoryWriter, Written } from './writer.ts'
import { MOST_RECORDS, tooLarge } from './writer.ts'

/** What becomes of one organisation. */
export interface PlannedOrganization {
  readonly nameKey: string
  readonly name: string
  readonly kind: 'added' | 'changed' | 'removed'
  /** Its revision when the plan was made; null when it was not there. */
  readonly expected: string | null
  /** Lines for people: `+ accepted-domain contoso.com`. */
  readonly lines: readonly string[]
  /** Records that differ. */
  readonly count: number
  readonly removedDomains: readonly string[]
  /**
   * Domains that it gets and somebody has now, and who. Not all that it gets: a plan of a million would not be small.
   */
  readonly takenDomains: ReadonlyMap<string, string>
}

/** Lines that are shown of one organisation. */
const MOST_LINES = 100

/**
 * @param before as it stands in Redis, with its revision; null when it is not there
 * @param after as it shall be; null when it shall not be
 * @param store what is registered now
 * @returns what becomes of it, or null when it is the same
 * @throws DamagedDirectory
 */
export async function planOrganization(
  before: StoredOrganization | null,
  after: Organization | null,
  store: Pick<Organizations, 'domains'>,
): Promise<PlannedOrganization | null> {
  const named = after ?? before?.organization
  if (named === undefined) return null
  const change = { before: before?.organization ?? null, after }
  const domains = domainDifference(change)
  const connectors = connectorDifference(change)
  const itself = isOtherwiseItself(change) ? 1 : 0
  const count = itself + sizeOf(domains) + sizeOf(connectors)
  if (count === 0) return null
  const taken = await store.domains(domains.added.map(({ domainName }) => domainName))
  return {
    nameKey: nameKey(named.name),
    name: named.name,
    kind: before === null ? 'added' : after === null ? 'removed' : 'changed',
    expected: before?.revision ?? null,
    lines: linesOf(domains, connectors),
    count,
    removedDomains: domains.removed.map(({ domainName }) => domainName),
    takenDomains: new Map([...taken].map(([name, { organization }]) => [name, organization])),
  }
}

function sizeOf({ added, removed, changed }: Difference<unknown>): number {
  return added.length + removed.length + changed.length
}

function linesOf(domains: Difference<AcceptedDomain>, connectors: Difference<ConfiguredConnector>): string[] {
  const marks = [
    ['-', domains.removed, connectors.removed],
    ['~', domains.changed.map(([, to]) => to), connectors.changed.map(([, to]) => to)],
    ['+', domains.added, connectors.added],
  ] as const
  const lines = marks.flatMap(([mark, ofDomains, ofConnectors]) => [
    ...ofDomains.slice(0, MOST_LINES).map(({ domainName }) => `${mark} accepted-domain ${domainName}`),
    ...ofConnectors.slice(0, MOST_LINES).map(({ name }) => `${mark} inbound-connector ${name}`),
  ])
  return lines.slice(0, MOST_LINES)
}

/**
 * Organisations between which a domain moves are written at once: in between it would belong to nobody, and its mail
 * be refused.
 * @param planned everything that changes; removals are written first
 * @returns it in groups
 */
export function groupPlan(planned: readonly PlannedOrganization[]): PlannedOrganization[][] {
  const removedBy = new Map<string, PlannedOrganization>()
  for (const item of planned) for (const name of item.removedDomains) removedBy.set(name, item)
  const groups = new Map(planned.map((item) => [item, [item]]))
  for (const item of removedBy.size === 0 ? [] : planned) {
    for (const name of item.takenDomains.keys()) {
      const giver = removedBy.get(name)
      if (giver !== undefined) unite(groups, item, giver)
    }
  }
  const distinct = [...new Set(groups.values())]
  const first = (group: readonly PlannedOrganization[]): number =>
    group.every(({ kind }) => kind === 'removed') ? 0 : 1
  return distinct.toSorted((left, right) => first(left) - first(right))
}

/**
 * @param planned everything that changes
 * @returns why it cannot be done, one a line: domains that nobody gives up, and too much at once
 */
export function obstaclesOf(planned: readonly PlannedOrganization[]): string[] {
  const given = new Set(planned.flatMap(({ removedDomains }) => removedDomains))
  const kept = planned.flatMap(({ takenDomains }) =>
    [...takenDomains]
      .filter(([name]) => !given.has(name))
      .map(([name, owner]) => registeredAlready(name, owner)),
  )
  const large = groupPlan(planned)
    .map((group) => ({ group, records: group.reduce((sum, { count }) => sum + count, 0) }))
    .filter(({ records }) => records > MOST_RECORDS)
    .map(({ group, records }) => `${group.map(({ name }) => quoted(name)).join(', ')}: ${tooLarge(records)}`)
  return [...kept, ...large]
}

function unite(
  groups: Map<PlannedOrganization, PlannedOrganization[]>,
  left: PlannedOrganization,
  right: PlannedOrganization,
): void {
  const [one, other] = [groups.get(left) ?? [], groups.get(right) ?? []]
  if (one === other) return
  for (const item of other) {
    one.push(item)
    groups.set(item, one)
  }
}

/**
 * @param writer the directory
 * @param group organisations that change at once
 * @param organizations them as they shall be, by `nameKey`
 * @returns what was written
 * @throws as `DirectoryWriter.replace`
 */
export function writeGroup(
  writer: DirectoryWriter,
  group: readonly PlannedOrganization[],
  organizations: ReadonlyMap<string, Organization>,
): Promise<Written | null> {
  const wanted: WantedOrganization[] = group.map(({ nameKey: key, kind, expected }) => ({
    nameKey: key,
    after: kind === 'removed' ? null : (organizations.get(key) ?? null),
    expected,
  }))
  return writer.replace(wanted)
}
