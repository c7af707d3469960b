/** Organisations as they are written, with one record more, less or another. */

import type { Written } from '../../directory/as-written.ts'
import {
  connectorAsWritten,
  domainAsWritten,
  itselfAsWritten,
  organizationAsWritten,
  outboundConnectorAsWritten,
} from '../../directory/as-written.ts'
import type { ConfiguredConnector, ConfiguredOutboundConnector, Organization } from '../../directory/model.ts'
import type { AcceptedDomain } from '../../policy/types.ts'
import { printable } from '../../text/printable.ts'
import { CommandFailed } from '../errors.ts'
import type { Given, ListChange } from './flags.ts'
import { flagOf } from './flags.ts'

/**
 * @param organization an organisation
 * @param before one of its inbound connectors, null for a new one
 * @param written the connector as it shall be, null to take it away
 * @returns the organisation with it, in the same place
 */
export function withConnector(
  organization: Organization,
  before: ConfiguredConnector | null,
  written: Written | null,
): Written {
  const { inboundConnectors } = organization
  const records = replaced(inboundConnectors, before, written, (record) => connectorAsWritten(record))
  return { ...organizationAsWritten(organization), inboundConnectors: records }
}

/**
 * @param organization an organisation
 * @param before one of its outbound connectors, null for a new one
 * @param written the connector as it shall be, null to take it away
 * @returns the organisation with it, in the same place
 */
export function withOutboundConnector(
  organization: Organization,
  before: ConfiguredOutboundConnector | null,
  written: Written | null,
): Written {
  const { outboundConnectors } = organization
  const records = replaced(outboundConnectors, before, written, (record) =>
    outboundConnectorAsWritten(record),
  )
  const { outboundConnectors: _before, ...rest } = organizationAsWritten(organization)
  return { ...rest, ...(records.length === 0 ? {} : { outboundConnectors: records }) }
}

/**
 * @param organization an organisation
 * @param before one of its domains, null for a new one
 * @param written the domain as it shall be, null to take it away
 * @returns the organisation with it, in the same place
 */
export function withDomain(
  organization: Organization,
  before: AcceptedDomain | null,
  written: Written | null,
): Written {
  const records = replaced(organization.acceptedDomains, before, written, (record) => domainAsWritten(record))
  return { ...organizationAsWritten(organization), acceptedDomains: records }
}

function replaced<T>(
  records: readonly T[],
  before: T | null,
  written: Written | null,
  asWritten: (record: T) => Written,
): Written[] {
  const after = written === null ? [] : [written]
  const rest = records.flatMap((record) => (record === before ? after : [asWritten(record)]))
  return before === null ? [...rest, ...after] : rest
}

/**
 * @param organization an organisation
 * @param given properties of its own
 * @returns it with them
 */
export function withItself(organization: Organization, given: Given): Written {
  const itself = itselfAsWritten(organization)
  const records = Object.entries(organizationAsWritten(organization)).filter(([key]) => !(key in itself))
  return { ...patched(itself, given), ...Object.fromEntries(records) }
}

/**
 * @param written a record
 * @param given properties to set; null takes one away
 * @param lists what to add to lists, and take from them
 * @returns the record with them
 * @throws CommandFailed when something shall be taken from a list that is not in it
 */
export function patched(written: Written, given: Given, lists: readonly ListChange[] = []): Written {
  const properties = new Map<string, unknown>(Object.entries(written))
  for (const [property, value] of given) {
    if (value === null) properties.delete(property)
    else properties.set(property, value)
  }
  for (const change of lists) {
    const { property } = change.flag
    properties.set(property, listAfter(properties.get(property), change))
  }
  return Object.fromEntries(properties)
}

function listAfter(list: unknown, { flag, add, remove }: ListChange): string[] {
  const { canonical = (text: string) => text, property } = flag
  const before: readonly unknown[] = Array.isArray(list) ? list : []
  const entries = new Map(before.map((item) => [canonical(String(item)), String(item)]))
  for (const text of remove) {
    if (entries.delete(canonical(text))) continue
    throw new CommandFailed(
      `${printable(text, 80)} is not in ${property}: nothing to take away with --remove-${flagOf(property).slice(2)}`,
    )
  }
  for (const text of add) if (!entries.has(canonical(text))) entries.set(canonical(text), text)
  return [...entries.values()]
}
