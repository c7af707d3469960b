/** Writes to the directory in Redis: each all at once, checked, and never over somebody else's change. */

import { hostname, userInfo } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { WantedOrganization } from '../editor.ts'
import { StaleRevision, staleOrganization } from '../editor.ts'
import type { RedisClient, RedisConnection } from './client.ts'
import { createClient, describeConnection } from './client.ts'
import { ChangeRefused, changesetFor, NOTHING } from './changes.ts'
import { Changeset } from './changeset.ts'
import type { Author, Base, Commit } from './commit.ts'
import { commitChangeset, nextRevision, wasCommitted } from './commit.ts'
import type { Header, Revision } from './header.ts'
import { formatRevision } from './header.ts'
import { describeCounts } from '../directory.ts'
import { Keys } from './keys.ts'
import { Organizations } from './organizations.ts'
import { messageOf } from '../../text/message-of.ts'

export interface WriterOptions {
  readonly connection: RedisConnection
  readonly prefix: string
  /** Replicas that must have a write before it is done. */
  readonly replicas: number
  /** The command that writes, for the audit stream. */
  readonly command: string
  /** The newest revision that this machine has seen: a history that begins anew is later than it. */
  readonly seen: Revision | null
}

export interface Written {
  readonly revision: Revision
  /** Replicas that have it. */
  readonly replicas: number
}

/** One write would keep Redis from answering for too long. */
class TooLarge extends Error {
  override readonly name = 'TooLarge'
}

/** Nobody knows whether a change was written: the connection was lost before Redis had answered. */
export class OutcomeUnknown extends Error {
  override readonly name = 'OutcomeUnknown'
}

/**
 * Records that one write may change. It is one script, and while it runs Redis answers nobody: 50,000 take about half a
 * second, which mail nodes feel; some more, and a Sentinel would take the master for dead in the middle of it.
 */
export const MOST_RECORDS = 50_000

/** Times that a write is worked out anew, since others wrote meanwhile. */
const MOST_ATTEMPTS = 100

const CONFIRM = `
local header = redis.call('GET', KEYS[1])
if header then redis.call('SET', KEYS[1], header) end
return 1
`

/** Milliseconds to wait for the wanted replicas, and for a lost connection to come back. */
const REPLICATION_PATIENCE = 2_000
const CONNECTION_PATIENCE = 10_000

export class DirectoryWriter {
  readonly organizations: Organizations
  readonly keys: Keys
  readonly client: RedisClient
  readonly #options: WriterOptions
  readonly #author: Author

  private constructor(options: WriterOptions, client: RedisClient) {
    this.#options = options
    this.client = client
    this.keys = new Keys(options.prefix)
    this.organizations = new Organizations(client, this.keys)
    this.#author = { who: `${userName()}@${hostname()}`, command: options.command }
  }

  /**
   * @param options where Redis is, who writes
   * @returns a writer with an open connection
   * @throws with one line when Redis cannot be reached
   */
  static async open(options: WriterOptions): Promise<DirectoryWriter> {
    const client = createClient(options.connection, null)
    let why: unknown = null
    client.on('error', (error: unknown) => {
      why = error
    })
    const { connectTimeout } = options.connection
    const patience = delay(2 * connectTimeout, 'timeout' as const, { ref: false })
    const failed = (error: unknown): never => {
      client.disconnect()
      const reason = why ?? error
      throw new Error(`${describeConnection(options.connection)} cannot be reached: ${messageOf(reason)}`)
    }
    const connected = await Promise.race([client.connect().catch(failed), patience])
    if (connected === 'timeout') failed('no answer')
    // A wrong password shows with the first command only.
    await client.get(new Keys(options.prefix).header).catch(failed)
    return new DirectoryWriter(options, client)
  }

  close(): void {
    this.client.disconnect()
  }

