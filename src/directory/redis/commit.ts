/** One write: all at once, on top of the very state that it was worked out from, or not at all. */

import { randomBytes } from 'node:crypto'
import type { Changeset } from './changeset.ts'
import type { RedisClient } from './client.ts'
import type { Header, Revision } from './header.ts'
import { formatRevision, writeHeader } from './header.ts'
import type { Keys } from './keys.ts'

/** Who writes, for the audit stream. */
export interface Author {
  /** e.g. `root@mail1`. */
  readonly who: string
  /** The command, e.g. `apply config/organizations.yaml`. */
  readonly command: string
}

/** Writes that the stream of changes reaches back: a node that was away for longer reads everything anew. */
const MOST_CHANGES = 10_000
/** Records that the audit stream reaches back. */
const MOST_AUDITED = 1_000_000
/** More keys are told as "anything": each worker would read them all, and remembers few of them. */
const MOST_NAMED = 1_000

/**
 * The header is compared and everything is written while nobody else is served. It is a script and no MULTI with
 * WATCH: that hangs on the connection, and a connection that was lost and made anew in between would forget the WATCH
 * without a word. The first write command is the one that fails where the server is full or the entry is not the
 * newest: before it nothing has happened. Every key is declared, so that a cluster that moves some of them elsewhere says
 * so before the script runs, and not in its middle.
 *
 * KEYS: header, changes, audit, then those of the steps. ARGV: the header before, the header after, the entry's id, the
 * revision's id, the changed keys, bounds of both streams, who, command, the number of audit records; four for each audit
 * record; for each step the operation, the place of its key in KEYS, and two values.
 */
const SCRIPT = `
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], ARGV[3], 'id', ARGV[4], 'keys', ARGV[5])
redis.call('SET', KEYS[1], ARGV[2])
local audited = tonumber(ARGV[10])
for i = 1, audited do
  local at = 11 + (i - 1) * 4
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], '*', 'revision', ARGV[3], 'who', ARGV[8], 'command', ARGV[9],
    'organization', ARGV[at], 'record', ARGV[at + 1], 'before', ARGV[at + 2], 'after', ARGV[at + 3])
end
for at = 11 + audited * 4, #ARGV, 4 do
  local operation, key, first = ARGV[at], KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2]
  if operation == 'set' then redis.call('SET', key, first)
  elseif operation == 'del' then redis.call('DEL', key)
  elseif operation == 'zadd' then redis.call('ZADD', key, 0, first)
  elseif operation == 'zrem' then redis.call('ZREM', key, first)
  elseif operation == 'hset' then redis.call('HSET', key, first, ARGV[at + 3])
  elseif operation == 'hdel' then redis.call('HDEL', key, first)
  end
end
return 1
`

/** The header as it stands in Redis, and what it says. */
export interface Base {
  /** '' when there is none. */
  readonly text: string
  readonly header: Header | null
}

/** What the header shall count after the write. */
export type Counts = Omit<Header, 'epoch' | 'number' | 'id'>

export interface Commit {
  readonly base: Base
  /** Which revision the write makes (`nextRevision`). */
  readonly revision: Revision
  readonly counts: Counts
  readonly changeset: Changeset
  readonly author: Author
}

/**
 * @param base what is written on top of
 * @param epoch when this history begins, where it begins anew; null where it goes on
 * @returns the revision that a write on top of it makes
 */
export function nextRevision({ header }: Base, epoch: number | null): Revision {
  return {
    epoch: epoch ?? header?.epoch ?? Date.now(),
    number: (header?.number ?? 0) + 1,
    id: randomBytes(12).toString('base64url'),
  }
}

/**
 * @param client a connection whose commands may take long
 * @param keys names of keys
 * @param commit what is written
 * @returns whether it was written; not when somebody else wrote meanwhile, and nothing was changed then
 * @throws what Redis says when it refuses, nothing was changed then; or why no answer came, when nobody knows
 */
export async function commitChangeset(client: RedisClient, keys: Keys, commit: Commit): Promise<boolean> {
  const { base, changeset, counts, author, revision } = commit
  const changed = [...changeset.changed]
  // In a new epoch every near cache begins anew in any case.
  const begins = base.header?.epoch !== revision.epoch
  const named = begins || changed.length > MOST_NAMED ? '*' : changed.join('\n')
  const places = new Map([keys.header, keys.changes, keys.audit].map((key, index) => [key, index + 1]))
  const steps = changeset.steps.flatMap(([operation, key, first, second]) => {
    const place = places.get(key) ?? places.size + 1
    places.set(key, place)
    return [operation, place, first, second]
  })
  const fixed: (string | number)[] = [SCRIPT, places.size]
  const values: (string | number)[] = [
    base.text,
    writeHeader({ ...counts, ...revision }),
    formatRevision(revision),
    revision.id,
    named,
    MOST_CHANGES,
    MOST_AUDITED,
    author.who,
    author.command,
    changeset.audit.length,
  ]
  const audit = changeset.audit.flatMap(({ organization, record, before, after }) => [
    organization,
    record,
    before,
    after,
  ])
  // One list, not spread: half a million arguments are more than a call may have.
  const written = await client.call('eval', fixed.concat([...places.keys()], values, audit, steps))
  return written === 1
}

/**
 * @param client a connection
 * @param keys names of keys
 * @param revision a revision that a write made, or would have made
 * @returns whether the write was done
 */
export async function wasCommitted(client: RedisClient, keys: Keys, revision: Revision): Promise<boolean> {
  const at = formatRevision(revision)
  const [entry] = await client.xrange(keys.changes, at, at)
  return entry?.[1].includes(revision.id) === true
}
