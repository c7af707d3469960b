/** One report, worked out: what its two accounts, for people and for machines, are both written from. */

import { printable } from '../../text/printable.ts'
import type { Envelope, EnvelopeRecipient, Said } from '../types.ts'
import type { ReportEvent } from './wants.ts'

/** What a report is made with. */
export interface ReportContext {
  /** The name of this server, as in EHLO. */
  readonly me: string
  /** Milliseconds since 1970. */
  readonly now: number
  /** A new id of a message, never used before. */
  readonly newId: () => string
  /** Whom a sender may ask; an address. */
  readonly postmaster: string
  /** Until when the message is tried, in milliseconds since 1970. */
  readonly expiresAt: number
}

/** RFC 3464 section 2.3.3. A next hop that offers no DSN took a message over: relayed, not delivered. */
export type Action = 'failed' | 'delayed' | 'relayed'

/** What is reported about one recipient. */
export interface Fate {
  readonly recipient: EnvelopeRecipient
  readonly action: Action
  /** RFC 3463, of the class that goes with the action. */
  readonly status: string
  /** Whether it was given up because of its age: what was said last was not final. */
  readonly expired: boolean
  /** Who answered; null when nobody did. */
  readonly remote: Said['remote']
  /** Whether a server said `words`; else this one did. */
  readonly answered: boolean
  /** One line, printable; the code is in front when a server said it. '' when nothing was said. */
  readonly words: string
  /** When it was tried last; null when it never was. */
  readonly triedAt: number | null
}

/** Everything that a report says. */
export interface Facts {
  readonly event: ReportEvent
  readonly envelope: Envelope
  readonly context: ReportContext
  /** At least one. */
  readonly fates: readonly Fate[]
}

const ACTIONS: Readonly<Record<ReportEvent, { readonly action: Action; readonly kind: string }>> = {
  failure: { action: 'failed', kind: '5' },
  delay: { action: 'delayed', kind: '4' },
  success: { action: 'relayed', kind: '2' },
}

/** RFC 3463 section 2: three numbers, of which only these classes exist. */
const STATUS = /^([245])\.(\d{1,3})\.(\d{1,3})$/

const LONGEST_WORDS = 500

/**
 * @param event what happened
 * @param recipient to whom
 * @param said what was said about it last
 * @param attempts how many times it was tried
 * @returns its fate
 */
export function fateOf(
  event: ReportEvent,
  recipient: EnvelopeRecipient,
  said: Said | null,
  attempts: number,
): Fate {
  const { action, kind } = ACTIONS[event]
  return {
    recipient,
    action,
    status: statusFor(kind, said),
    expired: event === 'failure' && isTemporary(said),
    remote: said?.remote ?? null,
    answered: replyCode(said) !== null,
    words: wordsOf(said),
    triedAt: said !== null && attempts > 0 ? said.at : null,
  }
}

/**
 * RFC 3464 section 2.3.4: the class goes with the action. What was said last stays when a message is too old, as RFC 3463
 * section 3.5 wants it, rather than X.4.7, which stands where nothing better is known.
 */
function statusFor(kind: string, said: Said | null): string {
  const [whole, saidKind, subject, detail] = STATUS.exec(said?.status ?? '') ?? []
  if (whole !== undefined && saidKind === kind) return whole
  const unknown = kind === '5' && isTemporary(said) ? '5.4.7' : `${kind}.0.0`
  // What succeeded says nothing of why something failed, nor the other way round; and 4.0.0 says nothing at all.
  const silent = whole === undefined || whole === '4.0.0' || saidKind === '2' || kind === '2'
  return silent ? unknown : `${kind}.${subject}.${detail}`
}

/** What a server replied with (RFC 5321 section 4.2); null when none did. */
function replyCode(said: Said | null): number | null {
  return said !== null && said.code >= 200 && said.code <= 599 ? said.code : null
}

/** Without a word about it, only its age can be the reason. */
function isTemporary(said: Said | null): boolean {
  const code = replyCode(said)
  return code === null ? said === null || !said.status.startsWith('5') : code < 500
}

/** The whole reply, whether or not its code was cut off before. */
function wordsOf(said: Said | null): string {
  const code = replyCode(said)
  const text = said?.text.replaceAll(/\s+/g, ' ').trim() ?? ''
  const whole = code === null || new RegExp(`^${code}(?:[ -]|$)`).test(text)
  return printable(whole ? text : `${code} ${text}`, LONGEST_WORDS).trim()
}
