/** Files of an instance: whole or not at all, and never readable for others, not even for a moment. */

import { open, rename, rm, stat } from 'node:fs/promises'

/**
 * @param path where the file shall stand
 * @param text its content
 * @param mode its permissions from the first byte on
 */
export async function writeWhole(path: string, text: string, mode = 0o644): Promise<void> {
  const temporary = `${path}.${process.pid}.new`
  await rm(temporary, { force: true })
  const handle = await open(temporary, 'wx', mode)
  try {
    // The umask must not take away what is asked for.
    await handle.chmod(mode)
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, path)
}

/**
 * @param path any path
 * @returns whether something is there
 */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
