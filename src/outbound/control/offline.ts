/**
 * Folders that no process has: read as they are, and, to act on what is in them, taken over as any other process would.
 * What is left in the end is a dead folder again, which the next start takes over.
 */

import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import type { ReportContext } from '../report/report.ts'
import { bounce } from '../report/report.ts'
import type {
  ActionDone,
  Content,
  QueueAction,
  QueueControl,
  QueuedMessage,
  QueueEntry,
  QueueFilter,
  QueueLog,
  Spool,
} from '../types.ts'
import type { Acting, Applied } from './actions.ts'
import { actionRecord, applyAction } from './actions.ts'
import { matches } from './filter.ts'
import { headerOf } from './header.ts'
import type { DeadFolders } from './open.ts'
import { serveControl } from './serve.ts'
import { isAlive, newOwnerName } from './socket.ts'

/** What the disk has. */
export interface SpoolAccess {
  /** @returns the names of all owners, living and dead */
  owners(): Promise<readonly string[]>
  /** What stands in one folder, the oldest first; changes nothing, and ends quietly where the folder is gone. */
  read(owner: string): AsyncIterable<QueuedMessage>
  /** @returns the content of a message; null where it is gone or damaged */
  content(owner: string, message: QueuedMessage): Promise<Content | null>
  /** Takes over all dead folders, as an owner whose socket is there already. */
  open(owner: string): Promise<Spool>
}

export interface OfflineOptions {
  /** The queue's folder. */
  readonly queue: string
  readonly spools: SpoolAccess
  readonly log: QueueLog
  /** @returns what a bounce about the message is made with */
  readonly report: (message: QueuedMessage, now: number) => ReportContext
}

/**
 * @param options where the queue is, and who is told
 * @returns what can be done with the folders of dead processes
 */
export function deadFolders(options: OfflineOptions): DeadFolders {
  const { queue, spools } = options
  const list = async function* (owner: string, filter: QueueFilter): AsyncGenerator<QueueEntry> {
    for await (const message of spools.read(owner)) {
      if (matches(message, filter, Date.now())) yield { ...message, owner, active: false }
    }
  }
  return {
    owners: () => spools.owners(),
    list,
    show: async (owner, id) => {
      for await (const entry of list(owner, { ids: [id] })) {
        const content = await spools.content(owner, entry)
        return { entry, header: content === null ? '' : headerOf(content) }
      }
      return null
    },
    act: async (action, filter, by) => {
      for (const owner of await spools.owners()) {
        if (await isAlive(queue, owner)) continue
        for await (const _ of list(owner, filter)) return takeOver(options, action, filter, by)
      }
      return []
    },
  }
}

/** The socket first and last: without it the folder would be anybody's. */
async function takeOver(
  options: OfflineOptions,
  action: QueueAction,
  filter: QueueFilter,
  by: string,
): Promise<ActionDone[]> {
  const { log, queue, spools } = options
  const owner = newOwnerName()
  const messages = new Map<string, QueuedMessage>()
  const socket = await serveControl({ queue, owner, control: whileWorking(owner, messages), log })
  try {
    const spool = await spools.open(owner)
    try {
      await spool.load((message) => messages.set(message.envelope.id, message))
      const done: ActionDone[] = []
      const now = Date.now()
      // Before anything is done: bounces that are made now are not meant.
      const meant = Array.from(messages.values()).filter((message) => matches(message, filter, now))
      for (const message of meant) {
        done.push(await actOn(message, action, by, { ...options, spool, messages }))
      }
      return done
    } finally {
      await spool.close()
    }
  } finally {
    await socket.close()
  }
}

type Working = OfflineOptions & { readonly spool: Spool; readonly messages: Map<string, QueuedMessage> }

async function actOn(
  message: QueuedMessage,
  action: QueueAction,
  by: string,
  working: Working,
): Promise<ActionDone> {
  const { id } = message.envelope
  const acting = { now: Date.now(), by }
  const applied = applyAction(message, action, acting)
  if (!applied.done) return { id, done: false, why: applied.why }
  try {
    const related = await carryOut(message, applied, acting, working)
    const record = actionRecord(message, action, applied, acting, related)
    if (record !== null) working.log.journal(record)
    return { id, done: true, why: applied.why }
  } catch (error) {
    return { id, done: false, why: printable(messageOf(error), 300) }
  }
}

/** The bounce is on the disk before the message is gone: a kill in between doubles it, and loses nothing. */
async function carryOut(
  message: QueuedMessage,
  applied: Applied,
  { now }: Acting,
  { messages, report, spool }: Working,
): Promise<string | null> {
  const { id } = message.envelope
  const after = { ...message, state: applied.state }
  let related: string | null = null
  if (applied.failed.length > 0) {
    const made = bounce(after, await spool.read(message), applied.failed, report(after, now))
    if (made !== null) {
      const stored = await spool.store(made.envelope, made.content)
      related = stored.envelope.id
      messages.set(related, stored)
    }
  }
  if (applied.remove) {
    await spool.remove(message)
    messages.delete(id)
  } else messages.set(id, await spool.saveState(message, applied.state, true))
  return related
}

/** Others see what is here meanwhile, but do nothing with it: it is a matter of seconds. */
function whileWorking(owner: string, messages: ReadonlyMap<string, QueuedMessage>): QueueControl {
  return {
    async *list(filter) {
      for (const message of Array.from(messages.values())) {
        if (matches(message, filter, Date.now()))
          yield await Promise.resolve({ ...message, owner, active: false })
      }
    },
    show: (id) => {
      const message = messages.get(id)
      return Promise.resolve(
        message === undefined ? null : { entry: { ...message, owner, active: false }, header: '' },
      )
    },
    act: () => Promise.reject(new Error('another connectorctl works on it at this moment: try again')),
  }
}
