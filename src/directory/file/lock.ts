/**
 * A lock beside a file. It says who holds it: of a command that was killed it is taken away at once, where processes can
 * be looked up; otherwise only when nobody gave a sign of life for long.
 */

import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open, readFile, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { holderHere, isGone } from './holder.ts'

/** Who holds the lock touches it every few seconds, but not while a large file is parsed. */
const TOUCH_MILLISECONDS = 5_000
/** Without a sign of life for so long, a holder that cannot be looked up has died: minutes more than any change takes. */
export const ABANDONED_MILLISECONDS = 600_000
const PATIENCE_MILLISECONDS = 30_000
/** A lock is made and written at once; one that stays empty is of a command that was killed in between. */
const EMPTY_MILLISECONDS = 1_000
/** Looking at a lock and removing it takes less than a millisecond. */
const GUARD_MILLISECONDS = 10_000

export interface Lock {
  /** @returns whether nobody took it for abandoned */
  isHeld(): Promise<boolean>
  release(): Promise<void>
}

/**
 * @param path the lock's own file
 * @returns the lock, as soon as nobody else holds it
 * @throws with one line when somebody does for half a minute, and the system's error when the file cannot be made
 */
export async function takeLock(path: string): Promise<Lock> {
  const own = `${holderHere()} ${randomBytes(8).toString('hex')} ${hostname()}\n`
  const until = Date.now() + PATIENCE_MILLISECONDS
  for (;;) {
    const handle = await createLock(path, own)
    if (handle !== null) return lockOf(path, own, handle)
    removeAbandoned(path)
    if (Date.now() > until) {
      throw new Error(
        `another command holds ${path}: try again, or remove it if there is none (it counts for ${ABANDONED_MILLISECONDS / 60_000} minutes after a command on another machine or in another container has died)`,
      )
    }
    await delay(20)
  }
}

async function createLock(path: string, own: string): Promise<FileHandle | null> {
  const handle = await open(path, 'wx', 0o644).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return null
    throw error
  })
  try {
    await handle?.writeFile(own)
    return handle
  } catch (error) {
    // Half a lock of a full disk would keep everybody waiting.
    await handle?.close()
    await rm(path, { force: true }).catch(() => undefined)
    throw error
  }
}

function lockOf(path: string, own: string, handle: FileHandle): Lock {
  const isHeld = async (): Promise<boolean> => (await readFile(path, 'utf8').catch(() => null)) === own
  // Through the handle: the lock of another command, who took this one for dead, is not kept alive.
  const touch = (): Promise<void> => handle.utimes(new Date(), new Date()).catch(() => undefined)
  const timer = setInterval(() => void touch(), TOUCH_MILLISECONDS)
  timer.unref()
  return {
    isHeld,
    release: async () => {
      clearInterval(timer)
      await handle.close().catch(() => undefined)
      if (await isHeld()) await rm(path, { force: true }).catch(() => undefined)
    },
  }
}

/** Under a guard, and without letting go of the processor: what is removed is what was looked at. */
function removeAbandoned(path: string): void {
  if (!isAbandoned(path)) return
  const guard = `${path}.stale`
  try {
    closeSync(openSync(guard, 'wx', 0o644))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    if (ageOf(guard) > GUARD_MILLISECONDS) rmSync(guard, { force: true })
    return
  }
  try {
    if (isAbandoned(path)) rmSync(path, { force: true })
  } catch {
    // A folder where only the owner may remove a file: then it is held until its owner comes.
  } finally {
    rmSync(guard, { force: true })
  }
}

function isAbandoned(path: string): boolean {
  if (ageOf(path) > ABANDONED_MILLISECONDS) return true
  try {
    const text = readFileSync(path, 'utf8')
    return text === '' ? ageOf(path) > EMPTY_MILLISECONDS : isGone(text.split(' ', 1)[0] ?? '')
  } catch {
    return false
  }
}

/** @returns milliseconds; 0 of a file that is gone */
function ageOf(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats === undefined ? 0 : Date.now() - stats.mtimeMs
}
