/**
 * What can be seen of Redis with the users of redis.ini. INFO is allowed to both (docs/directory.md); what neither may
 * ask is noted as hidden. Nothing is written: the one command that would write is for a key that cannot be there.
 */

import { randomUUID } from 'node:crypto'
import type { Cluster } from 'ioredis'
import { Redis } from 'ioredis'
import type { RedisClient, RedisConnection } from '../directory/redis/client.ts'
import { createClient, describeConnection, whyFailed } from '../directory/redis/client.ts'
import type { Revision } from '../directory/redis/header.ts'
import { readHeader } from '../directory/redis/header.ts'
import { Keys } from '../directory/redis/keys.ts'
import type { RedisSettings } from '../instance/redis-settings.ts'
import { isLoopback } from '../instance/endpoint.ts'
import { messageOf } from '../text/message-of.ts'
import { inTime } from './deadline.ts'

/** One server of a cluster, or the only one. */
export interface RedisServerFacts {
  readonly where: string
  /** Fields of INFO, all sections; empty when it may not be asked. */
  readonly info: ReadonlyMap<string, string>
  /** Of CONFIG; null when it may not be asked. */
  readonly save: string | null
  readonly defaultUser: DefaultUser | null
  /** Redis' clock less ours, in milliseconds, and how exactly that is known; null when it is not. */
  readonly clock: { readonly ahead: number; readonly within: number } | null
}

/** The rules of the user that nobody has to name. */
export interface DefaultUser {
  readonly flags: readonly string[]
  readonly commands: string
  readonly keys: string
}

export type HeaderFacts =
  | { readonly kind: 'missing' }
  | { readonly kind: 'damaged'; readonly why: string }
  | { readonly kind: 'found'; readonly revision: Revision; readonly organizations: number }

export interface RedisFacts {
  readonly where: string
  readonly prefix: string
  /** Why it cannot be asked; then nothing else is known. */
  readonly failure: string | null
  readonly onLoopback: boolean
  readonly header: HeaderFacts | null
  /** The newest revision that this node believed. */
  readonly seen: Revision | null
  /** What an unnamed user without a password could ask; null when it could not. */
  readonly open: string | null
  /** Whether the user of the mail nodes may remove keys; null when that could not be seen. */
  readonly readerWrites: boolean | null
  /** Whether redis.ini names another user for changes. */
  readonly hasWriter: boolean
  /** Why the user in [writer] cannot ask anything; null when it can. */
  readonly writerFailure: string | null
  readonly wantedReplicas: number
  readonly servers: readonly RedisServerFacts[]
  /** Questions that no user of redis.ini may ask. */
  readonly hidden: readonly string[]
}

/** How long one command may take here: a slow Redis is no dead one. */
const COMMAND_PATIENCE = 2_000

/** Masters of a cluster that are asked. */
const MOST_SERVERS = 32

/**
 * @param settings what redis.ini says
 * @param seen the newest revision that this node believed
 * @param signal ends it
 * @returns what can be seen; never rejects for what Redis does
 */
export async function redisFacts(
  settings: RedisSettings,
  seen: Revision | null,
  signal: AbortSignal,
): Promise<RedisFacts> {
  const { prefix, reader, replicas, writer } = settings
  const where = describeConnection(reader)
  const base = {
    where,
    prefix,
    onLoopback: reader.mode === 'server' && reader.addresses.every(({ host }) => isLoopback(host)),
    seen,
    hasWriter: writer !== reader,
    wantedReplicas: replicas,
  }
  const nothing = {
    header: null,
    open: null,
    readerWrites: null,
    servers: [],
    hidden: [],
    writerFailure: null,
  }
  const header = await withClient(reader, signal, (client) => client.get(new Keys(prefix).header))
  if ('failure' in header) return { ...base, ...nothing, failure: header.failure }

  const [writes, servers, open] = await Promise.all([
    withClient(reader, signal, (client) => mayRemove(client, prefix)),
    withClient(writer, signal, (client) => serverFacts(client, where)),
    unnamed(reader, signal),
  ])
  return {
    ...base,
    failure: null,
    header: headerFacts(header.result),
    open,
    readerWrites: 'failure' in writes ? null : writes.result,
    ...('failure' in servers
      ? { servers: [], hidden: [], writerFailure: `${nameOf(writer)}: ${servers.failure}` }
      : { ...servers.result, writerFailure: null }),
  }
}

function nameOf({ username }: RedisConnection): string {
  return username === null ? 'the default user' : `user ${username}`
}

function headerFacts(text: string | null): HeaderFacts {
  if (text === null) return { kind: 'missing' }
  try {
    const { epoch, id, number, organizations } = readHeader(text)
    return { kind: 'found', revision: { epoch, id, number }, organizations }
  } catch (error) {
    return { kind: 'damaged', why: messageOf(error) }
  }
}

