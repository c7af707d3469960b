/**
 * A file that several commands may want to change at once, and an administrator with an editor: a change is written as a
 * whole or not at all, and never over one that was not seen.
 */

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open, readdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** A change takes milliseconds: whoever holds the lock for longer has died. */
const STALE_MILLISECONDS = 20_000
const PATIENCE_MILLISECONDS = 30_000

/** Somebody else wrote the file after it was read. */
export class FileChanged extends Error {
  override readonly name = 'FileChanged'
}

/**
 * Changes a file. The old one stays until the new one is on the disk, whatever happens in between.
 * @param path the file; where it is a link, what that points to is written
 * @param change makes the new content from what stands in it while no other command can write; null leaves it as it is
 * @throws FileChanged when an editor wrote it at the same moment, what `change` throws, and the system's error when it
 *   cannot be written; nothing was changed then
 */
export async function changeFile(path: string, change: (before: Buffer) => Buffer | null): Promise<void> {
  const real = await realpath(path)
  const lock = await takeLock(`${real}.lock`)
  try {
    await removeRemains(real)
    const before = await readFile(real)
    const after = change(before)
    if (after === null) return
    const temporary = `${real}.${process.pid}.${randomBytes(4).toString('hex')}.new`
    try {
      await writeNew(temporary, after, await stat(real))
      if (!(await readFile(real)).equals(before)) {
        throw new FileChanged(`${path} was changed by somebody else meanwhile: look at it again`)
      }
      await rename(temporary, real)
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      throw error
    }
    await syncFolder(dirname(real))
  } finally {
    await lock.release()
  }
}

async function writeNew(
  path: string,
  content: Buffer,
  { mode, uid, gid }: { mode: number; uid: number; gid: number },
): Promise<void> {
  const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode & 0o777)
  try {
    await keepOwner(handle, uid, gid)
    // The umask must not take away what the file had.
    await handle.chmod(mode & 0o777)
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Root gives the new file to whom the old one belonged; nobody else may, and needs to. */
async function keepOwner(handle: FileHandle, uid: number, gid: number): Promise<void> {
  const now = await handle.stat()
  if (now.uid === uid && now.gid === gid) return
  await handle.chown(uid, gid)
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** What commands left that were killed while they held the lock; only who holds it may clear up. */
async function removeRemains(real: string): Promise<void> {
  const folder = dirname(real)
  const remains = new RegExp(`^${basename(real).replaceAll('.', '\\.')}\\.\\d+\\.[0-9a-f]{8}\\.new$`)
  for (const name of await readdir(folder)) {
    if (remains.test(name)) await rm(join(folder, name), { force: true })
  }
}

interface Lock {
  release(): Promise<void>
}

async function takeLock(path: string): Promise<Lock> {
  const own = `${process.pid} ${randomBytes(8).toString('hex')}\n`
  const until = Date.now() + PATIENCE_MILLISECONDS
  for (;;) {
    try {
      await writeFile(path, own, { flag: 'wx', mode: 0o600 })
      return { release: () => release(path, own) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        // Half a lock of a full disk would keep everybody waiting.
        await release(path, own)
        throw error
      }
    }
    await removeStale(path)
    if (Date.now() > until)
      throw new Error(`another command holds ${path}: try again, or remove it if there is none`)
    await delay(20)
  }
}

async function release(path: string, own: string): Promise<void> {
  const held = await readFile(path, 'utf8').catch(() => null)
  // Another one may have taken it for dead.
  if (held !== null && own.startsWith(held)) await rm(path, { force: true }).catch(() => undefined)
}

async function removeStale(path: string): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => null)
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }))
  const holder = Number(text?.split(' ', 1)[0] ?? Number.NaN)
  const dead = Number.isInteger(holder) && holder > 0 && !isRunning(holder)
  if (!dead && Date.now() - mtimeMs < STALE_MILLISECONDS) return
  // Only what was looked at is taken away: another command may have done so first, and hold a new one.
  const aside = `${path}.${process.pid}.stale`
  await rename(path, aside).catch(() => undefined)
  const moved = await readFile(aside, 'utf8').catch(() => null)
  if (moved !== null && moved !== text) await rename(aside, path).catch(() => undefined)
  await rm(aside, { force: true })
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
