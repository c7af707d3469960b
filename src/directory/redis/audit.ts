/** The audit stream: who changed what, record by record. */

import type { RedisClient } from './client.ts'
import type { Keys } from './keys.ts'

export interface Audited {
  /** The entry's id; its first part is the time in milliseconds since 1970. */
  readonly id: string
  readonly revision: string
  readonly who: string
  readonly command: string
  readonly organization: string
  /** e.g. `accepted-domain contoso.com`. */
  readonly record: string
  /** The record's JSON, '' where there was or is none. */
  readonly before: string
  readonly after: string
}

const AT_ONCE = 1_000

export class AuditTrail {
  readonly #client: RedisClient
  readonly #keys: Keys

  constructor(client: RedisClient, keys: Keys) {
    this.#client = client
    this.#keys = keys
  }

  /** @returns its entries, the newest first */
  async *entries(): AsyncGenerator<Audited> {
    let from = '+'
    for (;;) {
      const some = await this.#client.xrevrange(this.#keys.audit, from, '-', 'COUNT', AT_ONCE)
      for (const entry of some) yield auditedOf(entry)
      const last = some.at(-1)
      if (last === undefined || some.length < AT_ONCE) return
      from = `(${last[0]}`
    }
  }

  /**
   * @param records e.g. `accepted-domain contoso.com`, lower case
   * @param beginnings what the names of further ones begin with, lower case; for them all of the stream is read
   * @returns of each its JSON as it was written last, '' when it was removed; without those that it does not reach back to
   */
  async lastOf(
    records: ReadonlySet<string>,
    beginnings: readonly string[] = [],
  ): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    if (records.size + beginnings.length === 0) return found
    const isWanted = (key: string): boolean =>
      records.has(key) || beginnings.some((beginning) => key.startsWith(beginning))
    for await (const { record, after } of this.entries()) {
      const key = record.toLowerCase()
      if (isWanted(key) && !found.has(key)) found.set(key, after)
      if (beginnings.length === 0 && found.size === records.size) break
    }
    return found
  }
}

function auditedOf([id, fields]: readonly [string, readonly string[]]): Audited {
  const values = new Map<string, string>()
  for (let index = 0; index + 1 < fields.length; index += 2)
    values.set(fields[index] ?? '', fields[index + 1] ?? '')
  const value = (name: string): string => values.get(name) ?? ''
  return {
    id,
    revision: value('revision'),
    who: value('who'),
    command: value('command'),
    organization: value('organization'),
    record: value('record'),
    before: value('before'),
    after: value('after'),
  }
}
