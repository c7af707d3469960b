/** Whether a connection under TLS holds what was promised (`TlsPolicy`). Nothing of a message is sent before. */

import type { TLSSocket } from 'node:tls'
import { presentedBy } from '../../certificate/presented.ts'
import type { TrustSets } from '../../certificate/trust-sets.ts'
import { matchesCertificateName } from '../../text/certificate-name.ts'
import type { TlsFacts, TlsPolicy } from '../types.ts'

const MOST_NAMES_SHOWN = 5

/**
 * @param socket one whose handshake is done
 * @param policy what was promised
 * @param trust whom certificates of servers must lead to
 * @returns what it is, and why it does not hold: the end of a sentence, with what the certificate says; null where it does
 */
export function judgeTls(
  socket: TLSSocket,
  policy: TlsPolicy,
  trust: TrustSets,
): { readonly facts: TlsFacts; readonly fault: string | null } {
  const looksAt = policy.level === 'verify' || policy.level === 'verify-domain'
  const fault = looksAt ? certificateFault(socket, policy, trust) : null
  const facts: TlsFacts = {
    version: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().name,
    verified: looksAt ? fault === null : null,
  }
  return { facts, fault }
}

function certificateFault(
  socket: TLSSocket,
  { domain, level, trust }: TlsPolicy,
  sets: TrustSets,
): string | null {
  const own = socket.getPeerX509Certificate()
  if (own === undefined) return 'the server showed no certificate'
  const verifier = sets.verifierFor(trust)
  const verdict = verifier.verify(presentedBy(own, verifier.mostCertificates + 1))
  if (!verdict.ok) return `the certificate of the server does not count: ${verdict.reason}: ${verdict.detail}`
  if (level !== 'verify-domain') return null
  if (domain === null) return 'no domain is named that its certificate must be for'
  if (verdict.names.some((name) => matchesCertificateName(domain, name))) return null
  const shown = verdict.names.slice(0, MOST_NAMES_SHOWN).join(', ')
  const more = verdict.names.length > MOST_NAMES_SHOWN ? ' and more' : ''
  return `the certificate of the server is for ${shown === '' ? 'no domain' : `${shown}${more}`}, not for ${domain}`
}
