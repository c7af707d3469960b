/** The last revision of the directory that a node believed, on disk: a node that was restarted still knows it. */

import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import type { Revision } from './header.ts'
import { compareRevisions } from './header.ts'
import type { SeenRevision } from './watch.ts'
import { messageOf } from '../../text/message-of.ts'

const SEEN = z.object({ epoch: z.int().min(0), number: z.int().min(0), id: z.string().min(1) })

/**
 * @param path the file, in a folder that is there; shared by all workers of the node
 * @param warn called when it cannot be written
 * @returns what was seen; a file that is missing or damaged says nothing was
 */
export function seenFile(path: string, warn: (message: string) => void): SeenRevision {
  const read = (): Revision | null => {
    try {
      return SEEN.parse(JSON.parse(readFileSync(path, 'utf8')))
    } catch {
      return null
    }
  }
  return {
    read,
    write: ({ epoch, number, id }) => {
      const before = read()
      // Another worker may have looked later.
      if (before !== null && compareRevisions(before, { epoch, number, id }) >= 0) return
      const temporary = `${path}.${process.pid}`
      try {
        writeFileSync(temporary, JSON.stringify({ epoch, number, id }), { mode: 0o640 })
        renameSync(temporary, path)
      } catch (error) {
        warn(`${path} cannot be written: ${messageOf(error)}`)
      }
    },
  }
}
