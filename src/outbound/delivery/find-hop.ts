/** The next hop of one recipient at this moment, or why none is known. */

import { isUnknown } from '../../policy/attribute.ts'
import type { Envelope, EnvelopeRecipient, Said } from '../types.ts'
import type { Hop } from './hop.ts'
import { hopOf } from './hop.ts'
import { peerAmong } from './leads-back.ts'
import type { QueueOptions } from './queue-type.ts'
import { saidHere } from './said.ts'

/** Why no next hop is known. `unknown` is waited for, and is no attempt. */
export interface HopFailure {
  readonly kind: 'unknown' | 'deferred'
  readonly said: Said
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
  return { hop: hopOf(route, domain, identity, await peerAmong(route, envelope.peer, hops.resolver)) }
}
