/** Where the world delivers a domain's mail (RFC 5321 section 5.1). */

import type { Resolver, ServerFailure } from './lookup.ts'
import { lookup, resolverOf } from './lookup.ts'
import type { PatienceOptions } from './patience.ts'
import { withPatience } from './patience.ts'
import type { NameServer } from './server.ts'

/** Who is asked, and how long is waited. */
export interface LookupOptions extends PatienceOptions {
  /** Without it the system's resolvers. */
  readonly resolver?: NameServer
}

/** A host that takes the domain's mail. */
export interface MailExchange {
  /** Lower is tried first. */
  readonly preference: number
  /** Its name; text from the network. */
  readonly host: string
  /** Canonical addresses; empty when it has none, null when that is not known or was not looked up. */
  readonly addresses: readonly string[] | null
}

export type PublicMx =
  /** In the order in which they are tried. */
  | { readonly kind: 'mx'; readonly exchanges: readonly MailExchange[]; readonly count: number }
  /** RFC 7505: it takes no mail. */
  | { readonly kind: 'null-mx' }
  /** No MX: the domain's own addresses count. */
  | { readonly kind: 'implicit'; readonly addresses: readonly string[] }
  /** The domain exists, without MX and without an address. */
  | { readonly kind: 'none' }
  | { readonly kind: 'no-such-domain' }
  | { readonly kind: 'could-not-ask'; readonly failures: readonly ServerFailure[] }

/** More are counted, not named. */
const MOST_EXCHANGES = 20
const MOST_ADDRESSES = 20

/**
 * @param domain a normalised domain name
 * @param options whom to ask
 * @returns the domain's public MX; never rejects for what a server does
 * @throws the reason of `options.signal` when that was aborted
 */
export async function publicMx(domain: string, options: LookupOptions = {}): Promise<PublicMx> {
  return withPatience(options, async (patience): Promise<PublicMx> => {
    const resolver = resolverOf(options.resolver === undefined ? null : [options.resolver], patience)
    const found = await lookup(resolver, domain, 'MX')
    if (found.kind === 'failed') return { kind: 'could-not-ask', failures: found.failures }
    if (found.kind === 'no-such-name') return { kind: 'no-such-domain' }
    if (found.kind === 'none') return implicitMx(resolver, domain)
    // RFC 7505 section 3: the root beside other exchanges is a mistake, and none of them.
    const records = found.records.filter(({ exchange }) => exchange !== '')
    if (records.length === 0) return { kind: 'null-mx' }
    const sorted = records.toSorted(
      (a, b) => a.preference - b.preference || (a.exchange < b.exchange ? -1 : 1),
    )
    const named = sorted.slice(0, MOST_EXCHANGES)
    const exchanges = await Promise.all(
      named.map(async ({ preference, exchange }) => {
        const addresses = await addressesOf(resolver, exchange)
        return { preference, host: exchange, addresses: 'failures' in addresses ? null : addresses.found }
      }),
    )
    return { kind: 'mx', exchanges, count: records.length }
  })
}

async function implicitMx(resolver: Resolver, domain: string): Promise<PublicMx> {
  const addresses = await addressesOf(resolver, domain)
  if ('failures' in addresses) return { kind: 'could-not-ask', failures: addresses.failures }
  return addresses.found.length === 0 ? { kind: 'none' } : { kind: 'implicit', addresses: addresses.found }
}

/**
 * @param resolver whom to ask
 * @param host a host's name
 * @returns its IPv4 and IPv6 addresses, canonical, the first few; failures when one of both kinds could not be asked and
 *   the other is not there
 */
export async function addressesOf(
  resolver: Resolver,
  host: string,
): Promise<{ readonly found: readonly string[] } | { readonly failures: readonly ServerFailure[] }> {
  const both = await Promise.all([lookup(resolver, host, 'A'), lookup(resolver, host, 'AAAA')])
  const found = both.flatMap((one) =>
    one.kind === 'found' ? one.records.slice(0, MOST_ADDRESSES).map(({ address }) => address) : [],
  )
  const failures = both.flatMap((one) => (one.kind === 'failed' ? one.failures : []))
  return found.length === 0 && failures.length > 0 ? { failures } : { found: [...new Set(found)] }
}
