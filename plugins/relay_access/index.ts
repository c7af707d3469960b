/** At RCPT: may it relay there? 550 5.7.64 when not. Then the message is checked and queued. */

import constants from 'haraka-constants'
import { noteRecipient } from '../../src/haraka/accepted.ts'
import { toDsn } from '../../src/haraka/dsn.ts'
import { whileQueueing } from '../../src/haraka/lifecycle.ts'
import { findFault, watchMessage } from '../../src/haraka/message-watch.ts'
import { harakaModules } from '../../src/haraka/mend.ts'
import { leadsBack } from '../../src/haraka/outbound.ts'
import { queueMessage } from '../../src/haraka/queue.ts'
import { recordDecision } from '../../src/haraka/record-decision.ts'
import type { HookAnswer } from '../../src/haraka/safe-hook.ts'
import { safeHook } from '../../src/haraka/safe-hook.ts'
import { theService } from '../../src/haraka/service.ts'
import { recallMail } from '../../src/haraka/transaction-state.ts'
import type { Address, Connection, EsmtpParameters, Plugin, Transaction } from '../../src/haraka/types.ts'
import { parseDsnRcptParameters } from '../../src/outbound/report/parameters.ts'
import { isUnknown } from '../../src/policy/attribute.ts'
import type { Decision } from '../../src/policy/decide.ts'
import { replyFor } from '../../src/policy/replies.ts'
import { recipientOf } from '../../src/relaying/envelope.ts'
import { attributeSender, decideRecipient } from '../../src/relaying/gather.ts'
import { termsNow } from '../../src/relaying/terms.ts'

const NAME = 'relay_access'

export function register(this: Plugin): void {
  this.register_hook('rcpt', 'rcpt')
  this.register_hook('data', 'data')
  this.register_hook('data_post', 'data_post')
  this.register_hook('queue', 'queue')
  this.register_hook('queue_outbound', 'queue')
}

export const rcpt = safeHook<[Address, EsmtpParameters]>(
  NAME,
  async (_plugin, connection, [address, given]) => {
    const { transaction } = connection
    if (transaction === null) return undefined
    const parameters = parseDsnRcptParameters(Object.entries(given))
    if ('reply' in parameters) return { code: constants.deny, message: toDsn(parameters.reply) }
    const service = theService()
    const settings = service.settings()
    const { peer, sender, attribution: atMail, relayingBefore } = recallMail(transaction)
    const recipient = recipientOf(address)
    const terms = termsNow(settings.relay)
    // What could not be looked up at MAIL may be known by now.
    const again = atMail.unknown !== null || isUnknown(atMail.senderDomain)
    const attribution = again
      ? await attributeSender(service.directory, peer, sender, peer.certificateFor, terms)
      : atMail
    const decision = await decideRecipient(service.directory, {
      attribution,
      recipient,
      settings: settings.relay,
      now: terms.now,
      relayingRespected: settings.relay.respectRelaying && relayingBefore,
      smartHost: settings.outbound.smartHost,
      leadsBack: (route) => leadsBack(route, peer.address),
    })
    if (connection.transaction !== transaction) return undefined
    const reply = replyFor(decision, settings.replies, transaction.uuid)
    const { certificate } = attribution.peer
    recordDecision(connection, { decision, reply, peer, certificate, sender, recipient, service })
    const to =
      decision.deliverTo === null ? address : replaceRecipient(transaction, address, decision.deliverTo)
    noteRecipient(transaction, to, parameters, { attribution, decision })
    return answer(connection, decision, toDsn(reply))
  },
)

function answer(
  connection: Connection,
  decision: Decision,
  message: { readonly code: number; readonly reply: string },
): HookAnswer {
  switch (decision.outcome) {
    case 'relay':
      // Inside a transaction this counts for the transaction only.
      connection.relaying = true
      return { code: constants.ok, message }
    case 'deliver':
      return { code: constants.ok, message }
    case 'deny':
      return { code: constants.deny, message }
    case 'defer':
      return { code: constants.denysoft, message }
  }
}

/** RFC 5321 section 4.5.1: <postmaster> without a domain. */
function replaceRecipient(transaction: Transaction, address: Address, mailbox: string): Address {
  const AddressClass = address.constructor as new (text: string) => Address
  const replacement = new AddressClass(`<${mailbox}>`)
  const index = transaction.rcpt_to.lastIndexOf(address)
  if (index !== -1) transaction.rcpt_to[index] = replacement
  return replacement
}

export const data = safeHook(NAME, (_plugin, { transaction }) => {
  if (transaction !== null) watchMessage(transaction)
  return undefined
})

export const data_post = safeHook(NAME, (_plugin, { transaction }) => {
  if (transaction === null) return undefined
  const fault = findFault(transaction, theService().settings().message.maxReceived)
  return fault === null ? undefined : { code: constants.deny, message: toDsn(fault) }
})

/** Relayed mail and mail to accepted domains go into the same queue. */
export const queue = safeHook(NAME, (plugin, { transaction }) =>
  transaction === null ? undefined : whileQueueing(queueMessage(harakaModules(plugin), transaction)),
)
