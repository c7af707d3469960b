/** What MAIL learned, kept for RCPT. Keyed by Haraka's objects, so it goes when they go, and RSET forgets it. */

import type { Attribution, Sender } from '../policy/types.ts'
import type { ObservedPeer } from './peer.ts'
import type { Transaction } from './types.ts'

export interface MailState {
  readonly peer: ObservedPeer
  readonly sender: Sender
  readonly attribution: Attribution
  /** connection.relaying as it was before MAIL: our own grant must never feed a later decision (rule 8). */
  readonly relayingBefore: boolean
}

const STATES = new WeakMap<Transaction, MailState>()

/**
 * @param transaction the transaction that MAIL began
 * @param state what was learned
 */
export function rememberMail(transaction: Transaction, state: MailState): void {
  STATES.set(transaction, state)
}

/**
 * @param transaction the transaction that RCPT belongs to
 * @returns what MAIL learned
 * @throws when inbound_connector did not run at MAIL: then nothing may be accepted
 */
export function recallMail(transaction: Transaction): MailState {
  const state = STATES.get(transaction)
  if (state === undefined) {
    throw new Error('relay_access knows nothing of MAIL: list inbound_connector before it in config/plugins')
  }
  return state
}
