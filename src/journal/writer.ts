/**
 * Writes decisions and deliveries to `data/journal/`, one JSON line each. Every process writes files of its own, as several that rotate
 * one file would race; their names begin with the time, so they sort by it.
 */

import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { MARKER } from './coverage.ts'
import { isTime } from './parse-record.ts'
import type { JournalLine } from './record.ts'
import { isDelivery } from './record.ts'

const DAY = 86_400_000
const MINUTE = 60_000

/** A file is closed at this size at the latest, so that there is something old to remove. */
const LARGEST_FILE = 16 * 1024 * 1024
const SMALLEST_FILE = 64 * 1024
const LONGEST_LINE = 64 * 1024

export interface JournalOptions {
  readonly directory: string
  /** Bound of all files together, those of other processes included. */
  readonly maxBytes: number
  readonly maxDays: number
  /** Told at most once a minute when decisions could not be written. */
  readonly log: (message: string) => void
  /** The clock, in milliseconds since 1970. */
  readonly now?: () => number
}

export interface Journal {
  /** Takes a decision, which is on its way to the disk before the reply is, or a delivery. Never throws. */
  write(record: JournalLine): void
  /** Writes what is left and closes the file; a later write opens another. */
  close(): void
}

interface OpenFile {
  readonly fd: number
  readonly path: string
  readonly openedAt: number
  size: number
}

/**
 * Opens nothing yet: privileges are dropped after start, and no file may belong to root.
 * @param options where, and how much
 * @returns the journal of this process
 */
export function openJournal(options: JournalOptions): Journal {
  const { directory, maxBytes, maxDays, log, now = Date.now } = options
  const fileBytes = Math.min(LARGEST_FILE, Math.max(SMALLEST_FILE, Math.floor(maxBytes / 16)))
  let buffered: string[] = []
  let scheduled = false
  let file: OpenFile | null = null
  let counter = 0
  let lost = 0
  /** When decisions were lost last, until that is noted; in milliseconds since 1970. */
  let lostAt: number | null = null
  let complainedAt = Number.NEGATIVE_INFINITY
  let lookedAt = Number.NEGATIVE_INFINITY

  const shut = (): void => {
    if (file === null) return
    try {
      closeSync(file.fd)
    } catch {
      // It is closed, whatever it said.
    }
    file = null
  }

  const openNext = (): OpenFile => {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    prune(directory, maxBytes - fileBytes, now() - maxDays * DAY)
    counter += 1
    const time = new Date(now()).toISOString().replaceAll(/[-:]/g, '')
    const path = join(directory, `${time}-${process.pid}-${counter}.jsonl`)
    return { fd: openSync(path, 'ax', 0o600), path, openedAt: now(), size: 0 }
  }

  /** An administrator's rm or logrotate took the file away, or it has had its day. */
  const isStale = (open: OpenFile): boolean => {
    if (now() - open.openedAt >= DAY) return true
    if (now() - lookedAt < MINUTE) return false
    lookedAt = now()
    prune(directory, maxBytes - (fileBytes - open.size), now() - maxDays * DAY, open.path)
    try {
      return statSync(open.path).ino !== fstatSync(open.fd).ino
    } catch {
      return true
    }
  }

  const put = (lines: readonly string[]): void => {
    for (const chunk of chunksOf(lines, fileBytes)) {
      if (file !== null && (file.size + chunk.length > fileBytes || isStale(file))) shut()
      file ??= openNext()
      let offset = 0
      while (offset < chunk.length) offset += writeSync(file.fd, chunk, offset)
      file.size += chunk.length
    }
  }

  /** The journal is whole only from here on, and has to say so to whoever reads it; tried anew until it succeeds. */
  const noteLoss = (): void => {
    if (lostAt === null) return
    try {
      noteGap(directory, lostAt + 1)
      lostAt = null
    } catch {
      // Nothing can be written yet.
    }
  }

  const lose = (count: number, why: string): void => {
    lost += count
    lostAt = now()
    if (now() - complainedAt < MINUTE) return
    complainedAt = now()
    log(
      `the journal in ${directory} cannot be written, ${lost} decisions are not in it: ${why}; mail goes on`,
    )
    lost = 0
  }

  const flush = (): void => {
    scheduled = false
    const lines = buffered
    buffered = []
    if (lines.length === 0) return
    try {
      put(lines)
      // After the decisions: these go first where there is room for little.
      noteLoss()
    } catch (error) {
      shut()
      lose(lines.length, String(error))
    }
  }

  return {
    write: (record) => {
      const line = lineOf(record)
      if (line.length > LONGEST_LINE) {
        lose(1, `one is longer than ${LONGEST_LINE} characters`)
        return
      }
      buffered.push(line)
      if (scheduled) return
      scheduled = true
      setImmediate(flush)
    },
    close: () => {
      flush()
      noteLoss()
      shut()
    },
  }
}

/** Deliveries begin as readers that pass over them expect it, in whatever order they were put together. */
function lineOf(record: JournalLine): string {
  if (!isDelivery(record)) return `${JSON.stringify(record)}\n`
  const { event, id, time, ...rest } = record
  return `${JSON.stringify({ time, id, event, ...rest })}\n`
}

/** Whole lines in pieces of at most a file each. */
function* chunksOf(lines: readonly string[], most: number): Generator<Buffer> {
  let text = ''
  for (const line of lines) {
    if (text !== '' && Buffer.byteLength(text) + Buffer.byteLength(line) > most) {
      yield Buffer.from(text)
      text = ''
    }
    text += line
  }
  if (text !== '') yield Buffer.from(text)
}

/** Removes the oldest files until the others fit, and those that are too old. Other processes may do so, too. */
function prune(directory: string, mostBytes: number, oldest: number, keep?: string): void {
  const files = readdirSync(directory)
    .filter((name) => name.endsWith('.jsonl'))
    .toSorted()
    .flatMap((name) => {
      const path = join(directory, name)
      const stat = statSync(path, { throwIfNoEntry: false })
      return stat === undefined ? [] : [{ path, size: stat.size, changed: stat.mtimeMs }]
    })
  let total = files.reduce((sum, { size }) => sum + size, 0)
  for (const { path, size, changed } of files) {
    if (path === keep || (total <= mostBytes && changed >= oldest)) continue
    // A process that has it open notices within a minute.
    noteGap(directory, changed + MINUTE)
    rmSync(path, { force: true })
    total -= size
  }
}

/** Says up to when decisions may be missing, in milliseconds since 1970: what is noted never gets earlier. */
function noteGap(directory: string, end: number): void {
  const path = join(directory, MARKER)
  const until = new Date(Math.ceil(end)).toISOString()
  let noted = ''
  try {
    noted = readFileSync(path, 'utf8').trim()
  } catch {
    // Nothing was missing before.
  }
  if (isTime(noted) && noted >= until) return
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, `${until}\n`, { mode: 0o600 })
  renameSync(temporary, path)
}
