/** The directory in Redis: every node of a fleet reads the same one, and remembers what it read. */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { printable } from '../../text/printable.ts'
import type { Answer, Directory, DirectorySummary, Question } from '../directory.ts'
import type { StoreLog } from '../file-store.ts'
import { Answers } from './answers.ts'
import type { RedisClient, RedisConnection } from './client.ts'
import { createClient, describeConnection } from './client.ts'
import type { Header } from './header.ts'
import { formatRevision, readHeader } from './header.ts'
import { Keys } from './keys.ts'
import type { Wanted } from './lookup.ts'
import { answerFrom, wantedFor } from './lookup.ts'
import type { Remembered, Stored } from './near-cache.ts'
import { NearCache } from './near-cache.ts'
import { RecordReader } from './record-reader.ts'
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
}

/** How much of the cache is for whole answers. */
const SHARE_OF_ANSWERS = 1 / 8

/** Times that everything is asked for at once, since ranges of new lengths came meanwhile. */
const MOST_ATTEMPTS = 10

const NOT_READ = 'the directory in Redis was not read yet'

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
  readonly #reader: RecordReader

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
        this.#reader.forget(changed)
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
    this.#reader = new RecordReader({
      client: this.#client,
      keys: this.#keys,
      cache: this.#cache,
      watch: this.#watch,
      commandTimeout: connection.commandTimeout,
      complain: (message) => {
        log.error(message)
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
      outboundConnectors: header?.outboundConnectors ?? 0,
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
      try {
        const headers = await this.#reader.fetch(missing, stored)
        if (!this.#isOneState(header, known, headers)) return await this.#askAtOnce(question)
        const answer = answerFrom(question, stored, this.#keys)
        // What came is of the state that is in force now, what was remembered alone of the one that was.
        const state = missing.length === 0 ? header : this.#watch.header
        if (state !== null) this.#rememberAnswer(question, answer, recalled, state)
        return answer
      } catch (error) {
        // Redis went away just now: what was too old to use may be good enough from here on.
        if (attempt > 0 || this.#watch.unreachable === null) return unknown(messageOf(error))
      }
    }
  }

  /** @param header the state that all of it is of */
  #rememberAnswer(question: Question, answer: Answer, { known, missing }: Recalled, header: Header): void {
    let [oldest, bytes] = [Infinity, 0]
    for (const record of [...known.values(), ...missing.map(({ key }) => this.#cache.peek(key))]) {
      // Unreadable, or remembered no more: it may be another one next time.
      if (record === undefined) return
      oldest = Math.min(oldest, record.readAt)
      bytes += record.bytes
    }
    this.#answers.set(question, answer, header, oldest + this.#options.cache.ttlMilliseconds, bytes)
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
      const { stored, header: text } = await this.#reader.fetchAtOnce(wanted)
      const own = await this.#believed(text)
      // A range of another length came in between: its key was not asked for.
      if (own === null || !coversLengths(header, own)) continue
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
    for (const [key, known] of recalled) if (this.#cache.peek(key) !== known) return false
    return current !== null && coversLengths(header, current)
  }

  /** What is remembered and may be used, and what has to be asked for. */
  #recall(wanted: readonly Wanted[]): Recalled {
    const stored = new Map<string, Stored>()
    const known = new Map<string, Remembered>()
    const missing: Wanted[] = []
    for (const item of wanted) {
      const remembered = this.#remembered(item.key)
      if (remembered === null) missing.push(item)
      else {
        stored.set(item.key, remembered.stored)
        known.set(item.key, remembered)
      }
    }
    return { stored, known, missing }
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
  return { connectors: fact, domain: () => fact, outboundConnectors: () => fact }
}
