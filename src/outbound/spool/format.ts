/**
 * A message in a file: a line that says what it is, the envelope in JSON, the content, and at the end how long the content
 * is and a checksum over all of it, so that what is cut off or altered is found.
 */

import { crc32 } from 'node:zlib'
import { z } from 'zod'
import type { Content, Envelope } from '../types.ts'

const MAGIC = Buffer.from('haraka-connectors-message 1\n')
const ANY_VERSION = /^haraka-connectors-message \d{1,9}\n/
/** Length of the envelope. */
const LENGTH = 4
/** Length of the content in six octets, checksum in four. */
const TRAILER = 10

/** What stands before the envelope. */
export const PRELUDE = MAGIC.length + LENGTH

/** An envelope with a thousand recipients takes a tenth of it. */
const LONGEST_ENVELOPE = 16 * 1024 * 1024

/** What is wrong with a file; the message is the end of a sentence about it. */
export class Damaged extends Error {
  override readonly name = 'Damaged'
}

/** Written by a newer version of this software: left alone. */
export class Newer extends Error {
  override readonly name = 'Newer'
}

const NOTIFY = z
  .array(z.enum(['SUCCESS', 'FAILURE', 'DELAY']))
  .readonly()
  .nullable()

const ENVELOPE: z.ZodType<Envelope> = z.object({
  id: z.string(),
  receivedAt: z.number(),
  sender: z.string(),
  recipients: z
    .array(
      z.object({ address: z.string(), domain: z.string(), notify: NOTIFY, orcpt: z.string().nullable() }),
    )
    .min(1)
    .readonly(),
  organization: z.string().nullable(),
  connector: z.string().nullable(),
  peer: z.string().nullable(),
  mayBounce: z.boolean(),
  reportOn: z.string().nullable(),
  smtpUtf8: z.boolean(),
  body: z.enum(['7BIT', '8BITMIME']).nullable(),
  ret: z.enum(['FULL', 'HDRS']).nullable(),
  envid: z.string().nullable(),
})

/**
 * @param envelope of a message
 * @param content of it
 * @returns the pieces of its file, in order; the content is not copied
 * @throws when the envelope is longer than what is read again
 */
export function encodeMessage(envelope: Envelope, content: Content): readonly Buffer[] {
  const json = Buffer.from(JSON.stringify(envelope))
  if (json.length > LONGEST_ENVELOPE)
    throw new Error(`its envelope is longer than ${LONGEST_ENVELOPE} octets`)
  const head = Buffer.allocUnsafe(PRELUDE + json.length)
  MAGIC.copy(head)
  head.writeUInt32BE(json.length, MAGIC.length)
  json.copy(head, PRELUDE)
  const trailer = Buffer.allocUnsafe(TRAILER)
  trailer.writeUIntBE(content.length, 0, 6)
  trailer.writeUInt32BE(crc32(content, crc32(head)), 6)
  return [head, content, trailer]
}

/**
 * @param start the first octets of a file, at least PRELUDE of them where there are so many
 * @returns how long its envelope is
 * @throws Damaged, Newer
 */
export function envelopeLength(start: Buffer): number {
  if (start.length === 0) throw new Damaged('is empty')
  if (!start.subarray(0, MAGIC.length).equals(MAGIC)) {
    if (ANY_VERSION.test(start.toString('latin1', 0, 64))) {
      throw new Newer('was written by a newer version of haraka-plugin-connectors')
    }
    throw new Damaged(start.length < PRELUDE ? 'is cut off' : 'does not begin as a message does')
  }
  if (start.length < PRELUDE) throw new Damaged('is cut off')
  const length = start.readUInt32BE(MAGIC.length)
  if (length > LONGEST_ENVELOPE) throw new Damaged('has an envelope of impossible length')
  return length
}

/**
 * @param json the octets of the envelope
 * @returns the envelope
 * @throws Damaged
 */
export function decodeEnvelope(json: Buffer): Envelope {
  let value: unknown
  try {
    value = JSON.parse(json.toString())
  } catch {
    throw new Damaged('has an envelope that is no JSON')
  }
  const parsed = ENVELOPE.safeParse(value)
  if (parsed.success) return parsed.data
  throw new Damaged(
    `has an envelope without ${parsed.error.issues[0]?.path.join('.') ?? 'all that belongs there'}`,
  )
}

/**
 * @param fileLength of the whole file
 * @param envelope how long its envelope is
 * @returns how long its content is
 * @throws Damaged when there is no room for it
 */
export function contentLength(fileLength: number, envelope: number): number {
  const length = fileLength - PRELUDE - envelope - TRAILER
  if (length < 0) throw new Damaged('is cut off')
  return length
}

/**
 * @param file a whole file
 * @returns its content, in the same memory
 * @throws Damaged, Newer
 */
export function decodeMessage(file: Buffer): { readonly envelope: Envelope; readonly content: Content } {
  const envelope = envelopeLength(file)
  const length = contentLength(file.length, envelope)
  const end = file.length - TRAILER
  if (file.readUIntBE(end, 6) !== length) throw new Damaged('is cut off, or something was added to it')
  if (file.readUInt32BE(end + 6) !== crc32(file.subarray(0, end))) throw new Damaged('was altered')
  return {
    envelope: decodeEnvelope(file.subarray(PRELUDE, PRELUDE + envelope)),
    content: file.subarray(PRELUDE + envelope, end),
  }
}
