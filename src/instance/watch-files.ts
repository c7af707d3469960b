/** Files that are looked at again and again: a change counts once the file has come to rest. */

import { statSync } from 'node:fs'

/** Two looks that agree are needed: a change counts within a second. */
const POLL_MILLISECONDS = 250

export interface Watch {
  /** Takes the files as they are now for known. */
  settle(): void
  close(): void
}

export interface WatchOptions {
  /** The files to look at, there or not. */
  readonly files: () => readonly string[]
  readonly changed: () => void
  readonly pollMilliseconds?: number | undefined
}

/**
 * @param options which files, and whom to tell
 * @returns the watch, which keeps no process alive
 */
export function watchFiles({ files, changed, pollMilliseconds = POLL_MILLISECONDS }: WatchOptions): Watch {
  let settled = stateOf(files())
  let pending: string | null = null
  const settle = (): void => {
    settled = stateOf(files())
    pending = null
  }
  const look = (): void => {
    const state = stateOf(files())
    if (state === settled) pending = null
    // A file that is being written changes from look to look.
    else if (state !== pending) pending = state
    else {
      settled = state
      pending = null
      changed()
    }
  }
  const timer = setInterval(look, pollMilliseconds)
  timer.unref()
  return {
    settle,
    close: () => {
      clearInterval(timer)
    },
  }
}

function stateOf(files: readonly string[]): string {
  return files
    .map((path) => {
      const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
      return stat === undefined
        ? `${path} missing`
        : `${path} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.size} ${stat.ino}`
    })
    .join('\n')
}
