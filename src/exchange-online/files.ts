/** The files of one import, bounded: whoever names a disk image gets an answer, not a process without memory. */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import type { ExportedObject } from './decode.ts'
import { readExport } from './decode.ts'
import { ExportRefused } from './refused.ts'

/** All files together: ten thousand connectors with all of their properties, in UTF-16. */
const MOST_BYTES = 32 * 1024 * 1024

const RIGHT_FILE = 'is it the right file?'

/** More than any organisation has; each is looked at several times. */
const MOST_OBJECTS = 10_000

/** Twenty thousand accepted domains with all of their properties. */
const MOST_VALUES = 1_000_000

/**
 * @param paths files
 * @returns the objects in all of them
 * @throws ExportRefused when one cannot be read, is no export, or they are too large
 */
export function readExports(paths: readonly string[]): ExportedObject[] {
  const objects: ExportedObject[] = []
  const budget = { values: MOST_VALUES }
  let left = MOST_BYTES
  for (const path of paths) {
    const bytes = readAtMost(path, left)
    left -= bytes.length
    for (const object of readExport(path, bytes, budget)) objects.push(object)
    if (objects.length <= MOST_OBJECTS) continue
    throw new ExportRefused(path, `is too large: an import has ${MOST_OBJECTS} objects at most`, RIGHT_FILE)
  }
  return objects
}

function readAtMost(path: string, most: number): Buffer {
  let descriptor: number | null = null
  try {
    // Without O_NONBLOCK a FIFO would be waited for.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) throw new ExportRefused(path, 'is no file', 'write the export to one')
    if (stat.size > most) throw tooLarge(path)
    return readAll(descriptor, stat.size)
  } catch (error) {
    if (error instanceof ExportRefused) throw error
    const { code, message } = error as NodeJS.ErrnoException
    throw new ExportRefused(path, `cannot be read: ${code ?? message}`, '')
  } finally {
    if (descriptor !== null) closeSync(descriptor)
  }
}

function readAll(descriptor: number, size: number): Buffer {
  const bytes = Buffer.alloc(size)
  let length = 0
  while (length < size) {
    const read = readSync(descriptor, bytes, length, size - length, null)
    if (read === 0) break
    length += read
  }
  return bytes.subarray(0, length)
}

function tooLarge(path: string): ExportRefused {
  const limit = `${MOST_BYTES / 1024 / 1024} MiB`
  return new ExportRefused(path, `is too large: an import has ${limit} at most`, RIGHT_FILE)
}
