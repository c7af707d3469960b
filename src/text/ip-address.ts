/** Addresses and ranges in one form. What stands here for an address is never widened by guessing. */

import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

export type Family = 4 | 6

/** An address range: the network's first address and the length of its prefix in bits. */
export interface AddressRange {
  /** Canonical CIDR form, e.g. `10.1.0.0/24`, `2001:db8:1::/48`. */
  readonly range: string
  readonly prefixLength: number
  /** The network's first address: 4 or 16 octets. */
  readonly bytes: readonly number[]
  /** Whether bits after the prefix were set; `range` and `bytes` have them cleared. */
  readonly hostBits: boolean
  readonly family: Family
}

/** The longest text of an IPv6 address with a prefix length: `xxxx:…:255.255.255.255/128`. */
const LONGEST_TEXT = 49

const MAPPED_BITS = 96

/**
 * @param text anything, also hostile
 * @returns the address in canonical form (IPv6 as RFC 5952 writes it, `::ffff:a.b.c.d` as IPv4); null for anything
 *   else: octal, hexadecimal and short IPv4 forms, brackets, ports, zone ids (a zone means nothing elsewhere)
 */
export function normalizeAddress(text: string): string | null {
  const bytes = bytesOfAddress(text)
  return bytes === null ? null : textOf(unmapped(bytes))
}

/**
 * @param text an IPv4 or IPv6 address, or a range in CIDR form (RFC 4632 section 3.1, RFC 4291 section 2.3)
 * @returns the range, host bits cleared; a single address is a range of one host; null when it is none
 */
export function parseRange(text: string): AddressRange | null {
  if (text.length > LONGEST_TEXT) return null
  const slash = text.indexOf('/')
  const bytes = bytesOfAddress(slash === -1 ? text : text.slice(0, slash))
  if (bytes === null) return null
  const bits = slash === -1 ? bytes.length * 8 : prefixLengthOf(text.slice(slash + 1))
  if (bits === null || bits > bytes.length * 8) return null

  // A range inside ::ffff:0:0/96 is one of IPv4 addresses; a wider one is of IPv6 addresses and holds no IPv4 peer.
  const inside = bits >= MAPPED_BITS && isMapped(bytes)
  const given = inside ? bytes.slice(12) : bytes
  const prefixLength = inside ? bits - MAPPED_BITS : bits
  const network = maskBytes(given, prefixLength)
  return {
    range: formatRange(network, prefixLength),
    prefixLength,
    bytes: network,
    hostBits: given.some((octet, index) => octet !== network[index]),
    family: given.length === 4 ? 4 : 6,
  }
}

/**
 * @param address a canonical address, as normalizeAddress returned it
 * @returns its 4 or 16 octets, or null when it is no address
 */
export function addressBytes(address: string): readonly number[] | null {
  const bytes = bytesOfAddress(address)
  return bytes === null ? null : unmapped(bytes)
}

/**
 * @param bytes the octets of an address
 * @param prefixLength how many bits stay
 * @returns the octets with every bit after the prefix cleared
 */
export function maskBytes(bytes: readonly number[], prefixLength: number): number[] {
  return bytes.map((octet, index) => {
    const kept = Math.min(8, Math.max(0, prefixLength - index * 8))
    return octet & (0xff << (8 - kept)) & 0xff
  })
}

/**
 * @param network the octets of a network's first address
 * @param prefixLength the length of its prefix in bits
 * @returns the range in canonical CIDR form
 */
export function formatRange(network: readonly number[], prefixLength: number): string {
  return `${textOf(network)}/${prefixLength}`
}

function bytesOfAddress(text: string): number[] | null {
  if (text.length > LONGEST_TEXT) return null
  if (isIPv4(text)) return text.split('.').map(Number)
  if (!isIPv6(text) || text.includes('%')) return null
  return ipaddr.IPv6.parse(withoutDottedTail(text)).toByteArray()
}

/** ipaddr.js takes `::10.0.0.1` for the IPv4 address 10.0.0.1; only `::ffff:10.0.0.1` is (RFC 4291 section 2.5.5). */
function withoutDottedTail(text: string): string {
  if (!text.includes('.')) return text
  const start = text.lastIndexOf(':') + 1
  const [first = 0, second = 0, third = 0, fourth = 0] = text.slice(start).split('.').map(Number)
  const groups = [first * 256 + second, third * 256 + fourth].map((group) => group.toString(16))
  return `${text.slice(0, start)}${groups.join(':')}`
}

function prefixLengthOf(text: string): number | null {
  return /^(?:0|[1-9]\d{0,2})$/.test(text) ? Number(text) : null
}

function isMapped(bytes: readonly number[]): boolean {
  return (
    bytes.length === 16 &&
    bytes.slice(0, 10).every((octet) => octet === 0) &&
    bytes[10] === 0xff &&
    bytes[11] === 0xff
  )
}

function unmapped(bytes: number[]): number[] {
  return isMapped(bytes) ? bytes.slice(12) : bytes
}

function textOf(bytes: readonly number[]): string {
  return bytes.length === 4 ? bytes.join('.') : ipaddr.fromByteArray([...bytes]).toString()
}
