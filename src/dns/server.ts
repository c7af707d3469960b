/** A name server as administrators and resolv.conf write it. */

import { getServers } from 'node:dns'
import { isIP } from 'node:net'

const DNS_PORT = 53

/** Where a name server listens. */
export interface NameServer {
  /** IPv4, or IPv6 without brackets. */
  readonly address: string
  readonly port: number
}

/**
 * @param text `ADDR`, `ADDR:PORT`, `[IPv6]:PORT` or `IPv6`
 * @returns the name server, or null when it is none: a name is not, since who would look it up?
 */
export function parseNameServer(text: string): NameServer | null {
  const trimmed = text.trim()
  if (isIP(trimmed) !== 0) return { address: trimmed, port: DNS_PORT }
  const [, v6, v4, digits] = /^(?:\[([^[\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(trimmed) ?? []
  const address = v6 ?? v4 ?? ''
  const port = digits === undefined ? DNS_PORT : Number(digits)
  if (isIP(address) !== (v6 === undefined ? 4 : 6) || port < 1 || port > 65_535) return null
  return { address, port }
}

/** @returns `ADDR` on the usual port, else `ADDR:PORT`, IPv6 in brackets */
export function formatNameServer({ address, port }: NameServer): string {
  if (port === DNS_PORT) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** @returns the name servers of the system, as /etc/resolv.conf names them */
export function systemNameServers(): NameServer[] {
  return getServers().flatMap((text) => parseNameServer(text) ?? [])
}
