/** One certificate by itself: what RFC 5280 asks of a leaf, of a CA and of an anchor, whatever path it stands in. */

import { isSelfIssued } from './issued.ts'
import type { Certificate } from './parse.ts'
import { KEY_CERT_SIGN, OID } from './parse.ts'
import { CertificateFault } from './reasons.ts'
import type { AllowedWeakness } from './strength.ts'
import { requireStrongKey, requireStrongSignature } from './strength.ts'

export interface Judgement {
  /** Milliseconds since 1970. */
  readonly time: number
  /** The purposes of which one must be permitted, as OIDs. */
  readonly purposes: readonly string[]
  readonly allowed: AllowedWeakness
  /** Names in one certificate. */
  readonly mostNames: number
}

export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const ANY_PURPOSE = '2.5.29.37.0'

/** Critical extensions that are dealt with, or that say nothing as long as no policy is asked for. */
const HANDLED: ReadonlySet<string> = new Set([
  OID.keyUsage,
  OID.subjectAltName,
  OID.basicConstraints,
  OID.nameConstraints,
  OID.extendedKeyUsage,
  OID.certificatePolicies,
  OID.crlDistributionPoints,
])

/** RFC 5280 says of these that they must never be critical. */
const NEVER_CRITICAL: readonly string[] = [
  OID.subjectKeyIdentifier,
  OID.authorityKeyIdentifier,
  OID.authorityInfoAccess,
]

/**
 * @param certificate the end entity's
 * @param judgement what it must fit
 * @throws CertificateFault with the first thing that is wrong
 */
export function judgeLeaf(certificate: Certificate, judgement: Judgement): void {
  judgeAny(certificate, judgement)
  requireStrongSignature(certificate, judgement.allowed)
  const { basicConstraints, keyUsage, nameConstraints, subject, subjectAltName, critical } = certificate
  const ca = basicConstraints?.ca === true
  if (!ca && keyUsage?.(KEY_CERT_SIGN) === true) {
    throw new CertificateFault('malformed', 'it may sign certificates without being a CA')
  }
  if (!ca && nameConstraints !== null)
    throw new CertificateFault('malformed', 'it has name constraints without being a CA')
  if (subject.key === '' && subjectAltName !== null && !critical.has(OID.subjectAltName)) {
    throw new CertificateFault(
      'malformed',
      'it has no subject, and its subject alternative name is not critical',
    )
  }
  requireAuthorityKeyIdentifier(certificate)
  requirePurpose(certificate, judgement.purposes)
}

/**
 * A key that an administrator pinned: whoever signed the certificate, its holder says what is in it, and the TLS
 * handshake proved who holds it.
 * @param certificate the end entity's
 * @param judgement what it must fit
 * @throws CertificateFault with the first thing that is wrong
 */
export function judgePinned(certificate: Certificate, judgement: Judgement): void {
  requireValidity(certificate, judgement.time)
  requireKnownExtensions(certificate)
  requireFewNames(certificate, judgement.mostNames)
  requireStrongKey(certificate, judgement.allowed)
  requirePurpose(certificate, judgement.purposes)
}

/**
 * @param certificate an intermediate or an anchor
 * @param judgement what it must fit
 * @param anchor whether it is trusted by itself: its own signature proves nothing and is not looked at
 * @throws CertificateFault with the first thing that is wrong
 */
export function judgeAuthority(certificate: Certificate, judgement: Judgement, anchor: boolean): void {
  judgeAny(certificate, judgement)
  if (!anchor) requireStrongSignature(certificate, judgement.allowed)
  const { basicConstraints, critical, keyUsage, subject, subjectKeyIdentifier } = certificate
  if (basicConstraints?.ca !== true) throw new CertificateFault('not-a-certificate-authority', 'it is no CA')
  if (!critical.has(OID.basicConstraints)) {
    throw new CertificateFault('malformed', 'its basic constraints are not critical')
  }
  if (keyUsage?.(KEY_CERT_SIGN) === false)
    throw new CertificateFault('key-usage', 'it may not sign certificates')
  if (subject.key === '') throw new CertificateFault('malformed', 'it is a CA without a subject')
  if (subjectKeyIdentifier === null)
    throw new CertificateFault('key-identifier-missing', 'it has no subject key identifier')
  requireCriticalPolicies(certificate)
  requirePurpose(certificate, judgement.purposes)
  // Nobody looks for the issuer of an anchor.
  if (!anchor) requireAuthorityKeyIdentifier(certificate)
}

