/** The queue on the disk for whoever does not have it: `connectorctl` while no process runs. */

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Content, QueuedMessage, QueueLog, Spool } from '../types.ts'
import { isAlive } from '../control/socket.ts'
import { isMessage, messageName, ownerOf, stateName } from './names.ts'
import { ownerFolders, ownersIn } from './owners.ts'
import { readContent, readMessage } from './read-message.ts'
import { openSpool } from './spool.ts'

/** What the disk has. */
export interface QueueOnDisk {
  owners(): Promise<readonly string[]>
  read(owner: string): AsyncIterable<QueuedMessage>
  content(owner: string, message: QueuedMessage): Promise<Content | null>
  open(owner: string): Promise<Spool>
}

/**
 * @param queue the queue's folder
 * @param log told of what is found when folders are taken over
 * @returns what stands there; reading changes nothing
 */
export function queueOnDisk(queue: string, log: Pick<QueueLog, 'info' | 'warn' | 'error'>): QueueOnDisk {
  return {
    owners: () => ownersIn(queue),
    read: (owner) => readOwner(queue, owner),
    content: async (owner, { envelope: { id, receivedAt } }) => {
      for (const folder of await foldersOf(queue, owner)) {
        const content = await readContent(join(queue, folder, messageName(receivedAt, id))).catch(() => null)
        if (content !== null) return content
      }
      return null
    },
    open: (owner) => openSpool({ queue, owner, isAlive: (other) => isAlive(queue, other), log }),
  }
}

async function foldersOf(queue: string, owner: string): Promise<string[]> {
  return (await ownerFolders(queue)).filter((folder) => ownerOf(folder) === owner)
}

async function* readOwner(queue: string, owner: string): AsyncGenerator<QueuedMessage> {
  const places: { folder: string; name: string; hasState: boolean }[] = []
  for (const folder of await foldersOf(queue, owner)) {
    // Taken over meanwhile.
    const names = await readdir(join(queue, folder)).catch(() => [])
    const known = new Set(names)
    for (const name of names) {
      if (isMessage(name)) places.push({ folder, name, hasState: known.has(stateName(name)) })
    }
  }
  places.sort((left, right) => (left.name < right.name ? -1 : 1))
  for (const { folder, hasState, name } of places) {
    // Delivered meanwhile, or damaged: whoever takes it over says so.
    const read = await readMessage(join(queue, folder), name, hasState).catch(() => null)
    if (read !== null) yield read.message
  }
}
