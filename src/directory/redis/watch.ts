/**
 * Follows the header of the directory: whether Redis answers, whether what it holds may be believed, and what changed
 * since it was last looked at.
 *
 * Why a stream of changes that is asked for, and not Redis' own client tracking: tracking belongs to one connection
 * to one server, so that after each failover, cluster change or lost connection nobody knows what was missed, and it
 * says nothing about writes that a failover lost. The stream is data like the records: it is replicated with them,
 * read in the same order by the same connection, and its entries prove that what was seen before is still part of
 * the history. One GET each 200 ms is the price.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { RedisClient } from './client.ts'
import { whyFailed } from './client.ts'
import type { Header, Revision } from './header.ts'
import { compareRevisions, formatRevision, readHeader } from './header.ts'
import type { Keys } from './keys.ts'
import { within } from './patience.ts'
import { messageOf } from '../../text/message-of.ts'

/** Entries of the stream that are read at once. */
const CHANGES_AT_ONCE = 1_000

/** The last revision that this node believed, kept where a restart finds it. */
export interface SeenRevision {
  read(): Revision | null
  /** Called for each new one. */
  write(revision: Revision): void
}

export interface WatchOptions {
  readonly client: RedisClient
  readonly keys: Keys
  readonly seen: SeenRevision
  readonly pollMilliseconds: number
  /** Milliseconds until a command has failed. */
  readonly commandTimeout: number
  /** Whether only a master may be believed: behind Sentinels the server may have become a replica. */
  readonly masterOnly: boolean
  /** Called with the keys whose records changed, or null when anything may have. */
  readonly onChange: (keys: readonly string[] | null) => void
  /** Called when the answers may be believed (null) or not (why), at each change of it. */
  readonly onRefusal: (why: string | null, revision: Revision | null) => void
  /** Called when Redis does not answer (why) and when it does again (null). */
  readonly onReach: (why: string | null) => void
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
}

export class DirectoryWatch {
  readonly #options: WatchOptions
  readonly #ended = new AbortController()
  #header: Header | null = null
  /** The header's text as it was last judged; undefined before the first time. */
  #text: string | null | undefined = undefined
  #refusal: string | null = 'the directory in Redis was not looked at yet'
  /** It went back in time: that it comes to be long ago does not make it right. */
  #isBack = false
  #seen: Revision | null
  #unreachable: string | null = null
  #confirmedAt = -Infinity
  #looking: Promise<void> | null = null
  #loop: Promise<void> = Promise.resolve()

  constructor(options: WatchOptions) {
    this.#options = options
    this.#seen = options.seen.read()
  }

  /** Looks once and then again and again, until it is closed. Resolves after the first look, whatever it showed. */
  async start(): Promise<void> {
    await this.look()
    this.#loop = this.#lookAgain()
  }

  async close(): Promise<void> {
    this.#ended.abort()
    await this.#loop
  }

  /** The header in force, null before the first and while none may be believed. */
  get header(): Header | null {
    return this.#header
  }

  /** The text of the header in force: an answer that came with another one is looked at before it is used. */
  get text(): string | null {
    return this.#refusal === null ? (this.#text ?? null) : null
  }

  /** Why nothing may be decided from what Redis says or said; null when it may be. */
  get refusal(): string | null {
    return this.#refusal
  }

  /** Why Redis cannot be asked; null while it answers. */
  get unreachable(): string | null {
    return this.#unreachable
  }

  /** When everything that is remembered was last known to be right. */
  get confirmedAt(): number {
    return this.#confirmedAt
  }

  /**
   * Looks when it was not looked at for longer than it should be, though Redis answers: a process that got no CPU for a
   * while must not decide by what it knew before. Never rejects.
   */
  async catchUp(): Promise<void> {
    // A look that is under way may itself have been asked for too long ago.
    for (let looks = 0; looks < 2 && this.overdue; looks++) await this.look()
  }

  /** Whether `catchUp` would look. */
  get overdue(): boolean {
    const { now, pollMilliseconds, commandTimeout } = this.#options
    return this.#unreachable === null && now() - this.#confirmedAt > pollMilliseconds + 2 * commandTimeout
  }

