/** Domain names as the rule compares them: A-labels, lower case, no trailing dot. */

import { domainToASCII, domainToUnicode } from 'node:url'

/** RFC 1035 section 2.3.4: 255 octets on the wire are 253 characters in text. */
const MOST_CHARACTERS = 253

/** Room for U-labels, which are longer in text than on the wire only when they hold characters that are mapped away. */
const MOST_CHARACTERS_BEFORE_CONVERSION = 1024

/** Letters, digits and hyphens, 63 at most, no hyphen at either end (RFC 1035 section 2.3.1, RFC 1123 section 2.1). */
const LDH_NAME = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** What an address parser would read as IPv4 (`1.2.3.4`, `0x7f.1`): a last label that is a number. */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/

const A_LABEL = /(?:^|\.)xn--/

const ASCII_NAME = /^[A-Za-z0-9.-]+$/

/** ASCII that no domain name holds; domainToASCII would decode some of it (`%41`). */
const FOREIGN_ASCII = /[^A-Za-z0-9.\u0080-\u{10ffff}-]/u

/** Controls, format characters, lone surrogates and spaces, except the two joiners that domainToASCII checks itself. */
const INVISIBLE = /(?![\u200c\u200d])[\p{C}\p{Z}]/u

/**
 * @param text anything, also hostile: a name from MAIL FROM, a certificate or a file
 * @returns the name in A-label form (RFC 5890 section 2.3.2.1, mapped as by UTS #46), lower case, without its one
 *   trailing dot; null when it is no domain name: empty or over-long labels, underscores, IP addresses in any form
 */
export function normalizeDomain(text: string): string | null {
  if (text.length === 0 || text.length > MOST_CHARACTERS_BEFORE_CONVERSION) return null
  return ASCII_NAME.test(text) ? normalizeAscii(text.toLowerCase()) : normalizeUnicode(text)
}

function normalizeAscii(text: string): string | null {
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  if (!isLdhName(name)) return null
  return A_LABEL.test(name) && !isConvertible(name) ? null : name
}

function normalizeUnicode(text: string): string | null {
  if (FOREIGN_ASCII.test(text) || INVISIBLE.test(text)) return null
  const converted = domainToASCII(text)
  return converted === '' ? null : normalizeAscii(converted)
}

function isLdhName(name: string): boolean {
  return name.length <= MOST_CHARACTERS && LDH_NAME.test(name) && !ENDS_IN_NUMBER.test(name)
}

/** RFC 5891 section 5.4: an A-label must be what its U-label converts to; `xn--abc-` and `xn--a` are not. */
function isConvertible(name: string): boolean {
  return domainToASCII(domainToUnicode(name)) === name
}

/**
 * @param domain a normalised domain name
 * @returns the name without its first label, or null for a single label
 */
export function parentOf(domain: string): string | null {
  const dot = domain.indexOf('.')
  return dot === -1 ? null : domain.slice(dot + 1)
}

/**
 * @param domain a normalised domain name
 * @returns every name above it, the nearest first, down to the single label, itself excluded
 */
export function ancestorsOf(domain: string): string[] {
  const ancestors: string[] = []
  for (let parent = parentOf(domain); parent !== null; parent = parentOf(parent)) ancestors.push(parent)
  return ancestors
}
