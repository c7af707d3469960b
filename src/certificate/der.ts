/**
 * DER (X.690), strictly: what has another encoding than the one of DER is refused, since two readings of one
 * certificate would be two identities. A reader of our own, as node-forge's takes BER, converts some strings on the way,
 * keeps no positions (what is signed is signed as it stands) and costs more than everything else for a hostile
 * certificate.
 */

import { CertificateFault } from './reasons.ts'

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

const CONSTRUCTED = 0x20
const LONG_TAG = 0x1f
/** The two highest bits of the first octet (X.690 section 8.1.2.2). */
const CLASSES = ['universal', 'other', 'context', 'other'] as const
/** No certificate nests deeper; a stack would. */
const DEEPEST = 32
const NO_DER = 'it is not DER'

/** One element. A class rather than an object of closures: a hostile certificate has a hundred thousand of them. */
export class Element {
  readonly #bytes: Buffer
  readonly #from: number
  readonly #start: number
  /** Where the next one begins. */
  readonly end: number
  /** The elements inside, or null for a primitive one. */
  readonly inside: readonly Element[] | null

  /**
   * @param bytes holds its encoding
   * @param from where it begins
   * @param limit where it must have ended
   * @param depth how deep it stands
   * @throws CertificateFault when it is no DER
   */
  constructor(bytes: Buffer, from: number, limit: number, depth: number) {
    this.#bytes = bytes
    this.#from = from
    this.#start = contentStart(bytes, from, limit)
    this.end = contentEnd(bytes, from, this.#start)
    if (this.end > limit) throw malformed(NO_DER)
    this.inside = this.#isConstructed ? this.#readInside(depth) : null
    if (this.kind === 'universal') this.#requireUniversalForm()
  }

  get kind(): (typeof CLASSES)[number] {
    return CLASSES[(this.#bytes[this.#from] ?? 0) >> 6] ?? 'other'
  }

  /** The number within its class. */
  get tag(): number {
    return (this.#bytes[this.#from] ?? 0) & LONG_TAG
  }

  /** The content octets, one character an octet. */
  get content(): string {
    return this.#bytes.toString('latin1', this.#start, this.end)
  }

  /** The content octets. */
  get octets(): Buffer {
    return this.#bytes.subarray(this.#start, this.end)
  }

  /** Its whole encoding, as it stands. */
  get encoding(): Buffer {
    return this.#bytes.subarray(this.#from, this.end)
  }

  get #isConstructed(): boolean {
    return ((this.#bytes[this.#from] ?? 0) & CONSTRUCTED) !== 0
  }

  #readInside(depth: number): Element[] {
    if (depth === DEEPEST) throw malformed('it is nested too deep')
    const elements: Element[] = []
    let from = this.#start
    while (from < this.end) {
      const element = new Element(this.#bytes, from, this.end, depth + 1)
      elements.push(element)
      from = element.end
    }
    return elements
  }

  /** X.690 sections 8.3.2, 8.9, 8.11 and 10.2: strings and numbers are primitive, numbers short, sets are not. */
  #requireUniversalForm(): void {
    const { tag } = this
    if (this.#isConstructed !== (tag === SEQUENCE || tag === SET)) throw malformed(NO_DER)
    if (tag !== INTEGER) return
    const [first = 0, second = 0] = [this.#bytes[this.#start], this.#bytes[this.#start + 1]]
    const length = this.end - this.#start
    const wasted = (first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)
    if (length === 0 || (length > 1 && wasted)) throw malformed(NO_DER)
  }
}

/** X.690 sections 8.1.2 and 10.1: one octet of tag (X.509 needs no more), a definite length. */
function contentStart(bytes: Buffer, from: number, limit: number): number {
  const length = bytes[from + 1] ?? 0
  const start = from + 2 + (length < 0x80 ? 0 : length - 0x80)
  const longTag = ((bytes[from] ?? 0) & LONG_TAG) === LONG_TAG
  if (longTag || length === 0x80 || length > 0x84 || start > limit) throw malformed(NO_DER)
  return start
}

/** The length in the fewest octets (X.690 section 10.1). */
function contentEnd(bytes: Buffer, from: number, start: number): number {
  const octets = start - from - 2
  if (octets === 0) return start + (bytes[from + 1] ?? 0)
  const length = bytes.readUIntBE(from + 2, octets)
  if (length < 0x80 || length < 2 ** (8 * (octets - 1))) throw malformed(NO_DER)
  return start + length
}

/**
 * @param bytes a DER encoding of one element and nothing else
 * @returns the element
 * @throws CertificateFault when it is no DER
 */
export function parseDer(bytes: Buffer): Element {
  const element = new Element(bytes, 0, bytes.length, 0)
  if (element.end !== bytes.length) throw malformed(NO_DER)
  return element
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

/** The same few stand in every certificate. */
const OIDS = new Map<string, string>()
const MOST_OIDS = 500

/** @returns an OBJECT IDENTIFIER in dotted form */
export function oidOf(element: Element | undefined, what: string): string {
  const content = contentOf(element, OBJECT_IDENTIFIER, what)
  const known = OIDS.get(content)
  if (known !== undefined) return known
  const text = dotted(Buffer.from(content, 'latin1'), what)
  if (OIDS.size < MOST_OIDS) OIDS.set(content, text)
  return text
}

/** X.690 section 8.19: seven bits an octet, the first two arcs in one number. */
function dotted(octets: Buffer, what: string): string {
  const arcs: bigint[] = []
  let arc = 0n
  let begun = false
  for (const octet of octets) {
    if (!begun && octet === 0x80) throw malformed(`its ${what} is malformed`)
    arc = arc * 128n + BigInt(octet & 0x7f)
    begun = octet >= 0x80
    if (begun) continue
    arcs.push(arc)
    arc = 0n
  }
  const [first, ...others] = arcs
  if (first === undefined || begun || octets.length > 64) throw malformed(`its ${what} is malformed`)
  const top = first < 80n ? first / 40n : 2n
  return [top, first - top * 40n, ...others].join('.')
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
  if (tag === BMP_STRING && content.length % 2 === 0) {
    return Buffer.from(content, 'latin1').swap16().toString('utf16le')
  }
  return null
}
