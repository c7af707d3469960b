/** Who issued whom: by name, by key identifier, and by signature. */

import type { Work } from './limits.ts'
import type { Certificate } from './parse.ts'
import { publicKeyOf } from './public-key.ts'
import { isSignatureOf } from './signature.ts'
import type { AllowedWeakness } from './strength.ts'

/** @returns whether issuer and subject are the same name (RFC 5280 section 3.2) */
export function isSelfIssued({ issuer, subject }: Certificate): boolean {
  return issuer.key === subject.key
}

/**
 * @param child a certificate
 * @param candidate another
 * @returns whether it may be the issuer: the name fits, and no key identifier says otherwise
 */
export function mayHaveIssued(child: Certificate, candidate: Certificate): boolean {
  if (child.issuer.key !== candidate.subject.key) return false
  const { authorityKeyIdentifier: wanted } = child
  const { subjectKeyIdentifier: own } = candidate
  return wanted === null || wanted === '' || own === null || wanted === own
}

/**
 * @param child a certificate
 * @param issuer the one whose key is said to have signed it
 * @param allowed what is allowed although it is weak
 * @param work counts the verification
 * @returns whether the signature is the issuer's
 * @throws CertificateFault when that would be one signature too many
 */
export function isSignedBy(
  child: Certificate,
  issuer: Certificate,
  allowed: AllowedWeakness,
  work: Work,
): boolean {
  work.countSignature()
  return isSignatureOf(child.signed, publicKeyOf(issuer), allowed)
}
