/** Keys and signatures that are strong enough (NIST SP 800-131A, CA/Browser Forum Baseline Requirements 6.1.5). */

import type { Certificate } from './parse.ts'
import { CURVES, describePublicKey, publicKeyOf } from './public-key.ts'
import { CertificateFault } from './reasons.ts'

/** What an administrator may allow beside what is strong. */
export interface AllowedWeakness {
  readonly sha1: boolean
  readonly rsa1024: boolean
}

export const NOTHING_WEAK: AllowedWeakness = { sha1: false, rsa1024: false }

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

/**
 * @param certificate any certificate of a path, the anchor included
 * @param allowed what is allowed although it is weak
 * @throws CertificateFault `weak-key`; `malformed` when it cannot be loaded
 */
export function requireStrongKey(certificate: Certificate, allowed: AllowedWeakness): void {
  const key = describePublicKey(certificate)
  if (key.type === 'rsa' || key.type === 'rsa-pss') {
    requireStrongModulus(key.bits, allowed)
    requireCheap(key)
  }
  if (key.type === 'ec') requireStrongCurve(key.curve)
  else if (key.type === 'other')
    throw new CertificateFault('weak-key', `a key of the algorithm ${key.algorithm}`)
  publicKeyOf(certificate)
}

function requireStrongModulus(bits: number, { rsa1024 }: AllowedWeakness): void {
  const least = rsa1024 ? 1024 : 2048
  if (bits < least) throw new CertificateFault('weak-key', `RSA of ${bits} bits; ${least} are needed`)
  if (bits % 8 !== 0) {
    throw new CertificateFault('weak-key', `RSA of ${bits} bits, which is no whole number of octets`)
  }
}

/** No CA has a larger one; a signature by a key of 3072 bits and an exponent as long takes OpenSSL 8 ms. */
const MOST_MODULUS_BITS = 8192
const MOST_EXPONENT_BITS = 64

function requireCheap({ bits, exponentBits }: { bits: number; exponentBits: number }): void {
  if (bits > MOST_MODULUS_BITS)
    throw new CertificateFault(
      'weak-key',
      `RSA of ${bits} bits takes too long; ${MOST_MODULUS_BITS} is the most`,
    )
  if (exponentBits > MOST_EXPONENT_BITS) {
    throw new CertificateFault(
      'weak-key',
      `an RSA exponent of ${exponentBits} bits takes too long; ${MOST_EXPONENT_BITS} is the most`,
    )
  }
}

/** RFC 5480 section 2.1.1 wants a curve's name, not its parameters. */
function requireStrongCurve(curve: string | null): void {
  if (curve !== null && CURVES.has(curve)) return
  const what = curve === null ? 'a curve by its parameters' : `the curve ${curve}`
  throw new CertificateFault('weak-key', `${what}; P-256, P-384 or P-521 is needed`)
}

/**
 * @param certificate a certificate whose signature is about to be verified
 * @param allowed what is allowed although it is weak
 * @throws CertificateFault `weak-signature`
 */
export function requireStrongSignature({ signed }: Certificate, allowed: AllowedWeakness): void {
  const weak = WEAK_SIGNATURES.get(signed.algorithm)
  if (weak === undefined || (weak === 'SHA-1' && allowed.sha1)) return
  throw new CertificateFault('weak-signature', weak)
}
