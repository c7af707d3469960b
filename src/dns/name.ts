/**
 * Domain names between text and wire (RFC 1035 sections 3.1 and 4.1.4). The text is lower case and without a trailing dot,
 * the root is ''. Octets other than letters, digits, hyphens and underscores are escaped (section 5.1): a dot inside a
 * label stays another name than a dot between two.
 */

/** RFC 1035 section 2.3.4. */
const LONGEST_LABEL = 63
const LONGEST_NAME = 255

/** Servers chain pointers (Knot does), but each leads to a label: a name has no more of those. */
const MOST_POINTERS = 127

/** What is not as RFC 1035 says; its message tells what. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage'
}

/**
 * @param name a domain name in text, escapes as RFC 1035 section 5.1 writes them
 * @returns its octets on the wire, uncompressed; null when it is no name that fits there
 */
export function encodeName(name: string): Buffer | null {
  const labels = labelsOf(name)
  if (labels === null) return null
  const parts = labels.map((label) => Buffer.concat([Buffer.of(label.length), label]))
  const bytes = Buffer.concat([...parts, Buffer.of(0)])
  return bytes.length <= LONGEST_NAME ? bytes : null
}

/** One octet of a label, escaped or not, or the dot after it. */
const PIECE = /\\(\d{3})|\\(\D)|([^\\])/y

function labelsOf(name: string): Buffer[] | null {
  // Each octet is four characters at most.
  if (name.length > 4 * LONGEST_NAME) return null
  const text = name.endsWith('.') ? name.slice(0, -1) : name
  if (text === '') return []
  const labels: number[][] = [[]]
  for (let at = 0; at < text.length; at = PIECE.lastIndex) {
    PIECE.lastIndex = at
    const piece = PIECE.exec(text)
    if (piece === null) return null
    if (piece[0] === '.') labels.push([])
    else labels.at(-1)?.push(octetOf(piece))
  }
  const fits = labels.every((label) => isLabel(label))
  return fits ? labels.map((label) => Buffer.from(label)) : null
}

function octetOf([, decimal, escaped, plain]: readonly (string | undefined)[]): number {
  return decimal === undefined ? (escaped ?? plain ?? '').charCodeAt(0) : Number(decimal)
}

function isLabel(octets: readonly number[]): boolean {
  return octets.length > 0 && octets.length <= LONGEST_LABEL && octets.every((octet) => octet <= 0xff)
}

/**
 * @param bytes a whole message, also hostile
 * @param start where the name begins
 * @param limit where it must have ended, what its pointers lead to excepted
 * @returns the name in text, and where the octet after it stands
 * @throws MalformedMessage for one that is too long, ends too late or whose pointers do not lead back
 */
export function decodeName(bytes: Buffer, start: number, limit: number): { name: string; end: number } {
  const labels: string[] = []
  let at = start
  let within = limit
  let end: number | null = null
  let octets = 1
  let pointers = 0
  // Each pointer leads to before where the last one led: no loop.
  let before = start
  for (;;) {
    const length = octetAt(bytes, at, within)
    if (length === 0) return { name: labels.join('.'), end: end ?? at + 1 }
    if (length >= 0xc0) {
      const target = ((length & 0x3f) << 8) | octetAt(bytes, at + 1, within)
      end ??= at + 2
      pointers += 1
      if (target >= before || pointers > MOST_POINTERS) throw new MalformedMessage('a name leads in circles')
      before = target
      at = target
      within = bytes.length
      continue
    }
    octets += 1 + length
    if (length > LONGEST_LABEL || octets > LONGEST_NAME) throw new MalformedMessage('a name is too long')
    if (at + 1 + length > within) throw new MalformedMessage('a name ends too late')
    labels.push(labelText(bytes.subarray(at + 1, at + 1 + length)))
    at += 1 + length
  }
}

function octetAt(bytes: Buffer, at: number, limit: number): number {
  const octet = at < limit ? bytes[at] : undefined
  if (octet === undefined) throw new MalformedMessage('a name ends too late')
  return octet
}

function labelText(label: Buffer): string {
  return label
    .toString('latin1')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .replace(/[^a-z0-9_-]/g, (character) => `\\${String(character.charCodeAt(0)).padStart(3, '0')}`)
}

/**
 * @param name a domain name in text
 * @returns it and every name above it, the nearest first; the root, '', last
 */
export function nameAndAncestors(name: string): string[] {
  const names = [name]
  // An escaped dot is written \046: every dot in the text stands between two labels.
  for (let rest = name; rest !== ''; names.push(rest)) {
    const dot = rest.indexOf('.')
    rest = dot === -1 ? '' : rest.slice(dot + 1)
  }
  return names
}

/** @returns whether a name is another one or below it */
export function isAtOrBelow(name: string, zone: string): boolean {
  return zone === '' || name === zone || name.endsWith(`.${zone}`)
}

/**
 * @param name a domain name in text, in any case
 * @returns the one form in which names are compared here; null when it is no name that fits on the wire
 */
export function canonicalName(name: string): string | null {
  const bytes = encodeName(name)
  return bytes === null ? null : decodeName(bytes, 0, bytes.length).name
}