/**
 * @param connection where, and as whom
 * @param signal ends it
 * @param use what is asked
 * @returns what came, or why nothing did
 */
async function withClient<T>(
  connection: RedisConnection,
  signal: AbortSignal,
  use: (client: RedisClient) => Promise<T>,
): Promise<{ readonly result: T } | { readonly failure: string }> {
  const client = createClient(connection, Math.max(COMMAND_PATIENCE, connection.commandTimeout))
  // A wrong password is told here; a command only hears that the connection is closed.
  let failure: unknown = null
  client.on('error', (error: unknown) => {
    failure = error
  })
  try {
    const patience = Math.min(connection.connectTimeout, COMMAND_PATIENCE)
    await inTime(patience, () => client.connect(), signal)
    return { result: await use(client) }
  } catch (error) {
    return { failure: whyFailed(failure ?? error) }
  } finally {
    client.disconnect()
  }
}

/** DEL of a key that is not there changes nothing, wherever it is allowed. */
async function mayRemove(client: RedisClient, prefix: string): Promise<boolean> {
  try {
    await client.del(`{${prefix}}:doctor:${randomUUID()}`)
    return true
  } catch (error) {
    if (messageOf(error).startsWith('NOPERM')) return false
    throw error
  }
}

/** Whoever connects without a name and a password. */
async function unnamed(reader: RedisConnection, signal: AbortSignal): Promise<string | null> {
  if (reader.username === null && reader.password === null) return 'redis.ini has no user and no password'
  const stranger = { ...reader, username: null, password: null }
  const asked = await withClient(stranger, signal, async (client) => client.ping())
  return 'failure' in asked ? null : 'PING was answered without a password'
}

async function serverFacts(
  client: RedisClient,
  where: string,
): Promise<{ servers: RedisServerFacts[]; hidden: string[] }> {
  const hidden = new Set<string>()
  const visible = async <T>(what: string, ask: () => Promise<T>): Promise<T | null> => {
    try {
      return await ask()
    } catch (error) {
      // What a version or a provider does not have is as hidden as what it forbids.
      if (!/^(?:NOPERM|ERR )/.test(messageOf(error))) throw error
      hidden.add(what)
      return null
    }
  }
  const servers: RedisServerFacts[] = []
  for (const { name, redis } of serversOf(client, where)) {
    const before = Date.now()
    const info = infoOf((await visible('INFO', () => redis.info())) ?? '')
    const after = Date.now()
    const save = await visible('CONFIG GET save', () => redis.config('GET', 'save'))
    const user = await visible('ACL GETUSER default', () => redis.acl('GETUSER', 'default'))
    servers.push({
      where: name,
      info,
      save: valueOf(save, 'save'),
      defaultUser: defaultUserOf(user),
      clock: clockOf(info, before, after),
    })
  }
  return { servers, hidden: [...hidden] }
}

function serversOf(client: RedisClient, where: string): { name: string; redis: Redis }[] {
  if (client instanceof Redis) return [{ name: where, redis: client }]
  return mastersOf(client)
}

function mastersOf(cluster: Cluster): { name: string; redis: Redis }[] {
  return cluster
    .nodes('master')
    .slice(0, MOST_SERVERS)
    .map((redis) => ({
      name: `${redis.options.host ?? ''}:${redis.options.port ?? ''}`,
      redis,
    }))
}

function infoOf(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(/^([a-z0-9_.]+):([^\r\n]*)/gim)].map(([, key = '', value = '']) => [key, value]),
  )
}

/** The server's time lies between the moments of asking and of hearing; Redis before 7 does not tell it. */
function clockOf(
  info: ReadonlyMap<string, string>,
  before: number,
  after: number,
): RedisServerFacts['clock'] {
  const microseconds = Number(info.get('server_time_usec') ?? Number.NaN)
  if (!Number.isFinite(microseconds)) return null
  const within = (after - before) / 2
  return { ahead: microseconds / 1000 - (before + within), within }
}

/** RESP2 has lists of names and values. */
function valueOf(reply: unknown, name: string): string | null {
  if (!Array.isArray(reply)) return null
  const value: unknown = reply[reply.indexOf(name) + 1]
  return reply.includes(name) && typeof value === 'string' ? value : null
}

function defaultUserOf(reply: unknown): DefaultUser | null {
  if (!Array.isArray(reply)) return null
  const after = (name: string): unknown => (reply.includes(name) ? reply[reply.indexOf(name) + 1] : undefined)
  const flags = after('flags')
  const keys = after('keys')
  return {
    flags: Array.isArray(flags) ? flags.map(String) : [],
    commands: textOf(after('commands')),
    // Redis 6 has a list.
    keys: Array.isArray(keys) ? keys.map((key) => `~${String(key)}`).join(' ') : textOf(keys),
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
