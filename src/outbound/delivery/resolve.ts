/** Looks up next hops: MX and addresses, remembered for as long as the DNS says, and asked for once at a time. */

import { lookup as lookupHere, Resolver as DnsResolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { LRUCache } from 'lru-cache'
import type { NameServer } from '../../dns/server.ts'
import { normalizeAddress } from '../../text/ip-address.ts'

export interface MxHost {
  readonly preference: number
  /** '' is the null MX (RFC 7505). */
  readonly exchange: string
}

/** nowhere: the DNS says that there is nothing. failed: it could not be asked. */
export type Found<T> =
  | { readonly found: readonly T[] }
  | { readonly nowhere: 'no-such-name' | 'no-data' }
  | { readonly failed: string }

export interface NextHopResolver {
  /** @param host a name in A-label form, or an address */
  addresses(host: string): Promise<Found<string>>
  /** @param domain a name in A-label form */
  exchanges(domain: string): Promise<Found<MxHost>>
}

const LONGEST = 3_600_000
const SHORTEST = 5_000
/** What is not there, and what could not be asked. */
const NEGATIVE = 15_000
/** What getaddrinfo says, which tells no time to live. */
const UNTOLD = 60_000
const MOST_NAMES = 20_000
const PATIENCE = { timeout: 5_000, tries: 2 }

interface Known {
  readonly answer: Promise<Found<unknown>>
}

/**
 * @param server where to ask; null for what the machine uses, its hosts file included
 * @returns the resolver
 */
export function openResolver(server: () => NameServer | null): NextHopResolver {
  const known = new LRUCache<string, Known>({ max: MOST_NAMES, ttl: LONGEST })
  const once = <T>(key: string, ask: () => Promise<{ answer: Found<T>; ttl: number }>): Promise<Found<T>> => {
    const before = known.get(key)
    if (before !== undefined) return before.answer as Promise<Found<T>>
    const answer = ask().then(({ answer: found, ttl }) => {
      known.set(key, { answer: Promise.resolve(found) }, { ttl: Math.min(LONGEST, Math.max(SHORTEST, ttl)) })
      return found
    })
    known.set(key, { answer }, { ttl: LONGEST })
    return answer
  }
  const scope = (): string => {
    const at = server()
    return at === null ? '' : `${at.address} ${at.port} `
  }
  return {
    addresses: (host) =>
      isIP(host) === 0
        ? once(`${scope()}A ${host}`, () => askAddresses(server(), host))
        : Promise.resolve({ found: [canonical(host)] }),
    exchanges: (domain) => once(`${scope()}MX ${domain}`, () => askExchanges(server(), domain)),
  }
}

function resolverAt(server: NameServer | null): DnsResolver {
  const resolver = new DnsResolver(PATIENCE)
  if (server !== null) {
    const { address, port } = server
    resolver.setServers([address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`])
  }
  return resolver
}

async function askExchanges(
  server: NameServer | null,
  domain: string,
): Promise<{ answer: Found<MxHost>; ttl: number }> {
  try {
    const records = await resolverAt(server).resolveMx(domain)
    const found = records.map(({ exchange, priority }) => ({
      preference: priority,
      exchange: exchange.toLowerCase().replace(/\.$/, ''),
    }))
    return { answer: { found }, ttl: UNTOLD }
  } catch (error) {
    return { answer: negative(error), ttl: NEGATIVE }
  }
}

async function askAddresses(
  server: NameServer | null,
  host: string,
): Promise<{ answer: Found<string>; ttl: number }> {
  if (server === null) return askHere(host)
  const resolver = resolverAt(server)
  const options = { ttl: true } as const
  const [v4, v6] = await Promise.allSettled([
    resolver.resolve4(host, options),
    resolver.resolve6(host, options),
  ])
  const records = [v4, v6].flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
  if (records.length > 0) {
    const ttl = Math.min(...records.map((record) => record.ttl)) * 1000
    return { answer: { found: records.map(({ address }) => canonical(address)) }, ttl }
  }
  const failures = [v4, v6].flatMap((result) =>
    result.status === 'rejected' ? [negative(result.reason)] : [],
  )
  const failed = failures.find((failure) => 'failed' in failure)
  return { answer: failed ?? failures[0] ?? { nowhere: 'no-data' }, ttl: NEGATIVE }
}

async function askHere(host: string): Promise<{ answer: Found<string>; ttl: number }> {
  try {
    const addresses = await lookupHere(host, { all: true, verbatim: true })
    return { answer: { found: addresses.map(({ address }) => canonical(address)) }, ttl: UNTOLD }
  } catch (error) {
    return { answer: negative(error), ttl: NEGATIVE }
  }
}

/** So that it can be told whether it is this server's or the peer's: `::ffff:192.0.2.1` is 192.0.2.1. */
function canonical(address: string): string {
  return normalizeAddress(address) ?? address
}

/** Only an answer that says so means that there is nothing. */
function negative(error: unknown): { nowhere: 'no-such-name' | 'no-data' } | { failed: string } {
  const { code = '' } = error as NodeJS.ErrnoException
  if (code === 'ENOTFOUND') return { nowhere: 'no-such-name' }
  if (code === 'ENODATA') return { nowhere: 'no-data' }
  return { failed: code === '' ? String(error) : code }
}
