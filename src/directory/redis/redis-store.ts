/** The directory in Redis: every node of a fleet reads the same one, and remembers what it read. */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { printable } from '../../text/printable.ts'
import type { Answer, Directory, DirectorySummary, Question } from '../directory.ts'
import type { StoreLog } from '../file-store.ts'
import { Answers } from './answers.ts'
import type { RedisClient, RedisConnection } from './client.ts'
import { createClient, describeConnection, whyFailed } from './client.ts'
import type { Header } from './header.ts'
import { formatRevision, readHeader } from './header.ts'
import { Keys } from './keys.ts'
import type { Wanted } from './lookup.ts'
import { answerFrom, wantedFor } from './lookup.ts'
import type { Remembered, Stored } from './near-cache.ts'
import { NearCache } from './near-cache.ts'
import type { IndexEntry } from './records.ts'
import { readDomainRecord, readIndexEntry } from './records.ts'
import { within } from './patience.ts'
import type { SeenRevision } from './watch.ts'
import { DirectoryWatch } from './watch.ts'
import { messageOf } from '../../text/message-of.ts'

export interface RedisStoreOptions {
  readonly connection: RedisConnection
  /** What stands in the hash tag of all keys. */
  readonly prefix: string
  readonly seen: SeenRevision
  readonly log: StoreLog
  readonly cache: {
    readonly maxBytes: number
    /** How long a record is used after it was last known to be right. */
    readonly ttlMilliseconds: number
  }
  /** How often it is looked for changes. */
  readonly pollMilliseconds?: number
}

interface Recalled {
  readonly stored: Map<string, Stored>
  readonly known: ReadonlyMap<string, Remembered>
  readonly missing: readonly Wanted[]
  readonly until: number
  readonly bytes: number
}

/** What came from Redis, and the header that came with it. */
interface Fetched {
  readonly stored: Stored
  readonly header: string | null
}

/** Keys of one MGET: more would keep the server from answering others for a millisecond. */
const KEYS_AT_ONCE = 500

/** How much of the cache is for whole answers. */
const SHARE_OF_ANSWERS = 1 / 8

/** Times that everything is asked for at once, since ranges of new lengths came meanwhile. */
const MOST_ATTEMPTS = 10

const NOT_READ = 'the directory in Redis was not read yet'

/** Records that were complained about; beyond it the same one may be complained about again. */
const MOST_COMPLAINTS = 1_000

/**
 * @param options where Redis is and what may be remembered of it
 * @returns the directory; also when Redis cannot be reached: it answers "unknown" then and recovers by itself
 */
export async function openRedisDirectory(options: RedisStoreOptions): Promise<Directory> {
  const store = new RedisStore(options)
  await store.open()
  return store
}

class RedisStore implements Directory {
  readonly #options: RedisStoreOptions
  readonly #client: RedisClient
  readonly #keys: Keys
  readonly #cache: NearCache
  readonly #answers: Answers
  readonly #watch: DirectoryWatch
  /** What was said of unreadable records, by their keys. */
  readonly #complaints = new Map<string, string>()
  /** Records that are being asked for: whoever wants one meanwhile waits for the same answer. */
  readonly #flights = new Map<string, Promise<Fetched>>()

