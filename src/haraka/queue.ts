/** Puts a message into the queue, and says 250 only when it would survive the loss of power. */

import constants from 'haraka-constants'
import DSN from 'haraka-dsn'
import { NotStored } from '../outbound/types.ts'
import { messageOf } from '../text/message-of.ts'
import { envelopeOf } from './envelope-of.ts'
import { contentOf } from './message-content.ts'
import type { HarakaModules } from './mend.ts'
import { theOutbound } from './outbound.ts'
import type { HookAnswer } from './safe-hook.ts'
import type { Logger, Transaction } from './types.ts'

type Host = Pick<HarakaModules, 'plugins' | 'logger' | 'netUtils'>

/**
 * A full disk is 452 4.3.1, anything else 451; stock Haraka makes both a 550.
 * @param host the running Haraka
 * @param transaction a message that is complete
 * @returns OK once everything is on disk; never rejects
 */
export async function queueMessage(host: Host, transaction: Transaction): Promise<HookAnswer> {
  try {
    completeHeader(host, transaction)
    await runHooksBefore(host, transaction)
    const queue = await theOutbound()
    await queue.accept(envelopeOf(transaction), await contentOf(transaction))
    return { code: constants.ok, message: '2.0.0 Message queued' }
  } catch (error) {
    return notQueued(host.logger, transaction, error)
  }
}

function notQueued(log: Pick<Logger, 'logerror'>, transaction: Transaction, error: unknown): HookAnswer {
  log.logerror(`message ${transaction.uuid} could not be queued: ${messageOf(error)}`)
  const full = error instanceof NotStored && error.full
  const message = full
    ? DSN.create(452, 'The queue is full, try again later', 3, 1)
    : DSN.create(451, 'The message could not be queued, try again later', 3, 0)
  return { code: constants.denysoft, message }
}

/** RFC 6409 section 8: what a submitted message lacks; Haraka does the same. */
function completeHeader({ netUtils }: Host, transaction: Transaction): void {
  const { header, uuid } = transaction
  const [id] = header.get_all('Message-Id')
  if (id === undefined || id.trim() === '<>') {
    if (id !== undefined) transaction.remove_header('Message-Id')
    transaction.add_header('Message-Id', `<${uuid}@${netUtils.get_primary_host_name()}>`)
  }
  if (header.get_all('Date').length === 0) {
    // RFC 5322 section 3.3 wants an offset, not a zone's name.
    transaction.add_header('Date', new Date().toUTCString().replace(/GMT$/, '+0000'))
  }
}

const nothing = (): undefined => undefined

/** Mail that a plugin makes has no results, and who signs it notes that there; nobody reads it. */
const NO_RESULTS = {
  add: nothing,
  push: nothing,
  incr: nothing,
  get: nothing,
  has: () => false,
  collate: () => '',
}

function giveResults(transaction: { results?: Transaction['results'] }): void {
  transaction.results ??= NO_RESULTS
}

/** Other plugins sign and stamp what goes out here. */
async function runHooksBefore({ logger, plugins }: Host, transaction: Transaction): Promise<void> {
  if ((plugins.registered_hooks['pre_send_trans_email'] ?? []).length === 0) return
  giveResults(transaction)
  await new Promise<void>((resolve) => {
    const subject = { transaction, pre_send_trans_email_respond: resolve }
    logger.add_log_methods(subject)
    plugins.run_hooks('pre_send_trans_email', subject)
  })
}
