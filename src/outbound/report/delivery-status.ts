/** The account for machines: message/delivery-status (RFC 3464), or its form for international addresses (RFC 6533). */

import { isIP } from 'node:net'
import { normalizeDomain } from '../../text/domain-name.ts'
import { printable } from '../../text/printable.ts'
import type { EnvelopeRecipient } from '../types.ts'
import type { Facts, Fate } from './facts.ts'
import { CRLF, field, isPlain, messageDate } from './mime.ts'
import { decodeOrcpt } from './parameters.ts'
import { decodeXtext, toSevenBit } from './xtext.ts'

/** RFC 3461 section 4.2: no ORCPT is longer, and no address that came over SMTP. */
const LONGEST_ADDRESS = 500

/** So that the field stays one, whatever it is broken at. */
const LONGEST_DIAGNOSTIC = 900

/** RFC 3464 section 2.3.6: what this server says of itself is no SMTP reply. */
const OWN_DIAGNOSTIC = 'x-connectors'

/**
 * @param facts what is reported
 * @returns whether an address is in it that only message/global-delivery-status can hold
 */
export function isInternational({ fates }: Facts): boolean {
  return fates.some(({ recipient }) => {
    const original = recipient.orcpt === null ? null : decodeOrcpt(recipient.orcpt)
    return !isPlain(shown(recipient.address)) || !isPlain(shown(original?.address ?? ''))
  })
}

/**
 * @param facts what is reported
 * @returns its fields, those of the message and then a group for each recipient, with an empty line between; in ASCII unless
 *   it is international. Lines end in CRLF
 */
export function deliveryStatus(facts: Facts): string {
  const international = isInternational(facts)
  return [
    messageFields(facts),
    ...facts.fates.map((fate) => recipientFields(facts, fate, international)),
  ].join(CRLF)
}

/** RFC 3464 section 2.2. */
function messageFields({ context, envelope }: Facts): string {
  const envid =
    envelope.envid === null ? '' : (decodeXtext(envelope.envid) ?? '').replaceAll('\t', ' ').trim()
  return [
    isPlain(envid) && envid !== '' ? `Original-Envelope-Id: ${envid}${CRLF}` : '',
    `Reporting-MTA: dns; ${context.me}${CRLF}`,
    `Arrival-Date: ${messageDate(envelope.receivedAt)}${CRLF}`,
  ].join('')
}

/** RFC 3464 section 2.3. */
function recipientFields({ context }: Facts, fate: Fate, international: boolean): string {
  const { action, recipient, remote, status, triedAt } = fate
  return [
    originalRecipient(recipient),
    addressField('Final-Recipient', 'rfc822', recipient.address),
    `Action: ${action}${CRLF}`,
    `Status: ${status}${CRLF}`,
    remote === null ? '' : remoteMta(remote.host, remote.address),
    diagnosticCode(fate, international),
    triedAt === null ? '' : `Last-Attempt-Date: ${messageDate(triedAt)}${CRLF}`,
    action === 'delayed' ? `Will-Retry-Until: ${messageDate(context.expiresAt)}${CRLF}` : '',
  ].join('')
}

/** Only where the client gave one (RFC 3464 section 2.3.1). */
function originalRecipient({ orcpt }: EnvelopeRecipient): string {
  const original = orcpt === null ? null : decodeOrcpt(orcpt)
  return original === null ? '' : addressField('Original-Recipient', original.type, original.address)
}

/** Not folded: white space in an address counts. What is not ASCII is of type utf-8 (RFC 6533 section 3). */
function addressField(name: string, type: string, address: string): string {
  const text = shown(address)
  return `${name}: ${isPlain(text) ? type : 'utf-8'}; ${text}${CRLF}`
}

/** What is no address comes out as something that can stand there all the same. */
function shown(address: string): string {
  const text = printable(address, LONGEST_ADDRESS).trim()
  if (text === '') return '<>'
  return address.length > LONGEST_ADDRESS ? text.replace(/…$/, '...') : text
}

/** RFC 3464 section 2.1.2: a name, or an address as in an EHLO. */
function remoteMta(host: string, address: string): string {
  const name = normalizeDomain(host) ?? literal(host) ?? literal(address)
  return name === null ? '' : `Remote-MTA: dns; ${name}${CRLF}`
}

function literal(address: string): string | null {
  const version = isIP(address)
  // A zone would be no part of a literal (RFC 5321 section 4.1.3).
  if (version === 0 || address.includes('%')) return null
  return version === 6 ? `[IPv6:${address}]` : `[${address}]`
}

function diagnosticCode({ answered, words }: Fate, international: boolean): string {
  if (words === '') return ''
  const type = answered ? 'smtp' : OWN_DIAGNOSTIC
  return field('Diagnostic-Code', `${type}; ${international ? words : toAscii(words)}`)
}

/** RFC 3464 has no way to write other characters there; they are written as RFC 6533 does in addresses. */
function toAscii(text: string): string {
  return toSevenBit(text.replace(/…$/, '...')).slice(0, LONGEST_DIAGNOSTIC)
}
