/** The clock, and what the settings say of proof: given to the rule, which has neither. */

import type { Terms } from '../policy/proof.ts'
import type { RelaySettings } from '../policy/types.ts'

/**
 * @param settings the settings of `[relay]`
 * @returns what a decision is made under now
 */
export function termsNow({ requireDomainProof }: Pick<RelaySettings, 'requireDomainProof'>): Terms {
  return { now: new Date().toISOString(), requireDomainProof }
}
