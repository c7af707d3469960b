/** What an import makes of an organisation, record by record, before anything is changed. */

import { dissenting } from '../directory/domain-index.ts'
import type { ConfiguredConnector, ConfiguredOutboundConnector, Organization } from '../directory/model.ts'
import { nameKey, newDomain } from '../directory/model.ts'
import type { AcceptedDomain } from '../policy/types.ts'
import { ancestorsOf, normalizeDomain } from '../text/domain-name.ts'
import { printable } from '../text/printable.ts'
import { formatSmartHost } from '../text/smart-host.ts'
import type { Draft } from './draft.ts'
import { draftsOf } from './draft.ts'
import type { ImportedRecord, RecordKind } from './imported.ts'
import type { SettledRow } from './validate.ts'
import { validate } from './validate.ts'

type Value = string | boolean | null | readonly string[]

/** One property that an import changes. */
export interface Change {
  readonly property: string
  readonly from: Value
  readonly to: Value
}

/** What becomes of one exported object. */
export interface PlanItem {
  readonly kind: RecordKind
  /** As the export has it: not safe to print. */
  readonly name: string
  readonly action: 'added' | 'changed' | 'same' | 'aside'
  /** Why it is set aside; null when it is not. Safe to print, as all texts below. */
  readonly reason: string | null
  readonly changes: readonly Change[]
  readonly warnings: readonly string[]
  readonly notes: readonly string[]
}

export interface ImportPlan {
  /** The organisation's name as it stands, or as it shall. */
  readonly organization: string
  /** Whether it is not there yet. */
  readonly created: boolean
  readonly items: readonly PlanItem[]
  /** What is not about one record. */
  readonly warnings: readonly string[]
  /** How many records that are taken have which properties that nothing comes of; names are not safe to print. */
  readonly ignored: ReadonlyMap<RecordKind, ReadonlyMap<string, number>>
  /** The organisation as it shall be; null when nothing is different. */
  readonly after: Organization | null
}

export interface ImportQuestion {
  /** What --organization says. */
  readonly name: string
  readonly before: Organization | null
  readonly records: readonly ImportedRecord[]
  /** What is registered, with anybody, of the names that `namesToLookUp` gave. */
  readonly registered: ReadonlyMap<string, AcceptedDomain>
}

/**
 * @param records what is imported
 * @returns the domains whose owners the plan must know: those that are imported, and those above them
 */
export function namesToLookUp(records: readonly ImportedRecord[]): string[] {
  const names = records.flatMap(({ wanted }) => normalizeDomain(wanted.domainName ?? '') ?? [])
  return [...new Set(names.flatMap((name) => [name, ...ancestorsOf(name)]))]
}

/**
 * @param question the organisation and what is imported
 * @returns what becomes of each record; records of the organisation that are not imported stay as they are
 * @throws ExportRefused when the organisation's name cannot be used
 */
export function planImport({ name, before, records, registered }: ImportQuestion): ImportPlan {
  const organization = before?.name ?? name
  const drafts = draftsOf(records)
  for (const draft of drafts) {
    if (draft.aside === null) draft.aside = whyOfOthers(draft, organization, registered)
  }
  const { itself, domains, connectors, outbound, warnings } = validate(organization, before, drafts)
  const acceptedDomains = domains.map((row) => domainAfter(row))
  const inboundConnectors = connectors.map((row) => connectorAfter(row))
  const outboundConnectors = outbound.map((row) => outboundAfter(row))
  const changes = new Map<Draft, readonly Change[] | null>()
  for (const [index, row] of domains.entries()) note(changes, row, acceptedDomains[index], domainChanges)
  for (const [index, row] of connectors.entries())
    note(changes, row, inboundConnectors[index], connectorChanges)
  for (const [index, row] of outbound.entries())
    note(changes, row, outboundConnectors[index], outboundChanges)
  const existing = keysOf(before)
  const items = drafts.map((draft) => itemOf(draft, changes.get(draft), existing))
  const nothing = items.every(({ action }) => action === 'same' || action === 'aside')
  return {
    organization,
    created: before === null,
    items,
    warnings: [...warnings, ...ofTheWhole(organization, acceptedDomains, inboundConnectors)],
    ignored: tally(drafts),
    after: nothing ? null : { ...itself, acceptedDomains, inboundConnectors, outboundConnectors },
  }
}

