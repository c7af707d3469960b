/** From organisations as they are and as they shall be to one write, checked as the file is checked. */

import type { AcceptedDomain } from '../../policy/types.ts'
import type { Difference, OrganizationChange } from '../difference.ts'
import { connectorDifference, domainDifference, outboundConnectorDifference } from '../difference.ts'
import { dissenting } from '../domain-index.ts'
import type { ConfiguredConnector, ConfiguredOutboundConnector, Organization } from '../model.ts'
import { nameKey } from '../model.ts'
import { registeredAlready } from '../plan.ts'
import { parseRange } from '../../text/ip-address.ts'
import { ancestorsOf } from '../../text/domain-name.ts'
import { quoted } from '../yaml-reader.ts'
import { Changeset } from './changeset.ts'
import type { Counts } from './commit.ts'
import { connectorKey, connectorsAfter, domainsBeside, entriesOf, listedBelow } from './index-changes.ts'
import type { Keys } from './keys.ts'
import { registrableAbove } from './keys.ts'
import type { Organizations } from './organizations.ts'
import { writeOutboundRecord, writeRecord } from './records.ts'

/** The change is refused; the message has every reason, one a line. */
export class ChangeRefused extends Error {
  override readonly name = 'ChangeRefused'
}

/** What the header of a directory without organisations counts. */
export const NOTHING: Counts = {
  organizations: 0,
  acceptedDomains: 0,
  inboundConnectors: 0,
  outboundConnectors: 0,
  prefixLengths: { 4: new Map(), 6: new Map() },
}

/**
 * @param changes the organisations that change; none twice
 * @param counts what the header counts before, null when there is none
 * @param store what stands in Redis
 * @param keys names of keys
 * @param revision what the directory's revision will be called
 * @returns the write and the counts after it
 * @throws ChangeRefused when it would break a rule that the file's schema has, DamagedDirectory
 */
export async function changesetFor(
  changes: readonly OrganizationChange[],
  counts: Counts | null,
  store: Organizations,
  keys: Keys,
  revision: string,
): Promise<{ readonly changeset: Changeset; readonly counts: Counts }> {
  const write = new Changeset()
  const domains = new DomainChanges(changes)
  await domains.check(store)
  const tally = new Tally(counts ?? NOTHING)
  // Removals of all first: another organisation of the same write may take the domain.
  for (const change of changes) removeDomains(write, keys, domainDifference(change), tally)
  for (const change of changes) {
    changeOrganization(write, keys, change, revision, tally)
    putDomains(write, keys, domainDifference(change), tally)
    changeConnectors(write, keys, connectorDifference(change), tally)
    changeOutbound(write, keys, change, tally)
  }
  await changeIndexes(write, keys, changes, domains, store)
  return { changeset: write, counts: tally.counts() }
}

function changeOrganization(
  write: Changeset,
  keys: Keys,
  { before, after }: OrganizationChange,
  revision: string,
  tally: Tally,
): void {
  const organization = after ?? before
  if (organization === null) return
  const key = nameKey(organization.name)
  const [was, is] = [organizationJson(before), organizationJson(after)]
  if (was !== is) {
    const names = { organization: organization.name, record: `organization ${organization.name}` }
    write.audit.push({ ...names, before: was, after: is })
  }
  write.keep(keys.organization(key), after === null ? null : writeRecord({ ...itself(after), revision }))
  if ((before === null) === (after === null)) return
  write.member(keys.organizations, key, after !== null)
  tally.organizations += after === null ? -1 : 1
}

function organizationJson(of: Organization | null): string {
  return of === null ? '' : writeRecord(itself(of))
}

function itself({ name, comment, reportOnlyUntil = null }: Organization): object {
  return { name, comment, reportOnlyUntil }
}

function removeDomains(
  write: Changeset,
  keys: Keys,
  { removed }: Difference<AcceptedDomain>,
  tally: Tally,
): void {
  for (const record of removed) {
    write.record(keys.domain(record.domainName), null)
    listDomain(write, keys, record, false)
    auditRecord(write, `accepted-domain ${record.domainName}`, record, null)
    tally.acceptedDomains--
  }
}

