/** What writers read: whole organisations, as they stand in Redis. Mail nodes never do. */

import type { AcceptedDomain } from '../../policy/types.ts'
import type { StoredOrganization } from '../editor.ts'
import type { ConfiguredConnector, ConfiguredOutboundConnector } from '../model.ts'
import type { RedisClient } from './client.ts'
import type { Base } from './commit.ts'
import { readHeader } from './header.ts'
import type { Keys } from './keys.ts'
import type { IndexEntry } from './records.ts'
import {
  readConnectorRecord,
  readDomainRecord,
  readIndexEntry,
  readOrganizationRecord,
  readOutboundRecord,
} from './records.ts'
import { messageOf } from '../../text/message-of.ts'

/** Keys or members that are read at once. */
const AT_ONCE = 1_000

/** Times that an organisation is read anew, since others wrote meanwhile. */
const MOST_ATTEMPTS = 20

/** A record that a writer needs cannot be read. */
export class DamagedDirectory extends Error {
  override readonly name = 'DamagedDirectory'
}

export class Organizations {
  readonly #client: RedisClient
  readonly #keys: Keys

  /**
   * @param client a connection whose commands may take long
   * @param keys names of keys
   */
  constructor(client: RedisClient, keys: Keys) {
    this.#client = client
    this.#keys = keys
  }

  /** @returns the header as it stands in Redis; a write on top of it fails when it changed meanwhile */
  async base(): Promise<Base> {
    const text = (await this.#client.get(this.#keys.header)) ?? ''
    const header = text === '' ? null : this.#usable(this.#keys.header, () => readHeader(text))
    return { text, header }
  }

  /** @returns the `nameKey`s of all organisations, in order */
  async *names(): AsyncGenerator<string> {
    yield* this.#members(this.#keys.organizations)
  }

  /** @returns the names of an organisation's accepted domains, in order */
  async *domainNames(nameKey: string): AsyncGenerator<string> {
    yield* this.#members(this.#keys.domainsOf(nameKey))
  }

  /**
   * @param nameKey an organisation
   * @returns it, with its domains and connectors in order of their names; null when there is none
   * @throws DamagedDirectory
   */
  async read(nameKey: string): Promise<StoredOrganization | null> {
    for (let attempt = 1; ; attempt++) {
      const before = await this.#client.get(this.#keys.header)
      try {
        return await this.#readOnce(nameKey)
      } catch (error) {
        // Half of somebody else's change looks like a fault.
        const isFault = (await this.#client.get(this.#keys.header)) === before || attempt === MOST_ATTEMPTS
        if (isFault || !(error instanceof DamagedDirectory)) throw error
      }
    }
  }

  async #readOnce(nameKey: string): Promise<StoredOrganization | null> {
    const key = this.#keys.organization(nameKey)
    const json = await this.#client.get(key)
    if (json === null) return null
    const { name, comment, reportOnlyUntil, revision } = this.#usable(key, () => readOrganizationRecord(json))
    const acceptedDomains: AcceptedDomain[] = []
    let names: string[] = []
    for await (const domainName of this.domainNames(nameKey)) {
      names.push(domainName)
      if (names.length < AT_ONCE) continue
      acceptedDomains.push(...(await this.#ownDomains(names)))
      names = []
    }
    acceptedDomains.push(...(await this.#ownDomains(names)))
    const inboundConnectors = await this.#connectors(nameKey)
    const outboundConnectors = await this.#outboundConnectors(nameKey)
    const owned = { acceptedDomains, inboundConnectors, outboundConnectors }
    return { organization: { name, comment, reportOnlyUntil, ...owned }, revision }
  }

  async #outboundConnectors(nameKey: string): Promise<readonly ConfiguredOutboundConnector[]> {
    const key = this.#keys.outboundOf(nameKey)
    const json = await this.#client.get(key)
    return json === null ? [] : this.#usable(key, () => readOutboundRecord(json, nameKey))
  }

  async #connectors(nameKey: string): Promise<ConfiguredConnector[]> {
    const key = this.#keys.connectorsOf(nameKey)
    const records = await this.#client.hgetall(key)
    return Object.entries(records)
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([field, json]) => this.#usable(`${key} ${field}`, () => readConnectorRecord(json)))
  }

  async #ownDomains(names: readonly string[]): Promise<AcceptedDomain[]> {
    const records = await this.domains(names)
    return names.map((name) => {
      const record = records.get(name)
      if (record === undefined) throw this.#damaged(this.#keys.domain(name), 'is missing')
      return record
    })
  }

  /** @returns the records of the domains that are registered, by name */
  async domains(names: readonly string[]): Promise<Map<string, AcceptedDomain>> {
    const records = new Map<string, AcceptedDomain>()
    await this.#texts(
      names.map((name) => this.#keys.domain(name)),
      (key, json, index) => {
        const name = names[index] ?? ''
        records.set(
          name,
          this.#usable(key, () => readDomainRecord(json, name)),
        )
      },
    )
    return records
  }

  /** @returns the entries that there are, by key */
  async indexEntries(keys: readonly string[]): Promise<Map<string, IndexEntry>> {
    const entries = new Map<string, IndexEntry>()
    await this.#texts(keys, (key, json) => {
      entries.set(
        key,
        this.#usable(key, () => readIndexEntry(json)),
      )
    })
    return entries
  }

  /** @returns registered domains below any of the names */
  async subdomains(names: readonly string[]): Promise<Set<string>> {
    const below = new Set<string>()
    for (let from = 0; from < names.length; from += AT_ONCE) {
      const replies = await Promise.all(
        names
          .slice(from, from + AT_ONCE)
          .map((name) => this.#client.zrange(this.#keys.subdomains(name), '0', '-1')),
      )
      for (const name of replies.flat()) below.add(name)
    }
    return below
  }

  async #texts(
    keys: readonly string[],
    use: (key: string, json: string, index: number) => void,
  ): Promise<void> {
    for (let from = 0; from < keys.length; from += AT_ONCE) {
      const some = keys.slice(from, from + AT_ONCE)
      for (const [index, json] of (await this.#client.mget(...some)).entries()) {
        if (json !== null) use(some[index] ?? '', json, from + index)
      }
    }
  }

  async *#members(key: string): AsyncGenerator<string> {
    let after = '-'
    for (;;) {
      const some = await this.#client.zrangebylex(key, after, '+', 'LIMIT', 0, AT_ONCE)
      yield* some
      const last = some.at(-1)
      if (last === undefined || some.length < AT_ONCE) return
      after = `(${last}`
    }
  }

  #usable<T>(key: string, read: () => T): T {
    try {
      return read()
    } catch (error) {
      throw this.#damaged(key, messageOf(error), error)
    }
  }

  #damaged(key: string, why: string, cause?: unknown): DamagedDirectory {
    return new DamagedDirectory(`${key} ${why}: run connectorctl directory verify`, { cause })
  }
}
