/**
 * One verifier for the default CAs, and one for each connector's own CAs and pins: a verdict that was reached under one
 * connector's trust is never used for another (DESIGN.md, rule 2).
 */

import type { ConnectorTrust } from '../policy/types.ts'
import type { Certificate } from './parse.ts'
import { readableCertificates } from './parse.ts'
import { certificatesIn } from './pem.ts'
import type { Verifier, VerifierOptions } from './verifier.ts'
import { createVerifier } from './verifier.ts'

export interface TrustSets {
  /**
   * @param trust a connector's own trust; without one the default CAs count
   * @returns the verifier for it
   */
  verifierFor(trust?: ConnectorTrust | null): Verifier
}

/** Verifiers that are kept; a connector beyond that gets a new one, which costs the reading of its CAs. */
const MOST_SETS = 1000
/** Few servers speak for one connector. */
const REMEMBERED_BY_CONNECTOR = 100

/**
 * @param options the default trust; policy, limits and revocation lists are the same for all
 * @returns the verifiers
 */
export function createTrustSets(options: Omit<VerifierOptions, 'pins' | 'mostRemembered'>): TrustSets {
  const byDefault = createVerifier(options)
  const own = new Map<string, Verifier>()
  return {
    verifierFor: (trust) => {
      if (trust === undefined || trust === null) return byDefault
      const known = own.get(trust.key)
      if (known !== undefined) return known
      const verifier = createVerifier({
        ...options,
        anchors: authoritiesOf(trust),
        pins: trust.certificatePins,
        mostRemembered: REMEMBERED_BY_CONNECTOR,
      })
      if (own.size >= MOST_SETS) own.delete([...own.keys()][0] ?? '')
      own.set(trust.key, verifier)
      return verifier
    },
  }
}

/** They were read when they were written; one that is damaged since then trusts nobody. */
function authoritiesOf({ certificateAuthorities }: ConnectorTrust): Certificate[] {
  return readableCertificates(certificateAuthorities.flatMap((pem) => certificatesIn(Buffer.from(pem))))
}
