/** Keys and signatures that are strong enough (NIST SP 800-131A, CA/Browser Forum Baseline Requirements 6.1.5). */

import type { KeyObject } from 'node:crypto'
import { createPublicKey } from 'node:crypto'
import { childrenOf, OBJECT_IDENTIFIER, parseDer, SEQUENCE } from './der.ts'
import type { Certificate } from './parse.ts'
import { CertificateFault } from './reasons.ts'

/** What an administrator may allow beside what is strong. */
export interface AllowedWeakness {
  readonly sha1: boolean
  readonly rsa1024: boolean
}

export const NOTHING_WEAK: AllowedWeakness = { sha1: false, rsa1024: false }

const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1'])
const EDWARDS: ReadonlySet<string> = new Set(['ed25519', 'ed448'])

const WEAK_SIGNATURES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.2', 'MD2'],
  ['1.2.840.113549.1.1.3', 'MD4'],
  ['1.2.840.113549.1.1.4', 'MD5'],
  ['1.2.840.113549.1.1.5', 'SHA-1'],
  ['1.3.14.3.2.29', 'SHA-1'],
  ['1.2.840.10045.4.1', 'SHA-1'],
  ['1.2.840.10040.4.3', 'SHA-1'],
  ['2.16.840.1.101.3.4.3.2', 'DSA'],
])

const KEYS = new WeakMap<Certificate, KeyObject>()

/**
 * @param certificate a certificate
 * @returns its public key, read once
 * @throws CertificateFault when it cannot be read
 */
export function publicKeyOf(certificate: Certificate): KeyObject {
  const known = KEYS.get(certificate)
  if (known !== undefined) return known
  try {
    const key = createPublicKey({ key: certificate.publicKeyInfo, format: 'der', type: 'spki' })
    KEYS.set(certificate, key)
    return key
  } catch {
    throw new CertificateFault('malformed', 'its public key cannot be read')
  }
}

/**
 * @param certificate any certificate of a path, the anchor included
 * @param allowed what is allowed although it is weak
 * @throws CertificateFault `weak-key`
 */
export function requireStrongKey(certificate: Certificate, allowed: AllowedWeakness): void {
  const { asymmetricKeyType: type = 'unknown', asymmetricKeyDetails: details } = publicKeyOf(certificate)
  if (type === 'rsa' || type === 'rsa-pss') requireStrongModulus(details?.modulusLength ?? 0, allowed)
  else if (type === 'ec') requireStrongCurve(certificate, details?.namedCurve)
  else if (!EDWARDS.has(type)) throw new CertificateFault('weak-key', `a key of type ${type}`)
}

function requireStrongModulus(bits: number, { rsa1024 }: AllowedWeakness): void {
  const least = rsa1024 ? 1024 : 2048
  if (bits < least) throw new CertificateFault('weak-key', `RSA of ${bits} bits; ${least} are needed`)
  if (bits % 8 !== 0) {
    throw new CertificateFault('weak-key', `RSA of ${bits} bits, which is no whole number of octets`)
  }
  if (bits > 16_384) throw new CertificateFault('weak-key', `RSA of ${bits} bits takes too long to verify`)
}

/** OpenSSL recognises a curve by its parameters, too; RFC 5480 section 2.1.1 wants its name. */
function requireStrongCurve(certificate: Certificate, name = 'an unknown curve'): void {
  const curve = isNamedCurve(certificate) ? name : 'a curve by its parameters'
  if (!CURVES.has(curve)) throw new CertificateFault('weak-key', `${curve}; P-256, P-384 or P-521 is needed`)
}

function isNamedCurve({ publicKeyInfo }: Certificate): boolean {
  const [algorithm] = childrenOf(parseDer(publicKeyInfo), SEQUENCE, 'public key')
  return childrenOf(algorithm, SEQUENCE, 'public key')[1]?.tag === OBJECT_IDENTIFIER
}

/**
 * @param certificate a certificate whose signature is about to be verified
 * @param allowed what is allowed although it is weak
 * @throws CertificateFault `weak-signature`
 */
export function requireStrongSignature({ signatureAlgorithm }: Certificate, allowed: AllowedWeakness): void {
  const weak = WEAK_SIGNATURES.get(signatureAlgorithm)
  if (weak === undefined || (weak === 'SHA-1' && allowed.sha1)) return
  throw new CertificateFault('weak-signature', weak)
}
