/** What stands in the queue's folder beside messages that processes have: what is damaged, foreign, or nobody's. */

import type { FileHandle } from 'node:fs/promises'
import { constants } from 'node:fs'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isAlive } from '../outbound/control/socket.ts'
import { damagedIn } from '../outbound/spool/damaged.ts'
import { isHarakaFile } from '../outbound/spool/haraka-files.ts'
import {
  DAMAGED_FOLDER,
  isMessage,
  isOwnerFolder,
  isUnfinished,
  messageOfState,
  ownerOf,
} from '../outbound/spool/names.ts'
import { readMessage } from '../outbound/spool/read-message.ts'
import type { Report } from './finding.ts'
import { some } from './organizations.ts'

/** Messages in Haraka's own form, in one folder. */
export interface HarakaFacts {
  readonly folder: string
  readonly messages: number
  /** When the oldest was accepted, in milliseconds since 1970. */
  readonly oldest: number
}

/** The folder of a process that has ended, with mail in it. */
export interface LeftFacts {
  readonly folder: string
  readonly messages: number
}

export interface QueueFacts {
  readonly haraka: readonly HarakaFacts[]
  readonly left: readonly LeftFacts[]
  /** Processes that have a part of the queue. */
  readonly living: number
  /** The file, below queue/, and the end of a sentence about it. */
  readonly damaged: readonly { readonly file: string; readonly why: string }[]
  /** Names that nobody reads. */
  readonly foreign: readonly string[]
}

/** Files that are opened; the oldest are the ones that nothing comes of. */
const MOST_LOOKED_INTO = 500

/** A file that Haraka was writing, and would have renamed when it was whole. */
const UNFINISHED = '__tmp__.'

const SOCKET = '.sock'

/**
 * @param instance the instance's folder
 * @param signal ends it
 * @returns what is in its queue; null when there is none, as before the first start
 */
export async function queueFacts(instance: string, signal: AbortSignal): Promise<QueueFacts | null> {
  const queue = join(instance, 'queue')
  const names = await readdir(queue).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (names === null) return null
  const folders = await Promise.all(
    names
      .filter((name) => isOwnerFolder(name))
      .map(async (name) => ({ name, files: await filesIn(join(queue, name)) })),
  )
  const owners = new Map<string, boolean>()
  for (const { name } of folders) {
    const owner = ownerOf(name)
    if (!owners.has(owner)) owners.set(owner, await isAlive(queue, owner))
    signal.throwIfAborted()
  }
  const aside = await damagedIn(queue)
  return {
    haraka: await harakaFacts(instance, queue, names),
    left: folders.flatMap(({ files, name }) => {
      const messages = files.filter((file) => isMessage(file)).length
      return owners.get(ownerOf(name)) === true || messages === 0 ? [] : [{ folder: name, messages }]
    }),
    living: [...owners.values()].filter((alive) => alive).length,
    damaged: [
      ...aside.map(({ file, why }) => ({ file: `${DAMAGED_FOLDER}/${file}`, why: `was set aside: ${why}` })),
      ...(await damagedMessages(queue, folders, signal)),
      ...(await damagedHarakaFiles(queue, names, signal)),
    ],
    foreign: [
      ...names.filter((name) => isForeign(name)),
      ...folders.flatMap(({ files, name }) =>
        files.filter((file) => isForeignWithin(file)).map((file) => `${name}/${file}`),
      ),
    ],
  }
}

/** A folder that was taken over meanwhile holds nothing. */
function filesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}

function isForeign(name: string): boolean {
  const isSocket = name.endsWith(SOCKET) && isOwnerFolder(name.slice(0, -SOCKET.length))
  return !(
    isSocket ||
    isOwnerFolder(name) ||
    name === DAMAGED_FOLDER ||
    isHarakaFile(name) ||
    name.startsWith(UNFINISHED)
  )
}

function isForeignWithin(name: string): boolean {
  return !(isMessage(name) || messageOfState(name) !== null || isUnfinished(name) || isHarakaFile(name))
}

