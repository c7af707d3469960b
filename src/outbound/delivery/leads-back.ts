/** Whether mail would go back to where it came from. */

import type { Route } from '../../policy/route.ts'
import type { SmartHost } from '../../policy/types.ts'
import { normalizeAddress } from '../../text/ip-address.ts'
import type { NextHopResolver } from './resolve.ts'

/**
 * RFC 5321 section 6.3: it would come back, and go there again.
 * @param route where a recipient's mail would go
 * @param peer the address of who sends it; null where none counts
 * @param resolver what looks names up
 * @returns whether each server that it could go to is the one that sends it; a name that cannot be looked up is none
 */
export async function wouldLeadBack(
  route: Route,
  peer: string | null,
  resolver: NextHopResolver,
): Promise<boolean> {
  if (!counts(peer)) return false
  const smartHosts = smartHostsOf(route)
  if (smartHosts.length === 0) return false
  for (const { host } of smartHosts) {
    const found = await resolver.addresses(host)
    if (!('found' in found) || found.found.some((address) => normalizeAddress(address) !== peer)) return false
  }
  return true
}

/**
 * @param route where a recipient's mail goes
 * @param peer the address that the mail came from; null where none counts
 * @param resolver what looks names up
 * @returns the peer, where a smart host has its address: that one is left out; else null
 */
export async function peerAmong(
  route: Route,
  peer: string | null,
  resolver: NextHopResolver,
): Promise<string | null> {
  if (!counts(peer)) return null
  for (const { host } of smartHostsOf(route)) {
    const found = await resolver.addresses(host)
    if ('found' in found && found.found.includes(peer)) return peer
  }
  return null
}

/** Servers on this machine share loopback: it tells none of them. */
function counts(peer: string | null): peer is string {
  return peer !== null && peer !== '::1' && !peer.startsWith('127.')
}

function smartHostsOf(route: Route): readonly SmartHost[] {
  if (route.via === 'smart-host') return [route.smartHost]
  return route.via === 'connector' ? route.connector.smartHosts : []
}
