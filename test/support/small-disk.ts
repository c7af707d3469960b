/** A file system of a few MiB, to be filled. */

import { spawnSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { atEnd } from './smarthost.ts'

/**
 * Mounts one (tmpfs) and takes it away after the test.
 * @param t the test; it is skipped where nothing may be mounted
 * @param path an empty folder
 * @param size in bytes
 * @returns whether it is there
 * @throws in CI, where it must work
 */
export function mountSmallDisk(t: TestContext, path: string, size: number): boolean {
  const { error, status, stderr } = spawnSync(
    'mount',
    ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', path],
    { encoding: 'utf8' },
  )
  if (status === 0) {
    // Lazily: whatever a server that failed the test still holds open must not keep it.
    atEnd(t, () => spawnSync('umount', ['-l', path]))
    return true
  }
  const what = `SKIPPED: no file system can be mounted here: ${error?.message ?? stderr.trim()}`
  if (process.env['CI'] === 'true') throw new Error(what)
  t.diagnostic(what)
  process.stderr.write(`${t.name}: ${what}\n`)
  t.skip(what)
  return false
}

/** @returns bytes that are free on the file system of a path */
export function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}
