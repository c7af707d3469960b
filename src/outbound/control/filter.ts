/** Which messages of the queue are meant. */

import type { QueueFilter, QueuedMessage } from '../types.ts'

/** Ten thousand ids are not gone through for each of fifty thousand messages. */
const idSets = new WeakMap<readonly string[], ReadonlySet<string>>()

/**
 * @param message as it stands in the queue
 * @param filter what must hold, all of it
 * @param now milliseconds since 1970
 * @returns whether it is meant
 */
export function matches({ envelope, state }: QueuedMessage, filter: QueueFilter, now: number): boolean {
  const { destination, held, ids, olderThan, organization, sender } = filter
  return (
    (ids === undefined || setOf(ids).has(envelope.id)) &&
    (held === undefined || (state.hold !== null) === held) &&
    (olderThan === undefined || now - envelope.receivedAt >= olderThan) &&
    (organization === undefined || isSame(envelope.organization, organization)) &&
    (sender === undefined || isSender(envelope.sender, sender)) &&
    (destination === undefined || isDestination({ envelope, state }, destination))
  )
}

function setOf(ids: readonly string[]): ReadonlySet<string> {
  const known = idSets.get(ids)
  if (known !== undefined) return known
  const set = new Set(ids)
  idSets.set(ids, set)
  return set
}

/** Names of organisations are compared in any case. */
function isSame(name: string | null, wanted: string): boolean {
  return name !== null && name.toLowerCase() === wanted.toLowerCase()
}

/** `<>` is the null sender, what has an @ an address, all else a domain. */
function isSender(sender: string, wanted: string): boolean {
  const pattern = wanted.replace(/^<(.*)>$/, '$1').toLowerCase()
  if (pattern === '') return sender === ''
  const address = sender.toLowerCase()
  if (pattern.includes('@') && !pattern.startsWith('@')) return address === pattern
  return address.endsWith(`@${pattern.replace(/^@/, '')}`)
}

/** A recipient that has its mail, or will never get it, is no destination any more. */
function isDestination(
  { envelope, state }: Pick<QueuedMessage, 'envelope' | 'state'>,
  wanted: string,
): boolean {
  const domain = wanted.toLowerCase()
  return envelope.recipients.some(
    (recipient, index) => recipient.domain === domain && state.recipients[index]?.status === 'waiting',
  )
}
