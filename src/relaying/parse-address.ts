/** Haraka's own parser of envelope addresses, so that `explain` and the server read an address alike. */

import { Address } from '@haraka/email-address'
import type { ParsedAddress } from './envelope.ts'

/**
 * @param text an address as in MAIL FROM or RCPT TO, with or without angle brackets; '' is the null sender
 * @returns its parts
 * @throws when it is malformed (RFC 5321 section 4.1.2)
 */
export function parseEnvelopeAddress(text: string): ParsedAddress {
  const trimmed = text.trim()
  if (trimmed === '' || trimmed === '<>') return { original: '<>', user: '', host: '' }
  return new Address(/^<.*>$/s.test(trimmed) ? trimmed : `<${trimmed}>`)
}
