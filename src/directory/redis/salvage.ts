/**
 * The organisations as far as they can be read, from their records and not from the lists alone: a list that lost an
 * entry is no reason to lose what it listed. What cannot be read, and whether what nobody lists was removed on purpose,
 * is looked up in the audit stream.
 */

import type { AcceptedDomain } from '../../policy/types.ts'
import { messageOf } from '../../text/message-of.ts'
import type { ConfiguredConnector, ConfiguredOutboundConnector, Organization } from '../model.ts'
import { nameKey } from '../model.ts'
import { AuditTrail } from './audit.ts'
import type { RedisClient } from './client.ts'
import type { Keys } from './keys.ts'
import { Organizations } from './organizations.ts'
import type { OrganizationRecord } from './records.ts'
import {
  readConnectorRecord,
  readDomainRecord,
  readOrganizationRecord,
  readOutboundConnectorRecord,
  readOutboundRecord,
} from './records.ts'

/** Told of each thing that is wrong. */
type Found = (key: string, what: string) => void

/** A record as it stands, read or not. */
interface Entry<T> {
  readonly place: string
  /** What the audit stream calls it, lower case. */
  readonly audited: string
  readonly record: T | null
  /** Why it cannot be read, null when it can. */
  readonly why: string | null
  /** Whether the list that it belongs in has it. */
  readonly listed: boolean
  readonly read: (json: string) => T
}

/** Keys that are read at once. */
const AT_ONCE = 1_000

/**
 * @param client a connection as a writer
 * @param keys names of keys
 * @param found told of everything that is wrong
 * @returns all organisations
 */
export async function salvage(client: RedisClient, keys: Keys, found: Found): Promise<Organization[]> {
  const remains = new Remains(client, keys)
  await remains.collect()
  const all = [...remains.organizations, ...remains.domains, ...remains.connectors.map(({ entry }) => entry)]
  const doubtful = all.filter(({ why, listed }) => why !== null || !listed).map(({ audited }) => audited)
  const damaged = remains.outbound.filter(({ why }) => why !== null).map(({ audited }) => audited)
  const history = await new AuditTrail(client, keys).lastOf(new Set(doubtful), damaged)
  return assemble(remains, history, found)
}

/** The outbound connectors of one organisation, which stand in one record. */
interface OutboundEntry {
  readonly nameKey: string
  readonly place: string
  /** What the audit stream's names of its connectors begin with, lower case. */
  readonly audited: string
  readonly connectors: readonly ConfiguredOutboundConnector[]
  /** Why they cannot be read, null when they can. */
  readonly why: string | null
}

class Remains {
  readonly organizations: Entry<OrganizationRecord>[] = []
  readonly domains: Entry<AcceptedDomain>[] = []
  readonly connectors: { readonly nameKey: string; readonly entry: Entry<ConfiguredConnector> }[] = []
  readonly outbound: OutboundEntry[] = []
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #store: Organizations

  constructor(client: RedisClient, keys: Keys) {
    this.#client = client
    this.#keys = keys
    this.#store = new Organizations(client, keys)
  }

