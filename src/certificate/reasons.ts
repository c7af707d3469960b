/** Why a certificate proves nothing: a closed list. The code is in the journal and in `--json`; the sentence is for people. */

/** Codes are kebab-case and never change their meaning. */
export const CERTIFICATE_REASONS = {
  'unreadable-file': 'The file cannot be read, or holds no certificate.',
  malformed: 'It cannot be read, or contradicts itself.',
  'certificate-version': 'It is not a version 3 certificate.',
  'serial-number': 'Its serial number is longer than 20 octets.',
  'not-yet-valid': 'It is not valid yet.',
  expired: 'It has expired.',
  'intermediate-missing': 'Its issuer was not presented, and is none of the trusted CAs.',
  'untrusted-root': 'Its path ends at a root that is not trusted.',
  'self-signed': 'It is signed by itself, and is not pinned.',
  'not-pinned': 'Its key is none of those that are pinned for the connector.',
  'signature-invalid': "Its signature does not fit its issuer's key.",
  'not-a-certificate-authority': 'Its issuer is not allowed to issue certificates.',
  'path-length': 'The path is longer than one of its CAs permits.',
  'key-usage': "Its issuer's key usage does not permit signing certificates.",
  'extended-key-usage': 'Its extended key usage does not permit TLS authentication.',
  'name-constraint': 'One of its names is outside of what one of its CAs may issue.',
  'unknown-critical-extension': 'It holds a critical extension that is not understood.',
  'key-identifier-missing': 'It has no key identifier, which RFC 5280 requires.',
  'weak-key': 'Its key is too weak.',
  'weak-signature': 'Its signature algorithm is too weak.',
  revoked: 'It was revoked.',
  'revocation-unknown': 'Whether it was revoked cannot be told.',
  'too-many-certificates': 'More certificates were presented than are looked at.',
  'too-many-bytes': 'More octets of certificates were presented than are looked at.',
  'too-many-signatures': 'More signatures would have to be verified than are allowed for one peer.',
  'too-many-names': 'It holds more names than are looked at.',
  'too-many-name-constraints': 'More names would have to be compared with name constraints than is allowed.',
} as const

export type CertificateReason = keyof typeof CERTIFICATE_REASONS

/** What is wrong with one certificate, thrown while it is read or judged and caught by whoever began that. */
export class CertificateFault extends Error {
  override readonly name = 'CertificateFault'
  readonly reason: CertificateReason

  /**
   * @param reason from the closed list
   * @param detail what was found, for people; may hold text from the certificate
   */
  constructor(reason: CertificateReason, detail: string) {
    super(detail)
    this.reason = reason
  }
}