/** Haraka reads config/queue_dir; what it left in another folder nobody takes over. */
async function harakaFacts(
  instance: string,
  queue: string,
  names: readonly string[],
): Promise<HarakaFacts[]> {
  const text = await readFile(join(instance, 'config', 'queue_dir'), 'utf8').catch(() => '')
  const other = text.trim() === '' ? queue : resolve(text.trim())
  const elsewhere = other === queue ? [] : await readdir(other).catch(() => [])
  return [
    { folder: queue, files: names },
    { folder: other, files: elsewhere },
  ].flatMap(({ files, folder }) => {
    const messages = files.filter((name) => isHarakaFile(name))
    if (messages.length === 0) return []
    return [{ folder, messages: messages.length, oldest: Math.min(...times(messages)) }]
  })
}

/** When it was accepted stands at the beginning of a name. */
function times(files: readonly string[]): number[] {
  return files.map((name) => Number(name.slice(0, name.indexOf('_'))))
}

type Damaged = QueueFacts['damaged'][number]

/** What a process finds damaged it sets aside; this is what nobody has found yet, or could not set aside. */
async function damagedMessages(
  queue: string,
  folders: readonly { readonly name: string; readonly files: readonly string[] }[],
  signal: AbortSignal,
): Promise<Damaged[]> {
  const files = folders.flatMap(({ files: all, name: folder }) =>
    all.filter((name) => isMessage(name)).map((name) => ({ folder, name })),
  )
  const oldest = files.toSorted((left, right) => (left.name < right.name ? -1 : 1)).slice(0, MOST_LOOKED_INTO)
  const damaged: Damaged[] = []
  for (const { folder, name } of oldest) {
    signal.throwIfAborted()
    const why = await whyUnreadable(join(queue, folder), name)
    if (why !== null) damaged.push({ file: `${folder}/${name}`, why })
  }
  return damaged
}

async function whyUnreadable(folder: string, name: string): Promise<string | null> {
  try {
    if (!(await stat(join(folder, name))).isFile()) return 'is no file'
    await readMessage(folder, name, false)
    return null
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    // Delivered meanwhile.
    if (code === 'ENOENT') return null
    return code === undefined ? message : `cannot be read: ${code}`
  }
}

async function damagedHarakaFiles(
  queue: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Damaged[]> {
  const oldest = names
    .filter((name) => isHarakaFile(name))
    .toSorted()
    .slice(0, MOST_LOOKED_INTO)
  const damaged: Damaged[] = []
  for (const file of oldest) {
    signal.throwIfAborted()
    const why = await whyNoHarakaFile(join(queue, file))
    if (why !== null) damaged.push({ file, why })
  }
  return damaged
}

/** Longer than any envelope: Haraka's own limit is far below. */
const LONGEST_ENVELOPE = 16 * 1024 * 1024

/** Four octets of length, the envelope in JSON, the message (Haraka's outbound/queue.js). */
async function whyNoHarakaFile(path: string): Promise<string | null> {
  let handle: FileHandle
  try {
    // A pipe would be waited for until somebody writes to it.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // Taken over meanwhile.
    return code === 'ENOENT' ? null : `cannot be read: ${code ?? String(error)}`
  }
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) return 'is no file'
    const { size } = stats
    const head = Buffer.alloc(4)
    if ((await handle.read(head, 0, 4, 0)).bytesRead < 4) return `has ${size} bytes only`
    const length = head.readUInt32BE()
    if (length > LONGEST_ENVELOPE || 4 + length > size) return 'has an envelope that is cut short'
    const envelope = Buffer.alloc(length)
    await handle.read(envelope, 0, length, 4)
    return isEnvelope(envelope.toString('utf8')) ? null : 'has a damaged envelope'
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
 * @param report where findings go
 */
export function checkQueue({ damaged, foreign, haraka, left, living }: QueueFacts, report: Report): void {
  for (const { folder, messages, oldest } of haraka) {
    report(
      'warning',
      'queue-not-taken-over',
      `${folder}: ${messages} messages, the oldest since ${new Date(oldest).toISOString()}`,
    )
  }
  for (const { folder, messages } of left) {
    const whose = `queue/${folder}: ${messages} messages of a process that has ended`
    // Another one looks for it twice a minute.
    if (living > 0) report('info', 'queue-left-behind', `${whose}, while ${living} live`)
    else report('warning', 'queue-left-behind', `${whose}, and no other has a part of the queue`)
  }
  for (const { file, why } of damaged) report('error', 'queue-damaged', `${file} ${why}`)
  if (foreign.length > 0) report('warning', 'queue-foreign', `${foreign.length} names: ${some(foreign)}`)
}