  /**
   * @param wanted organisations as they shall be, all of them at once
   * @returns what was written, or null when nothing is different
   * @throws StaleRevision, ChangeRefused, DamagedDirectory; nothing was changed then
   */
  async replace(wanted: readonly WantedOrganization[]): Promise<Written | null> {
    return this.#commit(async (base, revision) => {
      const changes = await Promise.all(
        wanted.map(async ({ nameKey: key, after, expected }) => {
          const stored = await this.organizations.read(key)
          if ((stored?.revision ?? null) !== expected) {
            throw staleOrganization(stored?.organization.name ?? after?.name ?? key)
          }
          return { before: stored?.organization ?? null, after }
        }),
      )
      return changesetFor(changes, base.header, this.organizations, this.keys, formatRevision(revision))
    })
  }

  /**
   * Makes a directory without organisations where there is none: nodes defer everything until there is one.
   * @returns what was written, or null when there is a directory
   */
  async begin(): Promise<Written | null> {
    return this.#commit(({ header }) => {
      const changeset = new Changeset()
      if (header === null) {
        changeset.audit.push({ organization: '', record: 'directory', before: '', after: 'begun' })
      }
      return Promise.resolve({ changeset, counts: header ?? NOTHING })
    })
  }

  /**
   * WAIT counts from the last write of its own connection, and in a cluster only the node that has the keys has their
   * replicas: so the header is written over with itself and waited for in one pipeline.
   * @returns how many replicas have everything that was written so far; 0 when that cannot be known
   */
  async confirm(): Promise<number> {
    const { replicas } = this.#options
    if (replicas === 0) return 0
    try {
      const replies = await this.client
        .pipeline()
        .eval(CONFIRM, 1, this.keys.header)
        .wait(replicas, REPLICATION_PATIENCE)
        .exec()
      const [failure = null, count] = replies?.at(-1) ?? []
      return failure === null && typeof count === 'number' ? count : 0
    } catch {
      return 0
    }
  }

  /**
   * Declares what stands in Redis to be right, also where it is older than what was seen before.
   * @param after when the newest history began that a node has seen, in milliseconds since 1970: the new one is later,
   *   whatever this machine's clock says
   * @returns what was written
   * @throws when there is no directory
   */
  async accept(after = 0): Promise<Written> {
    const written = await this.#commit(({ header }) => {
      if (header === null)
        throw new ChangeRefused('Redis holds no directory: fill it with connectorctl apply')
      const changeset = new Changeset()
      const before = formatRevision(header)
      changeset.audit.push({ organization: '', record: 'directory', before, after: 'accepted' })
      return Promise.resolve({ changeset, counts: header })
    }, after)
    if (written === null) throw new Error('nothing was written')
    return written
  }

  /**
   * @param verification what `verifyDirectory` found, of this very state
   * @returns what was written
   * @throws when somebody else wrote meanwhile
   */
  async mend({ base, changeset, counts }: Pick<Commit, 'base' | 'changeset' | 'counts'>): Promise<Written> {
    const revision = nextRevision(base, this.#epoch(base, null))
    if (await this.#isWritten({ base, changeset, counts, revision, author: this.#author })) {
      return { revision, replicas: await this.confirm() }
    }
    throw new StaleRevision('the directory was changed by somebody else meanwhile: verify it again')
  }

  async #commit(
    prepare: (base: Base, revision: Revision) => Promise<Pick<Commit, 'changeset' | 'counts'>>,
    after: number | null = null,
  ): Promise<Written | null> {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const base = await this.organizations.base()
      if (base.header === null) await this.#refuseRemains()
      const revision = nextRevision(base, this.#epoch(base, after))
      const prepared = await prepare(base, revision)
      if (prepared.changeset.empty) return null
      refuseLarge(prepared.changeset)
      const commit: Commit = { base, revision, ...prepared, author: this.#author }
      if (await this.#isWritten(commit)) return { revision, replicas: await this.confirm() }
    }
    throw new Error('others write all the time: try again later')
  }

  /** @param after what a new history must be later than; null where one goes on that there is */
  #epoch({ header }: Base, after: number | null): number | null {
    if (header !== null && after === null) return null
    const known = [header?.epoch, this.#options.seen?.epoch, after].map((epoch) => (epoch ?? 0) + 1)
    return Math.max(Date.now(), ...known)
  }

  /** Without its header a directory is damaged, not empty: to count from nothing would leave records that nobody knows. */
  async #refuseRemains(): Promise<void> {
    if ((await this.client.exists(this.keys.organizations)) === 0) return
    throw new ChangeRefused(
      `${this.keys.header} is missing, but organisations are there: run connectorctl directory verify --mend`,
    )
  }

  async #isWritten(commit: Commit): Promise<boolean> {
    try {
      return await commitChangeset(this.client, this.keys, commit)
    } catch (error) {
      const { name, message: said } = error as Error
      // Every key is declared: a cluster that sends a command elsewhere has not run any of it.
      if (name === 'ReplyError' || said.startsWith('Too many Cluster redirections'))
        throw refusal(error as Error)
      // The connection was lost: it may have been written all the same.
      const written = await this.#askAgain(commit.revision)
      if (written) return true
      const message =
        'the connection to Redis was lost, and nobody knows whether the change was written: run the command again'
      throw new OutcomeUnknown(message, { cause: error })
    }
  }

  async #askAgain(revision: Revision): Promise<boolean> {
    const until = Date.now() + CONNECTION_PATIENCE
    for (;;) {
      try {
        return await wasCommitted(this.client, this.keys, revision)
      } catch {
        if (Date.now() > until) return false
        await delay(100)
      }
    }
  }
}

/** In a container the user may have no name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}

/**
 * @param records how many would change at once
 * @returns what to say of it
 */
export function tooLarge(records: number): string {
  return `${records} records would change at once, and ${MOST_RECORDS} is the limit, as Redis answers nobody meanwhile: apply a file with a part of them first, then the whole`
}

function refuseLarge({ audit }: Changeset): void {
  if (audit.length <= MOST_RECORDS) return
  throw new TooLarge(tooLarge(audit.length))
}

function refusal(error: Error): Error {
  const { message } = error
  if (/TRYAGAIN|Too many Cluster redirections|MOVED|CLUSTERDOWN/.test(message)) {
    return new Error('the cluster moves keys or fails over just now: nothing was changed; try again', {
      cause: error,
    })
  }
  if (message.includes('OOM')) {
    return new Error('Redis is full (maxmemory): nothing was changed; give it more memory', { cause: error })
  }
  if (message.includes('READONLY')) {
    return new Error('Redis is a replica, or fails over just now: nothing was changed; try again', {
      cause: error,
    })
  }
  if (message.includes('NOPERM')) {
    return new Error(`Redis does not let this user write: ${message}; see docs/directory.md for its ACL`, {
      cause: error,
    })
  }
  return new Error(`Redis refused the change: ${message}`, { cause: error })
}

/** For `directory accept` and others: the header's words for people. */
export function describeHeader(header: Header): string {
  return `${describeCounts(header)}, revision ${formatRevision(header)}`
}
