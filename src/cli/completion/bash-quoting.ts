/** Words of bash's command line: what was typed, taken apart without evaluating it, and names, quoted to be inserted. */

import { printable } from '../../text/printable.ts'

/** The quote that is open at the end of what was typed. */
export type OpenQuote = '' | "'" | '"'

export interface Typed {
  readonly value: string
  readonly open: OpenQuote
}

/**
 * @param raw a word, or its beginning, as it stands on the command line
 * @returns what it stands for; `$` and backquotes stand for themselves, as nothing is expanded
 */
export function unquoteTyped(raw: string): Typed {
  let value = ''
  let open: OpenQuote = ''
  for (let at = 0; at < raw.length; at++) {
    const character = raw.charAt(at)
    if (character === '\\' && open !== "'") {
      const next = raw.charAt(at + 1)
      // Between double quotes a backslash is itself before anything else.
      if (open === '"' && !/^["\\$`]$/.test(next)) value += character
      else {
        value += next
        at++
      }
    } else if (character === open) open = ''
    else if (open === '' && (character === "'" || character === '"')) open = character
    else value += character
  }
  return { value, open }
}

/** More than a letter, a digit or one of these means something to bash in some place of a word. */
const HARMLESS = /^[\p{L}\p{N}_./,:@%+-]$/u

/**
 * @param value anything but NUL
 * @param open the quote that stands open before it; it is open after it, too
 * @returns how to write it there, so that bash reads it as it is and runs nothing of it
 */
export function quoteForBash(value: string, open: OpenQuote): string {
  return Array.from(value, (character) => quoted(character, open)).join('')
}

function quoted(character: string, open: OpenQuote): string {
  // A line break or a terminal's control code is not put on the line as it is.
  if (printable(character) !== character) return outside(ansiQuoted(character), open)
  switch (open) {
    case "'":
      return character === "'" ? outside(String.raw`\'`, open) : character
    case '"':
      // History is expanded between double quotes, and a backslash before "!" stays there.
      if (character === '!') return outside(String.raw`\!`, open)
      return /^["\\$`]$/.test(character) ? `\\${character}` : character
    case '':
      return HARMLESS.test(character) ? character : `\\${character}`
  }
}

function outside(text: string, open: OpenQuote): string {
  return `${open}${text}${open}`
}

function ansiQuoted(character: string): string {
  const octets = [...Buffer.from(character)]
  return `$'${octets.map((octet) => `\\${octet.toString(8).padStart(3, '0')}`).join('')}'`
}
