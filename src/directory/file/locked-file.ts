/**
 * A file that several commands may want to change at once, and an administrator with an editor: a change is written as a
 * whole or not at all, and never over one that was not seen.
 */

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { messageOf } from '../../text/message-of.ts'
import { keepAttributes, whoMayReplace } from './attributes.ts'
import { holderHere, isGone } from './holder.ts'
import type { Lock } from './lock.ts'
import { ABANDONED_MILLISECONDS, takeLock } from './lock.ts'

/** Somebody else wrote the file after it was read. */
class FileChanged extends Error {
  override readonly name = 'FileChanged'
}

/** This user may write there, but not give the new file to whom the old one belongs. */
class NotPermitted extends Error {
  override readonly name = 'NotPermitted'
}

/** The file says what was wanted; whether it still does after a power failure is not known. */
class PerhapsNotOnDisk extends Error {
  override readonly name = 'PerhapsNotOnDisk'
}

/**
 * Changes a file. The old one stays until the new one is on the disk, whatever happens in between.
 * @param path the file; where it is a link, what that points to is written
 * @param change makes the new content from what stands in it while no other command can write; null leaves it as it is
 * @throws FileChanged when an editor wrote it at the same moment, NotPermitted, what `change` throws, and the system's
 *   error when it cannot be written; nothing was changed then. PerhapsNotOnDisk when it was changed
 */
export async function changeFile(path: string, change: (before: Buffer) => Buffer | null): Promise<void> {
  const name = join(basename(dirname(path)), basename(path))
  const real = await realpath(path)
  const lock = await takeLock(`${real}.lock`)
  try {
    // What others left is no reason not to go on.
    await removeRemains(real).catch(() => undefined)
    const before = await readFile(real)
    const after = change(before)
    if (after === null) return
    await replaceFile({ name, real, lock, before, after })
    await syncFolder(dirname(real), name)
  } finally {
    await lock.release()
  }
}

interface Replacement {
  /** As it stands in messages. */
  readonly name: string
  readonly real: string
  readonly lock: Lock
  readonly before: Buffer
  readonly after: Buffer
}

async function replaceFile({ after, before, lock, name, real }: Replacement): Promise<void> {
  const stats = await stat(real)
  const temporary = `${real}.${holderHere()}.${randomBytes(4).toString('hex')}.new`
  try {
    const { O_CREAT, O_EXCL, O_WRONLY } = constants
    const handle = await open(temporary, O_WRONLY | O_CREAT | O_EXCL, stats.mode & 0o777)
    try {
      await keepAttributes(handle, temporary, real, stats)
      await handle.writeFile(after)
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (!(await readFile(real)).equals(before) || !(await lock.isHeld())) {
      throw new FileChanged(`${name} was changed by somebody else meanwhile: look at it again`)
    }
    await rename(temporary, real)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
    const message = `${name} cannot be written: EPERM; nothing was changed; ${whoMayReplace(stats)}`
    throw new NotPermitted(message, { cause: error })
  }
}

/** File systems that know no such thing, as some on the network. */
const NOT_NEEDED = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EISDIR'])

async function syncFolder(folder: string, name: string): Promise<void> {
  try {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== undefined && NOT_NEEDED.has(code)) return
    throw new PerhapsNotOnDisk(
      `${name} was written, but perhaps not yet to the disk: ${code ?? messageOf(error)} for its folder; look at the disk, and at the file after a power failure`,
      { cause: error },
    )
  }
}

/** What commands left that were killed while they held the lock; only who holds it may clear up. */
async function removeRemains(real: string): Promise<void> {
  const folder = dirname(real)
  const begin = `${basename(real)}.`
  for (const name of await readdir(folder)) {
    if (!name.startsWith(begin)) continue
    const holder = /^(\d+\.[0-9a-f]{16})\.[0-9a-f]{8}\.new$/.exec(name.slice(begin.length))?.[1]
    if (holder === undefined) continue
    const path = join(folder, name)
    const isOld = Date.now() - (await stat(path)).mtimeMs > ABANDONED_MILLISECONDS
    if (isOld || isGone(holder)) await rm(path, { force: true })
  }
}
