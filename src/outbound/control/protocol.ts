/**
 * What is asked and answered over an owner's socket. One question a connection: a line of JSON; the answers are lines as
 * well, the last of which is `end` or `error`. Between them come `busy` lines, so that who waits knows that somebody is
 * there.
 */

import { z } from 'zod'
import type { ActionDone, QueueAction, QueueEntry, QueueFilter } from '../types.ts'

/** Grows when a question or an answer changes its meaning. */
export const VERSION = 1

/** Of a question: some ten thousand ids. */
export const LONGEST_QUESTION = 1024 * 1024

/** Of an answer: a message to some ten thousand recipients, each with what was said about it. */
export const LONGEST_ANSWER = 64 * 1024 * 1024

/** How often a process says that it is there while it works. */
export const BUSY_EVERY = 3_000

/** The last thing that a process must not be late with. */
export const PATIENCE = 15_000

/** How many messages one question may name. */
export const MOST_IDS = 10_000

const TEXT = z.string().max(1_000)

const FILTER = z.strictObject({
  ids: z.array(z.string().max(200)).max(MOST_IDS).optional(),
  organization: TEXT.optional(),
  destination: TEXT.optional(),
  sender: TEXT.optional(),
  olderThan: z.number().nonnegative().optional(),
  held: z.boolean().optional(),
})

const VERSIONED = { version: z.literal(VERSION) }

const QUESTION = z.discriminatedUnion('ask', [
  z.strictObject({ ...VERSIONED, ask: z.literal('list'), filter: FILTER }),
  z.strictObject({ ...VERSIONED, ask: z.literal('show'), id: z.string().max(200) }),
  z.strictObject({
    ...VERSIONED,
    ask: z.literal('act'),
    action: z.enum(['retry', 'hold', 'release', 'bounce', 'drop']),
    filter: FILTER,
    by: z.string().min(1).max(200),
  }),
])

export type Question =
  | { readonly ask: 'list'; readonly filter: QueueFilter }
  | { readonly ask: 'show'; readonly id: string }
  | { readonly ask: 'act'; readonly action: QueueAction; readonly filter: QueueFilter; readonly by: string }

export type Answer =
  | { readonly entry: QueueEntry }
  | { readonly shown: { readonly entry: QueueEntry; readonly header: string } | null }
  | { readonly done: ActionDone }
  | { readonly busy: true }
  | { readonly end: true }
  | { readonly error: string }

/**
 * @param value what came over the socket
 * @returns the question; in words what is wrong with it otherwise
 */
export function readQuestion(value: unknown): Question | string {
  const { data, success } = QUESTION.safeParse(value)
  if (success) {
    return data.ask === 'show' ? data : { ...data, filter: withoutUndefined(data.filter) }
  }
  const asked = z.object({ version: z.number() }).safeParse(value)
  return asked.success && asked.data.version !== VERSION
    ? `this process speaks version ${VERSION} of the queue's control, not ${asked.data.version}: use the connectorctl that it was started with`
    : 'this is no question about the queue'
}

function withoutUndefined(filter: z.infer<typeof FILTER>): QueueFilter {
  const { destination, held, ids, olderThan, organization, sender } = filter
  return {
    ...(ids === undefined ? {} : { ids }),
    ...(organization === undefined ? {} : { organization }),
    ...(destination === undefined ? {} : { destination }),
    ...(sender === undefined ? {} : { sender }),
    ...(olderThan === undefined ? {} : { olderThan }),
    ...(held === undefined ? {} : { held }),
  }
}

/** What commands rely on; a newer version of the same meaning may say more. */
const ENTRY = z.looseObject({
  owner: z.string(),
  active: z.boolean(),
  size: z.number(),
  envelope: z.looseObject({
    id: z.string(),
    receivedAt: z.number(),
    sender: z.string(),
    recipients: z.array(z.looseObject({ address: z.string(), domain: z.string() })),
    organization: z.string().nullable(),
  }),
  state: z.looseObject({
    recipients: z.array(z.looseObject({ status: z.string(), attempts: z.number(), nextAttempt: z.number() })),
    hold: z.looseObject({ at: z.number(), reason: z.string() }).nullable(),
  }),
})

const ANSWER = z.union([
  z.looseObject({ entry: ENTRY }),
  z.looseObject({ busy: z.literal(true) }),
  z.looseObject({ done: z.looseObject({ id: z.string(), done: z.boolean(), why: z.string() }) }),
  z.looseObject({ end: z.literal(true) }),
  z.looseObject({ error: z.string() }),
  z.looseObject({ shown: z.looseObject({ entry: ENTRY, header: z.string() }).nullable() }),
])

/**
 * @param value what a process answered
 * @returns the answer; null when it is none
 */
export function readAnswer(value: unknown): Answer | null {
  return isAnswer(value) ? value : null
}

function isAnswer(value: unknown): value is Answer {
  return ANSWER.safeParse(value).success
}
