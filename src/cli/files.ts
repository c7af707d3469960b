/** Files that are named on the command line. */

import { readFileSync } from 'node:fs'
import { CommandFailed } from './errors.ts'

/**
 * @param path a file
 * @returns its content
 * @throws CommandFailed when it cannot be read
 */
export function readNamedFile(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new CommandFailed(`${path} cannot be read: ${code ?? message}`)
  }
}
