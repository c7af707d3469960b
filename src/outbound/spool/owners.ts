/** Folders below queue/: whose they are, and how what a dead process left comes to a living one. */

import { randomBytes } from 'node:crypto'
import { readdir, rename, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { removeSocket } from '../control/socket.ts'
import { syncFolder } from './folder-sync.ts'
import { isOwnerFolder, ownerOf } from './names.ts'

/**
 * @param queue the queue's folder
 * @returns the folders of owners, living and dead, as they are called; none when there is no queue
 */
export async function ownerFolders(queue: string): Promise<string[]> {
  const names = await readdir(queue).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names.filter((name) => isOwnerFolder(name)).toSorted()
}

/**
 * @param queue the queue's folder
 * @returns the names of owners, living and dead
 */
export async function ownersIn(queue: string): Promise<string[]> {
  return [...new Set((await ownerFolders(queue)).map((folder) => ownerOf(folder)))]
}

/**
 * A folder is taken by renaming it, which only one can do: whoever comes second finds it gone. The new name says whose it
 * is now, so that whoever takes over after the next death finds all of it.
 * @param queue the queue's folder
 * @param owner who takes; its socket is there already
 * @param isAlive whether an owner's process lives
 * @param failed told of each folder that cannot be taken
 */
export async function takeDeadFolders(
  queue: string,
  owner: string,
  isAlive: (owner: string) => Promise<boolean>,
  failed: (folder: string, error: unknown) => void,
): Promise<void> {
  let taken = 0
  for (const folder of await ownerFolders(queue)) {
    const dead = ownerOf(folder)
    if (dead === owner || (await isAlive(dead))) continue
    try {
      const name = `${owner}.taken.${randomBytes(4).toString('hex')}`
      if (!(await tryRename(join(queue, folder), join(queue, name)))) continue
      taken += 1
      await removeSocket(queue, dead)
    } catch (error) {
      failed(folder, error)
    }
  }
  if (taken > 0) await syncFolder(queue)
}

/**
 * @param queue the queue's folder
 * @param owner a name of an owner
 * @returns the folders that it has taken over
 */
export async function takenBy(queue: string, owner: string): Promise<string[]> {
  return (await ownerFolders(queue)).filter((folder) => folder !== owner && ownerOf(folder) === owner)
}

async function tryRename(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** Removes a folder when nothing is in it. */
export async function removeEmpty(path: string): Promise<void> {
  await rmdir(path).catch(() => undefined)
}
