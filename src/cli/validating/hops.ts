/** The servers that an outbound connector leads to, as they are looked up now. */

import { isIP } from 'node:net'
import type { Found, NextHopResolver } from '../../outbound/delivery/resolve.ts'
import type { OutboundConnector } from '../../policy/types.ts'
import { formatSmartHost, SMTP_PORT } from '../../text/smart-host.ts'
import type { Step } from './steps.ts'
import { stepsWith } from './steps.ts'

/** One address of one server. */
export interface Hop {
  /** The name that was asked for. */
  readonly host: string
  readonly address: string
  readonly port: number
}

/** Servers of which any takes the mail, in the order in which they are tried. */
export interface Hops {
  /** The domain whose MX they are; null for the smart hosts, which are for all. */
  readonly domain: string | null
  readonly hops: readonly Hop[]
  readonly steps: readonly Step[]
}

/** More are looked up, but not tried. */
const MOST_ADDRESSES = 8
const MOST_EXCHANGES = 10

/**
 * @param connector an outbound connector
 * @param domains whose MX are looked up where it goes by MX, in A-label form
 * @param resolver what looks them up
 * @returns the servers; those of each domain apart
 */
export async function hopsOf(
  { smartHosts, useMXRecord }: OutboundConnector,
  domains: readonly string[],
  resolver: NextHopResolver,
): Promise<Hops[]> {
  if (useMXRecord) return Promise.all(domains.map((domain) => hopsByMx(domain, resolver)))
  const found = await Promise.all(
    smartHosts.map(({ host, port }) => addressesOf(host, port, formatSmartHost({ host, port }), resolver)),
  )
  return [
    { domain: null, hops: found.flatMap(({ hops }) => hops), steps: found.flatMap(({ steps }) => steps) },
  ]
}

async function hopsByMx(domain: string, resolver: NextHopResolver): Promise<Hops> {
  const step = stepsWith(domain)
  const mend = 'mail to this domain would wait; look at the MX of the domain, and at [outbound] resolver'
  const failed = (detail: string): Hops => ({
    domain,
    hops: [],
    steps: [step('resolve', 'failed', detail, mend)],
  })
  const answer = await resolver.exchanges(domain)
  if ('failed' in answer) return failed(`its MX cannot be looked up: ${answer.failed}`)
  // RFC 5321 section 5.1: without MX the domain is its own server.
  const records = 'found' in answer ? answer.found : [{ preference: 0, exchange: domain }]
  const named = records.filter(({ exchange }) => exchange !== '')
  if (named.length === 0) return failed('it takes no mail: its MX is "." (RFC 7505)')
  const sorted = named.toSorted((left, right) => left.preference - right.preference)
  const found = await Promise.all(
    sorted
      .slice(0, MOST_EXCHANGES)
      .map(({ exchange }) => addressesOf(exchange, SMTP_PORT, `${domain}, by ${exchange}`, resolver)),
  )
  return { domain, hops: found.flatMap(({ hops }) => hops), steps: found.flatMap(({ steps }) => steps) }
}

async function addressesOf(
  host: string,
  port: number,
  name: string,
  resolver: NextHopResolver,
): Promise<Pick<Hops, 'hops' | 'steps'>> {
  if (isIP(host) !== 0) return { hops: [{ host, address: host, port }], steps: [] }
  const step = stepsWith(name)
  const answer = await resolver.addresses(host)
  if (!('found' in answer)) {
    const mend = 'write the name as the DNS has it, or an address; [outbound] resolver says where it is asked'
    return { hops: [], steps: [step('resolve', 'failed', whyNot(answer), mend)] }
  }
  const addresses = answer.found.slice(0, MOST_ADDRESSES)
  const more = answer.found.length - addresses.length
  const detail = `${addresses.join(', ')}${more > 0 ? `, and ${more} more that are not tried` : ''}`
  return {
    hops: addresses.map((address) => ({ host, address, port })),
    steps: [step('resolve', 'ok', detail)],
  }
}

function whyNot(answer: Exclude<Found<string>, { found: readonly string[] }>): string {
  if ('failed' in answer) return `it cannot be looked up: ${answer.failed}`
  return answer.nowhere === 'no-such-name' ? 'there is no such name' : 'it has no address'
}
