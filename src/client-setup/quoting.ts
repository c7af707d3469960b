/**
 * Text of others, written into scripts and settings so that it is read back as it was, and never as anything else. Names of
 * organisations, subjects of certificates and names of files are hostile.
 */

import { printable } from '../text/printable.ts'

/** A text that the language it is meant for cannot hold; the message is the end of a sentence. */
export class UnquotableText extends Error {}

/** Room enough for a distinguished name or a path. */
const LONGEST_TEXT = 8192

/** What no line of a script may hold: controls, line separators, what turns the direction of writing. */
function requireOneLine(text: string): void {
  if (text.length > LONGEST_TEXT) throw new UnquotableText(`is longer than ${LONGEST_TEXT} characters`)
  if (printable(text, 6 * LONGEST_TEXT) !== text) throw new UnquotableText('holds control characters')
}

/**
 * Windows PowerShell reads a script without a byte order mark in the code page of the machine, and takes U+2018 to U+201B
 * for apostrophes: octets of UTF-8 would be read as those (U+0152 holds 0x92). So what is no ASCII is written as its code.
 * @param text one line
 * @returns an expression of PowerShell in ASCII, in parentheses where it is more than one literal
 * @throws UnquotableText
 */
export function powershellString(text: string): string {
  requireOneLine(text)
  const parts: string[] = []
  // The first part is a string in any case: a sum of two characters would not be one.
  for (const [index, run] of (text.match(/[ -~]+|[^ -~]/g) ?? ['']).entries()) {
    const ascii = /^[ -~]*$/.test(run)
    if (index === 0 && !ascii) parts.push("''")
    if (ascii) parts.push(`'${run.replaceAll("'", "''")}'`)
    else parts.push(`[char]0x${run.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`)
  }
  return parts.length === 1 ? parts.join('') : `(${parts.join(' + ')})`
}

/**
 * @param text one line
 * @returns a value of main.cf: what stands after `name = ` (postconf(5): `$` begins a parameter, spaces around are cut)
 * @throws UnquotableText
 */
export function postfixValue(text: string): string {
  requireOneLine(text)
  if (text === '') throw new UnquotableText('is empty')
  if (text.trim() !== text) throw new UnquotableText('begins or ends with a space')
  return text.replaceAll('$', '$$$$')
}

/**
 * @param text one line
 * @returns a string of Exim's configuration that is expanded (chapters 6.16 and 11 of its specification)
 * @throws UnquotableText
 */
export function eximString(text: string): string {
  requireOneLine(text)
  if (text === '') throw new UnquotableText('is empty')
  if (/^[A-Za-z0-9/._-]+$/.test(text)) return text
  const unexpanded = text.replaceAll(/[\\$]/g, String.raw`\$&`)
  return `"${unexpanded.replaceAll(/[\\"]/g, String.raw`\$&`)}"`
}

/**
 * @param text one line
 * @returns one word of a shell, in ASCII: any POSIX shell's where the text is ASCII, else one of bash, ksh and zsh
 * @throws UnquotableText
 */
export function shellWord(text: string): string {
  requireOneLine(text)
  if (/^[A-Za-z0-9/._:@+,-]+$/.test(text)) return text
  if (/^[ -~]*$/.test(text)) return `'${text.replaceAll("'", String.raw`'\''`)}'`
  // Octets, since what \u stands for hangs on the locale.
  const escaped = [...Buffer.from(text, 'utf8')].map((octet) => {
    const character = String.fromCharCode(octet)
    if (character === "'" || character === '\\') return `\\${character}`
    return octet < 0x7f ? character : `\\${octet.toString(8)}`
  })
  return `$'${escaped.join('')}'`
}

const LONGEST_COMMENT = 1000

/**
 * @param text anything
 * @returns it for a comment: one line of ASCII. Whoever writes it puts something behind it, so that it never ends in a backslash.
 */
export function commentText(text: string): string {
  return printable(text, LONGEST_COMMENT).replaceAll(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
