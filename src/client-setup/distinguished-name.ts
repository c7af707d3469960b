/** Distinguished names as Windows writes them, which is how Exchange Server names a certificate. */

import type { Attribute, DistinguishedName } from '../certificate/general-name.ts'
import { printable } from '../text/printable.ts'

/** The keys of CertNameToStr (CERT_X500_NAME_STR); what is not here is written as `OID.` and its number. */
const KEYS: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.4', 'SN'],
  ['2.5.4.5', 'SERIALNUMBER'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'S'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.12', 'T'],
  ['2.5.4.17', 'PostalCode'],
  ['2.5.4.42', 'G'],
  ['2.5.4.43', 'I'],
  ['1.2.840.113549.1.9.1', 'E'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
])

/** As CertNameToStr says: these, spaces at either end and no text at all are quoted; a quote inside is doubled. */
const NEEDS_QUOTES = /^$|^\s|\s$|[,+="\n<>#;]/

/**
 * @param name a name of a certificate, in the order of its encoding (country first)
 * @returns e.g. `CN=mail.contoso.com, O="Contoso, Ltd.", C=US`; null when it holds what cannot be written in one line
 */
export function windowsName({ rdns }: DistinguishedName): string | null {
  const parts = rdns.toReversed().map((rdn) => rdn.map(attributeText))
  if (parts.flat().includes(null)) return null
  return parts.map((rdn) => rdn.join(' + ')).join(', ')
}

function attributeText({ type, text }: Attribute): string | null {
  if (text === null || printable(text, 6 * text.length + 1) !== text) return null
  const quoted = NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  return `${KEYS.get(type) ?? `OID.${type}`}=${quoted}`
}

/**
 * TlsCertificateName of New-SendConnector.
 * @param issuer the issuer of a certificate
 * @param subject its subject
 * @returns `<I>issuer<S>subject`, or null when one of them cannot be written in one line
 */
export function tlsCertificateName(issuer: DistinguishedName, subject: DistinguishedName): string | null {
  const [by, to] = [windowsName(issuer), windowsName(subject)]
  return by === null || to === null ? null : `<I>${by}<S>${to}`
}
