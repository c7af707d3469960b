/** What an administrator's word does to a message in the queue: pure, for the process that has it and for `connectorctl`. */

import type { DeliveryEvent, DeliveryRecord } from '../../journal/record.ts'
import { mayReport, wants } from '../report/wants.ts'
import type {
  Envelope,
  MessageState,
  QueueAction,
  QueuedMessage,
  RecipientState,
  RecipientStatus,
  Said,
} from '../types.ts'

/** Who says it, and when. */
export interface Acting {
  /** Milliseconds since 1970. */
  readonly now: number
  /** For the journal and the hold, e.g. `root`. */
  readonly by: string
}

/** What is to be done with a message. */
export interface Applied {
  /** To be kept, durably; that from before where nothing was done. */
  readonly state: MessageState
  /** Indexes of the recipients that one bounce must be made for; it has to stand on the disk before the state does. */
  readonly failed: readonly number[]
  /** Indexes of the recipients that it was done for. */
  readonly affected: readonly number[]
  /** Whether nobody waits for it any more: it leaves the queue. */
  readonly remove: boolean
  readonly done: boolean
  /** What was done, or why nothing was. */
  readonly why: string
}

/** Why a message is held that an administrator holds. */
const HELD_BY_HAND = 'by administrator'

const LONGEST_SAID = 500

/**
 * retry: the recipients that wait are tried now. hold: nobody is tried any more. release: ends the hold, and all that
 * wait are tried now, also those whose time was up: the attempt comes before the look at the lifetime. bounce: those that
 * wait are given up, and the sender is told. drop: they are given up, and nobody is told.
 *
 * A bounce for a sender who may be somebody else is backscatter, and one for the null sender has nowhere to go
 * (RFC 5321 section 4.5.5): both are refused, whoever asks.
 * @param message as it stands in the queue
 * @param action what is to be done
 * @param acting who says it, and when
 * @returns what that makes of it
 */
export function applyAction(message: QueuedMessage, action: QueueAction, acting: Acting): Applied {
  const waiting = message.state.recipients.flatMap(({ status }, index) =>
    status === 'waiting' ? [index] : [],
  )
  if (waiting.length === 0) return refused(message, 'it waits for nobody any more')
  switch (action) {
    case 'retry':
      return retry(message, waiting, acting)
    case 'hold':
      return hold(message, waiting, acting)
    case 'release':
      return release(message, waiting, acting)
    case 'bounce':
      return bounce(message, waiting, acting)
    case 'drop':
      return ended(message, waiting, 'dropped', (state) => state.said)
  }
}

function retry(message: QueuedMessage, waiting: readonly number[], { now }: Acting): Applied {
  if (message.state.hold !== null) return refused(message, 'it is held: release it first')
  return done(message, waiting, triedNow(message.state, now), 'tried now')
}

function hold(message: QueuedMessage, waiting: readonly number[], { by, now }: Acting): Applied {
  const { state } = message
  if (state.hold !== null) return refused(message, `it is held already: ${state.hold.reason}`)
  return done(message, waiting, { ...state, hold: { at: now, reason: HELD_BY_HAND, by } }, 'held')
}

function release(message: QueuedMessage, waiting: readonly number[], { now }: Acting): Applied {
  if (message.state.hold === null) return refused(message, 'it is not held')
  return done(message, waiting, { ...triedNow(message.state, now), hold: null }, 'released, and tried now')
}

function bounce(message: QueuedMessage, waiting: readonly number[], { now }: Acting): Applied {
  const { envelope } = message
  const why = whyNoBounce(envelope)
  if (why !== null) return refused(message, why)
  const given = ended(message, waiting, 'bounced', ({ said }) => returned(said, now))
  const failed = waiting.filter((index) => wants(envelope.recipients[index]?.notify ?? null, 'failure'))
  return { ...given, failed, why: failed.length === 0 ? 'given up; its sender wants no bounce' : 'bounced' }
}

/**
 * @param envelope of a message
 * @returns why its sender is told nothing, in words; null when it may be told
 */
function whyNoBounce(envelope: Envelope): string | null {
  const { mayBounce, reportOn, sender } = envelope
  if (reportOn !== null) return 'it is a report itself, and never reported about: release or drop it'
  if (sender === '') return 'it has the null sender, who cannot be told: release or drop it'
  if (!mayBounce) return 'its sender was not attributed, and may be somebody else: release or drop it'
  return mayReport(envelope) ? null : 'its sender has no domain that a bounce could go to: release or drop it'
}

/** RFC 3463: no other code says that somebody decided it. */
const RETURNED = '5.0.0'

function returned(last: Said | null, now: number): Said {
  const before = last === null ? '' : `; the last answer was: ${last.text}`
  const text = `returned by the administrator of this server${before}`
  return { at: now, code: 0, status: RETURNED, text: text.slice(0, LONGEST_SAID), remote: null }
}

function triedNow(state: MessageState, now: number): MessageState {
  const recipients = state.recipients.map((recipient) =>
    recipient.status === 'waiting' ? { ...recipient, nextAttempt: now } : recipient,
  )
  return { ...state, recipients }
}

/** All that wait are given up: nothing keeps the message in the queue. */
function ended(
  message: QueuedMessage,
  waiting: readonly number[],
  status: RecipientStatus & DeliveryEvent,
  said: (state: RecipientState) => Said | null,
): Applied {
  const recipients = message.state.recipients.map((state) =>
    state.status === 'waiting' ? { ...state, status, said: said(state) } : state,
  )
  return { ...done(message, waiting, { ...message.state, recipients, hold: null }, status), remove: true }
}

function done(_: QueuedMessage, affected: readonly number[], state: MessageState, why: string): Applied {
  return { state, failed: [], affected, remove: false, done: true, why }
}

function refused({ state }: QueuedMessage, why: string): Applied {
  return { state, failed: [], affected: [], remove: false, done: false, why }
}

function lastText(states: readonly RecipientState[]): string {
  return states.find(({ said }) => said !== null)?.said?.text ?? ''
}

/** What the journal calls it; an attempt that was asked for is told when it is made. */
const EVENTS: ReadonlyMap<QueueAction, DeliveryEvent> = new Map([
  ['hold', 'held'],
  ['release', 'released'],
  ['bounce', 'bounced'],
  ['drop', 'dropped'],
])

/**
 * @param message as it was before
 * @param action what was done with it
 * @param applied what that made of it
 * @param acting who did it, and when
 * @param related the id of the bounce that was made because of it; null without one
 * @returns its line in the journal; null where there is none to write
 */
export function actionRecord(
  message: QueuedMessage,
  action: QueueAction,
  applied: Applied,
  { by, now }: Acting,
  related: string | null = null,
): DeliveryRecord | null {
  const event = EVENTS.get(action)
  if (event === undefined || !applied.done) return null
  const { id, organization, receivedAt, recipients, sender } = message.envelope
  const states = applied.affected.flatMap((index) => applied.state.recipients[index] ?? [])
  return {
    time: new Date(now).toISOString(),
    id,
    event,
    organization,
    sender,
    recipients: applied.affected.flatMap((index) => recipients[index]?.address ?? []),
    route: null,
    remote: null,
    tls: null,
    status: event === 'bounced' ? RETURNED : '',
    reply: event === 'held' ? HELD_BY_HAND : lastText(states),
    attempts: states.reduce((most, { attempts }) => Math.max(most, attempts), 0),
    age: Math.max(0, now - receivedAt),
    nextAttempt: action === 'release' ? new Date(now).toISOString() : null,
    by,
    related,
  }
}
