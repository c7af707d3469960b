/**
 * Signatures of certificates and CRLs, by node:crypto over the octets that were signed: an X509Certificate object for
 * each costs more than all the rest.
 */

import type { KeyObject } from 'node:crypto'
import { constants, verify } from 'node:crypto'
import type { Element } from './der.ts'
import { BIT_STRING, childrenOf, contentOf, malformed, oidOf, SEQUENCE } from './der.ts'
import type { AllowedWeakness } from './strength.ts'

interface Scheme {
  readonly type: 'rsa' | 'ec' | 'ed25519' | 'ed448'
  readonly hash: string | null
}

/** RFC 4055, RFC 5758, RFC 8410. RSA-PSS has its hash in its parameters: SHA-2 is read there. */
const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ['1.2.840.113549.1.1.11', { type: 'rsa', hash: 'sha256' }],
  ['1.2.840.113549.1.1.12', { type: 'rsa', hash: 'sha384' }],
  ['1.2.840.113549.1.1.13', { type: 'rsa', hash: 'sha512' }],
  ['1.2.840.10045.4.3.2', { type: 'ec', hash: 'sha256' }],
  ['1.2.840.10045.4.3.3', { type: 'ec', hash: 'sha384' }],
  ['1.2.840.10045.4.3.4', { type: 'ec', hash: 'sha512' }],
  ['1.2.840.113549.1.1.5', { type: 'rsa', hash: 'sha1' }],
  ['1.2.840.10045.4.1', { type: 'ec', hash: 'sha1' }],
  ['1.3.101.112', { type: 'ed25519', hash: null }],
  ['1.3.101.113', { type: 'ed448', hash: null }],
])

const RSA_PSS = '1.2.840.113549.1.1.10'

/** DER of the OIDs of SHA-256, SHA-384 and SHA-512, as they stand in RSASSA-PSS-params. */
const PSS_HASHES: readonly (readonly [oid: string, hash: string])[] = [
  ['0609608648016503040201', 'sha256'],
  ['0609608648016503040202', 'sha384'],
  ['0609608648016503040203', 'sha512'],
]

export interface Signed {
  /** OID of the signature algorithm. */
  readonly algorithm: string
  /** DER of its AlgorithmIdentifier. */
  readonly algorithmIdentifier: Buffer
  /** What is signed. */
  readonly content: Buffer
  readonly signature: Buffer
}

/**
 * @param whole a SEQUENCE of what is signed, the algorithm and the signature (RFC 5280 sections 4.1.1 and 5.1.1)
 * @param what what it is, for the fault
 * @returns its parts
 * @throws CertificateFault when it is malformed
 */
export function signedOf(whole: Element, what: string): Signed {
  const [content, algorithm, signature, ...rest] = childrenOf(whole, SEQUENCE, what)
  if (content === undefined || algorithm === undefined || signature === undefined || rest.length > 0)
    throw malformed('it is incomplete')
  // No octet of a signature has unused bits.
  if (contentOf(signature, BIT_STRING, 'signature')[0] !== '\0') throw malformed('its signature is malformed')
  return {
    algorithm: oidOf(childrenOf(algorithm, SEQUENCE, 'signature algorithm')[0], 'signature algorithm'),
    algorithmIdentifier: algorithm.encoding,
    content: content.encoding,
    signature: signature.octets.subarray(1),
  }
}

/**
 * @param signed what is signed, and how
 * @param key the key that is said to have signed it
 * @param allowed what is allowed although it is weak
 * @returns whether it has; false for every algorithm that is unknown or weak
 */
export function isSignatureOf(
  { algorithm, algorithmIdentifier, content, signature }: Signed,
  key: KeyObject,
  allowed: AllowedWeakness,
): boolean {
  try {
    if (algorithm === RSA_PSS) {
      const parameters = algorithmIdentifier.toString('hex')
      const hash = PSS_HASHES.find(([oid]) => parameters.includes(oid))?.[1]
      if (hash === undefined || (key.asymmetricKeyType !== 'rsa' && key.asymmetricKeyType !== 'rsa-pss'))
        return false
      const options = {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_AUTO,
      }
      return verify(hash, content, options, signature)
    }
    const scheme = SCHEMES.get(algorithm)
    if (scheme === undefined || key.asymmetricKeyType !== scheme.type) return false
    if (scheme.hash === 'sha1' && !allowed.sha1) return false
    return verify(scheme.hash, content, key, signature)
  } catch {
    return false
  }
}
