/** Which names does a certificate present? They prove nothing by themselves (DESIGN.md, rule 1). */

import type { X509Certificate } from 'node:crypto'
import { normalizePresentedName } from '../text/certificate-name.ts'

/** More names than any mail server has; a certificate with more is looked at this far. */
const MOST_NAMES = 10_000

/**
 * The dNSName entries of the subject alternative name (RFC 5280 section 4.2.1.6) and the subject's common names that
 * are DNS names of two labels or more. The common name counts beside a SAN too, as with Exchange.
 * @param certificate any certificate
 * @returns the names in A-label form, lower case, without duplicates; wildcards as `*.contoso.com`
 */
export function presentedNames(certificate: X509Certificate): string[] {
  const names = new Set<string>()
  for (const raw of [...dnsNames(certificate.subjectAltName), ...commonNames(certificate)]) {
    if (names.size >= MOST_NAMES) break
    const name = normalizePresentedName(raw)
    if (name !== null) names.add(name)
  }
  return [...names]
}

/**
 * Node prints the extension as `DNS:a.example, IP Address:192.0.2.1`, and quotes as JSON whatever could be mistaken
 * for such a separator (CVE-2021-44532). Only entries that begin where an entry begins are read.
 */
function dnsNames(subjectAltName: string | undefined): string[] {
  const names: string[] = []
  const entry = /([^:,"]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y
  const text = subjectAltName ?? ''
  for (let match = entry.exec(text); match !== null; match = entry.exec(text)) {
    const [, kind, value = ''] = match
    if (kind === 'DNS' && !value.startsWith('"')) names.push(value)
    if (entry.lastIndex >= text.length) break
  }
  return names
}

function commonNames(certificate: X509Certificate): string[] {
  const { subject } = certificate.toLegacyObject() as { subject?: { CN?: string | string[] } }
  const names = subject?.CN ?? []
  return Array.isArray(names) ? names : [names]
}
