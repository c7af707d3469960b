/** What this server has to say about a recipient where no other was asked. */

import { printable } from '../../text/printable.ts'
import type { Said } from '../types.ts'

/**
 * @param at when, in milliseconds since 1970
 * @param status RFC 3463
 * @param text what this server has to say, where no other was asked
 * @returns it as the last word about a recipient
 */
export function saidHere(at: number, status: string, text: string): Said {
  return { at, code: 0, status, text: printable(text, 500), remote: null }
}
