/** When all domains were last looked at, as it is kept. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/** The last look at the proofs of all domains. */
export interface Look {
  /** ISO 8601 in UTC. */
  readonly lookedAt: string
  /** How many domains there were, how many had lost their proof, how many could not be asked about. */
  readonly domains: number
  readonly lost: number
  readonly unknown: number
  /** Changes that could not be written into the directory. */
  readonly unwritten: number
}

const count = z.int().min(0)
const LOOK = z.object({
  lookedAt: z.iso.datetime(),
  domains: count,
  lost: count,
  unknown: count,
  unwritten: count,
})

const FILE = 'proofs-looked-at.json'

/** @returns the name of the file below an instance's data/ */
export function lookFile(data: string): string {
  return join(data, FILE)
}

/**
 * @param json what was kept
 * @returns the look; null when it cannot be read: then it is looked again
 */
export function parseLook(json: string): Look | null {
  try {
    return LOOK.parse(JSON.parse(json))
  } catch {
    return null
  }
}

/**
 * @param instance the instance's folder
 * @returns the last look that this machine knows of; null when there was none, or it may not be read
 */
export function readLook(instance: string): Look | null {
  try {
    return parseLook(readFileSync(lookFile(join(instance, 'data')), 'utf8'))
  } catch {
    return null
  }
}
