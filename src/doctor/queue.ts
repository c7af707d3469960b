/** What waits in the queue: how much, for how long, and what Haraka cannot read of it. */

import type { FileHandle } from 'node:fs/promises'
import { constants } from 'node:fs'
import { open, readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Report } from './finding.ts'
import { some } from './organizations.ts'

export interface QueueFacts {
  readonly messages: number
  /** When the one that waits longest was taken, in milliseconds since 1970; null when none waits. */
  readonly oldest: number | null
  /** The latest such time. */
  readonly newest: number | null
  readonly damaged: readonly { readonly file: string; readonly why: string }[]
  /** Names that Haraka passes over. */
  readonly foreign: readonly string[]
  /** Messages that were looked into; names say nothing about what is inside. */
  readonly lookedInto: number
}

const HOUR = 3_600_000

const OLD = 4 * HOUR
/** Haraka gives up after about so long with the settings that are shipped. */
const TOO_OLD = 48 * HOUR
const MANY = 10_000

/** Files that are opened; the oldest are the ones that nothing comes of. */
const MOST_LOOKED_INTO = 500

/** Haraka's outbound/qfile.js: arrival, next attempt, attempts, process, letters, counter, host. */
const NAME = /^(\d{13})_\d{13}_\d+_\d+_[A-Za-z0-9]+_\d+_.+$/
/** The form of Haraka 2: the next attempt is all that it tells of time. */
const OLD_NAME = /^(\d{13})_\d+_\d+_\d+\..+$/

/** A file that is being written, and is renamed when it is whole. */
const UNFINISHED = '__tmp__.'

/**
 * @param instance the instance's folder
 * @returns where its queue is: Haraka reads config/queue_dir
 */
export async function queueFolder(instance: string): Promise<string> {
  const text = await readFile(join(instance, 'config', 'queue_dir'), 'utf8').catch(() => '')
  const named = text.trim()
  return named === '' ? join(instance, 'queue') : resolve(named)
}

/**
 * @param folder the queue's folder
 * @param signal ends it
 * @returns what is in it; null when it is missing, as before the first start
 */
export async function queueFacts(folder: string, signal: AbortSignal): Promise<QueueFacts | null> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (names === null) return null
  const { foreign, messages } = sorted(names)
  const damaged: { file: string; why: string }[] = []
  const oldest = messages.slice(0, MOST_LOOKED_INTO)
  for (const { file } of oldest) {
    signal.throwIfAborted()
    const why = await whyDamaged(join(folder, file))
    if (why !== null) damaged.push({ file, why })
  }
  return {
    messages: messages.length,
    oldest: messages[0]?.arrival ?? null,
    newest: messages.at(-1)?.arrival ?? null,
    damaged,
    foreign,
    lookedInto: oldest.length,
  }
}

/** Messages, the oldest first, and what is none. */
function sorted(names: readonly string[]): {
  foreign: string[]
  messages: { readonly file: string; readonly arrival: number }[]
} {
  const foreign: string[] = []
  const messages: { file: string; arrival: number }[] = []
  for (const file of names) {
    if (file.startsWith(UNFINISHED)) continue
    const [, digits] = NAME.exec(file) ?? OLD_NAME.exec(file) ?? []
    if (digits === undefined) foreign.push(file)
    else messages.push({ file, arrival: Number(digits) })
  }
  messages.sort((left, right) => left.arrival - right.arrival)
  return { foreign, messages }
}

/** Longer than any envelope: Haraka's own limit is far below. */
const LONGEST_ENVELOPE = 16 * 1024 * 1024

/** Four octets of length, the envelope in JSON, the message (outbound/queue.js). */
async function whyDamaged(path: string): Promise<string | null> {
  let handle: FileHandle
  try {
    // A pipe would be waited for until somebody writes to it.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Delivered meanwhile.
    return code === 'ENOENT' ? null : `it cannot be read: ${code ?? String(error)}`
  }
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) return 'it is no file'
    const { size } = stats
    const head = Buffer.alloc(4)
    if ((await handle.read(head, 0, 4, 0)).bytesRead < 4) return `it has ${size} bytes only`
    const length = head.readUInt32BE()
    if (length > LONGEST_ENVELOPE || 4 + length > size) return 'its envelope is cut short'
    const envelope = Buffer.alloc(length)
    await handle.read(envelope, 0, length, 4)
    return isEnvelope(envelope.toString('utf8')) ? null : 'its envelope is damaged'
  } finally {
    await handle.close()
  }
}

function isEnvelope(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && 'rcpt_to' in value && Array.isArray(value.rcpt_to)
  } catch {
    return false
  }
}

/**
 * @param queue what was seen
 * @param now milliseconds since 1970
 * @param report where findings go
 */
export function checkQueue(
  { damaged, foreign, messages, oldest }: QueueFacts,
  now: number,
  report: Report,
): void {
  if (oldest !== null && now - oldest > OLD) {
    report(
      now - oldest > TOO_OLD ? 'error' : 'warning',
      'queue-old',
      `${messages} messages wait, the oldest since ${isoOf(oldest)} (${Math.floor((now - oldest) / HOUR)} hours)`,
    )
  }
  if (messages > MANY) report('warning', 'queue-long', `${messages} messages wait`)
  for (const { file, why } of damaged) report('error', 'queue-damaged', `${file}: ${why}`)
  if (foreign.length > 0) report('warning', 'queue-foreign', `${foreign.length} names: ${some(foreign)}`)
}

/** A name may hold any number. */
function isoOf(time: number): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString()
}
