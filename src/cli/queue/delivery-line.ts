/** Lines of the journal about deliveries, in words. */

import type { DeliveryRecord } from '../../journal/record.ts'
import { printable } from '../../text/printable.ts'

const MOST_RECIPIENTS = 5

/**
 * @param record a delivery
 * @returns how it went: where, under which TLS, what was said, what comes next; safe to print
 */
export function deliveryText(record: DeliveryRecord): string {
  const { by, nextAttempt, related } = record
  const parts = [
    placeOf(record),
    replyOf(record),
    by === null ? '' : `by ${printable(by, 60)}`,
    attemptsText(record),
    nextAttempt === null ? '' : `next at ${printable(nextAttempt, 30)}`,
    related === null ? '' : `see ${printable(related, 80)}`,
  ]
  return parts.filter((part) => part !== '').join('; ')
}

/** What ends a hold or a message by hand has no answer of its own. */
function replyOf({ event, reply, status }: DeliveryRecord): string {
  // A reply has a code, and says itself what it means.
  const isPlain = status === '' || /^\d{3} /.test(reply) || reply.includes(status)
  const code = isPlain ? '' : `${printable(status, 20)} `
  const text = `${code}${printable(reply, 500)}`.trim()
  return text !== '' && (event === 'released' || event === 'dropped') ? `the last answer was: ${text}` : text
}

/** One that waits because others found its server dead has none. */
function attemptsText({ attempts, event, nextAttempt }: DeliveryRecord): string {
  if (attempts === 0) return event === 'deferred' ? 'not tried itself' : ''
  return attempts > 1 || nextAttempt !== null ? `attempt ${attempts}` : ''
}

function placeOf({ event, remote, route, tls }: DeliveryRecord): string {
  const server =
    remote === null
      ? ''
      : `${printable(remote.host, 255)}${remote.host === remote.address ? '' : ` [${printable(remote.address, 60)}]`}:${remote.port}`
  // What was not delivered may not have got as far as TLS.
  const plain = remote !== null && event === 'delivered' ? 'without TLS' : ''
  const secrecy = tls === null ? plain : tlsText(tls)
  return [server, secrecy, routeText(route)].filter((part) => part !== '').join(', ')
}

function tlsText({ verified, version }: NonNullable<DeliveryRecord['tls']>): string {
  const certificate =
    verified === null ? '' : verified ? ', certificate valid' : ', certificate not valid'
  return `${printable(version, 20)}${certificate}`
}

function routeText(route: DeliveryRecord['route']): string {
  if (route === null) return ''
  if (route.via === 'mx') return 'by MX'
  if (route.via === 'smart-host') return 'by the smart host'
  return `by connector ${printable(route.connector ?? '', 100)} of ${printable(route.organization ?? '', 100)}`
}

/**
 * @param recipients addresses
 * @returns the first few in angle brackets, and how many more there are
 */
export function recipientsText(recipients: readonly string[]): string {
  const shown = recipients.slice(0, MOST_RECIPIENTS).map((address) => `<${printable(address, 100)}>`)
  const more = recipients.length - shown.length
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
