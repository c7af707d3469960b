/**
 * Looks at every record: what the organisations say is written anew in memory, by the code that writes it, and compared
 * with what stands in Redis. It takes the memory of the whole directory, and is for administrators only.
 */

import type { AcceptedDomain } from '../../policy/types.ts'
import type { ConfiguredConnector, Organization } from '../model.ts'
import { ChangeRefused, changesetFor } from './changes.ts'
import { Changeset } from './changeset.ts'
import type { RedisClient } from './client.ts'
import type { Base, Counts } from './commit.ts'
import { readHeader, writeHeader } from './header.ts'
import type { Keys } from './keys.ts'
import { Organizations } from './organizations.ts'
import { AuditTrail } from './audit.ts'
import { readConnectorRecord, readDomainRecord, readOrganizationRecord } from './records.ts'
import { messageOf } from '../../text/message-of.ts'

/** One thing that is wrong. */
export interface Finding {
  readonly key: string
  readonly what: string
}

export interface Verification {
  readonly findings: readonly Finding[]
  /** What makes all of it right again; null where that is for an administrator to decide. */
  readonly mend: { readonly base: Base; readonly changeset: Changeset; readonly counts: Counts } | null
}

/** What stands under a key: a string, the members of a set, or the fields of a hash. */
type Content = string | ReadonlySet<string> | ReadonlyMap<string, string>

/**
 * @param client a connection as a writer
 * @param keys names of keys
 * @returns everything that is wrong, and the write that mends it
 */
export async function verifyDirectory(client: RedisClient, keys: Keys): Promise<Verification> {
  const findings: Finding[] = []
  const found = (key: string, what: string): void => void findings.push({ key, what })
  const base = await baseOf(client, keys, found)
  const organizations = await new Salvage(client, keys, found).all()
  const changes = organizations.map((organization) => ({ before: null, after: organization }))
  let written: Awaited<ReturnType<typeof changesetFor>>
  try {
    written = await changesetFor(changes, null, new Nothing(client, keys), keys, '')
  } catch (error) {
    if (!(error instanceof ChangeRefused)) throw error
    for (const line of error.message.split('\n')) found(keys.organizations, line)
    return { findings, mend: null }
  }
  const wanted = contentsOf(written.changeset)
  const changeset = new Changeset()
  await compare(client, keys, wanted, changeset, found)
  checkCounts(base, written.counts, keys, found)
  for (const { key, what } of findings) {
    changeset.audit.push({ organization: '', record: `mended ${key}`, before: what, after: '' })
  }
  return { findings, mend: { base, changeset, counts: written.counts } }
}

async function baseOf(
  client: RedisClient,
  keys: Keys,
  found: (key: string, what: string) => void,
): Promise<Base> {
  const text = (await client.get(keys.header)) ?? ''
  if (text === '') {
    if ((await client.exists(keys.organizations)) > 0) found(keys.header, 'is missing')
    return { text, header: null }
  }
  try {
    return { text, header: readHeader(text) }
  } catch (error) {
    found(keys.header, messageOf(error))
    return { text, header: null }
  }
}

function checkCounts(
  { header }: Base,
  counts: Counts,
  keys: Keys,
  found: (key: string, what: string) => void,
): void {
  if (header === null) return
  const { epoch, number, id } = header
  if (writeHeader({ ...counts, epoch, number, id }) !== writeHeader(header))
    found(keys.header, 'counts wrongly')
}

/** The organisations as far as they can be read; what cannot be is taken from the audit stream. */
class Salvage {
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #found: (key: string, what: string) => void
  readonly #store: Organizations
  readonly #audit: AuditTrail

  constructor(client: RedisClient, keys: Keys, found: (key: string, what: string) => void) {
    this.#client = client
    this.#keys = keys
    this.#found = found
    this.#store = new Organizations(client, keys)
    this.#audit = new AuditTrail(client, keys)
  }

