/** The queue folder of one process: what was promised stands in it until it is delivered. */

import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import type { Content, Envelope, MessageState, QueuedMessage, QueueLog, Spool } from '../types.ts'
import { NotStored } from '../types.ts'
import { setAside } from './damaged.ts'
import { FolderSync, syncFolder } from './folder-sync.ts'
import { Damaged, encodeMessage, Newer } from './format.ts'
import { harakaFilesIn, isHarakaFile, readHarakaFile } from './haraka-files.ts'
import { isMessage, isUnfinished, messageName, messageOfState, stateName } from './names.ts'
import { removeEmpty, takeDeadFolders, takenBy } from './owners.ts'
import type { ReadMessage } from './read-message.ts'
import { readContent, readMessage } from './read-message.ts'
import { encodeState, freshState } from './state.ts'
import { removeFile, writeWhole } from './write-file.ts'

export interface SpoolOptions {
  /** The queue's folder; made, 0700, where it is missing. */
  readonly queue: string
  /** A name that `newOwnerName` made, whose socket is there already. */
  readonly owner: string
  readonly isAlive: (owner: string) => Promise<boolean>
  readonly log: Pick<QueueLog, 'info' | 'warn' | 'error'>
  /** Told of each message that was set aside: its id as far as the file's name tells it, and why. */
  readonly damaged?: (id: string, path: string, why: string) => void
}

/** A message could not be read; it was set aside. */
export class DamagedMessage extends Error {
  override readonly name = 'DamagedMessage'
}

/** No space, no quota. */
const FULL = new Set(['ENOSPC', 'EDQUOT'])

/** Files that are read at the same time while the queue is loaded: the event loop goes on. */
const READ_TOGETHER = 32

const OWNER_ONLY = 0o700

const NOTHING: ReadonlySet<string> = new Set()

/**
 * @param options whose folder, and who is told
 * @returns the spool
 * @throws when the folder cannot be made
 */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const { owner, queue } = options
  await mkdir(queue, { recursive: true, mode: OWNER_ONLY })
  const folder = join(queue, owner)
  await mkdir(folder, { recursive: true, mode: OWNER_ONLY })
  await syncFolder(queue)
  // The queue's folder may be new as well; one that cannot be opened was there before this user came.
  await syncFolder(dirname(queue)).catch(() => undefined)
  // Before anything is stored: what is stored from now on is known, and is not to be loaded.
  const there = await readdir(folder)
  return new FolderSpool(options, folder, there, await FolderSync.of(folder))
}

/** A folder, and what stands in it. */
interface Listed {
  readonly folder: string
  readonly names: readonly string[]
  /** Whether it was listed before: then what is being written there is this process's own. */
  readonly again: boolean
}

interface Place {
  readonly folder: string
  readonly name: string
}

class FolderSpool implements Spool {
  readonly #options: SpoolOptions
  readonly #folder: string
  /** What stood in the own folder when it was opened. */
  #there: readonly string[]
  readonly #sync: FolderSync
  /** Where each message is that is not in the own folder. */
  readonly #elsewhere = new Map<string, Place>()
  /** Messages beside which a state may stand. */
  readonly #stated = new Set<string>()
  #taken: string[] = []
  /** Those of them in which something could not be read. */
  readonly #unread = new Set<string>()

  constructor(options: SpoolOptions, folder: string, there: readonly string[], sync: FolderSync) {
    this.#options = options
    this.#folder = folder
    this.#there = there
    this.#sync = sync
  }

