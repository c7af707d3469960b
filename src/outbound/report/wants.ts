/** Who is told what, all of it here: RFC 3461 section 4.1, and that nobody is told who may be somebody else. */

import type { Envelope, Notify } from '../types.ts'
import { domainOf } from './sender.ts'

/** What a report may be about. */
export type ReportEvent = 'failure' | 'delay' | 'success'

const NOTIFICATIONS = { failure: 'FAILURE', delay: 'DELAY', success: 'SUCCESS' } as const

/**
 * @param notify of a recipient
 * @param event what happened
 * @returns whether the sender asked to be told, or, where it said nothing, expects to be: of failures and delays, not of
 *   success (RFC 3461 section 4.1)
 */
export function wants(notify: Notify, event: ReportEvent): boolean {
  return notify === null ? event !== 'success' : notify.includes(NOTIFICATIONS[event])
}

/**
 * @param envelope of a message
 * @returns whether its sender may be told anything at all. Not of our own reports and not the null sender (RFC 5321
 *   section 4.5.5), not a sender who was not attributed (backscatter), and not one without a domain: where it may not, what
 *   cannot be delivered is held
 */
export function mayReport({ mayBounce, reportOn, sender }: Envelope): boolean {
  return mayBounce && reportOn === null && sender !== '' && domainOf(sender) !== null
}
