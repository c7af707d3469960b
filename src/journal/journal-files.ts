/** The files of one journal folder, and what their names and ends tell without reading them whole. */

import type { FileHandle } from 'node:fs/promises'
import { open, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { parseLine } from './parse-record.ts'

/** What the writer calls a file: when it was opened, by which process, and which of its files it is. */
export interface FileName {
  /** As records have it. */
  readonly openedAt: string
  readonly process: string
  readonly counter: number
}

/** One file, looked at at both ends. */
export interface JournalFile {
  readonly path: string
  /** Null for one that the writer did not name. */
  readonly name: FileName | null
  readonly bytes: number
  /** When it was last written, in milliseconds since 1970. */
  readonly changed: number
  /** Times of its first and its last record; null where neither end holds a record. */
  readonly first: string | null
  readonly last: string | null
}

/** A few lines, and where that is no whole one, more than the longest line of the writer. */
const END_BYTES = [8 * 1024, 256 * 1024] as const

const NAME = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3}Z)-(\d+)-(\d{1,9})\.jsonl$/

/**
 * @param directory a journal folder
 * @returns the paths of its files, in the order of their names, which is that of their opening; none when it is missing
 */
export async function listJournal(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names
    .filter((name) => name.endsWith('.jsonl'))
    .toSorted()
    .map((name) => join(directory, name))
}

/**
 * @param directories journal folders, as somebody named them
 * @returns each real folder once, by the first of its names; those that are missing are kept as they are
 */
export async function distinctDirectories(directories: readonly string[]): Promise<string[]> {
  const byPath = new Map<string, string>()
  for (const directory of directories) {
    const real = await realpath(directory).catch(() => directory)
    if (!byPath.has(real)) byPath.set(real, directory)
  }
  return [...byPath.values()]
}

/**
 * @param path a file of a journal
 * @returns what its ends tell; null when it has been removed, as the oldest are
 */
export async function lookAt(path: string): Promise<JournalFile | null> {
  const handle = await open(path, 'r').catch(ignoreMissing)
  if (handle === null) return null
  try {
    const { size, mtimeMs } = await handle.stat()
    const first = await timeIn(handle, size, 'start')
    const last = await timeIn(handle, size, 'end')
    return { path, name: nameOf(path), bytes: size, changed: mtimeMs, first, last }
  } finally {
    await handle.close()
  }
}

async function timeIn(handle: FileHandle, size: number, where: 'start' | 'end'): Promise<string | null> {
  for (const bytes of END_BYTES) {
    const buffer = Buffer.alloc(Math.min(size, bytes))
    const { bytesRead } = await handle.read(
      buffer,
      0,
      buffer.length,
      where === 'start' ? 0 : size - buffer.length,
    )
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n')
    const time = firstTime(where === 'start' ? lines : lines.toReversed())
    if (time !== null || bytes >= size) return time
  }
  return null
}

/**
 * @param error why a file could not be opened
 * @returns null when it is not there any more
 * @throws the error otherwise
 */
export function ignoreMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}

function firstTime(lines: readonly string[]): string | null {
  for (const line of lines) {
    const record = parseLine(line)
    if (record !== null) return record.time
  }
  return null
}

function nameOf(path: string): FileName | null {
  const [, year, month, day, hour, minute, second, process, counter] =
    NAME.exec(path.slice(path.lastIndexOf('/') + 1)) ?? []
  if (process === undefined) return null
  const openedAt = `${year}-${month}-${day}T${hour}:${minute}:${second}`
  return { openedAt, process, counter: Number(counter) }
}
