/** A certificate as a person reads it. What comes from the certificate is escaped by whoever prints it. */

import { formatName } from './general-name.ts'
import { purposeName } from './judge.ts'
import type { Certificate } from './parse.ts'
import { CertificateFault } from './reasons.ts'
import { pinOf } from './pin.ts'
import { CURVES, describePublicKey } from './public-key.ts'

const DAY = 86_400_000

/**
 * @param certificate any certificate
 * @returns e.g. `RSA of 2048 bits`, `EC on P-256`, `Ed25519`
 */
function describeKey(certificate: Certificate): string {
  try {
    const key = describePublicKey(certificate)
    if (key.type === 'rsa') return `RSA of ${key.bits} bits`
    if (key.type === 'rsa-pss') return `RSA-PSS of ${key.bits} bits`
    if (key.type === 'ec') return `EC on ${curveName(key.curve)}`
    return key.type === 'other' ? `of the algorithm ${key.algorithm}` : `Ed${key.type.slice(2)}`
  } catch (error) {
    if (error instanceof CertificateFault) return error.message
    throw error
  }
}

function curveName(curve: string | null): string {
  return curve === null ? 'a curve by its parameters' : (CURVES.get(curve) ?? `the curve ${curve}`)
}

/**
 * @param certificate any certificate
 * @param now milliseconds since 1970
 * @returns e.g. `2026-11-24 to 2027-11-24 (365 days left)`
 */
function describeValidity({ notBefore, notAfter }: Certificate, now: number): string {
  const days = Math.floor((notAfter - now) / DAY)
  const left = now > notAfter ? `expired ${Math.floor((now - notAfter) / DAY)} days ago` : `${days} days left`
  return `${isoDay(notBefore)} to ${isoDay(notAfter)} (${now < notBefore ? 'not valid yet' : left})`
}

function isoDay(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}

/**
 * @param certificate any certificate
 * @param now milliseconds since 1970
 * @returns pairs of what and how it is, in the order of reading
 */
export function describeCertificate(certificate: Certificate, now: number): [what: string, how: string][] {
  const { basicConstraints, extendedKeyUsage, fingerprint, issuer, serialNumber, subject, subjectAltName } =
    certificate
  const names = (subjectAltName ?? []).map((name) =>
    'text' in name
      ? `${name.form}:${name.text}`
      : name.form === 'ip'
        ? `ip:${addressText(name.octets)}`
        : name.form,
  )
  return [
    ['subject', formatName(subject)],
    ['issuer', formatName(issuer)],
    [
      'names',
      names.length === 0
        ? 'none'
        : names.slice(0, 20).join(', ') + (names.length > 20 ? ` and ${names.length - 20} more` : ''),
    ],
    ['validity', describeValidity(certificate, now)],
    ['key', describeKey(certificate)],
    [
      'purposes',
      extendedKeyUsage === null ? 'any' : extendedKeyUsage.map((oid) => purposeName(oid)).join(', '),
    ],
    [
      'CA',
      basicConstraints?.ca === true
        ? `yes${basicConstraints.pathLength === null ? '' : `, path length ${basicConstraints.pathLength}`}`
        : 'no',
    ],
    ['serial number', serialNumber],
    ['SHA-256', fingerprint.toUpperCase().replaceAll(/..(?!$)/g, '$&:')],
    ['pin', Buffer.from(pinOf(certificate), 'hex').toString('base64')],
  ]
}

function addressText(octets: readonly number[]): string {
  if (octets.length === 4) return octets.join('.')
  return octets
    .map((octet) => octet.toString(16).padStart(2, '0'))
    .join('')
    .replaceAll(/(.{4})(?!$)/g, '$1:')
}
