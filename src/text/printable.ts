/** Text from the network, made safe to show. */

const ELLIPSIS = '…'

const PLAIN = /^[ -~]*$/

/** First and last code of what is not shown as it is. */
const UNSAFE: readonly (readonly [number, number])[] = [
  [0x00, 0x1f], // C0 controls
  [0x7f, 0x9f], // DEL and C1 controls
  [0x061c, 0x061c], // Unicode Bidi_Control, to 0x2069: what turns the direction of writing
  [0x200e, 0x200f],
  [0x2028, 0x2029], // line and paragraph separators
  [0x202a, 0x202e],
  [0x2066, 0x2069],
  [0xd800, 0xdfff], // lone surrogates; a pair arrives as one character of two units
]

/**
 * Makes any string safe for a terminal, a log line and a text of one line.
 * @param text anything, also hostile
 * @param maxLength the most characters (UTF-16 units) that come out, the ellipsis of a cut included
 * @returns the text with unsafe characters written as \xNN or \uNNNN, never cut inside a character or an escape
 */
export function printable(text: string, maxLength = 256): string {
  if (text.length <= maxLength && PLAIN.test(text)) return text
  let shown = ''
  // Where to cut if the text turns out to be too long: the ellipsis must still fit.
  let cut = ''
  // A megabyte is not walked for its first line: what is one character longer than fits shows that it does not fit.
  for (const character of text.slice(0, maxLength + 2)) {
    const next = shown + (isUnsafe(character) ? escaped(character) : character)
    if (next.length > maxLength) return cut + ELLIPSIS
    shown = next
    if (shown.length < maxLength) cut = shown
  }
  return shown
}

function isUnsafe(character: string): boolean {
  if (character.length > 1) return false
  const code = character.charCodeAt(0)
  return UNSAFE.some(([first, last]) => code >= first && code <= last)
}

function escaped(character: string): string {
  const code = character.charCodeAt(0)
  return code <= 0xff
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`
}
