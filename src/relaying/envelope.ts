/** Envelope addresses as the rule wants them, made from Haraka's own parse (RFC 5321 section 4.1.2). */

import type { Recipient, Sender } from '../policy/types.ts'
import { normalizeDomain } from '../text/domain-name.ts'

/** What is read of Haraka's Address (`@haraka/email-address`). */
export interface ParsedAddress {
  /** As the client wrote it, with or without angle brackets. */
  readonly original: string
  /** The local part, quotes included; '' for the null sender. */
  readonly user: string | null
  /** In A-label form; '' when there is none. */
  readonly host: string | null
}

/**
 * @param address the parsed reverse-path
 * @returns the sender; the null sender and one without a domain have the domain ''
 */
export function senderOf(address: ParsedAddress): Sender {
  const domain = domainOf(address)
  return { address: joined(address, domain), domain }
}

/**
 * @param address the parsed forward-path
 * @returns the recipient; whether it held a source route is read from what the client wrote
 */
export function recipientOf(address: ParsedAddress): Recipient {
  const domain = domainOf(address)
  return {
    address: joined(address, domain),
    localPart: unquote(address.user ?? ''),
    domain,
    sourceRoute: /^\s*<?@/.test(address.original),
  }
}

/** An address literal stays as it is: it is no domain name and nobody's accepted domain. */
function domainOf({ host }: ParsedAddress): string {
  if (host === null || host === '') return ''
  return normalizeDomain(host) ?? host.toLowerCase()
}

function joined({ user }: ParsedAddress, domain: string): string {
  const local = user ?? ''
  return domain === '' ? local : `${local}@${domain}`
}

/** `"a%b"` and `a%b` name the same mailbox; a backslash quotes the next character (quoted-pairSMTP). */
function unquote(localPart: string): string {
  if (!localPart.includes('"') && !localPart.includes('\\')) return localPart
  return localPart.replaceAll(/\\([\s\S])|"/g, (_, quoted: string | undefined) => quoted ?? '')
}
