/** The header section of content, for people. */

import type { Content } from '../types.ts'

const LONGEST_HEADER = 64 * 1024

/**
 * @param content in wire form
 * @returns its header section as mail is read, without doubled dots (RFC 5321 section 4.5.2); at most 64 KiB
 */
export function headerOf(content: Content): string {
  const text = content.toString('utf8', 0, Math.min(content.length, LONGEST_HEADER))
  const end = text.indexOf('\r\n\r\n')
  return (end === -1 ? text : text.slice(0, end + 2)).replaceAll(/^\.\./gm, '.')
}
