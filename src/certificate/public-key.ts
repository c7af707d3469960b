/** Public keys (SubjectPublicKeyInfo, RFC 5280 section 4.1.2.7), read once for each certificate. */

import type { JsonWebKey, KeyObject } from 'node:crypto'
import { createPublicKey } from 'node:crypto'
import type { Element } from './der.ts'
import {
  BIT_STRING,
  childrenOf,
  contentOf,
  INTEGER,
  malformed,
  OBJECT_IDENTIFIER,
  oidOf,
  parseDer,
  SEQUENCE,
} from './der.ts'
import type { Certificate } from './parse.ts'
import { CertificateFault } from './reasons.ts'

export type PublicKey =
  | { readonly type: 'rsa' | 'rsa-pss'; readonly bits: number; readonly exponentBits: number }
  /** The curve's OID, or null when it is given by its parameters. */
  | { readonly type: 'ec'; readonly curve: string | null }
  | { readonly type: 'ed25519' | 'ed448' }
  /** The algorithm's OID. */
  | { readonly type: 'other'; readonly algorithm: string }

const RSA = '1.2.840.113549.1.1.1'
const EC = '1.2.840.10045.2.1'
const EDWARDS: ReadonlyMap<string, string> = new Map([
  ['1.3.101.112', 'Ed25519'],
  ['1.3.101.113', 'Ed448'],
])
const WHAT = 'public key'

/** RFC 5480 section 2.1.1.1: the curves that are strong enough, by their names for people and for JWK. */
export const CURVES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.10045.3.1.7', 'P-256'],
  ['1.3.132.0.34', 'P-384'],
  ['1.3.132.0.35', 'P-521'],
])

/** RFC 3279 section 2.3, RFC 4055 section 1.2, RFC 5480 section 2.1, RFC 8410 section 3. */
const READERS: ReadonlyMap<string, (parameters: Element | undefined, key: Element) => PublicKey> = new Map([
  [RSA, (_: Element | undefined, key: Element): PublicKey => ({ type: 'rsa', ...rsaNumbers(key) })],
  ['1.2.840.113549.1.1.10', (_, key) => ({ type: 'rsa-pss', ...rsaNumbers(key) })],
  [EC, (parameters) => ({ type: 'ec', curve: curveOf(parameters) })],
  ['1.3.101.112', () => ({ type: 'ed25519' })],
  ['1.3.101.113', () => ({ type: 'ed448' })],
])

/**
 * @param certificate any certificate
 * @returns which key it is, without loading it
 * @throws CertificateFault when it is malformed
 */
export function describePublicKey({ publicKeyInfo }: Pick<Certificate, 'publicKeyInfo'>): PublicKey {
  const { algorithm, key, parameters } = partsOf(publicKeyInfo)
  return READERS.get(algorithm)?.(parameters, key) ?? { type: 'other', algorithm }
}

function partsOf(publicKeyInfo: Buffer): {
  algorithm: string
  parameters: Element | undefined
  key: Element
} {
  const [identifier, key] = childrenOf(parseDer(publicKeyInfo), SEQUENCE, WHAT)
  const [oid, parameters] = childrenOf(identifier, SEQUENCE, WHAT)
  if (key === undefined || contentOf(key, BIT_STRING, WHAT)[0] !== '\0')
    throw malformed(`its ${WHAT} is malformed`)
  return { algorithm: oidOf(oid, WHAT), parameters, key }
}

/** RFC 8017 appendix A.1.1. */
function rsaNumbers(key: Element): { bits: number; exponentBits: number } {
  const [modulus, exponent] = childrenOf(parseDer(key.octets.subarray(1)), SEQUENCE, WHAT)
  return { bits: bitsOfInteger(modulus), exponentBits: bitsOfInteger(exponent) }
}

function bitsOfInteger(element: Element | undefined): number {
  const digits = Buffer.from(contentOf(element, INTEGER, WHAT), 'latin1')
    .toString('hex')
    .replace(/^0+/, '')
  return digits === ''
    ? 0
    : (digits.length - 1) * 4 + Number.parseInt(digits.slice(0, 1), 16).toString(2).length
}

function curveOf(parameters: Element | undefined): string | null {
  return parameters?.tag === OBJECT_IDENTIFIER ? oidOf(parameters, WHAT) : null
}

const KEYS = new WeakMap<Certificate, KeyObject>()

/**
 * @param certificate a certificate
 * @returns its public key, loaded once
 * @throws CertificateFault when OpenSSL cannot load it
 */
export function publicKeyOf(certificate: Certificate): KeyObject {
  const known = KEYS.get(certificate)
  if (known !== undefined) return known
  try {
    const loaded = load(certificate.publicKeyInfo)
    KEYS.set(certificate, loaded)
    return loaded
  } catch {
    throw new CertificateFault('malformed', `its ${WHAT} cannot be read`)
  }
}

/** OpenSSL's decoder of SubjectPublicKeyInfo takes ten times as long as PKCS#1 (RSA) and JWK (the others) do. */
function load(publicKeyInfo: Buffer): KeyObject {
  const { algorithm, key, parameters } = partsOf(publicKeyInfo)
  const octets = key.octets.subarray(1)
  if (algorithm === RSA) return createPublicKey({ key: octets, format: 'der', type: 'pkcs1' })
  const jwk = algorithm === EC ? ellipticJwk(parameters, octets) : edwardsJwk(algorithm, octets)
  return jwk === null
    ? createPublicKey({ key: publicKeyInfo, format: 'der', type: 'spki' })
    : createPublicKey({ key: jwk, format: 'jwk' })
}

/** RFC 7518 section 6.2.1; null for a compressed point, and for other curves. */
function ellipticJwk(parameters: Element | undefined, point: Buffer): JsonWebKey | null {
  const crv = CURVES.get(curveOf(parameters) ?? '')
  const size = (point.length - 1) / 2
  if (crv === undefined || point[0] !== 4 || !Number.isInteger(size)) return null
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)]
  return { kty: 'EC', crv, x: x.toString('base64url'), y: y.toString('base64url') }
}

/** RFC 8037 section 2. */
function edwardsJwk(algorithm: string, x: Buffer): JsonWebKey | null {
  const crv = EDWARDS.get(algorithm)
  return crv === undefined ? null : { kty: 'OKP', crv, x: x.toString('base64url') }
}
