/** Debian's redis-server, one of its own for a test: on a free loopback port, in a folder of its own, ended by its pid. */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { RedisConnection } from '../../src/directory/redis/client.ts'
import { atEnd, freePort, temporaryFolder } from './smarthost.ts'

export const REDIS_SERVER = '/usr/bin/redis-server'

export interface RedisServer {
  readonly port: number
  readonly folder: string
  readonly connection: RedisConnection
  /** A client for the test itself. */
  readonly client: Redis
  /** SIGSTOP: it takes connections and answers nobody. */
  pause(): void
  resume(): void
  /** SIGKILL, or SIGTERM where the data shall be saved. */
  stop(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again, with what it saved. */
  start(): Promise<void>
}

/** How the connectors find a server of a test. */
export function connectionTo(port: number, more: Partial<RedisConnection> = {}): RedisConnection {
  return {
    mode: 'server',
    addresses: [{ host: '127.0.0.1', port }],
    masterName: '',
    username: null,
    password: null,
    sentinelUsername: null,
    sentinelPassword: null,
    database: 0,
    tls: null,
    commandTimeout: 200,
    connectTimeout: 1000,
    ...more,
  }
}

/**
 * @param t the test
 * @param settings lines of redis.conf beside those that make it the test's own
 */
export async function startRedis(t: TestContext, ...settings: string[]): Promise<RedisServer> {
  const folder = await temporaryFolder(t)
  const port = await freePort()
  let child: ChildProcess | null = null
  const flags = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const options = settings.flatMap((line) => {
    const [name = '', ...values] = line.split(' ')
    return [`--${name}`, ...values]
  })
  const client = new Redis({ port, lazyConnect: true, protocol: 2, retryStrategy: () => 20 })
  client.on('error', () => undefined)
  const start = async (): Promise<void> => {
    child = spawn(REDIS_SERVER, [...flags, ...options], { stdio: 'ignore' })
    await answering(port)
  }
  const stop = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill(signal)
    await ended
  }
  atEnd(t, async () => {
    client.disconnect()
    await stop()
  })
  await start()
  return {
    port,
    folder,
    connection: connectionTo(port),
    client,
    pause: () => child?.kill('SIGSTOP'),
    resume: () => child?.kill('SIGCONT'),
    stop,
    start,
  }
}

/** Waits until it answers a PING; a server that asks for a password first does, too. */
async function answering(port: number): Promise<void> {
  for (;;) {
    const probe = new Redis({
      port,
      lazyConnect: true,
      protocol: 2,
      retryStrategy: () => null,
      enableReadyCheck: false,
    })
    probe.on('error', () => undefined)
    try {
      await probe.connect()
      await probe.ping()
      return
    } catch (error) {
      if (error instanceof Error && /NOAUTH|NOPERM/.test(error.message)) return
      await delay(10)
    } finally {
      probe.disconnect()
    }
  }
}
