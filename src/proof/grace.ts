/** What changes when proof of domains is required: which domains stop counting, and when. */

import type { DirectoryEditor, EditWritten } from '../directory/editor.ts'
import { isProven } from '../policy/proof.ts'
import type { AcceptedDomain, DomainProof } from '../policy/types.ts'
import type { ChangeDirectory } from './carry-out.ts'
import { writeProofs } from './carry-out.ts'
import { graceEnd } from './look.ts'

/** Domains whose days are written at once, where one write is limited. */
const AT_ONCE = 10_000

/** An unproven domain, and until when it counts where proof is required. */
export interface Unproven {
  readonly domain: AcceptedDomain
  /** ISO 8601 in UTC; null when it does not count from the beginning. */
  readonly countsUntil: string | null
  /** Whether the days are given now. */
  readonly isNew: boolean
}

export interface GracePlan {
  readonly domains: number
  /** In the order of the directory. */
  readonly unproven: readonly Unproven[]
}

/**
 * @param editor the directory
 * @param now ISO 8601 in UTC
 * @param requiredSince since when another node requires proof: whoever was registered later gets no days; null for nobody
 * @returns the domains that will stop counting
 */
export async function planGrace(
  editor: DirectoryEditor,
  now: string,
  requiredSince: string | null,
): Promise<GracePlan> {
  const unproven: Unproven[] = []
  let domains = 0
  for await (const key of editor.names()) {
    const stored = await editor.read(key)
    for (const domain of stored?.organization.acceptedDomains ?? []) {
      domains += 1
      const one = unprovenOf(domain, now, requiredSince === null)
      if (one !== null) unproven.push(one)
    }
  }
  return { domains, unproven }
}

/** Days that were given once are not given again: else they would never be over. */
function unprovenOf(domain: AcceptedDomain, now: string, gives: boolean): Unproven | null {
  const { countsUntil = null, lostAt = null, provenAt = null } = domain.proof ?? {}
  if (provenAt !== null && lostAt === null) return null
  if (countsUntil === null && gives) return { domain, countsUntil: graceEnd(now), isNew: true }
  return { domain, countsUntil: isProven(domain, now) ? countsUntil : null, isNew: false }
}

/**
 * @param editor the directory
 * @param change changes it
 * @param plan what `planGrace` found
 * @returns the last write, or null when nothing had to be written
 */
export async function giveGrace(
  editor: DirectoryEditor,
  change: ChangeDirectory,
  { unproven }: GracePlan,
): Promise<EditWritten | null> {
  const changes = unproven
    .filter(({ isNew }) => isNew)
    .map(({ countsUntil, domain }) => ({ domain, proof: withGrace(domain.proof ?? null, countsUntil) }))
  const size = editor.mostRecords === null ? changes.length : AT_ONCE
  let written: EditWritten | null = null
  for (let from = 0; from < changes.length; from += size) {
    written = (await writeProofs(editor, change, changes.slice(from, from + size))) ?? written
  }
  return written
}

function withGrace(proof: DomainProof | null, countsUntil: string | null): DomainProof {
  return { token: null, domain: null, provenAt: null, lostAt: null, ...proof, countsUntil }
}
