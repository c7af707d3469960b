/** Which names does a certificate present? They prove nothing by themselves (DESIGN.md, rule 1). */

import { normalizePresentedName } from '../text/certificate-name.ts'
import { commonNamesOf } from './general-name.ts'
import type { Certificate } from './parse.ts'

/**
 * The dNSName entries of the subject alternative name (RFC 5280 section 4.2.1.6) and the subject's common names that
 * are DNS names of two labels or more. The common name counts beside a SAN too, as with Exchange.
 * @param certificate any certificate
 * @param most how many names are looked at
 * @returns the names in A-label form, lower case, without duplicates; wildcards as `*.contoso.com`
 */
export function presentedNames({ subject, subjectAltName }: Certificate, most = 10_000): string[] {
  const names = new Set<string>()
  const alternative = (subjectAltName ?? []).flatMap((name) => (name.form === 'dns' ? [name.text] : []))
  for (const raw of [...alternative, ...commonNamesOf(subject)].slice(0, most)) {
    const name = normalizePresentedName(raw)
    if (name !== null) names.add(name)
  }
  return [...names]
}
