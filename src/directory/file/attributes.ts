/** A file that takes another one's place is whose that was, and for whom that was. */

import { execFile } from 'node:child_process'
import type { Stats } from 'node:fs'
import { readFileSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { promisify } from 'node:util'

/**
 * Gives a new file the owner, group and mode of the old one. On Linux cp of GNU coreutils, where it is there, copies ACLs
 * and extended attributes (the SELinux context), which Node.js cannot.
 * @param handle the new file, open and still empty
 * @param path its path
 * @param old the file whose place it will take
 * @param stats of the old one
 * @throws the system's error, EPERM when this user may not give files away
 */
export async function keepAttributes(
  handle: FileHandle,
  path: string,
  old: string,
  stats: Stats,
): Promise<void> {
  const now = await handle.stat()
  // Root may; nobody else may, nor needs to.
  if (now.uid !== stats.uid || now.gid !== stats.gid) await handle.chown(stats.uid, stats.gid)
  if (process.platform === 'linux') {
    const words = ['--attributes-only', '--preserve=all', '--', old, path]
    await promisify(execFile)('cp', words).catch(() => undefined)
  }
  // The umask must not take away what the file had.
  await handle.chmod(stats.mode & 0o777)
}

/**
 * @param stats of a file that this user may not replace
 * @returns who may, as the end of a message
 */
export function whoMayReplace({ gid, uid }: Stats): string {
  const user = process.geteuid?.() ?? uid
  if (user === 0) return 'see whether it is immutable (lsattr)'
  if (uid === 0) return `run it as root: the file belongs to ${nameIn('/etc/passwd', uid)}`
  if (user === uid)
    return `run it as root: the file's group is ${nameIn('/etc/group', gid)}, and this user is not in it`
  return `run it as the file's owner (${nameIn('/etc/passwd', uid)}) or root`
}

function nameIn(file: string, id: number): string {
  try {
    const entries = readFileSync(file, 'utf8').split('\n')
    const name = entries.map((line) => line.split(':')).find((fields) => fields[2] === String(id))?.[0]
    return name ?? String(id)
  } catch {
    return String(id)
  }
}
