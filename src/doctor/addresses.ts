/** Which addresses the world sees. */

import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'
import { normalizeAddress, parseRange } from '../text/ip-address.ts'

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

/** @returns the addresses of this machine but for loopback, canonical */
export function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const outside = all.filter(({ internal }) => !internal)
  return [...new Set(outside.flatMap(({ address }) => normalizeAddress(address) ?? []))]
}
