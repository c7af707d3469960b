/** What a next hop offers (RFC 5321 section 4.1.1.1). */

import type { Reply } from './reply.ts'

export interface Features {
  /** The name that it gave itself, in lower case. */
  readonly name: string
  readonly startTls: boolean
  readonly pipelining: boolean
  readonly size: boolean
  readonly eightBitMime: boolean
  readonly smtpUtf8: boolean
  readonly dsn: boolean
  /** SASL mechanisms in upper case. */
  readonly auth: readonly string[]
}

/** As of a server that knows HELO only. */
export const NO_FEATURES: Features = {
  name: '',
  startTls: false,
  pipelining: false,
  size: false,
  eightBitMime: false,
  smtpUtf8: false,
  dsn: false,
  auth: [],
}

/**
 * @param reply to EHLO
 * @returns what it offers
 */
export function featuresIn({ lines: [greeting = '', ...lines] }: Reply): Features {
  const offered = new Map<string, readonly string[]>()
  for (const line of lines) {
    // Some old ones write AUTH=LOGIN.
    const [keyword = '', ...parameters] = line
      .trim()
      .toUpperCase()
      .split(/[\s=]+/)
    offered.set(keyword, [...(offered.get(keyword) ?? []), ...parameters])
  }
  return {
    name: (greeting.trim().split(/\s/)[0] ?? '').toLowerCase(),
    startTls: offered.has('STARTTLS'),
    pipelining: offered.has('PIPELINING'),
    size: offered.has('SIZE'),
    eightBitMime: offered.has('8BITMIME'),
    smtpUtf8: offered.has('SMTPUTF8'),
    dsn: offered.has('DSN'),
    auth: offered.get('AUTH') ?? [],
  }
}
