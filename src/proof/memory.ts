/** What an installation keeps about proofs beside the directory's records: its id, and when they were last looked at. */

import { join } from 'node:path'
import type { Settings } from '../instance/settings.ts'
import { redisSettingsOf } from '../instance/store.ts'
import { fileMemory } from './file-memory.ts'
import type { Look } from './last-look.ts'

export interface ProofMemory {
  /** @returns 32 hexadecimal digits, made when they are first asked for: tokens are made from them */
  installationId(): Promise<string>
  /** @returns the last look at all domains; null when there was none */
  lastLook(): Promise<Look | null>
  rememberLook(look: Look): Promise<void>
  /** @returns whether nobody else of the fleet looks at all domains just now */
  beginLook(): Promise<boolean>
  endLook(): Promise<void>
  /** @returns since when a node of the fleet requires proof (ISO 8601): what was registered later gets no days of grace */
  requiredSince(): Promise<string | null>
  /** @param since when proof was first required; null when it is not any more */
  rememberRequired(since: string | null): Promise<void>
  /** @returns names of registered domains below a name, whoever's; null where the store does not keep such a list */
  domainsBelow(domain: string): Promise<readonly string[] | null>
  close(): void
}

/**
 * @param instance the instance's folder
 * @param settings its settings
 * @returns the memory of the store that the settings name; it is closed by whoever opened it
 * @throws with one line when Redis cannot be reached
 */
export async function openProofMemory(instance: string, settings: Settings): Promise<ProofMemory> {
  const own = fileMemory(join(instance, 'data'))
  if (settings.directory.store === 'file') return own
  // A command on the file need not load the client for Redis.
  const { openRedisMemory } = await import('./redis-memory.ts')
  return openRedisMemory(redisSettingsOf(instance), own)
}
