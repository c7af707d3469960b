/** Exchange Online sees a server's public address, this smarthost the one behind the NAT: which stands for which. */

import ipaddr from 'ipaddr.js'
import type { AddressRange } from '../text/ip-address.ts'
import { parseRange } from '../text/ip-address.ts'
import { printable } from '../text/printable.ts'

/** Ranges that nobody has to himself on the Internet: RFC 1918, 3927, 4193, 4291, 6598. */
const INSIDE: readonly string[] = ['private', 'loopback', 'linkLocal', 'uniqueLocal', 'carrierGradeNat']

/** What was typed is no pair of addresses; the message is safe to print. */
export class AddressMapError extends Error {
  override readonly name = 'AddressMapError'
}

interface Pair {
  readonly from: AddressRange
  /** Canonical. */
  readonly to: readonly string[]
  used: boolean
}

export interface MappedAddresses {
  /** What stands in the connector then. */
  readonly mapped: readonly string[]
  /** Of those, what was not replaced. */
  readonly kept: readonly string[]
  readonly replaced: readonly (readonly [from: string, to: readonly string[]])[]
}

export class AddressMap {
  readonly #pairs = new Map<string, Pair>()

  /**
   * @param pairs `203.0.113.7=10.1.2.0/24`, several targets parted by commas; addresses or CIDR ranges, IPv4 or IPv6
   * @throws AddressMapError
   */
  constructor(pairs: readonly string[]) {
    for (const text of pairs) {
      const [from = '', to = '', more] = text.split('=', 3)
      if (to === '' || more !== undefined) {
        throw new AddressMapError(`"${printable(text)}" is no pair FROM=TO, e.g. 203.0.113.7=10.1.2.0/24`)
      }
      const source = rangeOf(from)
      if (this.#pairs.has(source.range)) {
        throw new AddressMapError(
          `${source.range} is given twice: write its targets together, parted by commas`,
        )
      }
      const targets = to.split(',').map((target) => rangeOf(target).range)
      this.#pairs.set(source.range, { from: source, to: [...new Set(targets)], used: false })
    }
  }

  /**
   * @param given senderIPAddresses as the export has them
   * @returns them as they are here: an entry that is exactly a FROM is replaced
   */
  apply(given: readonly string[]): MappedAddresses {
    const mapped: string[] = []
    const kept: string[] = []
    const replaced: (readonly [string, readonly string[]])[] = []
    for (const text of given) {
      const pair = this.#pairs.get(parseRange(text)?.range ?? '')
      if (pair === undefined) {
        kept.push(text)
        mapped.push(text)
        continue
      }
      pair.used = true
      mapped.push(...pair.to)
      replaced.push([shown(pair.from), pair.to])
    }
    return { mapped, kept, replaced }
  }

  /** @returns what nothing in the import was replaced for */
  unused(): string[] {
    return [...this.#pairs.values()].filter(({ used }) => !used).map(({ from }) => shown(from))
  }
}

/**
 * @param given addresses and ranges, whatever else there is
 * @returns those that are public, in canonical form, each once
 */
export function publicRanges(given: readonly string[]): string[] {
  const ranges = given.flatMap((text) => parseRange(text) ?? [])
  return [...new Set(ranges.filter((range) => isPublic(range)).map((range) => shown(range)))]
}

function isPublic({ bytes }: AddressRange): boolean {
  return !INSIDE.includes(ipaddr.fromByteArray([...bytes]).range())
}

function rangeOf(text: string): AddressRange {
  const range = parseRange(text.trim())
  if (range !== null) return range
  throw new AddressMapError(`"${printable(text, 80)}" is no IP address and no CIDR range, e.g. 10.1.2.0/24`)
}

/** One host without its prefix length, as people write it. */
function shown({ range, prefixLength, family }: AddressRange): string {
  return prefixLength === (family === 4 ? 32 : 128) ? range.slice(0, range.lastIndexOf('/')) : range
}
