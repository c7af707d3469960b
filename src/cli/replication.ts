/** What a write to Redis is worth. */

import { CommandFailed } from './errors.ts'

/**
 * @param have how many replicas have what was written
 * @param wanted how many must have it
 * @throws CommandFailed when they do not
 */
export function requireReplicas(have: number, wanted: number): void {
  if (have >= wanted) return
  throw new CommandFailed(
    `written, not replicated: ${have} of ${wanted} replicas have it, and if the master fails now it may be lost; run the command again once they are back`,
  )
}
