/** Names under which strangers register: nothing may match all that is below them (DESIGN.md, rule 2). */

import { parse } from 'tldts'

/** The name is normalised already: tldts need not look for a URL, an address or a bad character in it. */
const NAME_ONLY = {
  allowPrivateDomains: true,
  extractHostname: false,
  validateHostname: false,
  detectIp: false,
} as const

/**
 * @param domain a normalised domain name
 * @returns whether it is a public suffix (https://publicsuffix.org/list/): `com`, `co.uk`, and in the private section
 *   `azurewebsites.net`. Single labels count as well, and so does the name right above a wildcard rule.
 */
export function isPublicSuffix(domain: string): boolean {
  return !domain.includes('.') || parse(domain, NAME_ONLY).publicSuffix === domain
}
