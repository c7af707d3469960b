/** Where mail of this instance goes, asked at RCPT and again at each attempt. */

import { ownAddresses } from '../instance/own-addresses.ts'
import type { HopContext, Listening } from '../outbound/delivery/hop.ts'
import type { NextHopResolver } from '../outbound/delivery/resolve.ts'
import type { RouteOf } from '../outbound/types.ts'
import { isUnknown } from '../policy/attribute.ts'
import { findRoute } from '../relaying/route.ts'
import { termsNow } from '../relaying/terms.ts'
import type { HarakaModules } from './mend.ts'
import { askPlugins } from './outbound-hooks.ts'
import type { Service } from './service.ts'
import type { ServerModule } from './types.ts'

/** Addresses of this machine are looked up so often: an interface may come up later. */
const OWN_ADDRESSES_MILLISECONDS = 10_000

/**
 * @param haraka the running Haraka, whose plugins may answer get_mx
 * @param service the directory and the settings
 * @returns where a recipient of a message in the queue goes
 */
export function routesOf(haraka: HarakaModules, service: Pick<Service, 'directory' | 'settings'>): RouteOf {
  return async (envelope, recipient) => {
    const { outbound, relay } = service.settings()
    const route = await findRoute(service.directory, {
      domain: recipient.domain,
      organization: envelope.organization,
      smartHost: outbound.smartHost,
      terms: termsNow(relay),
    })
    if (isUnknown(route) || route.via !== 'mx') return route
    const asked = await askPlugins(haraka, envelope, recipient)
    if (asked === null) return route
    return 'deferred' in asked ? asked : { via: 'smart-host', ...asked }
  }
}

/**
 * @param server the running Haraka's
 * @param resolver what looks names up
 * @returns what the choice of hosts looks at
 */
export function hopContextOf(server: Pick<ServerModule, 'listeners'>, resolver: NextHopResolver): HopContext {
  let own: ReadonlySet<string> = new Set()
  let lookedAt = Number.NEGATIVE_INFINITY
  return {
    resolver,
    own: () => {
      if (Date.now() - lookedAt > OWN_ADDRESSES_MILLISECONDS) {
        own = ownAddresses('all')
        lookedAt = Date.now()
      }
      return own
    },
    listening: () => server.listeners.flatMap((listener) => listeningAt(listener.address())),
    now: Date.now,
    random: Math.random,
  }
}

function listeningAt(at: ReturnType<ServerModule['listeners'][number]['address']>): Listening[] {
  if (at === null || typeof at === 'string') return []
  const address = at.address === '::' || at.address === '0.0.0.0' ? '' : at.address
  return [{ address, port: at.port }]
}
