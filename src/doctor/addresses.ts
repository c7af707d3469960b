/** Which addresses the world sees. */

import ipaddr from 'ipaddr.js'
import { parseRange } from '../text/ip-address.ts'

/** Kinds that mean something within a network only. */
const INSIDE = new Set([
  'private',
  'loopback',
  'linkLocal',
  'uniqueLocal',
  'carrierGradeNat',
  'unspecified',
  'multicast',
  'broadcast',
])

/**
 * @param text an address or a range
 * @returns whether it is, or begins with, one that the world may see
 */
export function isPublic(text: string): boolean {
  const range = parseRange(text)
  return range !== null && !INSIDE.has(ipaddr.fromByteArray([...range.bytes]).range())
}
