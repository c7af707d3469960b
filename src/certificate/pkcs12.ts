/** Certificates in PKCS#12 files (RFC 7292), by node-forge: BER, old and new ways of encryption. */

import forge from 'node-forge'
import { CertificateFault } from './reasons.ts'
import { messageOf } from '../text/message-of.ts'

const { asn1, pkcs12, pki } = forge
const CERT_BAG = '1.2.840.113549.1.12.10.1.3'
/** PFX begins with its version, which is 3; a certificate with a SEQUENCE. */
const VERSION_3 = Buffer.from([2, 1, 3])

/**
 * @param bytes the content of a file
 * @returns whether it looks like PKCS#12
 */
export function isPkcs12(bytes: Buffer): boolean {
  return bytes[0] === 0x30 && bytes.subarray(2, 10).includes(VERSION_3)
}

/**
 * @param bytes a PKCS#12 file
 * @param password its password; '' for none
 * @returns the DER of each certificate in it, that of the private key first
 * @throws CertificateFault when it cannot be read, or the password is wrong
 */
export function certificatesInPkcs12(bytes: Buffer, password: string): Buffer[] {
  let bags: forge.pkcs12.Bag[]
  try {
    const tree = asn1.fromDer(bytes.toString('latin1'))
    bags = pkcs12.pkcs12FromAsn1(tree, false, password).getBags({ bagType: CERT_BAG })[CERT_BAG] ?? []
  } catch (error) {
    const why = messageOf(error)
    if (!/password|mac/i.test(why)) throw new CertificateFault('unreadable-file', `it cannot be read: ${why}`)
    const mend = password === '' ? 'give it with --password-file' : 'the one that was given does not fit'
    throw new CertificateFault('unreadable-file', `it is protected by a password: ${mend}`)
  }
  // The certificate of the key carries the key's localKeyId.
  const own = bags.filter(({ attributes }) => hasKey(attributes))
  return [...own, ...bags.filter((bag) => !own.includes(bag))].flatMap(({ asn1: unread, cert }) => {
    // Forge says null for a certificate of a kind that it does not know, and keeps its octets.
    if (cert !== undefined && cert !== null)
      return [Buffer.from(asn1.toDer(pki.certificateToAsn1(cert)).getBytes(), 'latin1')]
    return unread === undefined ? [] : [Buffer.from(asn1.toDer(unread).getBytes(), 'latin1')]
  })
}

function hasKey(attributes: unknown): boolean {
  return typeof attributes === 'object' && attributes !== null && 'localKeyId' in attributes
}
