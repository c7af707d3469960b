/** Several parts of the queue as one: the oldest message first, each once. */

import type { QueueEntry } from '../types.ts'

interface Source {
  readonly entries: AsyncIterator<QueueEntry>
  head: QueueEntry
}

/**
 * A message that moves from a dead process to a living one meanwhile is seen in both, and told once.
 * @param lists each with the oldest first; none is read further than needed
 * @returns all of them, the oldest first
 */
export async function* mergedByAge(lists: readonly AsyncIterable<QueueEntry>[]): AsyncGenerator<QueueEntry> {
  const seen = new Set<string>()
  const iterators = lists.map((list) => list[Symbol.asyncIterator]())
  try {
    const heads = await Promise.all(iterators.map((entries) => entries.next()))
    let sources = heads.flatMap((head, index): Source[] => {
      const entries = iterators[index]
      return head.done === true || entries === undefined ? [] : [{ entries, head: head.value }]
    })
    while (sources.length > 0) {
      const first = sources.reduce((one, other) => (age(other) < age(one) ? other : one))
      const { head } = first
      if (!seen.has(head.envelope.id)) {
        seen.add(head.envelope.id)
        yield head
      }
      const next = await first.entries.next()
      if (next.done === true) sources = sources.filter((source) => source !== first)
      else first.head = next.value
    }
  } finally {
    // Whoever had enough closes the connections.
    for (const entries of iterators) await entries.return?.()
  }
}

function age({ head }: Source): number {
  return head.envelope.receivedAt
}
