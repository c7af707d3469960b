/**
 * Reports about messages: bounces, warnings of a delay, and the word that a message was handed on to a server that will not
 * confirm its delivery. RFC 3461 (who is told), RFC 3464 (delivery status notifications), RFC 6522 (multipart/report),
 * RFC 3834 (automatic answers).
 */

import { normalizeDomain } from '../../text/domain-name.ts'
import type { Content, Envelope, QueuedMessage, Report } from '../types.ts'
import { deliveryStatus, isInternational } from './delivery-status.ts'
import type { Facts, ReportContext } from './facts.ts'
import { fateOf } from './facts.ts'
import { subjectOf, textForPeople } from './for-people.ts'
import { CRLF, field, isPlain, messageDate, quotedPrintable, stuffDots, textField } from './mime.ts'
import type { Original } from './original.ts'
import { readOriginal } from './original.ts'
import type { Part } from './part.ts'
import { returnedPart } from './returned.ts'
import { domainOf, fitsHeader } from './sender.ts'
import type { ReportEvent } from './wants.ts'
import { mayReport, wants } from './wants.ts'

export type { ReportContext } from './facts.ts'

/**
 * @param message as it is now: what was said last about the recipients is in its state
 * @param content of the message
 * @param recipients indexes of those who will not get it
 * @param context what the report is made with
 * @returns the bounce; null when the sender may not be told (`mayReport`: hold the message then) or wants to be told of none
 *   of them
 */
export function bounce(
  message: QueuedMessage,
  content: Content,
  recipients: readonly number[],
  context: ReportContext,
): Report | null {
  return report('failure', message, content, recipients, context)
}

/**
 * @param message as it is now: what was said last about the recipients is in its state
 * @param content of the message
 * @param recipients indexes of those who have not got it yet
 * @param context what the report is made with
 * @returns the warning; null when the sender may not be told or wants to be told of none of them
 */
export function delayWarning(
  message: QueuedMessage,
  content: Content,
  recipients: readonly number[],
  context: ReportContext,
): Report | null {
  return report('delay', message, content, recipients, context)
}

/**
 * @param message as it is now: whether the next hop took over the duties of RFC 3461 is in its state
 * @param content of the message
 * @param recipients indexes of those for whom the next hop has taken it
 * @param context what the report is made with
 * @returns the report that it was relayed, for those whose sender asked for one and whose next hop will send none (RFC 3461
 *   section 5.2.2); null when there are none, or the sender may not be told
 */
export function successReport(
  message: QueuedMessage,
  content: Content,
  recipients: readonly number[],
  context: ReportContext,
): Report | null {
  const { state } = message
  const unconfirmed = recipients.filter((index) => state.recipients[index]?.dsnPassedOn !== true)
  return report('success', message, content, unconfirmed, context)
}

function report(
  event: ReportEvent,
  { envelope, state }: QueuedMessage,
  content: Content,
  recipients: readonly number[],
  given: ReportContext,
): Report | null {
  if (!mayReport(envelope)) return null
  const context = { ...given, me: hostName(given.me) }
  const fates = [...new Set(recipients)].flatMap((index) => {
    const recipient = envelope.recipients[index]
    if (recipient === undefined || !wants(recipient.notify, event)) return []
    const now = state.recipients[index]
    return fateOf(event, recipient, now?.said ?? null, now?.attempts ?? 0)
  })
  return fates.length === 0 ? null : write({ event, envelope, context, fates }, content)
}

/** A machine may be called `mail_1`, which no header field can hold. */
function hostName(name: string): string {
  return normalizeDomain(name) ?? normalizeDomain(name.replaceAll(/[^A-Za-z0-9.-]/g, '-')) ?? 'localhost'
}

