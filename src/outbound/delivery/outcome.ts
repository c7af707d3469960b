/** What an attempt makes of a message: pure, so that each rule can be read in a table. */

import type { MessageState, QueuedMessage, RecipientResult, RecipientState, Said } from '../types.ts'
import { mayReport } from '../report/wants.ts'
import { expiresAt, retryDelay, unknownDelay } from './retry.ts'
import type { DeliverySettings } from './settings-type.ts'

/** What became of some recipients of a message. */
export type Attempt =
  | { readonly kind: 'answered'; readonly results: readonly RecipientResult[] }
  /** No server took it. `untried`: none was asked for this message, as one that went before found none. */
  | {
      readonly kind: 'deferred'
      readonly recipients: readonly number[]
      readonly said: Said
      readonly untried: boolean
      readonly until: number
    }
  | { readonly kind: 'failed'; readonly recipients: readonly number[]; readonly said: Said }
  /** A fact was missing: no attempt. */
  | { readonly kind: 'unknown'; readonly recipients: readonly number[]; readonly said: Said }

/** Indexes of recipients, by what happened to them. */
export interface Changes {
  readonly delivered: readonly number[]
  readonly deferred: readonly number[]
  /** Given up: a report is due where the sender wants one. */
  readonly failed: readonly number[]
  /** Given up, and nobody may be told: they are kept. */
  readonly kept: readonly number[]
  /** Whether there is something new to say about those that were deferred. */
  readonly news: boolean
}

export interface Applied {
  readonly state: MessageState
  readonly changes: Changes
}

/** A recipient that is kept is not tried until somebody releases it. */
export const NEVER = Number.MAX_SAFE_INTEGER

/** RFC 3463: no other code says that time was up. */
const EXPIRED = '5.4.7'

/** Why a message is held. */
const HELD_UNDELIVERABLE = 'undeliverable, and its sender may not be told'

interface Clock {
  readonly now: number
  readonly random: () => number
  readonly settings: DeliverySettings
}

/**
 * @param message as it was
 * @param attempt what became of some of its recipients
 * @param clock the time, chance and settings
 * @returns its new state, and what has changed
 */
export function applyAttempt(message: QueuedMessage, attempt: Attempt, clock: Clock): Applied {
  const delivered: number[] = []
  const deferred: number[] = []
  const failed: number[] = []
  const kept: number[] = []
  let news = false
  const recipients = [...message.state.recipients]
  const tellable = mayReport(message.envelope)
  const end = expiresAt(message.envelope, clock.settings)
  for (const happened of outcomesIn(attempt)) {
    const { index, outcome } = happened
    const before = recipients[index]
    if (before === undefined || before.status !== 'waiting') continue
    const state = tried(before, happened)
    const isLate = clock.now >= end && outcome !== 'unknown'
    if (outcome === 'delivered') {
      recipients[index] = { ...state, status: 'delivered' }
      delivered.push(index)
    } else if (outcome === 'failed' || isLate) {
      const last = outcome === 'failed' ? state : { ...state, said: expired(happened.said, before) }
      recipients[index] = tellable ? { ...last, status: 'bounced' } : { ...last, nextAttempt: NEVER }
      if (tellable) failed.push(index)
      else kept.push(index)
    } else {
      recipients[index] = { ...state, nextAttempt: nextAttempt(outcome, state.attempts, attempt, end, clock) }
      deferred.push(index)
      news ||= isNews(before, state)
    }
  }
  const state = heldWhere({ ...message.state, recipients }, clock.now)
  return { state, changes: { delivered, deferred, failed, kept, news } }
}

function tried(before: RecipientState, { dsnPassedOn, outcome, said }: Outcome): RecipientState {
  const attempts = before.attempts + (outcome === 'unknown' || outcome === 'untried' ? 0 : 1)
  return { ...before, attempts, said, dsnPassedOn }
}

function isNews(before: RecipientState, after: RecipientState): boolean {
  return after.attempts !== before.attempts || before.said?.text !== after.said?.text
}

interface Outcome {
  readonly index: number
  readonly outcome: 'delivered' | 'deferred' | 'untried' | 'failed' | 'unknown'
  readonly said: Said
  readonly dsnPassedOn: boolean | null
}

function outcomesIn(attempt: Attempt): Outcome[] {
  if (attempt.kind === 'answered') {
    return attempt.results.map(({ dsnPassedOn, outcome, recipient, said }) => ({
      index: recipient,
      outcome,
      said,
      dsnPassedOn: outcome === 'delivered' ? dsnPassedOn : null,
    }))
  }
  const outcome = attempt.kind === 'deferred' && attempt.untried ? 'untried' : attempt.kind
  return attempt.recipients.map((index) => ({ index, outcome, said: attempt.said, dsnPassedOn: null }))
}

/** The last attempt is at the end of the lifetime. */
function nextAttempt(
  outcome: Outcome['outcome'],
  attempts: number,
  attempt: Attempt,
  end: number,
  { now, random, settings }: Clock,
): number {
  if (outcome === 'unknown') return now + unknownDelay(settings, random)
  const until = attempt.kind === 'deferred' ? attempt.until : 0
  // Untried, it goes with the next that tries the destination.
  const next =
    outcome === 'untried' ? until + 1 : Math.max(until, now + retryDelay(attempts, settings, random))
  return now < end ? Math.min(next, end) : next
}

/** What was said last says more than that time is up; the class says that it is final. */
function expired(last: Said, before: RecipientState): Said {
  const said = last.text === '' && before.said !== null ? before.said : last
  const status = /^[45]\.[1-9]/.test(said.status) ? `5${said.status.slice(1)}` : EXPIRED
  return { ...said, status }
}

/** Once nobody else is waited for, the message is held. */
function heldWhere(state: MessageState, now: number): MessageState {
  const waiting = state.recipients.filter(({ status }) => status === 'waiting')
  const allKept = waiting.length > 0 && waiting.every(({ nextAttempt }) => nextAttempt === NEVER)
  if (!allKept || state.hold !== null) return state
  return { ...state, hold: { at: now, reason: HELD_UNDELIVERABLE, by: null } }
}

/**
 * @param state of a message
 * @returns when the next of its recipients is to be tried; null when none is
 */
export function nextDue({ hold, recipients }: MessageState): number | null {
  if (hold !== null) return null
  let least: number | null = null
  for (const { nextAttempt: at, status } of recipients) {
    if (status === 'waiting' && at !== NEVER && (least === null || at < least)) least = at
  }
  return least
}

/** @returns whether nobody waits for anything of it */
export function isDone({ recipients }: MessageState): boolean {
  return recipients.every(({ status }) => status !== 'waiting')
}
