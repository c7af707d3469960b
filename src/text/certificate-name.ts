/** Names in certificates, and which of them a connector's tlsSenderCertificateName stands for (DESIGN.md, rule 2). */

import { normalizeDomain, parentOf } from './domain-name.ts'
import { isPublicSuffix } from './public-suffix.ts'

const WILDCARD = '*.'

/**
 * @param name a name in normalised form: `mail.contoso.com` or `*.contoso.com`
 * @returns the domain it stands for: the name without a leading `*.`
 */
export function withoutWildcard(name: string): string {
  return name.startsWith(WILDCARD) ? name.slice(WILDCARD.length) : name
}

/**
 * @param name a dNSName or a common name of a certificate; anything, also hostile
 * @returns `mail.contoso.com` or `*.contoso.com` in A-label form and lower case; null when it counts as no name: one
 *   label, a bare `*`, a partial or embedded wildcard (RFC 6125 section 6.4.3), a public suffix with or without `*.`
 */
export function normalizePresentedName(name: string): string | null {
  const wildcard = name.startsWith(WILDCARD)
  const domain = normalizeDomain(wildcard ? name.slice(WILDCARD.length) : name)
  if (domain === null || isPublicSuffix(domain)) return null
  return wildcard ? `${WILDCARD}${domain}` : domain
}

/**
 * The connector's `*.` stands for every name below its domain at any depth and for the domain itself; the
 * certificate's `*` for one label only.
 * @param connectorName a normalised tlsSenderCertificateName
 * @param presentedName what normalizePresentedName returned
 * @returns whether the connector recognises a server by that name
 */
export function matchesCertificateName(connectorName: string, presentedName: string): boolean {
  if (connectorName.startsWith(WILDCARD)) {
    const base = withoutWildcard(connectorName)
    const presented = withoutWildcard(presentedName)
    return presented === base || presented.endsWith(`.${base}`)
  }
  if (presentedName.startsWith(WILDCARD)) return parentOf(connectorName) === withoutWildcard(presentedName)
  return connectorName === presentedName
}
