/** The envelope of a message as it stands in the queue, from Haraka's transaction. */

import type { Envelope, EnvelopeRecipient } from '../outbound/types.ts'
import type { MailParameters, RcptParameters } from '../outbound/report/parameters.ts'
import { recipientOf, senderOf } from '../relaying/envelope.ts'
import { acceptedOf } from './accepted.ts'
import type { Address, Transaction } from './types.ts'

/** Of a message that was made here. */
const NO_MAIL_PARAMETERS: MailParameters = { ret: null, envid: null, smtpUtf8: false, body: null }
const NO_RCPT_PARAMETERS: RcptParameters = { notify: null, orcpt: null }

/**
 * @param transaction a message that was accepted, or one that a plugin made
 * @returns its envelope
 */
export function envelopeOf(transaction: Transaction): Envelope {
  const accepted = acceptedOf(transaction)
  const recipients = transaction.rcpt_to.map((address) =>
    recipientIn(address, accepted?.recipients.get(address) ?? NO_RCPT_PARAMETERS),
  )
  return {
    id: transaction.uuid,
    receivedAt: Date.now(),
    sender: senderOf(transaction.mail_from).address,
    recipients,
    organization: accepted?.organization ?? null,
    connector: accepted?.connector ?? null,
    peer: accepted?.peer ?? null,
    // What was made here has a sender that can be told.
    mayBounce: accepted?.mayBounce ?? true,
    reportOn: null,
    ...(accepted?.mail ?? NO_MAIL_PARAMETERS),
  }
}

function recipientIn(address: Address, parameters: RcptParameters): EnvelopeRecipient {
  const { address: text, domain } = recipientOf(address)
  return { address: text, domain, ...parameters }
}