function write(facts: Facts, content: Content): Report {
  const id = facts.context.newId()
  const original = readOriginal(content)
  const returned = returnedPart(facts, original, content)
  const parts: readonly Part[] = [
    textPart('Notification', 'text/plain', textForPeople(facts, original, returned.words)),
    statusPart(facts),
    returned,
  ]
  const boundary = boundaryFor(parts, id)
  const bytes = Buffer.concat([
    Buffer.from(header(facts, original, id, boundary, encodingOf(parts))),
    Buffer.from(`This is a report about a message, in MIME format.${CRLF}`),
    ...parts.flatMap(({ header, body }) => [
      Buffer.from(`${CRLF}--${boundary}${CRLF}${header}${CRLF}`, 'latin1'),
      body,
    ]),
    Buffer.from(`${CRLF}--${boundary}--${CRLF}`),
  ])
  return { envelope: envelopeOf(facts, id, bytes), content: stuffDots(bytes) }
}

function header(facts: Facts, original: Original, id: string, boundary: string, encoding: string): string {
  const { context, envelope } = facts
  const { messageId } = original
  return [
    `From: Mail Delivery System <MAILER-DAEMON@${context.me}>${CRLF}`,
    // Without an address that fits there: RFC 5322 appendix A.1.3.
    `To: ${fitsHeader(envelope.sender) ? `<${envelope.sender}>` : 'undisclosed-recipients:;'}${CRLF}`,
    textField('Subject', subjectOf(facts, original)),
    `Date: ${messageDate(context.now)}${CRLF}`,
    `Message-ID: <${id}@${context.me}>${CRLF}`,
    messageId === null ? '' : `In-Reply-To: ${messageId}${CRLF}References: ${messageId}${CRLF}`,
    // RFC 3834 section 5.
    `Auto-Submitted: auto-replied${CRLF}`,
    `MIME-Version: 1.0${CRLF}`,
    // RFC 6533 section 4: also for message/global-delivery-status.
    `Content-Type: multipart/report; report-type=delivery-status;${CRLF} boundary="${boundary}"${CRLF}`,
    `Content-Transfer-Encoding: ${encoding}${CRLF}`,
    CRLF,
  ].join('')
}

function statusPart(facts: Facts): Part {
  const international = isInternational(facts)
  const type = international ? 'message/global-delivery-status' : 'message/delivery-status'
  return textPart('Delivery report', type, deliveryStatus(facts))
}

/** What is not ASCII goes in quoted-printable, so that any server can take the report. */
function textPart(description: string, type: string, text: string): Part {
  const plain = /^[\r\n -~]*$/.test(text)
  const charset = type === 'text/plain' ? `; charset=${plain ? 'us-ascii' : 'utf-8'}` : ''
  return {
    header: [
      field('Content-Description', description),
      field('Content-Type', type + charset),
      field('Content-Transfer-Encoding', plain ? '7bit' : 'quoted-printable'),
    ].join(''),
    body: Buffer.from(plain ? text : quotedPrintable(Buffer.from(text))),
    eightBit: false,
  }
}

/** RFC 2045 section 6.4: that of the whole is that of its parts. */
function encodingOf(parts: readonly Part[]): string {
  return parts.some(({ eightBit }) => eightBit) ? '8bit' : '7bit'
}

/** One that does not occur in any part, whatever somebody wrote there. */
function boundaryFor(parts: readonly Part[], id: string): string {
  for (let attempt = 0; ; attempt++) {
    const boundary = `=_${id}_${attempt}`
    if (!parts.some(({ body }) => body.includes(boundary))) return boundary
  }
}

/**
 * From the null sender to the sender of the original, who is never told about it (RFC 3461 section 6.1); on the way that the
 * connectors of the same organisation give it.
 */
function envelopeOf({ context, envelope }: Facts, id: string, bytes: Buffer): Envelope {
  const { organization, sender } = envelope
  return {
    id,
    receivedAt: context.now,
    sender: '',
    recipients: [{ address: sender, domain: domainOf(sender) ?? '', notify: [], orcpt: null }],
    organization,
    connector: null,
    peer: null,
    mayBounce: false,
    reportOn: envelope.id,
    smtpUtf8: !isPlain(sender),
    body: bytes.some((byte) => byte >= 0x80) ? '8BITMIME' : '7BIT',
    ret: null,
    envid: null,
  }
}
