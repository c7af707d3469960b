/** The two halves of an envelope address. */

import { normalizeDomain } from '../../text/domain-name.ts'

const ADDRESS_LITERAL = /^\[[0-9A-Za-z:.-]{2,60}\]$/

/**
 * @param address without angle brackets
 * @returns its domain as EnvelopeRecipient has it; null when there is none that mail could go to
 */
export function domainOf(address: string): string | null {
  const at = address.lastIndexOf('@')
  if (at < 1) return null
  const domain = address.slice(at + 1)
  return ADDRESS_LITERAL.test(domain) ? domain.toLowerCase() : normalizeDomain(domain)
}

/** RFC 5322 sections 3.2.3 and 3.2.4, with what RFC 6532 section 3.2 adds. */
const DOT_ATOM = /^[^\s"(),.:;<>@[\\\]\p{Cc}\p{Cs}\p{Z}]+(?:\.[^\s"(),.:;<>@[\\\]\p{Cc}\p{Cs}\p{Z}]+)*$/u
const QUOTED_STRING = /^"(?:[^"\\\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|\\[ -~])*"$/u

/** What fits into a line of a header with its field name, in octets (RFC 5322 section 2.1.1). */
const LONGEST_IN_HEADER = 900

/**
 * @param address without angle brackets, also hostile
 * @returns whether it may stand between angle brackets in a header field and is read there as the same address
 */
export function fitsHeader(address: string): boolean {
  const localPart = address.slice(0, Math.max(0, address.lastIndexOf('@')))
  return (
    domainOf(address) !== null &&
    (DOT_ATOM.test(localPart) || QUOTED_STRING.test(localPart)) &&
    !address.endsWith('.') &&
    Buffer.byteLength(address) <= LONGEST_IN_HEADER
  )
}
