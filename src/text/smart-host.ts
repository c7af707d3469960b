/** A next hop as an administrator writes it: a name or an address, and a port where it is not SMTP's own. */

import { isIP } from 'node:net'
import { normalizeDomain } from './domain-name.ts'
import { normalizeAddress } from './ip-address.ts'

/** RFC 5321 section 2.3.8 and RFC 6335: where a server takes mail from servers. */
export const SMTP_PORT = 25

const LONGEST = 255

/** A name in A-label form, or an address in canonical form, without brackets. */
interface HostAndPort {
  readonly host: string
  readonly port: number
}

/**
 * @param text `smtp.contoso.com`, `smtp.contoso.com:587`, `192.0.2.1`, `192.0.2.1:2525`, `2001:db8::1`, `[192.0.2.1]`,
 *   `[2001:db8::1]:587`
 * @returns the host and the port, 25 where none is named; null when it is neither a name nor an address
 */
export function parseSmartHost(text: string): HostAndPort | null {
  if (text.length > LONGEST) return null
  // An IPv6 address without brackets is all address: nobody could tell its last group from a port.
  if (isIP(text) === 6) return withHost(text, SMTP_PORT)
  const match = /^(?:\[(?<literal>[^\]]+)\]|(?<name>[^:[\]]+))(?::(?<port>\d{1,5}))?$/.exec(text)
  const { literal, name, port: digits } = match?.groups ?? {}
  const port = digits === undefined ? SMTP_PORT : Number(digits)
  if (port < 1 || port > 65_535) return null
  if (literal !== undefined) return isIP(literal) === 0 ? null : withHost(literal, port)
  return name === undefined ? null : withHost(name, port)
}

function withHost(text: string, port: number): HostAndPort | null {
  if (isIP(text) !== 0) {
    const address = normalizeAddress(text)
    return address === null ? null : { host: address, port }
  }
  const host = normalizeDomain(text)
  return host === null ? null : { host, port }
}

/**
 * @param smartHost a host in canonical form and its port
 * @returns it as `parseSmartHost` reads it: `host`, `host:port` or `[address]:port`, without port 25
 */
export function formatSmartHost({ host, port }: HostAndPort): string {
  if (port === SMTP_PORT) return host
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}
