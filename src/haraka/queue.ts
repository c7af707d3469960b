/** Puts a message into Haraka's outbound queue, and says 250 only when it would survive the loss of power. */

import { open } from 'node:fs/promises'
import constants from 'haraka-constants'
import DSN from 'haraka-dsn'
import type { HookAnswer } from './safe-hook.ts'
import type { OutboundModule, Plugin, Transaction } from './types.ts'

/**
 * Haraka syncs each queue file, but not the folder that it is renamed into: after a loss of power the name could be
 * gone. A failure is 451; stock Haraka makes it a 550.
 * @param plugin the plugin that queues
 * @param transaction an accepted message
 * @returns OK once everything is on disk
 */
export async function queueMessage(plugin: Plugin, transaction: Transaction): Promise<HookAnswer> {
  const outbound = plugin.haraka_require('outbound') as OutboundModule
  const { queue_dir: folder } = plugin.haraka_require('outbound/queue') as { queue_dir: string }
  const { code, message } = await send(outbound, transaction)
  if (code !== constants.ok) {
    plugin.logerror(`message ${transaction.uuid} could not be queued: ${String(message)}`)
    return {
      code: constants.denysoft,
      message: DSN.create(451, 'The message could not be queued, try again later', 3, 0),
    }
  }
  await syncFolder(folder)
  return { code: constants.ok, message: '2.0.0 Message queued' }
}

function send(
  outbound: OutboundModule,
  transaction: Transaction,
): Promise<{ code: number; message: unknown }> {
  return new Promise((resolve) => {
    outbound.send_trans_email(transaction, (code, message) => {
      resolve({ code, message })
    })
  })
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
