/** The connection to Redis: one server, Sentinel or Cluster, which look alike to whoever uses it. */

import { randomInt } from 'node:crypto'
import type { ConnectionOptions } from 'node:tls'
import { Cluster, Redis } from 'ioredis'
import { messageOf } from '../../text/message-of.ts'

export interface RedisAddress {
  readonly host: string
  readonly port: number
}

/** Where Redis is and how it is spoken to: what config/redis.ini says, secrets read. */
export interface RedisConnection {
  readonly mode: 'server' | 'sentinel' | 'cluster'
  /** The server, the Sentinels or some of the cluster's nodes. */
  readonly addresses: readonly RedisAddress[]
  /** What the Sentinels call the master; '' otherwise. */
  readonly masterName: string
  readonly username: string | null
  readonly password: string | null
  readonly sentinelUsername: string | null
  readonly sentinelPassword: string | null
  readonly database: number
  readonly tls: ConnectionOptions | null
  /** Milliseconds until a command has failed. */
  readonly commandTimeout: number
  /** Milliseconds until a connection attempt has failed. */
  readonly connectTimeout: number
}

export type RedisClient = Redis | Cluster

/** A connection is tried again after this many milliseconds at most: a server that is back is used soon. */
const LONGEST_WAIT = 500

/**
 * @param connection where and how
 * @param commandTimeout milliseconds, or null for a command that may take as long as it does (a large write)
 * @returns a client that is not connected yet; a command fails at once while it is not, none is kept for later
 */
export function createClient(connection: RedisConnection, commandTimeout: number | null): RedisClient {
  const { mode, addresses, masterName, database, tls, connectTimeout } = connection
  const common = {
    // RESP2: HELLO and CLIENT SETINFO would be two more commands for the ACL of a mail node.
    protocol: 2 as const,
    disableClientInfo: true,
    // The ready check asks for INFO. A server that is loading its data says so to each command.
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout,
    ...(commandTimeout === null ? {} : { commandTimeout }),
    ...(connection.username === null ? {} : { username: connection.username }),
    ...(connection.password === null ? {} : { password: connection.password }),
    ...(tls === null ? {} : { tls }),
  }
  if (mode === 'cluster') {
    return new Cluster([...addresses], {
      lazyConnect: true,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      clusterRetryStrategy: wait,
      slotsRefreshTimeout: connectTimeout,
      redisOptions: common,
    })
  }
  const options = { ...common, lazyConnect: true, db: database, retryStrategy: wait }
  const [first] = addresses
  if (mode === 'server') return new Redis({ ...options, ...first })
  return new Redis({
    ...options,
    sentinels: [...addresses],
    name: masterName,
    role: 'master',
    sentinelRetryStrategy: wait,
    failoverDetector: true,
    sentinelCommandTimeout: connection.commandTimeout,
    ...(tls === null ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls }),
    ...(connection.sentinelUsername === null ? {} : { sentinelUsername: connection.sentinelUsername }),
    ...(connection.sentinelPassword === null ? {} : { sentinelPassword: connection.sentinelPassword }),
  })
}

/** A little chance, so that all workers of all nodes do not come back in the same millisecond. */
function wait(attempt: number): number {
  return Math.min(LONGEST_WAIT, attempt * 50) - randomInt(25)
}

/**
 * @param connection where and how
 * @returns the place for people, without secrets
 */
export function describeConnection({ mode, addresses, masterName }: RedisConnection): string {
  const places = addresses.map(({ host, port }) => (host.includes(':') ? `[${host}]` : host) + `:${port}`)
  if (mode === 'sentinel') return `Redis ${masterName} of the Sentinels ${places.join(', ')}`
  return `Redis${mode === 'cluster' ? ' cluster' : ''} at ${places.join(', ')}`
}

/**
 * @param error what a command failed with
 * @returns why, for people: ioredis speaks of its own options
 */
export function whyFailed(error: unknown): string {
  const message = messageOf(error)
  if (message.startsWith('Reached the max retries per request limit')) return 'the connection was lost'
  if (message.startsWith("Stream isn't writeable")) return 'there is no connection'
  return message
}