function keysOf(before: Organization | null): Set<string> {
  if (before === null) return new Set()
  return new Set([
    ...before.acceptedDomains.map(({ domainName }) => `accepted-domain ${domainName}`),
    ...before.inboundConnectors.map(({ name }) => `inbound-connector ${nameKey(name)}`),
    ...before.outboundConnectors.map(({ name }) => `outbound-connector ${nameKey(name)}`),
  ])
}

/** A domain belongs to one organisation, and so does what is below it (DESIGN.md, rule 3). */
function whyOfOthers(
  { record, key }: Draft,
  organization: string,
  registered: ReadonlyMap<string, AcceptedDomain>,
): string | null {
  if (record.kind !== 'accepted-domain') return null
  const mend = 'it can be imported once that is removed or delegated'
  const owner = registered.get(key)
  if (owner !== undefined) {
    if (nameKey(owner.organization) === nameKey(organization)) return null
    return `it is registered here with "${printable(owner.organization)}": ${mend}`
  }
  const domain = newDomain(key, organization)
  const above = ancestorsOf(key).flatMap((name) => registered.get(name) ?? [])
  const [upper] = dissenting(domain, above)
  if (upper === undefined) return null
  return `it is below ${upper.domainName}, which is registered here with "${printable(upper.organization)}": ${mend}`
}

/** What Exchange does not know of (who may register below it, proof of ownership) stays. */
function domainAfter({ existing, draft, record }: SettledRow<AcceptedDomain>): AcceptedDomain {
  if (existing === null || draft === null) return existing ?? record
  const { domainType, matchSubDomains, sendingFromDomainDisabled, pendingRemoval } = record
  return { ...existing, domainType, matchSubDomains, sendingFromDomainDisabled, pendingRemoval }
}

/** What Exchange does not know of (trust, pins, report-only mode) stays, and so does the order of a list. */
function connectorAfter({ existing, draft, record }: SettledRow<ConfiguredConnector>): ConfiguredConnector {
  if (existing === null || draft === null) return existing ?? record
  const { connectorType, enabled, tlsSenderCertificateName, comment } = record
  return {
    ...existing,
    connectorType,
    enabled,
    tlsSenderCertificateName,
    senderIPAddresses: inOrder(existing.senderIPAddresses, record.senderIPAddresses),
    senderDomains: inOrder(existing.senderDomains, record.senderDomains),
    comment,
  }
}

/** What Exchange does not know of (trust, pins, certificate, password) stays, and so does the order of a list. */
function outboundAfter({
  existing,
  draft,
  record,
}: SettledRow<ConfiguredOutboundConnector>): ConfiguredOutboundConnector {
  if (existing === null || draft === null) return existing ?? record
  const { allAcceptedDomains, comment, connectorType, enabled, tlsDomain, tlsSettings, useMXRecord } = record
  return {
    ...existing,
    connectorType,
    enabled,
    recipientDomains: inOrder(existing.recipientDomains, record.recipientDomains),
    allAcceptedDomains,
    useMXRecord,
    smartHosts: sameHosts(existing, record) ? existing.smartHosts : record.smartHosts,
    tlsSettings,
    tlsDomain,
    comment,
  }
}

function hostsOf({ smartHosts }: ConfiguredOutboundConnector): readonly string[] {
  return smartHosts.map((smartHost) => formatSmartHost(smartHost))
}

/** Exchange knows of no ports: one that was given here stays. */
function sameHosts(before: ConfiguredOutboundConnector, after: ConfiguredOutboundConnector): boolean {
  const wanted = hostsOf(after)
  const names = [...new Set(before.smartHosts.map(({ host }) => host))]
  return [hostsOf(before), names].some((hosts) => inOrder(hosts, wanted) === hosts)
}

