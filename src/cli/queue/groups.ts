/** The queue counted: all of it, and by what its messages have in common. */

import type { QueueEntry, Said } from '../../outbound/types.ts'
import { durationText, lastSaid, nextAttempt, pendingOf, saidText } from './lines.ts'
import type { Pending } from './lines.ts'

export type GroupBy = 'destination' | 'organization' | 'sender'

export const GROUPINGS: readonly GroupBy[] = ['destination', 'organization', 'sender']

export interface Group {
  /** The domain, the organisation, or the sender's domain; '' for none. */
  readonly name: string
  messages: number
  held: number
  /** Recipients that wait. */
  recipients: number
  /** When the oldest was accepted, and when the first is tried, in milliseconds since 1970. */
  oldest: number
  nextAttempt: number | null
  lastSaid: Said | null
}

/** Counts what it is given. */
export class Totals {
  messages = 0
  held = 0
  active = 0
  bytes = 0
  oldest: number | null = null

  /** @param entry one more message */
  add({ active, envelope, size, state }: QueueEntry): void {
    this.messages += 1
    this.bytes += size
    if (state.hold !== null) this.held += 1
    else if (active) this.active += 1
    if (this.oldest === null || envelope.receivedAt < this.oldest) this.oldest = envelope.receivedAt
  }

  /**
   * @param now milliseconds since 1970
   * @returns one line
   */
  text(now: number): string {
    if (this.oldest === null) return 'no messages'
    const parts = [
      this.messages === 1 ? '1 message' : `${this.messages} messages`,
      `the oldest ${durationText(now - this.oldest)}`,
      ...(this.held === 0 ? [] : [`${this.held} held`]),
      ...(this.active === 0 ? [] : [`${this.active} being delivered`]),
    ]
    return parts.join(', ')
  }
}

/**
 * @param entries messages
 * @param by what they are counted by; a message that waits for several destinations counts for each
 * @returns the groups, those with the most messages first
 */
export async function groupsOf(entries: AsyncIterable<QueueEntry>, by: GroupBy): Promise<Group[]> {
  const groups = new Map<string, Group>()
  for await (const entry of entries) {
    for (const [name, pending] of partsOf(entry, by)) count(groups, name, pending, entry)
  }
  return [...groups.values()].toSorted((left, right) => right.messages - left.messages)
}

function partsOf(entry: QueueEntry, by: GroupBy): Map<string, Pending[]> {
  const all = pendingOf(entry)
  if (by === 'organization') return new Map([[entry.envelope.organization ?? '', all]])
  if (by === 'sender') {
    const { sender } = entry.envelope
    return new Map([[sender.slice(sender.lastIndexOf('@') + 1).toLowerCase(), all]])
  }
  const parts = new Map<string, Pending[]>()
  for (const pending of all) {
    const { domain } = pending.recipient
    const part = parts.get(domain)
    if (part === undefined) parts.set(domain, [pending])
    else part.push(pending)
  }
  return parts
}

function count(groups: Map<string, Group>, name: string, pending: readonly Pending[], entry: QueueEntry): void {
  const { receivedAt } = entry.envelope
  let group = groups.get(name)
  if (group === undefined) {
    group = { name, messages: 0, held: 0, recipients: 0, oldest: receivedAt, nextAttempt: null, lastSaid: null }
    groups.set(name, group)
  }
  group.messages += 1
  group.recipients += pending.length
  group.oldest = Math.min(group.oldest, receivedAt)
  if (entry.state.hold !== null) group.held += 1
  else group.nextAttempt = earlier(group.nextAttempt, nextAttempt(pending))
  const said = lastSaid(pending)
  if (said !== null && (group.lastSaid === null || said.at > group.lastSaid.at)) group.lastSaid = said
}

function earlier(left: number | null, right: number | null): number | null {
  if (left === null || right === null) return left ?? right
  return Math.min(left, right)
}

/**
 * @param group a group
 * @param now milliseconds since 1970
 * @returns its cells: name, messages, held, oldest, next attempt, last reply
 */
export function groupRow(group: Group, now: number): string[] {
  const next = group.nextAttempt
  return [
    group.name === '' ? '-' : group.name,
    String(group.messages),
    String(group.held),
    durationText(now - group.oldest),
    next === null ? '-' : next <= now ? 'now' : durationText(next - now),
    group.lastSaid === null ? '' : saidText(group.lastSaid),
  ]
}
