/** The directory that an instance's settings name: the file, or Redis. */

import { join } from 'node:path'
import type { Directory } from '../directory/directory.ts'
import type { StoreLog } from '../directory/file-store.ts'
import { openFileDirectory } from '../directory/file-store.ts'
import { formatProblem } from '../directory/model.ts'
import { seenFile } from '../directory/redis/seen-file.ts'
import type { SeenRevision } from '../directory/redis/watch.ts'
import type { RedisSettings } from './redis-settings.ts'
import { readRedisSettings } from './redis-settings.ts'
import type { Settings } from './settings.ts'

/**
 * @param instance the instance's folder
 * @param settings its settings
 * @param log where to say what happens to the store
 * @param seen the newest revision that was believed, for Redis
 * @returns the directory, kept up to date until it is closed
 * @throws with all problems of the file or of redis.ini; a Redis that does not answer is none
 */
export async function openDirectory(
  instance: string,
  settings: Settings,
  log: StoreLog,
  seen: SeenRevision = seenBy(instance, log),
): Promise<Directory> {
  if (settings.directory.store === 'file') {
    return openFileDirectory({ path: join(instance, 'config', 'organizations.yaml'), log })
  }
  const { reader, prefix, cache } = redisSettingsOf(instance)
  // Whoever has a file need not load a client for Redis: a command would take a third longer.
  const { openRedisDirectory } = await import('../directory/redis/redis-store.ts')
  return openRedisDirectory({ connection: reader, prefix, cache, log, seen })
}

/**
 * @param instance the instance's folder
 * @returns what its redis.ini says
 * @throws with every problem in it, one a line
 */
export function redisSettingsOf(instance: string): RedisSettings {
  const { redis, problems } = readRedisSettings(instance)
  if (problems.length === 0) return redis
  throw new Error(problems.map((problem) => formatProblem(problem)).join('\n'))
}

/**
 * @param instance the instance's folder
 * @param log where to say that it cannot be written
 * @returns the newest revision that this instance believed
 */
export function seenBy(instance: string, log: Pick<StoreLog, 'warn'>): SeenRevision {
  return seenFile(join(instance, 'data', 'directory.json'), (message) => {
    log.warn(message)
  })
}