function judgeAny(certificate: Certificate, { allowed, mostNames, time }: Judgement): void {
  const { issuer, serialNumber, version } = certificate
  if (version !== 3) throw new CertificateFault('certificate-version', `version ${version}`)
  // Zero and negative ones are to be handled gracefully (RFC 5280 section 4.1.2.2).
  if (serialNumber.length === 0 || serialNumber.length > 42)
    throw new CertificateFault('serial-number', `${serialNumber.length / 2} octets`)
  if (!certificate.signatureAlgorithmsAgree)
    throw new CertificateFault('malformed', 'its two signature algorithms differ')
  if (issuer.key === '') throw new CertificateFault('malformed', 'it has no issuer')
  requireValidity(certificate, time)
  requireKnownExtensions(certificate)
  requireFewNames(certificate, mostNames)
  requireStrongKey(certificate, allowed)
}

/** RFC 5280 section 4.2.1.1; an anchor needs none, as nobody looks for its issuer. */
function requireAuthorityKeyIdentifier(certificate: Certificate): void {
  if (isSelfIssued(certificate) || (certificate.authorityKeyIdentifier ?? '') !== '') return
  throw new CertificateFault('key-identifier-missing', 'it has no authority key identifier')
}

/** RFC 5280 sections 4.2.1.11 and 4.2.1.14; the critical ones are then not understood, as nobody asks for policies. */
function requireCriticalPolicies({ critical, extensions }: Certificate): void {
  for (const oid of [OID.policyConstraints, OID.inhibitAnyPolicy]) {
    if (extensions.has(oid) && !critical.has(oid))
      throw new CertificateFault('malformed', 'its policy constraints are not critical')
  }
}

function requireFewNames({ subjectAltName }: Certificate, most: number): void {
  const names = subjectAltName?.length ?? 0
  if (names > most) throw new CertificateFault('too-many-names', `${names} names; ${most} are looked at`)
}

function requireValidity({ notAfter, notBefore }: Certificate, time: number): void {
  // Validity is in whole seconds.
  const second = Math.floor(time / 1000) * 1000
  if (second < notBefore) throw new CertificateFault('not-yet-valid', `it is valid from ${day(notBefore)}`)
  if (second > notAfter) {
    const days = Math.max(1, Math.ceil((second - notAfter) / 86_400_000))
    throw new CertificateFault(
      'expired',
      `it expired ${days === 1 ? 'a day' : `${days} days`} ago, on ${day(notAfter)}`,
    )
  }
}

function requireKnownExtensions({ critical }: Certificate): void {
  for (const oid of NEVER_CRITICAL) {
    if (critical.has(oid))
      throw new CertificateFault('malformed', `the extension ${oid} must not be critical`)
  }
  for (const oid of critical) {
    if (!HANDLED.has(oid)) throw new CertificateFault('unknown-critical-extension', `the extension ${oid}`)
  }
}

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}

/** RFC 5280 section 4.2.1.12: absent permits everything, and so does anyExtendedKeyUsage. */
function requirePurpose({ extendedKeyUsage }: Certificate, purposes: readonly string[]): void {
  if (extendedKeyUsage === null || extendedKeyUsage.includes(ANY_PURPOSE)) return
  if (purposes.some((purpose) => extendedKeyUsage.includes(purpose))) return
  throw new CertificateFault(
    'extended-key-usage',
    `it permits ${extendedKeyUsage.map((oid) => purposeName(oid)).join(', ')} only`,
  )
}

const PURPOSES: ReadonlyMap<string, string> = new Map([
  [SERVER_AUTH, 'serverAuth'],
  [CLIENT_AUTH, 'clientAuth'],
  ['1.3.6.1.5.5.7.3.3', 'codeSigning'],
  ['1.3.6.1.5.5.7.3.4', 'emailProtection'],
  ['1.3.6.1.5.5.7.3.8', 'timeStamping'],
  ['1.3.6.1.5.5.7.3.9', 'OCSPSigning'],
])

/**
 * @param oid an extended key usage
 * @returns its name in RFC 5280, or the OID itself
 */
export function purposeName(oid: string): string {
  return oid === ANY_PURPOSE ? 'anyExtendedKeyUsage' : (PURPOSES.get(oid) ?? oid)
}
