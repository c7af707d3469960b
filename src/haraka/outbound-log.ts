/** What happened to mail, told to whoever wants it: the journal, Haraka's log and its plugins. */

import type { DeliveryRecord } from '../journal/record.ts'
import type { QueueLog } from '../outbound/types.ts'
import { messageOf } from '../text/message-of.ts'
import { printable } from '../text/printable.ts'
import type { HarakaModules } from './mend.ts'
import { tellPlugins } from './outbound-hooks.ts'
import type { Service } from './service.ts'
import type { Plugin } from './types.ts'

const SHOWN_RECIPIENTS = 3
const MILLISECONDS = 1000

/**
 * @param plugin whose log is used
 * @param haraka the running Haraka
 * @param service with the journal
 * @returns whom the queue tells
 */
export function outboundLog(
  plugin: Plugin,
  haraka: HarakaModules,
  service: Pick<Service, 'journal'>,
): QueueLog {
  return {
    journal: (record) => {
      service.journal.write(record)
      const line = describeDelivery(record)
      if (record.event === 'damaged') plugin.logerror(line)
      else if (record.event === 'deferred' || record.event === 'held') plugin.logwarn(line)
      else plugin.lognotice(line)
      try {
        tellPlugins(haraka, record)
      } catch (error) {
        plugin.logerror(`a plugin that was told of ${record.id} failed: ${messageOf(error)}`)
      }
    },
    info: (message) => {
      plugin.lognotice(message)
    },
    warn: (message) => {
      plugin.logwarn(message)
    },
    error: (message) => {
      plugin.logerror(message)
    },
  }
}

/**
 * @param record what happened
 * @returns it in one line, e.g. `delivered 5F.1 from=<a@contoso.com> to=<b@fabrikam.com> host=mx.fabrikam.com[192.0.2.1]:25
 *   tls=TLSv1.3 delay=0.2 said="250 2.0.0 Ok"`
 */
export function describeDelivery(record: DeliveryRecord): string {
  const { age, event, id, nextAttempt, remote, sender, tls } = record
  const parts = [
    event,
    id,
    `from=<${printable(sender)}>`,
    `to=${recipientsIn(record)}`,
    ...(remote === null ? [] : [`host=${printable(remote.host)}[${remote.address}]:${remote.port}`]),
    ...(tls === null ? [] : [`tls=${tls.version}`]),
    `delay=${(age / MILLISECONDS).toFixed(1)}`,
    ...saidIn(record),
    ...(nextAttempt === null ? [] : [`next=${nextAttempt}`]),
  ]
  return parts.join(' ')
}

function recipientsIn({ recipients }: DeliveryRecord): string {
  const shown = recipients.slice(0, SHOWN_RECIPIENTS).map((recipient) => `<${printable(recipient)}>`)
  const more = recipients.length - shown.length
  return more > 0 ? `${shown.join(',')} and ${more} more` : shown.join(',')
}

/** A reply has a code, and says itself what it means. */
function saidIn({ reply, status }: DeliveryRecord): string[] {
  const text = /^\d{3} /.test(reply) || reply.includes(status) ? reply : `${status} ${reply}`
  return text.trim() === '' ? [] : [`said=${JSON.stringify(printable(text, 500))}`]
}
