/** What this machine is called, and where its own server listens: no next hop of itself. */

import { hostname } from 'node:os'
import { hostNameOf, readHarakaConfig } from '../../instance/haraka-config.ts'
import { ownAddresses } from '../../instance/own-addresses.ts'
import { normalizeDomain } from '../../text/domain-name.ts'
import { normalizeAddress } from '../../text/ip-address.ts'
import type { Hop } from './hops.ts'

/**
 * @param instance the instance's folder
 * @returns the name that it says at EHLO
 */
export function heloOf(instance: string): string {
  // Haraka takes the machine's name, too.
  return hostNameOf(instance) ?? normalizeDomain(hostname()) ?? 'localhost.localdomain'
}

/**
 * @param instance the instance's folder
 * @returns whether an address and port is one on which the instance's own server listens
 */
export function ownListeners(instance: string): (hop: Pick<Hop, 'address' | 'port'>) => boolean {
  const own = ownAddresses('all')
  const { listen } = readHarakaConfig(instance)
  return ({ address, port }) =>
    listen.some((at) => {
      if (at.port !== port) return false
      const host = normalizeAddress(at.host)
      return host === address || ((host === '0.0.0.0' || host === '::') && own.has(address))
    })
}
