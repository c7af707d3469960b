/**
 * DER (X.690) by node-forge's asn1, whose tree is turned into what is read here. What does not come out byte for byte
 * when it is encoded again is no DER and is refused: two readings of one certificate would be two identities.
 */

import forge from 'node-forge'
import { CertificateFault } from './reasons.ts'

const { asn1 } = forge

/** One element. `tag` is the number within its class. */
export interface Element {
  readonly kind: 'universal' | 'context' | 'other'
  readonly tag: number
  /** The elements inside, or null for a primitive one. */
  readonly inside: readonly Element[] | null
  /** The content octets of a primitive one, one character an octet. */
  readonly content: string
  /** Its whole encoding. */
  encode(): Buffer
}

export const BOOLEAN = 1
export const INTEGER = 2
export const BIT_STRING = 3
export const OCTET_STRING = 4
export const OBJECT_IDENTIFIER = 6
export const SEQUENCE = 16
export const SET = 17
const UTF8_STRING = 12
const PRINTABLE_STRING = 19
const TELETEX_STRING = 20
const IA5_STRING = 22
const UTC_TIME = 23
const GENERALIZED_TIME = 24
const BMP_STRING = 30

/**
 * @param bytes a DER encoding
 * @returns its element
 * @throws CertificateFault when it is no DER
 */
export function parseDer(bytes: Buffer): Element {
  const text = bytes.toString('latin1')
  try {
    const tree = asn1.fromDer(text, { strict: true, parseAllBytes: true, decodeBitStrings: false } as never)
    if (asn1.toDer(tree).getBytes() === text) return wrap(tree)
  } catch {
    // What forge says about it helps nobody.
  }
  throw malformed('it is not DER')
}

function wrap(tree: forge.asn1.Asn1): Element {
  const { value, tagClass, type } = tree
  const inside = typeof value === 'string' ? null : value.map((child) => wrap(child))
  return {
    kind:
      tagClass === asn1.Class.UNIVERSAL
        ? 'universal'
        : tagClass === asn1.Class.CONTEXT_SPECIFIC
          ? 'context'
          : 'other',
    tag: type,
    inside,
    content: typeof value === 'string' ? value : '',
    encode: () => Buffer.from(asn1.toDer(tree).getBytes(), 'latin1'),
  }
}

/**
 * @param what what cannot be read
 * @returns the fault to throw
 */
export function malformed(what: string): CertificateFault {
  return new CertificateFault('malformed', what)
}

/**
 * @param element an element, or undefined where one is missing
 * @param tag the universal tag it must have
 * @param what what it is, for the fault
 * @returns the elements inside
 * @throws CertificateFault when it is something else
 */
export function childrenOf(element: Element | undefined, tag: number, what: string): readonly Element[] {
  if (element?.kind === 'universal' && element.tag === tag && element.inside !== null) return element.inside
  throw malformed(`its ${what} is malformed`)
}

/** As childrenOf, for a primitive element: its content octets, one character each. */
export function contentOf(element: Element | undefined, tag: number, what: string): string {
  if (element?.kind === 'universal' && element.tag === tag && element.inside === null) return element.content
  throw malformed(`its ${what} is malformed`)
}

/**
 * @param element an element or undefined
 * @param tag a context-specific tag
 * @returns whether it has that tag
 */
export function isContext(
  element: Element | undefined,
  tag: number,
): element is Element & { readonly kind: 'context' } {
  return element?.kind === 'context' && element.tag === tag
}

/** @returns an OBJECT IDENTIFIER in dotted form */
export function oidOf(element: Element | undefined, what: string): string {
  return asn1.derToOid(contentOf(element, OBJECT_IDENTIFIER, what))
}

/** @returns a BOOLEAN; DER writes true as FF and leaves a default out */
export function booleanOf(element: Element | undefined, what: string): boolean {
  const content = contentOf(element, BOOLEAN, what)
  if (content === '\u00ff') return true
  if (content === '\u0000') return false
  throw malformed(`its ${what} is malformed`)
}

/** @returns a small non-negative INTEGER */
export function countOf(element: Element | undefined, what: string): number {
  const content = contentOf(element, INTEGER, what)
  if (content.length === 0 || content.length > 4 || content.charCodeAt(0) > 0x7f)
    throw malformed(`its ${what} is malformed`)
  return Buffer.from(content, 'latin1').readUIntBE(0, content.length)
}

/** @returns a BIT STRING's bits as a predicate on their numbers (RFC 5280 appendix B) */
export function bitsOf(element: Element | undefined, what: string): (bit: number) => boolean {
  const content = contentOf(element, BIT_STRING, what)
  if (content.length < 1 || content.charCodeAt(0) > 7) throw malformed(`its ${what} is malformed`)
  return (bit) => ((content.charCodeAt(1 + (bit >> 3)) || 0) & (0x80 >> (bit & 7))) !== 0
}

/**
 * RFC 5280 section 4.1.2.5: both forms in Zulu, with seconds, without fractions.
 * @returns milliseconds since 1970
 */
export function timeOf(element: Element | undefined, what: string): number {
  const utc = element?.tag === UTC_TIME
  const content = contentOf(element, utc ? UTC_TIME : GENERALIZED_TIME, what)
  const digits = utc ? `${Number(content.slice(0, 2)) < 50 ? '20' : '19'}${content}` : content
  const text = digits.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6.000Z')
  const time = Date.parse(text)
  // What Date carries over (the 31st of April, 24 o'clock) comes out as another time.
  if (Number.isNaN(time) || new Date(time).toISOString() !== text) throw malformed(`its ${what} is malformed`)
  return time
}

/**
 * @param element an attribute's value
 * @returns its text, or null when it is no string type of X.520
 */
export function stringOf(element: Element): string | null {
  if (element.kind !== 'universal' || element.inside !== null) return null
  const { tag, content } = element
  if (tag === PRINTABLE_STRING || tag === IA5_STRING || tag === TELETEX_STRING) return content
  if (tag === UTF8_STRING) return Buffer.from(content, 'latin1').toString('utf8')
  if (tag === BMP_STRING) return Buffer.from(content, 'latin1').swap16().toString('utf16le')
  return null
}
