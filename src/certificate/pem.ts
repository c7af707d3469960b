/** Certificates and CRLs in files: PEM with whatever stands around it, or DER. */

const CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([^-]+)-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g
const REVOCATION_LIST = /-----BEGIN X509 CRL-----([^-]+)-----END X509 CRL-----/g

/** The first octet of a DER SEQUENCE. */
const SEQUENCE = 0x30

/**
 * @param bytes the content of a file
 * @returns the DER of each certificate in it, in order; empty when there is none
 */
export function certificatesIn(bytes: Buffer): Buffer[] {
  return blocksIn(bytes, CERTIFICATE)
}

/**
 * @param bytes the content of a file
 * @returns the DER of each CRL in it, in order; empty when there is none
 */
export function revocationListsIn(bytes: Buffer): Buffer[] {
  return blocksIn(bytes, REVOCATION_LIST)
}

function blocksIn(bytes: Buffer, block: RegExp): Buffer[] {
  if (bytes[0] === SEQUENCE) return [bytes]
  return [...bytes.toString('latin1').matchAll(block)].map(([, body = '']) => Buffer.from(body, 'base64'))
}

/**
 * @param der one certificate
 * @returns its PEM text (RFC 7468 section 5)
 */
export function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
