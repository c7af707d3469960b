/** HOST:PORT as administrators write it. */

import { isIPv6 } from 'node:net'
import { normalizeDomain } from '../text/domain-name.ts'
import { normalizeAddress } from '../text/ip-address.ts'

export interface Endpoint {
  /** A name or an address, IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

/**
 * @param text `HOST:PORT`, `[IPv6]:PORT`, or without a port
 * @param defaultPort the port when none is given; without it one must be given
 * @returns the endpoint, or null when it is none
 */
export function parseEndpoint(text: string, defaultPort?: number): Endpoint | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/i.exec(text.trim())
  if (match === null) return null
  const [, v6, name, digits] = match
  const port = digits === undefined ? defaultPort : portOf(digits)
  const host = v6 === undefined ? hostOf(name ?? '') : literalOf(v6)
  return port === undefined || host === null ? null : { host, port }
}

function portOf(digits: string): number | undefined {
  const port = Number(digits)
  return port > 0 && port < 65_536 ? port : undefined
}

function literalOf(text: string): string | null {
  return isIPv6(text) ? text.toLowerCase() : null
}

function hostOf(text: string): string | null {
  return normalizeAddress(text) ?? normalizeDomain(text) ?? (text === 'localhost' ? text : null)
}

/**
 * @param endpoint a host and a port
 * @returns `HOST:PORT`, IPv6 in brackets
 */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * @param host an address or name
 * @returns whether only this machine can reach it
 */
export function isLoopback(host: string): boolean {
  const address = normalizeAddress(host)
  return host === 'localhost' || address === '::1' || address?.startsWith('127.') === true
}
