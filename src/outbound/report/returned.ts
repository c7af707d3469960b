/** What a report gives back of the message: its header, or all of it (RFC 3461 section 4.3, RFC 6522 section 3). */

import { isUtf8 } from 'node:buffer'
import type { Content } from '../types.ts'
import type { Facts } from './facts.ts'
import { base64Lines, field, needsOf, quotedPrintable, unstuffDots } from './mime.ts'
import type { Original } from './original.ts'
import type { Part } from './part.ts'

/** RFC 3461 section 6.2 leaves it to the server what is too large to be given back. */
const MOST_RETURNED_BYTES = 1024 * 1024

/** With what the text for people says of it. */
export interface Returned extends Part {
  readonly words: string
}

/**
 * @param facts what is reported
 * @param original what is known of the message
 * @param content of the message, in wire form
 * @returns all of the message where RET=FULL asked for it, it failed, is not too large and can be given back as it is; its
 *   header otherwise
 */
export function returnedPart(facts: Facts, original: Original, content: Content): Returned {
  const { envelope, event } = facts
  // RFC 3461 section 4.3: RET is about failures only.
  if (envelope.ret !== 'FULL' || event !== 'failure') {
    return headerPart(facts, original, 'Your message itself is not sent back, only its header.')
  }
  if (content.length > MOST_RETURNED_BYTES) {
    return headerPart(facts, original, 'Your message is too large to be sent back; only its header is here.')
  }
  const whole = unstuffDots(content)
  const { binary, eightBit } = needsOf(whole)
  if (facts.envelope.smtpUtf8 && eightBit) return globalPart(whole)
  // RFC 2046 section 5.2.1: message/rfc822 may not be encoded, so that it is as it is or not at all.
  if (binary) {
    return headerPart(facts, original, 'Your message cannot be sent back unchanged; only its header is here.')
  }
  return {
    header: fields('Undelivered message', 'message/rfc822', eightBit ? '8bit' : '7bit'),
    body: whole,
    eightBit,
    words: 'Your message is attached.',
  }
}

/** RFC 6532 section 3.7: may be encoded, so that any server can take the report. */
function globalPart(whole: Buffer): Returned {
  return {
    header: fields('Undelivered message', 'message/global', 'base64'),
    body: Buffer.from(base64Lines(whole)),
    eightBit: false,
    words: 'Your message is attached.',
  }
}

function headerPart({ envelope }: Facts, { header }: Original, words: string): Returned {
  const { binary, eightBit } = needsOf(header)
  const encoded = binary || eightBit
  const type = headerType(header, eightBit, envelope.smtpUtf8)
  return {
    header: fields('Message header', type, encoded ? 'quoted-printable' : '7bit'),
    body: encoded ? Buffer.from(quotedPrintable(header)) : header,
    eightBit: false,
    words,
  }
}

/** RFC 6533 section 4.3 for what is international; else what the bytes are, and no guess where they are no UTF-8 (RFC 1428). */
function headerType(header: Buffer, eightBit: boolean, smtpUtf8: boolean): string {
  if (!eightBit) return 'text/rfc822-headers; charset=us-ascii'
  if (!isUtf8(header)) return 'text/rfc822-headers; charset=unknown-8bit'
  return smtpUtf8 ? 'message/global-headers' : 'text/rfc822-headers; charset=utf-8'
}

function fields(description: string, type: string, encoding: string): string {
  return [
    field('Content-Description', description),
    field('Content-Type', type),
    field('Content-Transfer-Encoding', encoding),
  ].join('')
}
