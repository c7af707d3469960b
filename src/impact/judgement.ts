/** What the replay of one decision came to. */

import type { JournalRecord } from '../journal/record.ts'
import type { Decision } from '../policy/decide.ts'
import type { DomainFact, Outcome } from '../policy/types.ts'

/** What the server that sends notices, and whether it is only for a while. */
export type Fate = Outcome | 'report-only'

/** Why it cannot be told what the proposal would do. */
export type UncertainReason =
  | 'other-trust'
  | 'connector-gone'
  | 'names-cut'
  | 'address-cut'
  | 'relaying-unknown'
  | 'directory-unavailable'

/** A sentence for each, for people. */
export const UNCERTAIN: Readonly<Record<UncertainReason, string>> = {
  'other-trust':
    'It hangs on whether the certificate is verified under CAs or pins that it was not judged by: the journal holds the names and the verdict, not the certificates.',
  'connector-gone':
    'The connector that it was matched by is not in the directory any more, so under which CAs its certificate was verified is not known.',
  'names-cut': 'The certificate may hold more names than the journal keeps.',
  'address-cut': 'The address is longer than the journal keeps.',
  'relaying-unknown':
    'It hangs on whether another plugin had allowed relaying ([relay] respect_relaying), which the journal does not show here.',
  'directory-unavailable': 'The directory could not be asked, or a record of it is damaged.',
}

/** What the advice is made from, all of it under the proposal. */
export interface FixFacts {
  /** tlsSenderCertificateName of the connector that matched by certificate. */
  readonly certificateName: string | null
  readonly certificateDomain: DomainFact | null
  readonly senderDomain: DomainFact | null
}

export interface Judgement {
  /** Under the directory as it is. */
  readonly present: Decision
  readonly proposed: Decision
  readonly from: Fate
  readonly to: Fate
  /** Whether it was decided otherwise then than it would be now. */
  readonly isOtherwise: boolean
  readonly uncertain: UncertainReason | null
  /** Of what cannot be told: whether it may be refused that is not now. */
  readonly mayBeRefused: boolean
  readonly facts: FixFacts
}

/**
 * @param decision a decision
 * @returns what becomes of the mail
 */
export function fateOf({ outcome, wouldBe }: Pick<Decision, 'outcome' | 'wouldBe'>): Fate {
  return wouldBe === null ? outcome : 'report-only'
}

/**
 * @param record a record of the journal
 * @returns what became of the mail
 */
export function recordedFate({ outcome, reason }: Pick<JournalRecord, 'outcome' | 'reason'>): Fate {
  return reason === 'report-only' ? reason : outcome
}

/**
 * @param from what becomes of it now
 * @param to what would become of it
 * @returns whether mail is lost by that: refused that is not now, or deferred that is taken now
 */
export function isLoss(from: Fate, to: Fate): boolean {
  if (to === 'deny') return from !== 'deny'
  return to === 'defer' && from !== 'deny' && from !== 'defer'
}