  async all(): Promise<Organization[]> {
    const organizations: Organization[] = []
    for await (const key of this.#store.names()) organizations.push(await this.#one(key))
    return organizations
  }

  async #one(key: string): Promise<Organization> {
    const [acceptedDomains, inboundConnectors] = [await this.#domains(key), await this.#connectors(key)]
    const recordKey = this.#keys.organization(key)
    const json = await this.#client.get(recordKey)
    try {
      if (json === null) throw new Error('is missing')
      const { name, comment } = readOrganizationRecord(json)
      return { name, comment, acceptedDomains, inboundConnectors }
    } catch (error) {
      this.#found(recordKey, messageOf(error))
      const name = acceptedDomains[0]?.organization ?? inboundConnectors[0]?.organization ?? key
      return { name, comment: null, acceptedDomains, inboundConnectors }
    }
  }

  async #domains(key: string): Promise<AcceptedDomain[]> {
    const domains: AcceptedDomain[] = []
    let names: string[] = []
    const take = async (): Promise<void> => {
      const texts =
        names.length === 0 ? [] : await this.#client.mget(names.map((name) => this.#keys.domain(name)))
      for (const [index, name] of names.entries()) {
        const place = this.#keys.domain(name)
        const read = (json: string): AcceptedDomain => readDomainRecord(json, name)
        domains.push(...(await this.#salvaged(place, texts[index] ?? null, `accepted-domain ${name}`, read)))
      }
      names = []
    }
    for await (const name of this.#store.domainNames(key)) {
      names.push(name)
      if (names.length === 1000) await take()
    }
    await take()
    return domains
  }

  async #connectors(key: string): Promise<ConfiguredConnector[]> {
    const place = this.#keys.connectorsOf(key)
    const connectors: ConfiguredConnector[] = []
    for (const [field, json] of Object.entries(await this.#client.hgetall(place))) {
      const record = `inbound-connector ${key}/${field}`
      connectors.push(...(await this.#salvaged(`${place} ${field}`, json, record, readConnectorRecord)))
    }
    return connectors
  }

  async #salvaged<T>(
    place: string,
    json: string | null,
    record: string,
    read: (json: string) => T,
  ): Promise<readonly T[]> {
    try {
      if (json === null) throw new Error('is missing')
      return [read(json)]
    } catch (error) {
      const before = await this.#audit.lastOf(record)
      try {
        const restored = read(before ?? '')
        this.#found(place, `${messageOf(error)}; the audit stream has it`)
        return [restored]
      } catch {
        this.#found(place, `${messageOf(error)}; mending removes it: apply its organisation again`)
        return []
      }
    }
  }
}

/** An empty store: every organisation is written as if it were the first. */
class Nothing extends Organizations {
  override domains(): Promise<Map<string, AcceptedDomain>> {
    return Promise.resolve(new Map())
  }

  override indexEntries(): Promise<Map<string, never>> {
    return Promise.resolve(new Map<string, never>())
  }

  override subdomains(): Promise<Set<string>> {
    return Promise.resolve(new Set())
  }
}

function contentsOf({ steps }: Changeset): Map<string, Content> {
  const strings = new Map<string, Content>()
  const sets = new Map<string, Set<string>>()
  const hashes = new Map<string, Map<string, string>>()
  for (const [operation, key, first, second] of steps) {
    if (operation === 'set') strings.set(key, first)
    else if (operation === 'zadd') sets.set(key, (sets.get(key) ?? new Set()).add(first))
    else if (operation === 'hset')
      hashes.set(key, (hashes.get(key) ?? new Map<string, string>()).set(first, second))
  }
  return new Map([...strings, ...sets, ...hashes])
}

async function compare(
  client: RedisClient,
  keys: Keys,
  wanted: Map<string, Content>,
  mend: Changeset,
  found: (key: string, what: string) => void,
): Promise<void> {
  const apart = new Set([keys.header, keys.changes, keys.audit])
  const missing = new Set(wanted.keys())
  for await (const some of keysIn(client, keys)) {
    const records = some.filter((key) => !apart.has(key))
    // All at once: a round trip for each of millions takes minutes.
    const contents = await Promise.all(records.map((key) => contentOf(client, key)))
    for (const [index, key] of records.entries()) {
      missing.delete(key)
      compareOne(keys, key, { have: contents[index] ?? null, want: wanted.get(key) }, { mend, found })
    }
  }
  for (const key of missing) {
    if (!key.startsWith(keys.organization(''))) found(key, 'is missing')
    put(mend, key, wanted.get(key), undefined)
  }
}

function compareOne(
  keys: Keys,
  key: string,
  { have, want }: { readonly have: Content | null; readonly want: Content | undefined },
  { mend, found }: { mend: Changeset; found: (key: string, what: string) => void },
): void {
  if (have !== null && want !== undefined && isSame(keys, key, have, want)) return
  found(key, want === undefined ? 'belongs to nothing' : 'is not what its organisations say')
  if (have === null || want === undefined || typeof have !== typeof want) mend.record(key, null)
  put(mend, key, want, have ?? undefined)
}

/** The record of an organisation holds when it was changed, which cannot be known anew. */
function isSame(keys: Keys, key: string, have: Content, want: Content): boolean {
  if (!key.startsWith(keys.organization('')) || typeof have !== 'string' || typeof want !== 'string') {
    return text(have) === text(want)
  }
  try {
    const [left, right] = [readOrganizationRecord(have), readOrganizationRecord(want)]
    return left.name === right.name && left.comment === right.comment
  } catch {
    return false
  }
}

function text(content: Content): string {
  if (typeof content === 'string') return content
  return JSON.stringify([...content].toSorted((left, right) => (String(left) < String(right) ? -1 : 1)))
}

function put(mend: Changeset, key: string, want: Content | undefined, have: Content | undefined): void {
  if (want === undefined) return
  if (typeof want === 'string') {
    mend.record(key, want)
  } else if (want instanceof Map) {
    for (const [field, json] of want as ReadonlyMap<string, string>) mend.field(key, field, json)
    if (have instanceof Map)
      for (const field of have.keys()) if (!want.has(field)) mend.field(key, String(field), null)
  } else {
    for (const member of want as ReadonlySet<string>) mend.member(key, member, true)
    if (have instanceof Set)
      for (const member of have) if (!want.has(String(member))) mend.member(key, String(member), false)
  }
}

async function contentOf(client: RedisClient, key: string): Promise<Content | null> {
  const type = await client.type(key)
  if (type === 'string') return client.get(key)
  if (type === 'zset') return new Set(await client.zrange(key, '0', '-1'))
  if (type === 'hash') return new Map(Object.entries(await client.hgetall(key)))
  return null
}

/** All keys of the directory; in a cluster each master is asked, since a SCAN is of one server. */
async function* keysIn(client: RedisClient, keys: Keys): AsyncGenerator<readonly string[]> {
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
