/**
 * Whether a registered domain counts (DESIGN.md, rule 5): where proof of domains is required, an unproven one counts for
 * nothing, not as the sender's, not as the certificate's, not as the recipient's. Else whoever adds gmail.com opens the
 * relay to it.
 */

import { isUnknown } from './attribute.ts'
import type { AcceptedDomain, DomainFact, Fact } from './types.ts'

/** What a decision is made under, beside what the directory says. */
export interface Terms {
  /** ISO 8601 in UTC, as `Date.toISOString()` writes it. */
  readonly now: string
  readonly requireDomainProof: boolean
}

/**
 * @param record a registered domain
 * @param now ISO 8601 in UTC
 * @returns whether its organisation has shown that it owns it, or still has time to show it
 */
export function isProven({ proof = null }: Pick<AcceptedDomain, 'proof'>, now: string): boolean {
  if (proof === null) return false
  if (proof.provenAt !== null && proof.lostAt === null) return true
  return proof.countsUntil !== null && now < proof.countsUntil
}

/**
 * @param fact what the directory says about a domain
 * @param terms the time, and whether proof is required
 * @returns what counts of it; what does not is kept as `unproven`, for the reason and for `explain`
 */
export function counting(fact: Fact<DomainFact>, { now, requireDomainProof }: Terms): Fact<DomainFact> {
  if (!requireDomainProof || isUnknown(fact)) return fact
  const { acceptedDomain, alternatives = [], domain, uncoveredParent } = fact
  if (acceptedDomain === null) {
    const isOwned = uncoveredParent === null || isProven(uncoveredParent, now)
    return isOwned ? fact : { ...fact, uncoveredParent: null }
  }
  if (isProven(acceptedDomain, now)) return fact
  // A sub-domain that was registered beside its proven parent takes nothing away from that.
  const above = alternatives.find((record) => isProven(record, now)) ?? null
  return { domain, acceptedDomain: above, uncoveredParent: null, unproven: acceptedDomain }
}
