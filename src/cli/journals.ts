/** Journals of other nodes, as commands are told of them. */

import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { printable } from '../text/printable.ts'
import { CommandFailed } from './errors.ts'

/**
 * @param directory what --journal names
 * @returns its absolute path
 * @throws CommandFailed when it is no folder: a mistyped one would hold nothing, and that is something else
 */
export function journalFolder(directory: string): string {
  const path = resolve(directory)
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return path
  throw new CommandFailed(`--journal ${printable(directory)} is no folder`)
}
