/**
 * Looks at every record: what the organisations say is written anew in memory, by the code that writes it, and compared
 * with what stands in Redis. It takes the memory of the whole directory, and is for administrators only.
 */

import type { AcceptedDomain } from '../../policy/types.ts'
import { canonical } from '../difference.ts'
import { ChangeRefused, changesetFor } from './changes.ts'
import { Changeset } from './changeset.ts'
import type { RedisClient } from './client.ts'
import type { Base, Counts } from './commit.ts'
import { readHeader, writeHeader } from './header.ts'
import type { Keys } from './keys.ts'
import { Organizations } from './organizations.ts'
import { readOrganizationRecord } from './records.ts'
import { keysIn, salvage } from './salvage.ts'
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

/** Times that it is looked again, since somebody wrote meanwhile. */
const MOST_ATTEMPTS = 5

/**
 * @param client a connection as a writer
 * @param keys names of keys
 * @returns everything that is wrong, and the write that mends it
 * @throws when others write all the time: half of a change would look like a fault
 */
export async function verifyDirectory(client: RedisClient, keys: Keys): Promise<Verification> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const before = await client.get(keys.header)
    const verification = await verifyOnce(client, keys)
    if ((await client.get(keys.header)) === before) return verification
  }
  throw new Error('the directory was changed all the time while it was looked at: try again later')
}

async function verifyOnce(client: RedisClient, keys: Keys): Promise<Verification> {
  const findings: Finding[] = []
  const found = (key: string, what: string): void => void findings.push({ key, what })
  const base = await baseOf(client, keys, found)
  const organizations = await salvage(client, keys, found)
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
  const apart = new Set(keys.apart)
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
    const { name, comment, reportOnlyUntil } = left
    return name === right.name && comment === right.comment && reportOnlyUntil === right.reportOnlyUntil
  } catch {
    return false
  }
}

/** The same for the same content: a record that was read and written anew has its properties in another order. */
function text(content: Content): string {
  if (typeof content === 'string') return canonicalRecord(content)
  const entries = [...content].map((entry: string | readonly [string, string]) =>
    typeof entry === 'string' ? entry : [entry[0], canonicalRecord(entry[1])],
  )
  return JSON.stringify(entries.toSorted((left, right) => (String(left) < String(right) ? -1 : 1)))
}

function canonicalRecord(json: string): string {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null ? canonical(value) : json
  } catch {
    return json
  }
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