  /** Redis did not answer somebody: nobody else waits for it until a look succeeds. */
  lost(why: string): void {
    if (this.#unreachable === null) this.#options.onReach(why)
    this.#unreachable = why
    // Commands that were sent and not answered would pile up in a connection to a server that hangs; a new one asks
    // the Sentinels again, too.
    const { client } = this.#options
    if (client.status === 'ready') client.disconnect(true)
  }

  /** One look at the header, shared by all who want one now. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null
    })
    return this.#looking
  }

  async #lookAgain(): Promise<void> {
    const { signal } = this.#ended
    while (!signal.aborted) {
      await delay(this.#options.pollMilliseconds, undefined, { signal, ref: false }).catch(() => undefined)
      if (!signal.aborted) await this.look()
    }
  }

  async #look(): Promise<void> {
    const { client, keys, now, commandTimeout } = this.#options
    const askedAt = now()
    try {
      const [text] = await Promise.all([
        within(client.get(keys.header), commandTimeout),
        this.#requireMaster(),
      ])
      // What is judged is as of the moment of asking, however long the answer took.
      await this.#judge(text)
      this.#confirmedAt = askedAt
      if (this.#unreachable !== null) this.#options.onReach(null)
      this.#unreachable = null
    } catch (error) {
      this.lost(whyFailed(error))
    }
  }

  /**
   * Sentinels name the old master for a moment still when they have replaced it, and it takes connections as a replica:
   * one whose link to the new master breaks would never tell of another change.
   */
  async #requireMaster(): Promise<void> {
    const { client, commandTimeout, masterOnly } = this.#options
    if (!masterOnly || !(client instanceof Redis)) return
    const [role] = await within(client.role(), commandTimeout)
    if (role !== 'master') throw new Error('it is a replica: the Sentinels are asked again for the master')
  }

  async #judge(text: string | null): Promise<void> {
    if (text === this.#text) return
    const header = this.#parse(text)
    if (typeof header === 'string') {
      this.#refuse(text, header)
      return
    }
    const changed = await this.#changesUpTo(header)
    if (typeof changed === 'string') {
      this.#isBack = true
      this.#refuse(text, changed)
      return
    }
    this.#isBack = false
    this.#options.onChange(changed)
    this.#believe(text, header)
  }

  #parse(text: string | null): Header | string {
    if (text === null) {
      const before = this.#seen === null ? '' : `, though it held revision ${formatRevision(this.#seen)}`
      return `Redis holds no directory${before}: fill it with connectorctl apply`
    }
    try {
      return readHeader(text)
    } catch (error) {
      return `${this.#options.keys.header} ${messageOf(error)}`
    }
  }

  /** The keys that changed since, null for all of them, or why the header may not be believed. */
  async #changesUpTo(header: Header): Promise<readonly string[] | null | string> {
    const seen = this.#seen
    if (seen === null || header.epoch > seen.epoch) return null
    const order = compareRevisions(header, seen)
    if (order === 0 && header.id === seen.id) return this.#header === null ? null : []
    if (order <= 0) return wentBack(header, seen)
    return this.#changesSince(seen, header)
  }

  async #changesSince(seen: Revision, header: Header): Promise<readonly string[] | null | string> {
    const { client, keys, commandTimeout } = this.#options
    const entries = (from: string, count: number): ReturnType<typeof client.xrange> =>
      within(client.xrange(keys.changes, from, '+', 'COUNT', count), commandTimeout)
    const first = await entries(formatRevision(seen), CHANGES_AT_ONCE)
    const [own, ...later] = first.map((entry) => changeOf(entry))
    if (own?.entry !== formatRevision(seen)) {
      const [oldest] = await entries('-', 1)
      // Away for longer than the stream reaches back: whatever is remembered may have changed.
      const forgotten = !this.#isBack && (oldest === undefined || isLater(oldest[0], seen))
      return forgotten ? null : wentBack(header, seen)
    }
    if (own.id !== seen.id) return wentBack(header, seen)
    // More than one reading would bring: to ask for everything anew costs less.
    if (first.length === CHANGES_AT_ONCE || later.some(({ changed }) => changed === null)) return null
    return this.#header === null ? null : later.flatMap(({ changed }) => changed ?? [])
  }

  #refuse(text: string | null, why: string): void {
    this.#text = text
    if (this.#refusal === why) return
    this.#refusal = why
    this.#header = null
    this.#options.onRefusal(why, null)
  }

  #believe(text: string | null, header: Header): void {
    const refused = this.#refusal !== null
    this.#text = text
    this.#header = header
    this.#refusal = null
    const before = this.#seen
    this.#seen = header
    if (before?.id !== header.id) this.#options.seen.write(header)
    if (refused) this.#options.onRefusal(null, header)
  }
}

interface Change {
  readonly entry: string
  readonly id: string
  /** null when it names none, since there were too many. */
  readonly changed: readonly string[] | null
}

function changeOf([entry, fields]: readonly [string, readonly string[]]): Change {
  const values = new Map<string, string>()
  for (let index = 0; index + 1 < fields.length; index += 2) {
    values.set(fields[index] ?? '', fields[index + 1] ?? '')
  }
  const changed = values.get('keys')
  return {
    entry,
    id: values.get('id') ?? '',
    changed:
      changed === undefined || changed === '*' ? null : changed.split('\n').filter((key) => key !== ''),
  }
}

function isLater(entry: string, { epoch, number }: Revision): boolean {
  const [left = 0, right = 0] = entry.split('-').map(Number)
  return left > epoch || (left === epoch && right > number)
}

function wentBack(header: Revision, seen: Revision): string {
  const [is, was] = [formatRevision(header), formatRevision(seen)]
  return `the directory in Redis went back in time (it is at revision ${is}, and ${was} was seen before): bring the lost changes back, then run connectorctl directory accept --after ${was}`
}