function putDomains(
  write: Changeset,
  keys: Keys,
  { added, changed }: Difference<AcceptedDomain>,
  tally: Tally,
): void {
  const put = (record: AcceptedDomain, before: AcceptedDomain | null): void => {
    write.record(keys.domain(record.domainName), writeRecord(record))
    auditRecord(write, `accepted-domain ${record.domainName}`, before, record)
  }
  for (const [before, record] of changed) put(record, before)
  for (const record of added) {
    put(record, null)
    listDomain(write, keys, record, true)
    tally.acceptedDomains++
  }
}

function listDomain(write: Changeset, keys: Keys, record: AcceptedDomain, present: boolean): void {
  write.member(keys.domainsOf(nameKey(record.organization)), record.domainName, present)
  for (const name of registrableAbove(record.domainName)) {
    write.member(keys.subdomains(name), record.domainName, present)
  }
}

function changeConnectors(
  write: Changeset,
  keys: Keys,
  { added, removed, changed }: Difference<ConfiguredConnector>,
  tally: Tally,
): void {
  const put = (
    { organization, name }: ConfiguredConnector,
    before: ConfiguredConnector | null,
    after: ConfiguredConnector | null,
  ): void => {
    const json = after === null ? null : writeRecord(after)
    write.field(keys.connectorsOf(nameKey(organization)), nameKey(name), json)
    auditRecord(write, `inbound-connector ${organization}/${name}`, before, after)
    if (before !== null) tally.connector(before, -1)
    if (after !== null) tally.connector(after, 1)
  }
  for (const record of removed) put(record, record, null)
  for (const [before, record] of changed) put(record, before, record)
  for (const record of added) put(record, null, record)
}

function changeOutbound(write: Changeset, keys: Keys, change: OrganizationChange, tally: Tally): void {
  const { added, changed, removed } = outboundConnectorDifference(change)
  if (added.length + changed.length + removed.length === 0) return
  const { name = '', outboundConnectors = [] } = change.after ?? { name: change.before?.name }
  write.record(keys.outboundOf(nameKey(name)), writeOutboundRecord(outboundConnectors))
  const put = (
    before: ConfiguredOutboundConnector | null,
    after: ConfiguredOutboundConnector | null,
  ): void => {
    const { name: own = '', organization = '' } = after ?? before ?? {}
    auditRecord(write, `outbound-connector ${organization}/${own}`, before, after)
  }
  for (const record of removed) put(record, null)
  for (const [before, record] of changed) put(before, record)
  for (const record of added) put(null, record)
  tally.outboundConnectors += added.length - removed.length
}

type AuditedRecord = AcceptedDomain | ConfiguredConnector | ConfiguredOutboundConnector

function auditRecord(
  write: Changeset,
  record: string,
  before: AuditedRecord | null,
  after: AuditedRecord | null,
): void {
  const { organization = '' } = after ?? before ?? {}
  write.audit.push({ organization, record, before: recordJson(before), after: recordJson(after) })
}

function recordJson(of: object | null): string {
  return of === null ? '' : writeRecord(of)
}

/** Entries of connectors that change, and of connectors whose certificate domain does. */
async function changeIndexes(
  write: Changeset,
  keys: Keys,
  changes: readonly OrganizationChange[],
  domains: DomainChanges,
  store: Organizations,
): Promise<void> {
  const leaving = new Set<string>()
  const coming = new Map<string, ConfiguredConnector[]>()
  const touched = new Set<string>()
  for (const change of changes) {
    const { added, removed, changed } = connectorDifference(change)
    for (const connector of [...removed, ...changed.map(([before]) => before)]) {
      leaving.add(connectorKey(connector))
      for (const key of entriesOf(connector, keys).keys()) touched.add(key)
    }
    for (const connector of [...added, ...changed.map(([, after]) => after)]) {
      for (const [key, entry] of entriesOf(connector, keys)) {
        touched.add(key)
        coming.set(key, [...(coming.get(key) ?? []), entry])
      }
    }
  }
  const besides = new Set(
    [...domains.names].flatMap((name) => listedBelow(name) ?? []).map((name) => keys.below(name)),
  )
  const entries = await store.indexEntries([...new Set([...touched, ...besides])])
  for (const key of besides) if (entries.has(key)) touched.add(key)
  const lists = new Map(
    [...touched].map((key) => [key, connectorsAfter(entries.get(key), leaving, coming.get(key) ?? [])]),
  )
  const named = [...lists.values()].flatMap((connectors) =>
    connectors.flatMap(({ tlsSenderCertificateName: name }) => name ?? []),
  )
  await domains.load(store, named)
  for (const [key, connectors] of lists) {
    const listed = keys.isBelow(key) ? domainsBeside(connectors, (name) => domains.after(name)) : null
    write.record(key, connectors.length === 0 ? null : writeRecord({ connectors, domains: listed }))
  }
}

