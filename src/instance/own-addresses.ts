/** Addresses of this machine. */

import { networkInterfaces } from 'node:os'
import { normalizeAddress } from '../text/ip-address.ts'

/**
 * @param which all of them, or those but for loopback
 * @returns them in canonical form, each once; asked of the kernel at each call
 */
export function ownAddresses(which: 'all' | 'outside'): Set<string> {
  const interfaces = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const wanted = which === 'all' ? interfaces : interfaces.filter(({ internal }) => !internal)
  return new Set(wanted.flatMap(({ address }) => normalizeAddress(address) ?? []))
}
