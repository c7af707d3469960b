/** The file with the certificate that a sending server will present. */

import type { Certificate } from '../certificate/parse.ts'
import { parseCertificate } from '../certificate/parse.ts'
import { certificatesIn } from '../certificate/pem.ts'
import { certificatesInPkcs12, isPkcs12 } from '../certificate/pkcs12.ts'
import { presentedNames } from '../certificate/presented-names.ts'
import { CertificateFault } from '../certificate/reasons.ts'
import type { ClientCertificate } from './setup.ts'

/**
 * @param bytes PEM, DER or PKCS#12
 * @param password of PKCS#12; '' for none
 * @returns the certificate, which is the first that is no CA's, and its intermediates
 * @throws CertificateFault when it cannot be read, or holds none
 */
export function clientCertificateIn(bytes: Buffer, password: string): ClientCertificate {
  const ders = isPkcs12(bytes) ? certificatesInPkcs12(bytes, password) : certificatesIn(bytes)
  const certificates = ders.map((der) => parseCertificate(der))
  const leaf = certificates.find((certificate) => !isAuthority(certificate)) ?? certificates[0]
  if (leaf === undefined) throw new CertificateFault('unreadable-file', 'it holds no certificate')
  // A root is trusted where it is known, not where it is sent.
  const intermediates = certificates.filter(
    (certificate) => certificate !== leaf && isAuthority(certificate) && !isSelfIssued(certificate),
  )
  return { leaf, intermediates, names: presentedNames(leaf) }
}

function isAuthority({ basicConstraints }: Certificate): boolean {
  return basicConstraints?.ca === true
}

/**
 * @param certificate any certificate
 * @returns whether it names itself as its issuer
 */
export function isSelfIssued({ issuer, subject }: Certificate): boolean {
  return issuer.key === subject.key
}