/** The domains that change, and what is registered around them once the write is done. */
class DomainChanges {
  /** Names that come, go or change. */
  readonly names = new Set<string>()
  readonly #after = new Map<string, AcceptedDomain | undefined>()
  readonly #removed: readonly AcceptedDomain[]
  readonly #put: readonly AcceptedDomain[]

  constructor(changes: readonly OrganizationChange[]) {
    const differences = changes.map((change) => domainDifference(change))
    this.#removed = differences.flatMap(({ removed }) => removed)
    this.#put = differences.flatMap(({ added, changed }) => [...added, ...changed.map(([, after]) => after)])
    for (const { domainName } of this.#removed) this.#after.set(domainName, undefined)
    for (const { domainName } of [...this.#removed, ...this.#put]) this.names.add(domainName)
  }

  /** Makes `after` know the names. */
  async load(store: Organizations, names: readonly string[]): Promise<void> {
    const unknown = [...new Set(names)].filter((name) => !this.#after.has(name))
    const records = await store.domains(unknown)
    for (const name of unknown) this.#after.set(name, records.get(name))
  }

  /** @returns what is registered under exactly this name once the write is done */
  after(name: string): AcceptedDomain | undefined {
    return this.#after.get(name)
  }

  /** A domain belongs to one organisation, and nobody takes what is below or above another's without its consent. */
  async check(store: Organizations): Promise<void> {
    const names = [...this.names]
    const below = await store.subdomains(names)
    await this.load(store, [
      ...names,
      ...below,
      ...[...names, ...below].flatMap((name) => registrableAbove(name)),
    ])
    const refused = this.#put.flatMap((record) => this.#take(record) ?? [])
    for (const name of new Set([...this.#put.map(({ domainName }) => domainName), ...below])) {
      const record = this.#after.get(name)
      if (record !== undefined) for (const why of this.#dissent(record)) refused.push(why)
    }
    if (refused.length > 0) throw new ChangeRefused([...new Set(refused)].join('\n'))
  }

  #take(record: AcceptedDomain): string | null {
    const before = this.#after.get(record.domainName)
    this.#after.set(record.domainName, record)
    if (before === undefined || nameKey(before.organization) === nameKey(record.organization)) return null
    return registeredAlready(record.domainName, before.organization)
  }

  #dissent(record: AcceptedDomain): string[] {
    const above = ancestorsOf(record.domainName).flatMap((name) => this.#after.get(name) ?? [])
    return dissenting(record, above).map(
      (upper) =>
        `${record.domainName} of ${quoted(record.organization)} is below ${upper.domainName}, which belongs to ${quoted(upper.organization)}: remove one of the two, or add delegatedSubDomains: [${record.domainName}] to ${upper.domainName}`,
    )
  }
}

/** What the header counts, while it changes. */
class Tally {
  organizations: number
  acceptedDomains: number
  outboundConnectors: number
  #connectors: number
  readonly #lengths: { 4: Map<number, number>; 6: Map<number, number> }

  constructor({
    organizations,
    acceptedDomains,
    inboundConnectors,
    outboundConnectors,
    prefixLengths,
  }: Counts) {
    this.organizations = organizations
    this.acceptedDomains = acceptedDomains
    this.outboundConnectors = outboundConnectors
    this.#connectors = inboundConnectors
    this.#lengths = { 4: new Map(prefixLengths[4]), 6: new Map(prefixLengths[6]) }
  }

  connector({ enabled, senderIPAddresses }: ConfiguredConnector, by: 1 | -1): void {
    this.#connectors += by
    if (!enabled) return
    for (const text of senderIPAddresses) {
      const range = parseRange(text)
      if (range === null) throw new RangeError(`${text} is no address range`)
      const lengths = this.#lengths[range.family]
      lengths.set(range.prefixLength, (lengths.get(range.prefixLength) ?? 0) + by)
    }
  }

  counts(): Counts {
    const { organizations, acceptedDomains, outboundConnectors } = this
    return {
      organizations,
      acceptedDomains,
      outboundConnectors,
      inboundConnectors: this.#connectors,
      prefixLengths: this.#lengths,
    }
  }
}
