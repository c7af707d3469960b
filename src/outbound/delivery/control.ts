/** What can be seen of the queue of this process, and done with it. */

import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import { actionRecord, applyAction } from '../control/actions.ts'
import { matches } from '../control/filter.ts'
import { headerOf } from '../control/header.ts'
import type {
  ActionDone,
  QueueAction,
  QueueControl,
  QueueEntry,
  QueueFilter,
  QueueLog,
  Spool,
} from '../types.ts'
import type { Entry } from './entry.ts'
import type { Settling } from './settle.ts'

export interface ControlOptions {
  readonly owner: string
  readonly entries: ReadonlyMap<string, Entry>
  readonly spool: Spool
  readonly settling: Settling
  readonly log: Pick<QueueLog, 'journal'>
  readonly now: () => number
  /** The entry waits for another time now. */
  readonly changed: (entry: Entry, action: QueueAction) => void
}

/**
 * @param options the queue of this process
 * @returns what `connectorctl queue` asks and tells
 */
export function queueControl(options: ControlOptions): QueueControl {
  const { entries, now, owner, spool } = options
  const shown = (entry: Entry): QueueEntry => ({ ...entry.message, owner, active: isActive(entry) })
  const meant = (filter: QueueFilter): Entry[] =>
    Array.from(entries.values())
      .filter(({ message }) => matches(message, filter, now()))
      .toSorted((left, right) => left.message.envelope.receivedAt - right.message.envelope.receivedAt)
  return {
    async *list(filter) {
      for (const entry of meant(filter)) yield await Promise.resolve(shown(entry))
    },
    show: async (id) => {
      const entry = entries.get(id)
      if (entry === undefined) return null
      const content = entry.content ?? (await spool.read(entry.message).catch(() => null))
      return { entry: shown(entry), header: content === null ? '' : headerOf(content) }
    },
    act: async (action, filter, by) => {
      const done: ActionDone[] = []
      for (const entry of meant(filter)) done.push(await actOn(options, entry, action, by))
      return done
    },
  }
}

async function actOn(
  { changed, entries, log, now, settling }: ControlOptions,
  entry: Entry,
  action: QueueAction,
  by: string,
): Promise<ActionDone> {
  const { message } = entry
  const { id } = message.envelope
  if (entries.get(id) !== entry) return { id, done: false, why: 'it has left the queue meanwhile' }
  if (isActive(entry)) return { id, done: false, why: 'it is being delivered at this moment: try again' }
  // Nobody tries it meanwhile.
  entry.groups += 1
  try {
    const acting = { now: now(), by }
    const applied = applyAction(message, action, acting)
    if (!applied.done) return { id, done: false, why: applied.why }
    // What waits for a connection goes on waiting when it is to be tried now.
    if (action !== 'retry') entry.turn += 1
    const related = await settling.act(entry, applied, acting)
    const record = actionRecord(message, action, applied, acting, related)
    if (record !== null) log.journal(record)
    return { id, done: true, why: applied.why }
  } catch (error) {
    return { id, done: false, why: printable(messageOf(error), 300) }
  } finally {
    entry.groups -= 1
    changed(entry, action)
  }
}

/** Whether a part of it is with a server, or what came of that is being written. */
function isActive({ groups, waiting }: Entry): boolean {
  return groups > waiting
}
