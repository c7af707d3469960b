/**
 * Which servers are authoritative for a name. A resolver names them and their addresses; what stands in the zone is then
 * asked of them alone.
 */

import type { Resolver, ServerFailure } from './lookup.ts'
import { lookup } from './lookup.ts'
import { nameAndAncestors } from './name.ts'

/** A zone with one more is somebody's attack: 13 root servers have 26 addresses. */
const MOST_NAMES = 13
const MOST_ADDRESSES_OF_A_NAME = 4
const MOST_ADDRESSES = 26

/** A name server of a zone. */
export interface ZoneServer {
  /** Its name in the NS record. */
  readonly name: string
  readonly address: string
}

export interface Zone {
  /** Its uppermost name; '' is the root. */
  readonly apex: string
  readonly servers: readonly ZoneServer[]
  /** Name servers whose address is not known. */
  readonly failures: readonly ServerFailure[]
}

/**
 * @param name a domain name
 * @param resolver who knows which servers there are
 * @returns the zone that holds the name, or that would if it existed; or why that is not known
 */
export async function zoneOf(
  name: string,
  resolver: Resolver,
): Promise<Zone | { readonly failures: readonly ServerFailure[] }> {
  for (const apex of nameAndAncestors(name)) {
    const found = await lookup(resolver, apex, 'NS')
    if (found.kind === 'failed') return found
    // A name with a CNAME is none where a zone begins.
    if (found.kind !== 'found' || found.name !== apex) continue
    const names = found.records.map(({ target }) => target)
    return zoneServedBy(apex, names, resolver)
  }
  const detail = `it knows no zone above ${name}, not even the root`
  return { failures: [{ server: '', why: 'lame', detail }] }
}

/**
 * @param apex the uppermost name of a zone
 * @param names its name servers
 * @param resolver who knows their addresses
 * @returns the zone
 */
export async function zoneServedBy(
  apex: string,
  names: readonly string[],
  resolver: Resolver,
): Promise<Zone> {
  const unique = [...new Set(names)].sort().slice(0, MOST_NAMES)
  const found = await Promise.all(unique.map((name) => serversNamed(name, resolver)))
  return {
    apex,
    servers: found.flatMap(({ servers }) => servers).slice(0, MOST_ADDRESSES),
    failures: found.flatMap(({ failures }) => failures),
  }
}

async function serversNamed(name: string, resolver: Resolver): Promise<Omit<Zone, 'apex'>> {
  const found = await Promise.all([lookup(resolver, name, 'A'), lookup(resolver, name, 'AAAA')])
  const addresses = found.flatMap((one) =>
    one.kind === 'found' ? one.records.slice(0, MOST_ADDRESSES_OF_A_NAME).map(({ address }) => address) : [],
  )
  const servers = addresses.map((address) => ({ name, address }))
  if (servers.length > 0) return { servers, failures: [] }
  const why = found.flatMap((one) => (one.kind === 'failed' ? one.failures.map(({ detail }) => detail) : []))
  const detail = why.length === 0 ? 'its name has no address' : `its address is not known: ${why.join('; ')}`
  return { servers, failures: [{ server: name, why: 'no-address', detail }] }
}
