/** Pins: SHA-256 of a SubjectPublicKeyInfo (RFC 7469 section 2.4). */

import { createHash } from 'node:crypto'
import type { Certificate } from './parse.ts'

/**
 * @param certificate any certificate
 * @returns the pin of its key, hex in lower case
 */
export function pinOf({ publicKeyInfo }: Pick<Certificate, 'publicKeyInfo'>): string {
  return createHash('sha256').update(publicKeyInfo).digest('hex')
}

/**
 * @param text a pin in base64 or in hex, with colons or without, also with `sha256/` before it
 * @returns it in hex, lower case; null when it is none
 */
export function parsePin(text: string): string | null {
  const bare = text.trim().replace(/^sha256(?:\/\/?|:)/i, '')
  const hex = bare.replaceAll(':', '').toLowerCase()
  if (/^[0-9a-f]{64}$/.test(hex)) return hex
  // 32 octets are 43 characters, of which the last holds four bits.
  return /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=?$/.test(bare)
    ? Buffer.from(bare, 'base64').toString('hex')
    : null
}
