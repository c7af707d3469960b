/** The name of an address, as other mail servers look at it: PTR, and back again. */

import { addressBytes } from '../text/ip-address.ts'
import type { Resolver, ServerFailure } from './lookup.ts'
import { lookup, resolverOf } from './lookup.ts'
import { withPatience } from './patience.ts'
import type { LookupOptions } from './public-mx.ts'
import { addressesOf } from './public-mx.ts'

/** A name of a PTR record. */
export interface ReverseName {
  readonly host: string
  /** Its addresses; null when they could not be asked. */
  readonly addresses: readonly string[] | null
}

export type ReverseResult =
  /** One name at least leads back to the address. */
  | { readonly kind: 'confirmed'; readonly hosts: readonly string[]; readonly names: readonly ReverseName[] }
  /** There are names, and none leads back: many mail servers refuse that. */
  | { readonly kind: 'unconfirmed'; readonly names: readonly ReverseName[] }
  /** No PTR record: most mail servers refuse that. */
  | { readonly kind: 'none' }
  | { readonly kind: 'could-not-ask'; readonly failures: readonly ServerFailure[] }

/** RFC 7208 section 5.5 looks at so many, too. */
const MOST_NAMES = 10

/**
 * @param address a canonical address (`normalizeAddress`)
 * @returns where its PTR record stands (RFC 1035 section 3.5, RFC 3596 section 2.5)
 */
export function reverseName(address: string): string {
  const bytes = addressBytes(address) ?? []
  if (bytes.length === 4) return `${bytes.toReversed().join('.')}.in-addr.arpa`
  const nibbles = bytes.flatMap((octet) => [octet >> 4, octet & 0xf])
  return `${nibbles
    .toReversed()
    .map((nibble) => nibble.toString(16))
    .join('.')}.ip6.arpa`
}

/**
 * @param address a canonical address (`normalizeAddress`)
 * @param options whom to ask
 * @returns its names, and whether they lead back (forward-confirmed reverse DNS); never rejects for what a server does
 * @throws the reason of `options.signal` when that was aborted
 */
export async function reverseLookup(address: string, options: LookupOptions = {}): Promise<ReverseResult> {
  return withPatience(options, (patience) => {
    const servers = options.resolver === undefined ? null : [options.resolver]
    return reverseLookupWith(resolverOf(servers, patience), address)
  })
}

/** The same, within what somebody else's patience allows. */
export async function reverseLookupWith(resolver: Resolver, address: string): Promise<ReverseResult> {
  const found = await lookup(resolver, reverseName(address), 'PTR')
  if (found.kind === 'failed') return { kind: 'could-not-ask', failures: found.failures }
  if (found.kind !== 'found') return { kind: 'none' }
  const failures: ServerFailure[] = []
  const names = await Promise.all(
    found.records.slice(0, MOST_NAMES).map(async ({ target }): Promise<ReverseName> => {
      const addresses = await addressesOf(resolver, target)
      if ('found' in addresses) return { host: target, addresses: addresses.found }
      failures.push(...addresses.failures)
      return { host: target, addresses: null }
    }),
  )
  const hosts = names.filter(({ addresses }) => addresses?.includes(address)).map(({ host }) => host)
  if (hosts.length > 0) return { kind: 'confirmed', hosts, names }
  return failures.length > 0 ? { kind: 'could-not-ask', failures } : { kind: 'unconfirmed', names }
}