  async collect(): Promise<void> {
    const keys = this.#keys
    const [organizations, domains] = [new Map<string, boolean>(), new Map<string, boolean>()]
    const [withConnectors, withOutbound] = [new Set<string>(), new Set<string>()]
    for await (const name of this.#store.names()) organizations.set(name, true)
    const places = [
      [keys.organization(''), (name: string) => note(organizations, name)],
      [keys.domainsOf(''), (name: string) => note(organizations, name)],
      [keys.connectorsOf(''), (name: string) => note(organizations, name, withConnectors)],
      [keys.outboundOf(''), (name: string) => note(organizations, name, withOutbound)],
      [keys.domain(''), (name: string) => note(domains, name)],
    ] as const
    for await (const some of keysIn(this.#client, keys)) {
      for (const key of some) {
        const [prefix = '', use] = places.find(([start]) => key.startsWith(start)) ?? []
        use?.(key.slice(prefix.length))
      }
    }
    for (const name of organizations.keys()) {
      for await (const domainName of this.#store.domainNames(name)) domains.set(domainName, true)
    }
    await this.#readDomains(domains)
    for (const { record } of this.domains)
      if (record !== null) note(organizations, nameKey(record.organization))
    for (const name of withConnectors) await this.#readConnectors(name)
    await this.#readOutbound([...withOutbound])
    await this.#readOrganizations(organizations)
  }

  async #readDomains(names: ReadonlyMap<string, boolean>): Promise<void> {
    const texts = await this.#texts([...names.keys()].map((name) => this.#keys.domain(name)))
    for (const [index, [name, listed]] of [...names].entries()) {
      const audited = `accepted-domain ${name}`
      const read = (json: string): AcceptedDomain => readDomainRecord(json, name)
      this.domains.push(entryOf(this.#keys.domain(name), audited, texts[index] ?? null, listed, read))
    }
  }

  async #readConnectors(name: string): Promise<void> {
    const place = this.#keys.connectorsOf(name)
    for (const [field, json] of Object.entries(await this.#client.hgetall(place))) {
      const audited = `inbound-connector ${name}/${field}`
      const entry = entryOf(`${place} ${field}`, audited, json, true, readConnectorRecord)
      this.connectors.push({ nameKey: name, entry })
    }
  }

  async #readOutbound(names: readonly string[]): Promise<void> {
    const texts = await this.#texts(names.map((name) => this.#keys.outboundOf(name)))
    for (const [index, name] of names.entries()) {
      const place = this.#keys.outboundOf(name)
      const read = (json: string): readonly ConfiguredOutboundConnector[] => readOutboundRecord(json, name)
      const entry = entryOf(place, `outbound-connector ${name}/`, texts[index] ?? null, true, read)
      const { audited, record, why } = entry
      this.outbound.push({ nameKey: name, place, audited, connectors: record ?? [], why })
    }
  }

  async #readOrganizations(names: ReadonlyMap<string, boolean>): Promise<void> {
    const texts = await this.#texts([...names.keys()].map((name) => this.#keys.organization(name)))
    for (const [index, [name, listed]] of [...names].entries()) {
      const place = this.#keys.organization(name)
      const audited = `organization ${name}`
      this.organizations.push(entryOf(place, audited, texts[index] ?? null, listed, readOrganizationRecord))
    }
  }

  async #texts(keys: readonly string[]): Promise<(string | null)[]> {
    const texts: (string | null)[] = []
    for (let from = 0; from < keys.length; from += AT_ONCE) {
      for (const text of await this.#client.mget(...keys.slice(from, from + AT_ONCE))) texts.push(text)
    }
    return texts
  }
}

function note(names: Map<string, boolean>, name: string, also?: Set<string>): void {
  if (!names.has(name)) names.set(name, false)
  also?.add(name)
}

function entryOf<T>(
  place: string,
  audited: string,
  json: string | null,
  listed: boolean,
  read: (json: string) => T,
): Entry<T> {
  const known = { place, audited: audited.toLowerCase(), listed, read }
  if (json === null) return { ...known, record: null, why: 'is missing' }
  try {
    return { ...known, record: read(json), why: null }
  } catch (error) {
    return { ...known, record: null, why: messageOf(error) }
  }
}

/** Of an organisation whose own record is lost. */
const NOTHING_ELSE = { comment: null, reportOnlyUntil: null } as const

function assemble(remains: Remains, history: ReadonlyMap<string, string>, found: Found): Organization[] {
  const domains = new Map<string, AcceptedDomain[]>()
  for (const entry of remains.domains) {
    const record = salvaged(entry, history, found)
    if (record !== null) push(domains, nameKey(record.organization), record)
  }
  const connectors = new Map<string, ConfiguredConnector[]>()
  for (const { nameKey: key, entry } of remains.connectors) {
    const record = salvaged(entry, history, found)
    if (record !== null) push(connectors, key, record)
  }
  const outbound = new Map(
    remains.outbound.map((entry) => [entry.nameKey, salvagedOutbound(entry, history, found)]),
  )
  return remains.organizations.flatMap((entry) => {
    const key = entry.audited.slice('organization '.length)
    const record = salvaged(entry, history, () => undefined)
    if (record === null && history.get(entry.audited) === '') return []
    if (entry.why !== null) found(entry.place, entry.why)
    const acceptedDomains = domains.get(key) ?? []
    const inboundConnectors = connectors.get(key) ?? []
    const outboundConnectors = outbound.get(key) ?? []
    const owned = [...acceptedDomains, ...inboundConnectors, ...outboundConnectors]
    const name = record?.name ?? owned[0]?.organization ?? key
    const { comment, reportOnlyUntil } = record ?? NOTHING_ELSE
    return [{ name, comment, reportOnlyUntil, acceptedDomains, inboundConnectors, outboundConnectors }]
  })
}

/** They stand in one record: when that is damaged, the audit stream has each of them as it was written last. */
function salvagedOutbound(
  { audited, connectors, nameKey: owner, place, why }: OutboundEntry,
  history: ReadonlyMap<string, string>,
  found: Found,
): readonly ConfiguredOutboundConnector[] {
  if (why === null) return connectors
  const last = [...history].filter(([record, json]) => record.startsWith(audited) && json !== '')
  const restored: ConfiguredOutboundConnector[] = []
  for (const [record, json] of last) {
    try {
      const connector = readOutboundConnectorRecord(json)
      // A name may hold a slash: `contoso/x` begins like a connector of contoso.
      if (nameKey(connector.organization) === owner) restored.push(connector)
    } catch {
      found(place, `${record} cannot be read in the audit stream either: apply its organisation again`)
    }
  }
  found(
    place,
    restored.length === 0
      ? `${why}; mending removes it: apply its organisation again`
      : `${why}; the audit stream has it`,
  )
  return restored
}

/** The record, or what the audit stream has of it; null when it is not to be kept. */
function salvaged<T>(entry: Entry<T>, history: ReadonlyMap<string, string>, found: Found): T | null {
  const { place, audited, record, why, listed, read } = entry
  const before = history.get(audited)
  if (why === null) return listed || before !== '' ? record : null
  if (!listed && before === '') return null
  try {
    const restored = read(before ?? '')
    found(place, `${why}; the audit stream has it`)
    return restored
  } catch {
    found(place, `${why}; mending removes it: apply its organisation again`)
    return null
  }
}

function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}

/** All keys of the directory; in a cluster each master is asked, since a SCAN is of one server. */
export async function* keysIn(client: RedisClient, keys: Keys): AsyncGenerator<readonly string[]> {
  const servers = 'nodes' in client ? client.nodes('master') : [client]
  for (const server of servers) {
    let cursor = '0'
    do {
      const [next, some] = await server.scan(cursor, 'MATCH', keys.pattern, 'COUNT', 1000)
      yield some
      cursor = next
    } while (cursor !== '0')
  }
}
