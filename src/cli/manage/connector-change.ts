/** A connector added, changed or removed: as a change of its organisation. */

import type { Written } from '../../directory/as-written.ts'
import { connectorAsWritten } from '../../directory/as-written.ts'
import { canonical } from '../../directory/difference.ts'
import type { ConfiguredConnector, Organization } from '../../directory/model.ts'
import { nameKey } from '../../directory/model.ts'
import { CommandFailed } from '../errors.ts'
import { authorityTexts } from './authorities.ts'
import type { Change } from './change.ts'
import { changedMeanwhile } from './change.ts'
import { patched, withConnector } from './edits.ts'
import type { Sorted } from './exchange-rules.ts'
import { checkAsExchange, idleWarnings, sortGiven } from './exchange-rules.ts'
import type { Given, ListChange } from './flags.ts'
import { CONNECTOR_FLAGS } from './properties.ts'
import { connectorSubject, organizationSubject } from './show.ts'

/** What shall become of a connector. */
export interface ConnectorWish {
  readonly owner: Organization
  readonly name: string
  readonly given: Given
  readonly lists?: readonly ListChange[]
  /** The record that somebody agreed to have changed; null when nobody was asked. */
  readonly shown?: ConfiguredConnector | null
}

export interface ConnectorChange {
  readonly change: Change
  /** @returns what was noticed when the change was worked out last, beside what the schema says */
  readonly warnings: () => readonly string[]
  /** @returns the connector in an organisation as it is after the change */
  readonly find: (after: Organization | null) => ConfiguredConnector | null
}

/**
 * @param wish a new connector
 * @returns the change that adds it
 */
export function connectorAddition({ owner, name, given }: ConnectorWish): ConnectorChange {
  const sorted = sortGiven(withAuthorities(given), CONNECTOR_FLAGS)
  return changeOf(owner, name, sorted, (before) => {
    requireFree(before, name, null)
    return { before: null, written: patched({ name }, sorted.kept) }
  })
}

/**
 * @param wish a connector that is there, with what shall be different
 * @returns the change that changes it
 */
export function connectorEdit({
  owner,
  name,
  given,
  lists = [],
  shown = null,
}: ConnectorWish): ConnectorChange {
  const sorted = sortGiven(withAuthorities(given), CONNECTOR_FLAGS)
  const renamed = sorted.kept.get('name')
  const after = typeof renamed === 'string' ? renamed : name
  return changeOf(owner, after, sorted, (organization) => {
    const record = present(organization, name, shown)
    requireFree(organization, after, record)
    const written = patched(connectorAsWritten(record), sorted.kept, lists)
    return {
      before: record,
      written: sorted.kept.has('senderDomains') ? written : withoutIdleDomains(written),
    }
  })
}

/**
 * @param owner an organisation
 * @param shown its connector, as it was shown
 * @returns the change that removes it
 */
export function connectorRemoval(owner: Organization, shown: ConfiguredConnector): Change {
  return {
    nameKey: nameKey(owner.name),
    edit: (before) => {
      const organization = requireOwner(before, owner)
      return withConnector(organization, present(organization, shown.name, shown), null)
    },
  }
}

interface Edited {
  readonly before: ConfiguredConnector | null
  readonly written: Written
}

function changeOf(
  owner: Organization,
  name: string,
  sorted: Sorted,
  edit: (organization: Organization) => Edited,
): ConnectorChange {
  let warnings: readonly string[] = []
  const find = (after: Organization | null): ConfiguredConnector | null =>
    after?.inboundConnectors.find((connector) => nameKey(connector.name) === nameKey(name)) ?? null
  const change: Change = {
    nameKey: nameKey(owner.name),
    edit: (organization) => {
      const present = requireOwner(organization, owner)
      const { before, written } = edit(present)
      warnings = [...idleWarnings(sorted.idle), ...checkAsExchange(written, sorted, present)]
      return withConnector(present, before, written)
    },
    touched: (after) => ({ acceptedDomains: [], inboundConnectors: [find(after) ?? []].flat() }),
  }
  return { change, warnings: () => warnings, find }
}

function requireOwner(organization: Organization | null, { name }: Organization): Organization {
  if (organization !== null) return organization
  throw new CommandFailed(
    `${organizationSubject(name)} was removed by somebody else meanwhile, nothing was changed`,
  )
}

function present(
  { inboundConnectors, name: owner }: Organization,
  name: string,
  shown: ConfiguredConnector | null,
): ConfiguredConnector {
  const record = inboundConnectors.find((connector) => nameKey(connector.name) === nameKey(name))
  if (record === undefined || (shown !== null && canonical(record) !== canonical(shown))) {
    throw changedMeanwhile(connectorSubject(name, owner))
  }
  return record
}

function requireFree(
  { inboundConnectors, name: owner }: Organization,
  name: string,
  record: ConfiguredConnector | null,
): void {
  const other = inboundConnectors.find((connector) => nameKey(connector.name) === nameKey(name))
  if (other === undefined || other === record) return
  const mend = record === null ? 'change it with connectorctl inbound-connector set' : 'choose another name'
  throw new CommandFailed(
    `${connectorSubject(other.name, owner)} is there already, nothing was changed; ${mend}`,
  )
}

/** A Partner that becomes OnPremises takes its domains along, and nothing comes of them any more. */
function withoutIdleDomains(written: Written): Written {
  if (written['connectorType'] !== 'OnPremises') return written
  const { senderDomains: _idle, ...rest } = written
  return rest
}

function withAuthorities(given: Given): Given {
  const files = given.get('trustedCertificateAuthorities')
  if (!Array.isArray(files)) return given
  const names = files.filter((file) => typeof file === 'string')
  return new Map([...given, ['trustedCertificateAuthorities', authorityTexts(names)]])
}
