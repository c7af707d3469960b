/** Files that are given in place of an export, recognised so that the answer can say what to do instead. */

import { HOW_TO_EXPORT } from './refused.ts'

interface OtherText {
  readonly what: string
  readonly mend: string
}

/** What is told apart stands at the beginning. */
const ENOUGH = 4096

const MEND = `write it so: ${HOW_TO_EXPORT}`

const KINDS: readonly (readonly [pattern: RegExp, what: string, mend: string])[] = [
  [/^<Objs\b/, 'was written by Export-Clixml', MEND],
  [/^<(?:!doctype|html|head|body)\b/i, 'is an HTML page', MEND],
  [/^</, 'is XML', MEND],
  // These two words stand in an error of PowerShell in every language.
  [
    /\bCategoryInfo\b|\bFullyQualifiedErrorId\b|\bCommandNotFoundException\b/,
    'is an error message of PowerShell',
    'run Connect-ExchangeOnline first, and export again',
  ],
  [
    /^(?:Get-\w+|Import-\w+|Connect-\w+) ?: /,
    'is an error message of PowerShell',
    'run Connect-ExchangeOnline first, and export again',
  ],
  [
    /Resulting JSON is truncated/,
    'was cut off by ConvertTo-Json, as its warning says',
    'export it again with ConvertTo-Json -Depth 4',
  ],
  [/^(?:WARNING|VERBOSE): /, 'begins with a warning of PowerShell', 'export it again without *>'],
  [/^[A-Za-z]\w* +: /, 'is a list for the screen, which cuts values off', MEND],
  [/^[^\n]*\r?\n-+ +-+/, 'is a table for the screen, which cuts values off', MEND],
]

/**
 * @param text a text that does not begin as JSON does
 * @returns what it is and what to do, or null when it may be CSV
 */
export function kindOfText(text: string): OtherText | null {
  const beginning = text.slice(0, ENOUGH)
  for (const [pattern, what, mend] of KINDS) if (pattern.test(beginning)) return { what, mend }
  return null
}
