/** Replies in the form in which Haraka lets a hook choose its code: haraka-dsn. */

import DSN from 'haraka-dsn'
import type { Reply } from '../policy/replies.ts'

/**
 * @param reply a reply of the rule
 * @returns the same for `next()`
 */
export function toDsn(reply: Reply): { readonly code: number; readonly reply: string } {
  const [, subject = '0', detail = '0'] = reply.status.split('.')
  return DSN.create(reply.code, reply.text, Number(subject), Number(detail))
}

/**
 * @param message what a hook answered with
 * @returns whether it carries a code of its own
 */
export function isDsn(message: unknown): message is { readonly code: number; readonly reply: string } {
  return typeof message === 'object' && message !== null && 'code' in message && 'reply' in message
}
