/** Asks Redis for records: many in one command, each of them once at a time, with the header of their state. */

import { performance } from 'node:perf_hooks'
import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import type { RedisClient } from './client.ts'
import { whyFailed } from './client.ts'
import type { Keys } from './keys.ts'
import type { Wanted } from './lookup.ts'
import type { NearCache, Stored } from './near-cache.ts'
import { within } from './patience.ts'
import type { IndexEntry } from './records.ts'
import { readDomainRecord, readIndexEntry, readOutboundRecord } from './records.ts'
import type { DirectoryWatch } from './watch.ts'

export interface ReaderOptions {
  readonly client: RedisClient
  readonly keys: Keys
  /** Where what came is remembered. */
  readonly cache: NearCache
  /** Says which state is in force. */
  readonly watch: DirectoryWatch
  readonly commandTimeout: number
  /** Told of each record that cannot be read, once for each change of it. */
  readonly complain: (message: string) => void
}

/** What came from Redis, and the header that came with it. */
interface Fetched {
  readonly stored: Stored
  readonly header: string | null
}

/** Keys of one MGET: more would keep the server from answering others for a millisecond. */
const KEYS_AT_ONCE = 500

/** Records that were complained about; beyond it the same one may be complained about again. */
const MOST_COMPLAINTS = 1_000

export class RecordReader {
  readonly #options: ReaderOptions
  /** Records that are being asked for: whoever wants one meanwhile waits for the same answer. */
  readonly #flights = new Map<string, Promise<Fetched>>()
  /** What was said of unreadable records, by their keys. */
  readonly #complaints = new Map<string, string>()

  constructor(options: ReaderOptions) {
    this.#options = options
  }

  /**
   * @param missing what is wanted
   * @param stored filled with it
   * @returns the headers that came with it: several when the directory changed meanwhile
   * @throws when Redis cannot be asked, or may not be believed
   */
  async fetch(missing: readonly Wanted[], stored: Map<string, Stored>): Promise<Set<string | null>> {
    const headers = new Set<string | null>()
    if (missing.length === 0) return headers
    const waited = missing.map(({ key }) => this.#flights.get(key) ?? null)
    this.#send(missing.filter((_item, index) => waited[index] === null))
    await Promise.all(
      missing.map(async ({ key }, index) => {
        const flight = waited[index] ?? this.#flights.get(key)
        if (flight === undefined) return
        const fetched = await flight
        stored.set(key, fetched.stored)
        headers.add(fetched.header)
      }),
    )
    return headers
  }

  /**
   * @param wanted records
   * @returns all of them by one command, so that they are of one state: the one of the header beside them
   * @throws when Redis cannot be asked
   */
  async fetchAtOnce(
    wanted: readonly Wanted[],
  ): Promise<{ readonly stored: ReadonlyMap<string, Stored>; readonly header: string | null }> {
    const [header = null, ...records] = await this.#mget(wanted)
    const stored = wanted.map(
      (item, index) => [item.key, this.#interpret(item, records[index] ?? null)] as const,
    )
    return { stored: new Map(stored), header }
  }

  /** @param changed keys whose records changed, null when any may have */
  forget(changed: readonly string[] | null): void {
    if (changed === null) {
      this.#options.cache.clear()
      this.#complaints.clear()
      return
    }
    this.#options.cache.drop(changed)
    for (const key of changed) this.#complaints.delete(key)
  }

  #send(wanted: readonly Wanted[]): void {
    for (let from = 0; from < wanted.length; from += KEYS_AT_ONCE) {
      const batch = wanted.slice(from, from + KEYS_AT_ONCE)
      const answer = this.#ask(batch)
      for (const [index, item] of batch.entries()) {
        const { key } = item
        const flight = answer.then((all) => all[index] ?? leftOut(item))
        this.#flights.set(key, flight)
        const landed = (): void => {
          this.#flights.delete(key)
        }
        flight.then(landed, landed)
      }
    }
  }

  async #ask(wanted: readonly Wanted[]): Promise<readonly Fetched[]> {
    const askedAt = performance.now()
    const { cache, watch } = this.#options
    const [header = null, ...records] = await this.#mget(wanted)
    // They came with another header than the one that was judged: whether it counts is to be looked at first.
    if (header !== watch.text) await watch.look()
    const { refusal, text: current } = watch
    if (refusal !== null) throw new Error(refusal)
    return wanted.map((item, index) => {
      const text = records[index] ?? null
      const stored = this.#interpret(item, text)
      // What is of another state is for whoever asked to judge, and not remembered.
      if (header === current && stored.kind !== 'unreadable') {
        cache.set(item.key, stored, askedAt, text?.length ?? 0)
      }
      return { stored, header }
    })
  }

  /** The header and the records, in one command. */
  async #mget(wanted: readonly Wanted[]): Promise<readonly (string | null)[]> {
    const { client, keys, watch, commandTimeout } = this.#options
    const { unreachable } = watch
    if (unreachable !== null) throw new Error(`Redis cannot be asked: ${unreachable}`)
    try {
      const reply = client.mget(keys.header, ...wanted.map(({ key }) => key))
      return await within(reply, commandTimeout)
    } catch (error) {
      const why = whyFailed(error)
      watch.lost(why)
      throw new Error(`Redis cannot be asked: ${why}`, { cause: error })
    }
  }

  #interpret({ key, kind, of }: Wanted, text: string | null): Stored {
    try {
      switch (kind) {
        case 'domain':
          return { kind, record: text === null ? null : readDomainRecord(text, of) }
        case 'index':
          return { kind, entry: text === null ? null : this.#entry(key, text) }
        case 'outbound':
          return { kind, connectors: text === null ? [] : readOutboundRecord(text, of) }
      }
    } catch (error) {
      const why = printable(messageOf(error))
      this.#complain(key, why)
      return { kind: 'unreadable', key, of: kind, why }
    }
  }

  #entry(key: string, text: string): IndexEntry {
    const entry = readIndexEntry(text)
    const stray = entry.connectors.find((connector) => !this.#options.keys.lists(key, connector))
    if (stray === undefined) return entry
    throw new Error(`lists the connector ${JSON.stringify(stray.name)}, which does not belong there`)
  }

  #complain(key: string, why: string): void {
    if (this.#complaints.get(key) === why) return
    if (this.#complaints.size >= MOST_COMPLAINTS) this.#complaints.clear()
    this.#complaints.set(key, why)
    const complaint = `${printable(key)} in Redis ${why}: run connectorctl directory verify`
    this.#options.complain(complaint)
  }
}

function leftOut({ key, kind }: Wanted): Fetched {
  const why = 'was left out of the answer'
  return { stored: { kind: 'unreadable', key, of: kind, why }, header: null }
}
