/** The little of MIME (RFC 2045, RFC 2047) and of the message format (RFC 5322) that a report is written in. */

export const CRLF = '\r\n'

/** RFC 5322 section 2.1.1: what no line may exceed, and what it should not. */
const LONGEST_LINE = 998
const USUAL_LINE = 76

/** Bytes in one encoded-word of base64, so that the first, after the name of its field, stays within a usual line. */
const ENCODED_WORD_BYTES = 36

/**
 * @param at milliseconds since 1970
 * @returns e.g. `Wed, 25 Nov 2026 06:53:26 +0000` (RFC 5322 section 3.3)
 */
export function messageDate(at: number): string {
  return new Date(at).toUTCString().replace(/GMT$/, '+0000')
}

/**
 * @param text of one line
 * @returns whether it is printable ASCII
 */
export function isPlain(text: string): boolean {
  return /^[ -~]*$/.test(text)
}

/**
 * @param name of a header field
 * @param value one line of printable ASCII
 * @returns the field, folded where its white space allows (RFC 5322 section 2.2.3), with its CRLF
 */
export function field(name: string, value: string): string {
  return `${wrap(`${name}: ${value}`, ' ').join(CRLF)}${CRLF}`
}

/**
 * @param name of a header field without structure, e.g. `Subject`
 * @param value one line of any text
 * @returns the field, in encoded-words (RFC 2047) where it is not ASCII or would be taken for one
 */
export function textField(name: string, value: string): string {
  if (isPlain(value) && !value.includes('=?')) return field(name, value)
  const words: string[] = []
  let chunk = ''
  for (const character of value) {
    if (Buffer.byteLength(chunk + character) > ENCODED_WORD_BYTES) {
      words.push(encodedWord(chunk))
      chunk = ''
    }
    chunk += character
  }
  words.push(encodedWord(chunk))
  return `${name}: ${words.join(`${CRLF} `)}${CRLF}`
}

function encodedWord(text: string): string {
  return `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`
}

/**
 * Breaks text at its spaces, so that lines are of a usual length; a word that is longer stays whole.
 * @param text one line
 * @param indent what each line but the first begins with; the space that it was broken at is gone
 * @param width how many characters a line should have at most
 * @returns its lines; white space is one space wherever it was more
 */
export function wrap(text: string, indent: string, width = USUAL_LINE): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/[ \t]+/)) {
    if (line !== '' && line.length + 1 + word.length > width && word !== '') {
      lines.push(line)
      line = indent + word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line.trimEnd()]
}

/**
 * @param bytes lines end in CRLF
 * @returns quoted-printable (RFC 2045 section 6.7): ASCII in lines of at most 76 characters, from which the same bytes come
 *   back
 */
export function quotedPrintable(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .split(CRLF)
    .map((line) => softBreaks(escapeLine(line)))
    .join(CRLF)
}

function escapeLine(line: string): string {
  return line.replaceAll(/[^\t -<>-~]|[\t ]$/g, (character) => {
    const code = character.charCodeAt(0)
    return `=${code.toString(16).toUpperCase().padStart(2, '0')}`
  })
}

/** Never inside of an escape. */
function softBreaks(line: string): string {
  const lines: string[] = []
  let rest = line
  while (rest.length > USUAL_LINE) {
    const cut = USUAL_LINE - 1
    const escape = rest.lastIndexOf('=', cut - 1)
    const end = escape > cut - 3 ? escape : cut
    lines.push(rest.slice(0, end))
    rest = rest.slice(end)
  }
  return [...lines, rest].join(`=${CRLF}`)
}

/**
 * @param bytes anything
 * @returns base64 in lines of 76 characters (RFC 2045 section 6.8), the last with its CRLF
 */
export function base64Lines(bytes: Buffer): string {
  return (bytes.toString('base64').match(/.{1,76}/g) ?? []).map((line) => line + CRLF).join('')
}

/** What bytes need of a transport. */
export interface Needs {
  readonly eightBit: boolean
  /** NUL, a CR or LF alone, or a line that is too long: neither 7bit nor 8bit (RFC 2045 sections 2.7 and 2.8). */
  readonly binary: boolean
}

/**
 * @param bytes lines end in CRLF
 * @returns what it takes to carry them as they are
 */
export function needsOf(bytes: Buffer): Needs {
  const text = bytes.toString('latin1')
  const broken = /\0|\r(?!\n)|(?<!\r)\n/.test(text)
  const long = text.split(CRLF).some((line) => line.length > LONGEST_LINE)
  return { eightBit: /[\u0080-\u00ff]/.test(text), binary: broken || long }
}

/**
 * @param bytes lines end in CRLF
 * @returns the same with each leading dot doubled (RFC 5321 section 4.5.2)
 */
export function stuffDots(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll(/(^|\r\n)\./g, '$1..'), 'latin1')
}

/**
 * @param bytes in wire form
 * @returns the same without the dots that were put before leading dots
 */
export function unstuffDots(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll(/(^|\r\n)\./g, '$1'), 'latin1')
}
