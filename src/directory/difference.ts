/** What is different between organisations as they are and as they shall be, whichever store they are in. */

import type { AcceptedDomain } from '../policy/types.ts'
import type { ConfiguredConnector, ConfiguredOutboundConnector, Organization } from './model.ts'
import { nameKey } from './model.ts'

/** One organisation before and after; null where it is not there. */
export interface OrganizationChange {
  readonly before: Organization | null
  readonly after: Organization | null
}

/** What is different between two lists of records. */
export interface Difference<T> {
  readonly added: readonly T[]
  readonly removed: readonly T[]
  readonly changed: readonly (readonly [before: T, after: T])[]
}

/**
 * @param change an organisation before and after
 * @returns what becomes of its domains
 */
export function domainDifference({ before, after }: OrganizationChange): Difference<AcceptedDomain> {
  return difference(
    before?.acceptedDomains ?? [],
    after?.acceptedDomains ?? [],
    ({ domainName }) => domainName,
  )
}

/**
 * @param change an organisation before and after
 * @returns what becomes of its inbound connectors
 */
export function connectorDifference({ before, after }: OrganizationChange): Difference<ConfiguredConnector> {
  return difference(before?.inboundConnectors ?? [], after?.inboundConnectors ?? [], ({ name }) =>
    nameKey(name),
  )
}

/**
 * @param change an organisation before and after
 * @returns what becomes of its outbound connectors
 */
export function outboundConnectorDifference({
  before,
  after,
}: OrganizationChange): Difference<ConfiguredOutboundConnector> {
  return difference(before?.outboundConnectors ?? [], after?.outboundConnectors ?? [], ({ name }) =>
    nameKey(name),
  )
}

function difference<T extends object>(
  before: readonly T[],
  after: readonly T[],
  keyOf: (record: T) => string,
): Difference<T> {
  const old = new Map(before.map((record) => [keyOf(record), record]))
  const added: T[] = []
  const changed: (readonly [T, T])[] = []
  for (const record of after) {
    const was = old.get(keyOf(record))
    old.delete(keyOf(record))
    if (was === undefined) added.push(record)
    else if (canonical(was) !== canonical(record)) changed.push([was, record])
  }
  return { added, removed: [...old.values()], changed }
}

/**
 * @param record a record
 * @returns the same text for the same record, whatever the order of its properties, and whether what is not set is null
 *   or absent; lists keep their order, as export does
 */
export function canonical(record: object): string {
  return JSON.stringify(record, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    const given = Object.entries(value).filter(([, inside]: [string, unknown]) => inside !== null)
    return Object.fromEntries(given.toSorted(([left], [right]) => (left < right ? -1 : 1)))
  })
}

/**
 * @param change an organisation before and after
 * @returns whether something of the organisation itself is different, beside its domains and connectors
 */
export function isOtherwiseItself({ before, after }: OrganizationChange): boolean {
  return ownProperties(before) !== ownProperties(after)
}

function ownProperties(of: Organization | null): string {
  if (of === null) return ''
  const { name, comment, reportOnlyUntil = null } = of
  return canonical({ name, comment, reportOnlyUntil })
}
