/** The next hop of one recipient at this moment, or why none is known. */

import { isUnknown } from '../../policy/attribute.ts'
import type { Route } from '../../policy/route.ts'
import { printable } from '../../text/printable.ts'
import type { Envelope, EnvelopeRecipient, Said } from '../types.ts'
import type { Hop, HopContext } from './hop.ts'
import { hopOf } from './hop.ts'
import type { QueueOptions } from './queue-type.ts'

/** Why no next hop is known. `unknown` is waited for, and is no attempt. */
export interface HopFailure {
  readonly kind: 'unknown' | 'deferred'
  readonly said: Said
}

/**
 * @param at when, in milliseconds since 1970
 * @param status RFC 3463
 * @param text what this server has to say, where no other was asked
 * @returns it as the last word about a recipient
 */
export function saidHere(at: number, status: string, text: string): Said {
  return { at, code: 0, status, text: printable(text, 500), remote: null }
}

/**
 * @param envelope of a message
 * @param recipient one of its recipients
 * @param options what is asked
 * @param now the clock
 * @returns where its mail goes
 */
export async function findHop(
  envelope: Envelope,
  recipient: EnvelopeRecipient,
  { hops, identityOf, routeOf }: Pick<QueueOptions, 'hops' | 'identityOf' | 'routeOf'>,
  now: () => number,
): Promise<{ readonly hop: Hop } | { readonly failure: HopFailure }> {
  const { domain } = recipient
  const route = await routeOf(envelope, recipient)
  if ('deferred' in route)
    return { failure: { kind: 'deferred', said: saidHere(now(), '4.4.4', route.deferred) } }
  if (isUnknown(route)) {
    const text = `where it goes could not be looked up: ${route.why}`
    return { failure: { kind: 'unknown', said: saidHere(now(), '4.3.0', text) } }
  }
  if (route.via === 'none') {
    const text = `${domain} is an accepted domain, and there is no outbound connector and no smart host for it`
    return { failure: { kind: 'deferred', said: saidHere(now(), '4.4.4', text) } }
  }
  const identity = await identityOf(route.via === 'connector' ? route.connector : null)
  if ('failure' in identity) return { failure: { kind: 'deferred', said: identity.failure } }
  return { hop: hopOf(route, domain, identity, await exceptFor(route, envelope, hops)) }
}

/** The address that the mail came from, where a smart host has it. */
async function exceptFor(
  route: Route,
  { peer }: Envelope,
  { resolver }: Pick<HopContext, 'resolver'>,
): Promise<string | null> {
  if (peer === null || isLoopback(peer)) return null
  for (const { host } of smartHostsOf(route)) {
    const found = await resolver.addresses(host)
    if ('found' in found && found.found.includes(peer)) return peer
  }
  return null
}

function smartHostsOf(route: Route) {
  if (route.via === 'connector') return route.connector.smartHosts
  return route.via === 'smart-host' ? [route.smartHost] : []
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}