  async store(envelope: Envelope, content: Content): Promise<QueuedMessage> {
    try {
      const path = join(this.#folder, messageName(envelope.receivedAt, envelope.id))
      await writeWhole(path, encodeMessage(envelope, content), true)
      await this.#sync.sync().catch(async (error: unknown) => {
        // Should its removal be lost as well, it is delivered although it was refused: a duplicate, and no loss.
        await rm(path, { force: true }).catch(() => undefined)
        throw error
      })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      throw new NotStored(`the queue cannot be written: ${messageOf(error)}`, FULL.has(code ?? ''), {
        cause: error,
      })
    }
    return { envelope, size: content.length, state: freshState(envelope) }
  }

  async saveState(message: QueuedMessage, state: MessageState, durable: boolean): Promise<QueuedMessage> {
    const { folder, name } = this.#placeOf(message)
    const { id } = message.envelope
    this.#stated.add(id)
    await writeWhole(join(folder, stateName(name)), [encodeState(state)], durable)
    if (durable) await (folder === this.#folder ? this.#sync.sync() : syncFolder(folder))
    return { ...message, state }
  }

  async read(message: QueuedMessage): Promise<Content> {
    const { folder, name } = this.#placeOf(message)
    try {
      return await readContent(join(folder, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        this.#forget(message)
        throw new DamagedMessage(`${name} is gone: somebody has removed it`, { cause: error })
      }
      if (!(error instanceof Damaged)) throw error
      await this.#setAside(folder, name, error.message)
      this.#forget(message)
      throw new DamagedMessage(`${name} ${error.message}`, { cause: error })
    }
  }

  async remove(message: QueuedMessage): Promise<void> {
    const { folder, name } = this.#placeOf(message)
    // The message first: a state without a message is nothing, a message without its state is sent again.
    await removeFile(join(folder, name))
    if (this.#stated.has(message.envelope.id)) await removeFile(join(folder, stateName(name)))
    this.#forget(message)
  }

  async load(each: (message: QueuedMessage) => void): Promise<void> {
    await this.#adoptHarakaFiles(each)
    const own = { folder: this.#folder, names: this.#there, again: false }
    this.#there = []
    await this.#loadFolders([own, ...(await this.#take())], each)
    await this.#removeEmptied()
  }

  async adopt(each: (message: QueuedMessage) => void): Promise<void> {
    await this.#loadFolders(await this.#take(), each)
    await this.#removeEmptied()
  }

  async close(): Promise<void> {
    await this.#sync.close()
    await this.#removeEmptied()
    await removeEmpty(this.#folder)
  }

  /** What has been taken over, and was not loaded yet. */
  async #take(): Promise<Listed[]> {
    const { isAlive, log, owner, queue } = this.#options
    await takeDeadFolders(queue, owner, isAlive, (folder, error) => {
      log.error(`${join(queue, folder)} cannot be taken over: ${messageOf(error)}`)
    })
    const taken = (await takenBy(queue, owner)).map((name) => join(queue, name))
    const listed: Listed[] = []
    for (const folder of taken) {
      const isKnown = this.#taken.includes(folder)
      if (isKnown && !this.#unread.has(folder)) continue
      try {
        listed.push({ folder, names: await readdir(folder), again: isKnown })
      } catch (error) {
        // What stands in the others goes on.
        log.error(`${folder} cannot be read, and is tried again later: ${messageOf(error)}`)
        continue
      }
      this.#unread.delete(folder)
      if (!isKnown) this.#taken.push(folder)
    }
    return listed
  }

  #placeOf({ envelope: { id, receivedAt } }: QueuedMessage): Place {
    return this.#elsewhere.get(id) ?? { folder: this.#folder, name: messageName(receivedAt, id) }
  }

  #forget({ envelope: { id } }: QueuedMessage): void {
    this.#elsewhere.delete(id)
    this.#stated.delete(id)
  }

  async #removeEmptied(): Promise<void> {
    const used = new Set(Array.from(this.#elsewhere.values(), ({ folder }) => folder))
    const empty = this.#taken.filter((folder) => !used.has(folder))
    this.#taken = this.#taken.filter((folder) => used.has(folder))
    for (const folder of empty) await removeEmpty(folder)
  }

  /** The oldest of all folders first. */
  async #loadFolders(folders: readonly Listed[], each: (message: QueuedMessage) => void): Promise<void> {
    const places: (Place & { readonly hasState: boolean })[] = []
    for (const { again, folder, names } of folders) {
      const known = new Set(names)
      if (!again) await this.#tidy(folder, names, known)
      for (const name of names) {
        if (isMessage(name)) places.push({ folder, name, hasState: known.has(stateName(name)) })
        else if (isHarakaFile(name)) await this.#convert(folder, name, known, each)
      }
    }
    places.sort((left, right) => (left.name < right.name ? -1 : 1))
    for (let begin = 0; begin < places.length; begin += READ_TOGETHER) {
      const together = places.slice(begin, begin + READ_TOGETHER)
      const messages = await Promise.all(together.map((place) => this.#readOne(place)))
      for (const message of messages) if (message !== null) each(message)
      await turn()
    }
  }

  /** What was being written when its process ended, and what is left of messages that are gone. */
  async #tidy(folder: string, names: readonly string[], known: ReadonlySet<string>): Promise<void> {
    for (const name of names) {
      const message = messageOfState(name)
      const orphan = message !== null && !known.has(message)
      if (!isUnfinished(name) && !orphan) continue
      await rm(join(folder, name), { force: true }).catch((error: unknown) => {
        // It is in nobody's way.
        this.#options.log.warn(`${join(folder, name)} cannot be removed: ${messageOf(error)}`)
      })
    }
  }

  async #readOne(place: Place & { readonly hasState: boolean }): Promise<QueuedMessage | null> {
    const { folder, hasState, name } = place
    const { log } = this.#options
    let read: ReadMessage
    try {
      read = await readMessage(folder, name, hasState)
      const { id } = read.message.envelope
      if (messageName(read.message.envelope.receivedAt, id) !== name)
        throw new Damaged('has the name of another')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      if (error instanceof Damaged) await this.#setAside(folder, name, error.message)
      else if (error instanceof Newer)
        log.error(`${join(folder, name)} ${error.message}: it is left where it is`)
      else {
        log.error(`${join(folder, name)} cannot be read, and is tried again later: ${messageOf(error)}`)
        this.#unread.add(folder)
      }
      return null
    }
    const { envelope } = read.message
    if (this.#elsewhere.has(envelope.id)) return null
    if (read.stateLost)
      log.warn(`what happened to ${envelope.id} cannot be read: it is tried as a new message`)
    if (folder !== this.#folder) this.#elsewhere.set(envelope.id, { folder, name })
    if (hasState) this.#stated.add(envelope.id)
    return read.message
  }

  async #setAside(folder: string, name: string, why: string): Promise<void> {
    const { damaged, log, queue } = this.#options
    const path = await setAside(queue, folder, name, why).catch((error: unknown) => {
      log.error(`${join(folder, name)} ${why}, and cannot be set aside: ${messageOf(error)}`)
      return null
    })
    if (path === null) return
    log.error(`a message in the queue ${why}: it is set aside as ${path}; the others go on`)
    damaged?.(/^[0-9a-z]{9}-(.*)\.msg$/.exec(name)?.[1] ?? printable(name, 100), path, why)
  }

  /** Renamed into the own folder first: of several processes one has it, and after a crash whoever takes the folder. */
  async #adoptHarakaFiles(each: (message: QueuedMessage) => void): Promise<void> {
    const { queue } = this.#options
    for (const name of await harakaFilesIn(queue)) {
      const claimed = await rename(join(queue, name), join(this.#folder, name)).then(
        () => true,
        () => false,
      )
      if (claimed) await this.#convert(this.#folder, name, NOTHING, each)
    }
  }

  async #convert(
    folder: string,
    name: string,
    known: ReadonlySet<string>,
    each: (message: QueuedMessage) => void,
  ): Promise<void> {
    const { log } = this.#options
    const own = join(this.#folder, name)
    try {
      const { content, envelope } = await readHarakaFile(join(folder, name))
      if (known.has(messageName(envelope.receivedAt, envelope.id))) {
        // Its process ended when it had stored it already.
        await rm(join(folder, name))
        return
      }
      // Both stand in one folder, whoever takes it over.
      if (folder !== this.#folder) await rename(join(folder, name), own)
      const message = await this.store(envelope, content)
      await rm(own)
      log.info(`${envelope.id} was in Haraka's own queue, and is in this one now`)
      each(message)
    } catch (error) {
      if (error instanceof Damaged) await this.#setAside(folder, name, error.message)
      else log.error(`${join(folder, name)} cannot be taken over, and is left there: ${messageOf(error)}`)
    }
  }
}