  constructor(options: RedisStoreOptions) {
    this.#options = options
    const { connection, prefix, cache, log, pollMilliseconds = 200 } = options
    // Look-ups have a time of their own; this one is for what the connection itself says, e.g. AUTH.
    const longest = Math.max(connection.connectTimeout, 2 * connection.commandTimeout)
    this.#client = createClient(connection, longest)
    // Each failed attempt to connect; what it means is logged once, by the watch.
    let lastFailure: string | null = null
    this.#client.on('error', (error: unknown) => {
      lastFailure = messageOf(error)
    })
    this.#keys = new Keys(prefix)
    const forAnswers = Math.ceil(cache.maxBytes * SHARE_OF_ANSWERS)
    this.#cache = new NearCache(cache.maxBytes - forAnswers)
    this.#answers = new Answers(forAnswers)
    const place = describeConnection(connection)
    this.#watch = new DirectoryWatch({
      client: this.#client,
      keys: this.#keys,
      seen: options.seen,
      pollMilliseconds,
      commandTimeout: connection.commandTimeout,
      masterOnly: connection.mode === 'sentinel',
      now: () => performance.now(),
      onChange: (changed) => {
        if (changed === null) {
          this.#cache.clear()
          this.#complaints.clear()
        } else {
          this.#cache.drop(changed)
          for (const key of changed) this.#complaints.delete(key)
        }
      },
      onRefusal: (why, revision) => {
        if (why !== null) {
          log.error(`${place}: ${why}; until then every message that hangs on it is answered 451`)
        } else if (revision !== null) {
          log.info(`${place}: the directory is in force, revision ${formatRevision(revision)}`)
        }
      },
      onReach: (why) => {
        const seconds = cache.ttlMilliseconds / 1000
        if (why === null) {
          lastFailure = null
          log.info(`${place} answers again`)
        } else {
          log.error(
            `${place} cannot be asked: ${printable(lastFailure ?? why)}; what is remembered is used for ${seconds} s, everything else is answered 451`,
          )
        }
      },
    })
  }

  async open(): Promise<void> {
    // It goes on trying by itself; a server that is not there keeps nobody from starting.
    const patience = delay(this.#options.connection.connectTimeout, undefined, { ref: false })
    await Promise.race([this.#client.connect().catch(() => undefined), patience])
    await this.#watch.start()
  }

  async close(): Promise<void> {
    await this.#watch.close()
    this.#client.disconnect()
  }

  summary(): DirectorySummary {
    const { header } = this.#watch
    return {
      organizations: header?.organizations ?? 0,
      acceptedDomains: header?.acceptedDomains ?? 0,
      inboundConnectors: header?.inboundConnectors ?? 0,
      revision: header === null ? 'none' : formatRevision(header),
    }
  }

  async ask(question: Question): Promise<Answer> {
    if (this.#watch.overdue) await this.#watch.catchUp()
    for (let attempt = 0; ; attempt++) {
      const { header, refusal } = this.#watch
      if (header === null) return unknown(refusal ?? NOT_READ)
      const answered = this.#answers.get(question, header, performance.now())
      if (answered !== undefined) return answered
      const wanted = wantedFor(question, this.#keys, header.prefixLengths)
      const recalled = this.#recall(wanted)
      const { stored, known, missing } = recalled
      const askedAt = performance.now()
      try {
        const headers = await this.#read(missing, stored)
        if (!this.#isOneState(header, known, headers)) return await this.#askAtOnce(question)
        const answer = answerFrom(question, stored, this.#keys)
        this.#rememberAnswer(question, answer, recalled, askedAt)
        return answer
      } catch (error) {
        // Redis went away just now: what was too old to use may be good enough from here on.
        if (attempt > 0 || this.#watch.unreachable === null) return unknown(messageOf(error))
      }
    }
  }

  /** All of it is of the state that is in force: what was remembered, and what was asked for at that moment. */
  #rememberAnswer(
    question: Question,
    answer: Answer,
    { missing, until, bytes }: Recalled,
    askedAt: number,
  ): void {
    const { header } = this.#watch
    let all = bytes
    for (const { key } of missing) {
      const own = this.#cache.bytesOf(key)
      // Unreadable, or remembered no more: it may be another one next time.
      if (own === undefined) return
      all += own
    }
    const fresh = missing.length === 0 ? Infinity : askedAt + this.#options.cache.ttlMilliseconds
    if (header !== null) this.#answers.set(question, answer, header, Math.min(until, fresh), all)
  }

  /**
   * While others write, what is remembered and what comes are hardly ever of one state. One command for everything is,
   * however much is written meanwhile; nothing of it is remembered.
   */
  async #askAtOnce(question: Question): Promise<Answer> {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const { header, refusal } = this.#watch
      if (header === null) return unknown(refusal ?? NOT_READ)
      const wanted = wantedFor(question, this.#keys, header.prefixLengths)
      const [text = null, ...records] = await this.#mget(wanted)
      const own = await this.#believed(text)
      // A range of another length came in between: its key was not asked for.
      if (own === null || !coversLengths(header, own)) continue
      const stored = new Map(
        wanted.map((item, index) => [item.key, this.#interpret(item, records[index] ?? null)]),
      )
      return answerFrom(question, stored, this.#keys)
    }
    return unknown('the directory in Redis changed faster than it could be read')
  }

  /** The header of this text, when it is the one in force or an earlier one of the same history. */
  async #believed(text: string | null): Promise<Header | null> {
    if (text !== this.#watch.text) await this.#watch.look()
    const { header, refusal, text: current } = this.#watch
    if (header === null) throw new Error(refusal ?? NOT_READ)
    if (text === current) return header
    const before = text === null ? null : readHeader(text)
    return before?.epoch === header.epoch && before.number <= header.number ? before : null
  }

  /**
   * Half of a change would be a state that never was: a domain that moves together with its connector is with one
   * organisation while the connector is with the other. So what came must be of the state that is in force now, and what
   * was remembered must count for it still. No key may be missing, either, where a range of another length came.
   */
  #isOneState(
    header: Header,
    recalled: ReadonlyMap<string, Remembered>,
    headers: ReadonlySet<string | null>,
  ): boolean {
    if (headers.size === 0) return true
    const { header: current, text } = this.#watch
    for (const each of headers) if (each !== text) return false
    for (const [key, known] of recalled) if (!this.#cache.holds(key, known)) return false
    return current !== null && coversLengths(header, current)
  }

  /** What is remembered and may be used, until when all of it may be, and what has to be asked for. */
  #recall(wanted: readonly Wanted[]): Recalled {
    const stored = new Map<string, Stored>()
    const known = new Map<string, Remembered>()
    const missing: Wanted[] = []
    let [oldest, bytes] = [Infinity, 0]
    for (const item of wanted) {
      const remembered = this.#remembered(item.key)
      if (remembered === null) missing.push(item)
      else {
        stored.set(item.key, remembered.stored)
        known.set(item.key, remembered)
        oldest = Math.min(oldest, remembered.readAt)
        bytes += remembered.bytes
      }
    }
    return { stored, known, missing, until: oldest + this.#options.cache.ttlMilliseconds, bytes }
  }

  /** Asks for what is missing; returns the headers that came with it. */
  async #read(missing: readonly Wanted[], stored: Map<string, Stored>): Promise<Set<string | null>> {
    const headers = new Set<string | null>()
    if (missing.length === 0) return headers
    const waited = missing.map(({ key }) => this.#flights.get(key) ?? null)
    this.#fetch(missing.filter((_item, index) => waited[index] === null))
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

  #remembered(key: string): Remembered | null {
    const known = this.#cache.get(key)
    if (known === undefined) return null
    const { unreachable, confirmedAt } = this.#watch
    const { ttlMilliseconds } = this.#options.cache
    // While Redis answers everything is read again from time to time; while it does not, what was right when it
    // last answered is used as long.
    const since = unreachable === null ? known.readAt : Math.max(known.readAt, confirmedAt)
    return performance.now() - since < ttlMilliseconds ? known : null
  }

  #fetch(wanted: readonly Wanted[]): void {
    for (let from = 0; from < wanted.length; from += KEYS_AT_ONCE) {
      const batch = wanted.slice(from, from + KEYS_AT_ONCE)
      const answer = this.#ask(batch)
      for (const [index, { key }] of batch.entries()) {
        const flight = answer.then((all) => all[index] ?? leftOut(key))
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
    const [header = null, ...records] = await this.#mget(wanted)
    // They came with another header than the one that was judged: whether it counts is to be looked at first.
    if (header !== this.#watch.text) await this.#watch.look()
    const { refusal, text: current } = this.#watch
    if (refusal !== null) throw new Error(refusal)
    return wanted.map((item, index) => {
      const text = records[index] ?? null
      const stored = this.#interpret(item, text)
      // What is of another state is for whoever asked to judge, and not remembered.
      if (header === current && stored.kind !== 'unreadable') {
        this.#cache.set(item.key, stored, askedAt, text?.length ?? 0)
      }
      return { stored, header }
    })
  }

  /** The header and the records, in one command. */
  async #mget(wanted: readonly Wanted[]): Promise<readonly (string | null)[]> {
    const { unreachable } = this.#watch
    if (unreachable !== null) throw new Error(`Redis cannot be asked: ${unreachable}`)
    try {
      const reply = this.#client.mget(this.#keys.header, ...wanted.map(({ key }) => key))
      return await within(reply, this.#options.connection.commandTimeout)
    } catch (error) {
      const why = whyFailed(error)
      this.#watch.lost(why)
      throw new Error(`Redis cannot be asked: ${why}`, { cause: error })
    }
  }

  #interpret({ key, domainName }: Wanted, text: string | null): Stored {
    try {
      if (domainName === null) return { kind: 'index', entry: text === null ? null : this.#entry(key, text) }
      return { kind: 'domain', record: text === null ? null : readDomainRecord(text, domainName) }
    } catch (error) {
      const why = printable(messageOf(error))
      this.#complain(key, why)
      return { kind: 'unreadable', key, domainName, why }
    }
  }

  #entry(key: string, text: string): IndexEntry {
    const entry = readIndexEntry(text)
    const stray = entry.connectors.find((connector) => !this.#keys.lists(key, connector))
    if (stray === undefined) return entry
    throw new Error(`lists the connector ${JSON.stringify(stray.name)}, which does not belong there`)
  }

  #complain(key: string, why: string): void {
    if (this.#complaints.get(key) === why) return
    if (this.#complaints.size >= MOST_COMPLAINTS) this.#complaints.clear()
    this.#complaints.set(key, why)
    const complaint = `${printable(key)} in Redis ${why}: run connectorctl directory verify`
    this.#options.log.error(complaint)
  }
}

/** Whether every length of range that there is in `has` was asked for with `asked`. */
function coversLengths(asked: Header, has: Header): boolean {
  if (asked === has) return true
  return ([4, 6] as const).every((family) =>
    [...has.prefixLengths[family].keys()].every((length) => asked.prefixLengths[family].has(length)),
  )
}

function unknown(why: string): Answer {
  const fact = { unknown: true, why } as const
  return { connectors: fact, domain: () => fact }
}

function leftOut(key: string): Fetched {
  const why = 'was left out of the answer'
  return { stored: { kind: 'unreadable', key, domainName: null, why }, header: null }
}
