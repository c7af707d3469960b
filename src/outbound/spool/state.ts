/** What has happened to a message, in a small file beside it. */

import { z } from 'zod'
import type { Envelope, MessageState } from '../types.ts'

const SAID = z.object({
  at: z.number(),
  code: z.number(),
  status: z.string(),
  text: z.string(),
  remote: z.object({ host: z.string(), address: z.string(), port: z.number() }).nullable(),
})

const STATE = z.object({
  version: z.literal(1),
  recipients: z
    .array(
      z.object({
        status: z.enum(['waiting', 'delivered', 'bounced', 'dropped']),
        attempts: z.number(),
        nextAttempt: z.number(),
        said: SAID.nullable(),
        dsnPassedOn: z.boolean().nullable(),
      }),
    )
    .readonly(),
  hold: z.object({ at: z.number(), reason: z.string(), by: z.string().nullable() }).nullable(),
  warnedAt: z.number().nullable(),
})

/**
 * @param envelope of a message
 * @returns the state of one to which nothing has happened
 */
export function freshState(envelope: Envelope): MessageState {
  return {
    recipients: envelope.recipients.map(() => ({
      status: 'waiting',
      attempts: 0,
      nextAttempt: envelope.receivedAt,
      said: null,
      dsnPassedOn: null,
    })),
    hold: null,
    warnedAt: null,
  }
}

/** @returns the text of the file */
export function encodeState(state: MessageState): Buffer {
  return Buffer.from(JSON.stringify({ version: 1, ...state }))
}

/**
 * @param text of the file
 * @param envelope of its message
 * @returns the state; null when the file does not tell it
 */
export function decodeState(text: string, envelope: Envelope): MessageState | null {
  try {
    const { version: _, ...state } = STATE.parse(JSON.parse(text))
    return state.recipients.length === envelope.recipients.length ? state : null
  } catch {
    return null
  }
}
