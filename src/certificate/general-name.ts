/** GeneralName (RFC 5280 section 4.2.1.6) and distinguished names, as far as identity and name constraints need them. */

import type { Element } from './der.ts'
import { childrenOf, isContext, malformed, oidOf, SEQUENCE, SET, stringOf } from './der.ts'

/** One attribute of a distinguished name. */
export interface Attribute {
  readonly type: string
  /** Text where it is a string. */
  readonly text: string | null
  /** What is equal for equal attributes (RFC 5280 section 7.1): without regard to case and runs of spaces. */
  readonly key: string
}

/** A distinguished name: its relative names in order. */
export interface DistinguishedName {
  readonly rdns: readonly (readonly Attribute[])[]
  /** Equal for equal names; '' is the empty name. */
  readonly key: string
}

export type GeneralName =
  | { readonly form: 'dns' | 'email' | 'uri'; readonly text: string }
  | { readonly form: 'ip'; readonly octets: readonly number[] }
  | { readonly form: 'directory'; readonly name: DistinguishedName }
  | { readonly form: 'other'; readonly tag: number }

const COMMON_NAME = '2.5.4.3'
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1'

/**
 * @param element a Name
 * @param what what it is, for the fault
 * @returns the name
 * @throws CertificateFault when it is malformed
 */
export function parseName(element: Element | undefined, what: string): DistinguishedName {
  const rdns = childrenOf(element, SEQUENCE, what).map((set) =>
    childrenOf(set, SET, what).map((pair): Attribute => {
      const [type, value] = childrenOf(pair, SEQUENCE, what)
      if (value === undefined) throw malformed(`its ${what} is malformed`)
      const oid = oidOf(type, what)
      const text = stringOf(value)
      const folded = text === null ? value.encoding.toString('hex') : fold(text)
      return { type: oid, text, key: `${oid}=${folded}` }
    }),
  )
  return { rdns, key: rdns.map(rdnKey).join('\n') }
}

/** What is equal for equal relative names, whatever the order of a SET. */
export function rdnKey(rdn: readonly Attribute[]): string {
  return rdn
    .map(({ key }) => key)
    .toSorted()
    .join('\u0001')
}

const PLAIN = /^[!-~]*$/

function fold(text: string): string {
  if (PLAIN.test(text)) return text.toLowerCase()
  return text.normalize('NFKC').toLowerCase().trim().replaceAll(/\s+/g, ' ')
}

/** @returns the common names, as text */
export function commonNamesOf({ rdns }: DistinguishedName): string[] {
  return textsOf(rdns, COMMON_NAME)
}

/** @returns the emailAddress attributes, as text */
export function emailsOf({ rdns }: DistinguishedName): string[] {
  return textsOf(rdns, EMAIL_ADDRESS)
}

function textsOf(rdns: DistinguishedName['rdns'], type: string): string[] {
  return rdns
    .flat()
    .flatMap((attribute) => (attribute.type === type && attribute.text !== null ? [attribute.text] : []))
}

const LABELS: ReadonlyMap<string, string> = new Map([
  [COMMON_NAME, 'CN'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.5', 'serialNumber'],
  [EMAIL_ADDRESS, 'emailAddress'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
])

/** @returns the name as people write it: `CN=mail.contoso.com, O=Contoso`; not safe to print as it is */
export function formatName({ rdns }: DistinguishedName): string {
  if (rdns.length === 0) return '(no name)'
  return rdns
    .toReversed()
    .map((rdn) => rdn.map(({ type, text }) => `${LABELS.get(type) ?? type}=${text ?? '?'}`).join('+'))
    .join(', ')
}

/**
 * @param element a GeneralName
 * @param what what it is, for the fault
 * @returns the name
 * @throws CertificateFault when it is malformed
 */
export function parseGeneralName(element: Element, what: string): GeneralName {
  if (element.kind !== 'context' || element.tag > 8) throw malformed(`its ${what} is malformed`)
  for (const [tag, form] of [
    [1, 'email'],
    [2, 'dns'],
    [6, 'uri'],
  ] as const) {
    if (!isContext(element, tag)) continue
    // IA5String; what is no ASCII would be another name to every reader.
    if (element.inside !== null || !isAscii(element.content)) throw malformed(`its ${what} is malformed`)
    return { form, text: element.content }
  }
  if (isContext(element, 7)) {
    if (element.inside !== null) throw malformed(`its ${what} is malformed`)
    return { form: 'ip', octets: [...element.octets] }
  }
  if (isContext(element, 4)) return { form: 'directory', name: parseName(element.inside?.[0], what) }
  return { form: 'other', tag: element.tag }
}

function isAscii(content: string): boolean {
  return !/[^\0-\x7f]/.test(content)
}
