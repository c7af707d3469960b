/** Debian's redis-server for a benchmark: on a free loopback port, in a folder of its own, ended by its pid. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { REDIS_SERVER } from '../test/support/redis.ts'
import { freePort } from '../test/support/smarthost.ts'

export interface BenchRedis {
  readonly port: number
  /** For what the benchmark itself wants to know. */
  readonly client: Redis
  /** Bytes that Redis uses for its data, and of them those of one key. */
  memory(key: string): Promise<{ readonly all: number; readonly key: number }>
  /** Sets all of its statistics to nothing. */
  reset(): Promise<void>
  /** How often each command was called since then; without those of the benchmark and the look at the header. */
  commands(): Promise<ReadonlyMap<string, number>>
  /** Milliseconds that the slowest command since then took, 0 when all were faster than one. */
  slowest(): Promise<number>
  stop(): Promise<void>
}

/** Commands of the benchmark, of connecting, and the look at the header each 200 ms, which hangs on no message. */
const NOT_COUNTED = /^(?:info|config|client|slowlog|memory|get|select|ping)(?:\||$)/

/**
 * @param folder a folder that is not there yet
 * @returns an empty server that answers and saves nothing
 */
export async function startBenchRedis(folder: string): Promise<BenchRedis> {
  mkdirSync(folder)
  const port = await freePort()
  const flags = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const slow = ['--slowlog-log-slower-than', '1000', '--slowlog-max-len', '10000']
  const child = spawn(REDIS_SERVER, [...flags, ...slow], { stdio: 'ignore' })
  const client = new Redis({ port, protocol: 2, retryStrategy: () => 20 })
  client.on('error', () => undefined)
  const stop = async (): Promise<void> => {
    client.disconnect()
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  for (let tries = 0; client.status !== 'ready' && child.exitCode === null && tries < 500; tries += 1) {
    await pause(20)
  }
  if (client.status !== 'ready') {
    await stop()
    throw new Error(`${REDIS_SERVER} does not answer on port ${port}`)
  }
  return {
    port,
    client,
    memory: async (key) => {
      const info = await client.info('memory')
      const all = Number(/^used_memory:(\d+)/m.exec(info)?.[1])
      return { all, key: Number(await client.call('MEMORY', 'USAGE', key, 'SAMPLES', '0')) }
    },
    reset: async () => {
      await client.config('RESETSTAT')
      await client.slowlog('RESET')
    },
    commands: async () => {
      const stats = await client.info('commandstats')
      const all = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
      return new Map(
        all.flatMap(([, name = '', calls]) => (NOT_COUNTED.test(name) ? [] : [[name, Number(calls)]])),
      )
    },
    slowest: async () => {
      const entries = (await client.slowlog('GET', 10_000)) as readonly (readonly [
        number,
        number,
        number,
        ...unknown[],
      ])[]
      return Math.max(0, ...entries.map(([, , microseconds]) => microseconds)) / 1000
    },
    stop,
  }
}
