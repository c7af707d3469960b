/** senderIPAddresses of a connector: ranges that are meant, not guessed. */

import ipaddr from 'ipaddr.js'
import { isIP } from 'node:net'
import { parseRange } from '../text/ip-address.ts'
import type { Fields, YamlNode, YamlReader } from './yaml-reader.ts'
import { quoted } from './yaml-reader.ts'

/** A range wider than these is somebody's mistake until they say that it is not. */
const WIDEST = { 4: 8, 6: 32 } as const

/**
 * @param reader where problems are reported
 * @param fields the connector's fields
 * @param items the items of senderIPAddresses
 * @returns the ranges in canonical form, without duplicates; what is no range is reported and left out
 */
export function readAddresses(reader: YamlReader, fields: Fields, items: readonly YamlNode[]): string[] {
  const allowWide = allowsWide(reader, fields)
  const ranges = new Set<string>()
  for (const item of items) {
    const range = readRange(reader, item, allowWide)
    if (range !== null) ranges.add(range)
  }
  return [...ranges]
}

/** @returns whether the administrator says that wide ranges are meant; what is wrong with it is reported once */
export function allowsWide(reader: YamlReader, fields: Fields): boolean {
  return reader.flag(fields, 'allowWideAddresses', false)
}

function readRange(reader: YamlReader, node: YamlNode, allowWide: boolean): string | null {
  const text = reader.itemText(node, 'an address in senderIPAddresses')
  if (text === null) return null
  const parsed = parseRange(text)
  if (parsed === null) {
    reader.error(node, `${quoted(text)} is no IP address and no CIDR range`, mendFor(text))
    return null
  }
  const { range, prefixLength, family, hostBits } = parsed
  if (hostBits) {
    reader.report(
      node,
      'warning',
      `${quoted(text)} has bits set after its prefix: it is read as the whole range ${range}`,
      `write ${range}, or the single address without /${prefixLength}`,
    )
  }
  if (prefixLength >= WIDEST[family]) return range
  const message = `${range} is wider than /${WIDEST[family]}: every server in it is taken for this organisation's own`
  if (allowWide) reader.report(node, 'warning', message, 'allowWideAddresses: true permits it')
  else reader.error(node, message, 'write a narrower range, or add allowWideAddresses: true to the connector')
  return range
}

function mendFor(text: string): string {
  const [address = '', suffix = ''] = text.split('/', 2)
  if (/^[\da-f.:]+\s*[-–]\s*[\da-f.:]+$/i.test(text))
    return 'ranges with a dash are not read: write them as CIDR, e.g. 192.0.2.0/28'
  if (/[,;\s]/.test(text)) return 'write one address an entry: [192.0.2.1, 192.0.2.2]'
  if (text.includes('%')) return 'leave out the zone: it means nothing to another host'
  if (isIP(address) !== 0) return mendForPrefix(address, suffix)
  if (/^[\dx.]+$/i.test(address)) return 'write an IPv4 address as four decimal numbers without leading zeros'
  if (/^[a-z\d.*-]+$/i.test(address))
    return 'names are not looked up: write addresses, or use tlsSenderCertificateName'
  return 'write e.g. 192.0.2.1, 10.1.0.0/24 or "2001:db8:1::/48"'
}

function mendForPrefix(address: string, suffix: string): string {
  if (isIP(address) === 6) return 'the prefix is a number from 0 to 128'
  if (isIP(suffix) !== 4) return 'the prefix is a number from 0 to 32'
  const bits = ipaddr.IPv4.parse(suffix).prefixLengthFromSubnetMask()
  return bits === null ? 'write the length of the prefix, e.g. /24' : `write ${address}/${bits}`
}
