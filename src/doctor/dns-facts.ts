/** What the DNS says of the addresses that mail leaves from, and of the registered domains: a bounded number of questions. */

import type { ReverseResult } from '../dns/host-records.ts'
import { reverseLookup } from '../dns/host-records.ts'
import type { NameServer } from '../dns/server.ts'
import type { SpfResult } from '../dns/spf.ts'
import { checkSpf } from '../dns/spf.ts'

export interface DnsOptions {
  /** Without it the system's resolvers. */
  readonly resolver: NameServer | null
  /** Canonical; where mail leaves from. */
  readonly addresses: readonly string[]
  /** Registered domains that may send, the most important first. */
  readonly domains: readonly string[]
}

export interface DnsFacts {
  readonly reverse: readonly { readonly address: string; readonly result: ReverseResult }[]
  readonly spf: readonly { readonly address: string; readonly domain: string; readonly result: SpfResult }[]
  /** How many addresses and domains were not looked at. */
  readonly addressesLeft: number
  readonly domainsLeft: number
}

const MOST_ADDRESSES = 4
/** An SPF record takes up to a dozen questions. */
const MOST_DOMAINS = 50
const AT_ONCE = 8

const TIMEOUT = 1_500
/** For everything; a resolver that is dead costs this much. */
const DEADLINE = 6_000

/**
 * @param options whom and what to ask about
 * @returns what was heard; never rejects for what the DNS does
 */
export async function dnsFacts({ addresses, domains, resolver }: DnsOptions): Promise<DnsFacts> {
  const end = Date.now() + DEADLINE
  const lookup = (): {
    timeoutMilliseconds: number
    deadlineMilliseconds: number
    resolver?: NameServer
  } => ({
    timeoutMilliseconds: TIMEOUT,
    deadlineMilliseconds: Math.max(1, end - Date.now()),
    ...(resolver === null ? {} : { resolver }),
  })
  const asked = addresses.slice(0, MOST_ADDRESSES)
  const names = domains.slice(0, MOST_DOMAINS)
  const reverse = Promise.all(
    asked.map(async (address) => ({ address, result: await reverseLookup(address, lookup()) })),
  )
  const spf: { address: string; domain: string; result: SpfResult }[] = []
  const waiting = names.flatMap((domain) => asked.map((address) => ({ address, domain }))).toReversed()
  let late = 0
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (Date.now() >= end) late += 1
      else spf.push({ ...next, result: await checkSpf(next, lookup()) })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, () => work()))
  const lateDomains = asked.length === 0 ? 0 : Math.ceil(late / asked.length)
  return {
    reverse: await reverse,
    spf: spf.toSorted((left, right) => names.indexOf(left.domain) - names.indexOf(right.domain)),
    addressesLeft: addresses.length - asked.length,
    domainsLeft: domains.length - names.length + lateDomains,
  }
}
