/** What a peer presented in its handshake. */

import type { X509Certificate } from 'node:crypto'

/**
 * Node hangs what else was presented onto the first certificate, in the order of the handshake.
 * @param own the peer's own certificate
 * @param most how many are looked at
 * @returns DER, the peer's own first
 */
export function presentedBy(own: X509Certificate, most: number): Buffer[] {
  const presented: Buffer[] = []
  let next: X509Certificate | undefined = own
  while (next !== undefined && presented.length < most) {
    presented.push(next.raw)
    next = next.issuerCertificate
  }
  return presented
}
