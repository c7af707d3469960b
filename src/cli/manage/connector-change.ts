/** A connector added, changed or removed: as a change of its organisation. */

import type { Written } from '../../directory/as-written.ts'
import { canonical } from '../../directory/difference.ts'
import type { ConfiguredConnector, Organization } from '../../directory/model.ts'
import { nameKey } from '../../directory/model.ts'
import { CommandFailed } from '../errors.ts'
import { authorityTexts } from './authorities.ts'
import type { Change } from './change.ts'
import { changedMeanwhile } from './change.ts'
import type { AnyConnector, ConnectorKind } from './connector-kind.ts'
import { INBOUND } from './connector-kind.ts'
import { patched } from './edits.ts'
import type { Sorted } from './exchange-rules.ts'
import { idleWarnings, sortGiven } from './exchange-rules.ts'
import type { Given, ListChange } from './flags.ts'
import { connectorSubject, organizationSubject } from './show.ts'

/** What shall become of a connector. */
export interface ConnectorWish<T extends AnyConnector = ConfiguredConnector> {
  readonly owner: Organization
  readonly name: string
  readonly given: Given
  readonly lists?: readonly ListChange[]
  /** The record that somebody agreed to have changed; null when nobody was asked. */
  readonly shown?: T | null
}

export interface ConnectorChange<T extends AnyConnector = ConfiguredConnector> {
  readonly change: Change
  /** @returns what was noticed when the change was worked out last, beside what the schema says */
  readonly warnings: () => readonly string[]
  /** @returns the connector in an organisation as it is after the change */
  readonly find: (after: Organization | null) => T | null
}

/**
 * @param wish a new inbound connector
 * @returns the change that adds it
 */
export function connectorAddition(wish: ConnectorWish): ConnectorChange {
  return additionOf(INBOUND, wish)
}

/**
 * @param wish an inbound connector that is there, with what shall be different
 * @returns the change that changes it
 */
export function connectorEdit(wish: ConnectorWish): ConnectorChange {
  return editOf(INBOUND, wish)
}

/**
 * @param kind inbound or outbound
 * @param wish a new connector
 * @returns the change that adds it
 */
export function additionOf<T extends AnyConnector>(
  kind: ConnectorKind<T>,
  { owner, name, given }: ConnectorWish<T>,
): ConnectorChange<T> {
  const sorted = sortGiven(withAuthorities(given), kind.flags)
  return changeOf(kind, owner, name, sorted, (before) => {
    requireFree(kind, before, name, null)
    return { before: null, written: patched({ name }, sorted.kept) }
  })
}

/**
 * @param kind inbound or outbound
 * @param wish a connector that is there, with what shall be different
 * @returns the change that changes it
 */
export function editOf<T extends AnyConnector>(
  kind: ConnectorKind<T>,
  { owner, name, given, lists = [], shown = null }: ConnectorWish<T>,
): ConnectorChange<T> {
  const sorted = sortGiven(withAuthorities(given), kind.flags)
  const renamed = sorted.kept.get('name')
  const after = typeof renamed === 'string' ? renamed : name
  return changeOf(kind, owner, after, sorted, (organization) => {
    const record = present(kind, organization, name, shown)
    requireFree(kind, organization, after, record)
    const written = patched(kind.asWritten(record), sorted.kept, lists)
    return { before: record, written: kind.settled(written, sorted) }
  })
}

/**
 * @param kind inbound or outbound
 * @param owner an organisation
 * @param shown its connector, as it was shown
 * @returns the change that removes it
 */
export function removalOf<T extends AnyConnector>(
  kind: ConnectorKind<T>,
  owner: Organization,
  shown: T,
): Change {
  return {
    nameKey: nameKey(owner.name),
    edit: (before) => {
      const organization = requireOwner(before, owner)
      return kind.put(organization, present(kind, organization, shown.name, shown), null)
    },
  }
}

interface Edited<T extends AnyConnector> {
  readonly before: T | null
  readonly written: Written
}

function changeOf<T extends AnyConnector>(
  kind: ConnectorKind<T>,
  owner: Organization,
  name: string,
  sorted: Sorted,
  edit: (organization: Organization) => Edited<T>,
): ConnectorChange<T> {
  let warnings: readonly string[] = []
  const find = (after: Organization | null): T | null =>
    after === null ? null : (named(kind, after, name) ?? null)
  const change: Change = {
    nameKey: nameKey(owner.name),
    edit: (organization) => {
      const there = requireOwner(organization, owner)
      const { before, written } = edit(there)
      warnings = [...idleWarnings(sorted.idle), ...kind.check(written, sorted, there)]
      return kind.put(there, before, written)
    },
    touched: (after) => kind.touched([find(after) ?? []].flat() as T[]),
  }
  return { change, warnings: () => warnings, find }
}

function named<T extends AnyConnector>(
  kind: ConnectorKind<T>,
  organization: Organization,
  name: string,
): T | undefined {
  return kind.of(organization).find((connector) => nameKey(connector.name) === nameKey(name))
}

function requireOwner(organization: Organization | null, { name }: Organization): Organization {
  if (organization !== null) return organization
  throw new CommandFailed(
    `${organizationSubject(name)} was removed by somebody else meanwhile, nothing was changed`,
  )
}

function present<T extends AnyConnector>(
  kind: ConnectorKind<T>,
  organization: Organization,
  name: string,
  shown: T | null,
): T {
  const record = named(kind, organization, name)
  if (record === undefined || (shown !== null && canonical(record) !== canonical(shown))) {
    throw changedMeanwhile(connectorSubject(name, organization.name, kind.command))
  }
  return record
}

function requireFree<T extends AnyConnector>(
  kind: ConnectorKind<T>,
  organization: Organization,
  name: string,
  record: T | null,
): void {
  const other = named(kind, organization, name)
  if (other === undefined || other === record) return
  const mend = record === null ? `change it with connectorctl ${kind.command} set` : 'choose another name'
  throw new CommandFailed(
    `${connectorSubject(other.name, organization.name, kind.command)} is there already, nothing was changed; ${mend}`,
  )
}

function withAuthorities(given: Given): Given {
  const files = given.get('trustedCertificateAuthorities')
  if (!Array.isArray(files)) return given
  const names = files.filter((file) => typeof file === 'string')
  return new Map([...given, ['trustedCertificateAuthorities', authorityTexts(names)]])
}
