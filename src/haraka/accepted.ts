/** What was learned of a message at MAIL and RCPT that its envelope in the queue needs. */

import type { Attribution } from '../policy/types.ts'
import type { Decision } from '../policy/decide.ts'
import type { MailParameters, RcptParameters } from '../outbound/report/parameters.ts'
import type { Address, Transaction } from './types.ts'

interface Accepted {
  readonly mail: MailParameters
  organization: string | null
  connector: string | null
  mayBounce: boolean
  readonly peer: string | null
  readonly recipients: WeakMap<Address, RcptParameters>
}

const KNOWN = new WeakMap<Transaction, Accepted>()

/**
 * @param transaction the transaction that MAIL began
 * @param mail the parameters of MAIL
 * @param peer the address that the mail comes from; null where none counts
 */
export function noteMail(transaction: Transaction, mail: MailParameters, peer: string | null): void {
  KNOWN.set(transaction, {
    mail,
    organization: null,
    connector: null,
    mayBounce: false,
    peer,
    recipients: new WeakMap(),
  })
}

/**
 * Only mail of somebody who was recognised may be reported to its sender: an unknown server may have forged that.
 * @param transaction a transaction
 * @param address a recipient that was accepted
 * @param parameters the parameters of RCPT
 * @param why the attribution and the decision
 */
export function noteRecipient(
  transaction: Transaction,
  address: Address,
  parameters: RcptParameters,
  { attribution, decision }: { readonly attribution: Attribution; readonly decision: Decision },
): void {
  const known = KNOWN.get(transaction)
  if (known === undefined) return
  known.recipients.set(address, parameters)
  const { matched } = attribution
  if (matched !== null) {
    // Kept when the directory fails at a later RCPT: without it the others would go another way, without its TLS.
    known.organization = matched.connector.organization
    known.connector = matched.connector.name
  }
  if (matched !== null || decision.reason === 'relaying-respected') known.mayBounce = true
}

/**
 * @param transaction a transaction
 * @returns what was noted; undefined for a message that was made here
 */
export function acceptedOf(transaction: Transaction): Readonly<Accepted> | undefined {
  return KNOWN.get(transaction)
}
