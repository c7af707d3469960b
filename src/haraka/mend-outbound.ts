/**
 * Haraka's outbound queue keeps one file a domain, reads each back, opens a connection for each message, falls back to
 * plain text, and forgets why a message waits (haraka/Haraka#2325, #1699, #3213). Mail goes out through `src/outbound/`
 * instead; here Haraka's own doors to its queue are led there, so that plugins that send mail and the process that
 * starts workers find the same queue. `haraka --qlist` and its like load no plugins: `connectorctl queue` takes their place.
 */

import type { Mend } from './mend.ts'
import { queueMessage } from './queue.ts'
import { openedOutbound } from './outbound.ts'
import type { OutboundModule } from './types.ts'
import { messageOf } from '../text/message-of.ts'

export const OUTBOUND_MENDS: readonly Mend[] = [
  {
    name: 'mail that plugins send goes through the same queue',
    upstream: 'haraka/Haraka#2325',
    recognise: ({ outbound }) => [
      outbound.send_trans_email,
      /pre_send_trans_email_respond = async/,
      /this\.process_delivery\(ok_paths, todo, hmails\)/,
    ],
    apply: (haraka) => {
      haraka.outbound.send_trans_email = (transaction, next) => {
        void queueMessage(haraka, transaction)
          .then(({ code, message }) => {
            // Who does not want to know gives none.
            next?.(code, message)
          })
          .catch((error: unknown) => {
            haraka.logger.logerror(`a plugin failed when its mail was queued: ${messageOf(error)}`)
          })
      }
    },
  },
  {
    name: 'the queue is loaded, listed and flushed where it is',
    upstream: 'haraka/Haraka#825',
    recognise: ({ outbound }) => [outbound.init_queue, /_load_cur_queue\(pid, exports\._add_file\)/],
    apply: ({ outbound }) => {
      takeOver(outbound)
    },
  },
]

function takeOver(outbound: OutboundModule): void {
  // Each process loads its own part when it opens the queue, and takes over what dead ones left.
  outbound.init_queue = async () => undefined
  outbound.load_pid_queue = async () => undefined
  outbound.scan_queue_pids = async () => []
  outbound.flush_queue = async (domain) => {
    await openedOutbound()?.control.act(
      'retry',
      domain === undefined ? {} : { destination: domain },
      'haraka',
    )
  }
  outbound.get_stats = () => {
    const { active, ready, later } = openedOutbound()?.counts ?? { active: 0, ready: 0, later: 0 }
    return `${active}/${ready}/${later}`
  }
}
