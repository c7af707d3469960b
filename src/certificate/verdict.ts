/** A verdict as the rule sees it. */

import type { PeerCertificate } from '../policy/types.ts'
import type { Verdict } from './verifier.ts'

/**
 * @param verdict what a verifier said about what a peer presented
 * @returns the peer's certificate for the rule; why it does not count begins with the reason's code
 */
export function peerCertificateOf(verdict: Verdict): PeerCertificate {
  const { names } = verdict
  if (verdict.ok) return { state: 'verified', names }
  return { state: 'not-verified', names, why: `${verdict.reason}: ${verdict.detail}` }
}