function inOrder(before: readonly string[], after: readonly string[]): readonly string[] {
  const wanted = new Set(after)
  return before.length === wanted.size && before.every((value) => wanted.has(value)) ? before : after
}

function domainChanges(before: AcceptedDomain, after: AcceptedDomain): Change[] {
  return [
    changed('domainType', before.domainType, after.domainType),
    changed('matchSubDomains', before.matchSubDomains, after.matchSubDomains),
    changed('sendingFromDomainDisabled', before.sendingFromDomainDisabled, after.sendingFromDomainDisabled),
    changed('pendingRemoval', before.pendingRemoval, after.pendingRemoval),
  ].flat()
}

function connectorChanges(before: ConfiguredConnector, after: ConfiguredConnector): Change[] {
  return [
    changed('connectorType', before.connectorType, after.connectorType),
    changed('enabled', before.enabled, after.enabled),
    changed('tlsSenderCertificateName', before.tlsSenderCertificateName, after.tlsSenderCertificateName),
    changed('senderIPAddresses', before.senderIPAddresses, after.senderIPAddresses),
    changed('senderDomains', before.senderDomains, after.senderDomains),
    changed('comment', before.comment, after.comment),
  ].flat()
}

function outboundChanges(before: ConfiguredOutboundConnector, after: ConfiguredOutboundConnector): Change[] {
  return [
    changed('connectorType', before.connectorType, after.connectorType),
    changed('enabled', before.enabled, after.enabled),
    changed('recipientDomains', before.recipientDomains, after.recipientDomains),
    changed('allAcceptedDomains', before.allAcceptedDomains, after.allAcceptedDomains),
    changed('useMXRecord', before.useMXRecord, after.useMXRecord),
    changed('smartHosts', hostsOf(before), hostsOf(after)),
    changed('tlsSettings', before.tlsSettings, after.tlsSettings),
    changed('tlsDomain', before.tlsDomain, after.tlsDomain),
    changed('comment', before.comment, after.comment),
  ].flat()
}

function changed(property: string, from: Value, to: Value): Change[] {
  return JSON.stringify(from) === JSON.stringify(to) ? [] : [{ property, from, to }]
}

/** null stands for a record that is new. */
function note<T>(
  changes: Map<Draft, readonly Change[] | null>,
  { draft, existing }: SettledRow<T>,
  after: T | undefined,
  compare: (before: T, after: T) => Change[],
): void {
  if (draft === null || after === undefined) return
  changes.set(draft, existing === null ? null : compare(existing, after))
}

function itemOf(
  { record, key, aside, warnings, notes }: Draft,
  changes: readonly Change[] | null | undefined,
  existing: ReadonlySet<string>,
): PlanItem {
  const { kind, name } = record
  if (aside !== null || changes === undefined) {
    const stays = existing.has(`${kind} ${key}`) ? ['what is registered here under that name stays'] : []
    return { kind, name, action: 'aside', reason: aside ?? '', changes: [], warnings: [], notes: stays }
  }
  const action = changes === null ? 'added' : changes.length > 0 ? 'changed' : 'same'
  return { kind, name, action, reason: null, changes: changes ?? [], warnings, notes }
}

function ofTheWhole(
  name: string,
  domains: readonly AcceptedDomain[],
  connectors: readonly ConfiguredConnector[],
): string[] {
  const said = `"${printable(name)}"`
  if (domains.length === 0 && connectors.length > 0) {
    return [
      `${said} has no accepted domain then, and none of its servers may relay: import Get-AcceptedDomain as well`,
    ]
  }
  if (connectors.length === 0 && domains.length > 0) {
    return [
      `${said} has no inbound connector then, and none of its servers may relay: import Get-InboundConnector as well`,
    ]
  }
  return []
}

function tally(drafts: readonly Draft[]): Map<RecordKind, Map<string, number>> {
  const ignored = new Map<RecordKind, Map<string, number>>()
  for (const { record, aside } of drafts) {
    if (aside !== null) continue
    const counts = ignored.get(record.kind) ?? new Map<string, number>()
    ignored.set(record.kind, counts)
    for (const name of record.ignored) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return ignored
}
