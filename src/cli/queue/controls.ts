/** The queue of an instance, for one command. */

import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Settings } from '../../instance/settings.ts'
import type { Journal } from '../../journal/writer.ts'
import { openJournal } from '../../journal/writer.ts'
import { deadFolders } from '../../outbound/control/offline.ts'
import type { Controls } from '../../outbound/control/open.ts'
import { openControls } from '../../outbound/control/open.ts'
import { expiresAt } from '../../outbound/delivery/retry.ts'
import type { ReportContext } from '../../outbound/report/report.ts'
import { queueOnDisk } from '../../outbound/spool/access.ts'
import type { QueuedMessage, QueueLog } from '../../outbound/types.ts'
import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import { CommandFailed } from '../errors.ts'
import { requireInstance, settingsOf } from '../instance.ts'
import { heloOf } from '../validating/this-server.ts'

export interface OpenQueue {
  /** The queue's folder. */
  readonly folder: string
  readonly controls: Controls
  /** What there was to say about folders that were taken over, e.g. a damaged file; may hold anything. */
  readonly notes: readonly string[]
  /** Writes what is left of the journal. */
  close(): void
}

/**
 * Nothing is read or taken over before it is asked; what is asked with the server's settings is only for acting on what no
 * process has, so that the queue can be seen while they are broken.
 * @param instance the instance's folder
 * @param patience how long a process may be silent, in milliseconds
 * @returns its queue
 * @throws CommandFailed when it is no instance
 */
export function openQueueOf(instance: string, patience?: number): OpenQueue {
  const path = resolve(instance)
  requireInstance(path)
  const folder = join(path, 'queue')
  const notes: string[] = []
  const note = (message: string): void => void notes.push(message)
  const acting = new Acting(path, note)
  const log: QueueLog = {
    journal: (record) => {
      acting.journal().write(record)
    },
    info: () => undefined,
    warn: note,
    error: note,
  }
  const disk = queueOnDisk(folder, log)
  const dead = deadFolders({
    queue: folder,
    spools: {
      ...disk,
      owners: () => disk.owners().catch((error: unknown) => refuse(folder, error)),
      // Before anything is taken over: what cannot be journalled or reported as it should be is not begun.
      open: (owner) => {
        acting.settings()
        return disk.open(owner)
      },
    },
    log,
    report: (message, now) => acting.report(message, now),
  })
  return {
    folder,
    controls: openControls(folder, dead, patience),
    notes,
    close: () => {
      acting.close()
    },
  }
}

function refuse(folder: string, error: unknown): never {
  throw new CommandFailed(
    `${folder} cannot be read (${printable(messageOf(error), 300)}): run it as the user of the server, or as root`,
  )
}

/** What is needed to act in the place of a process, once it is. */
class Acting {
  readonly #instance: string
  readonly #note: (message: string) => void
  #settings: Settings | null = null
  #journal: Journal | null = null

  constructor(instance: string, note: (message: string) => void) {
    this.#instance = instance
    this.#note = note
  }

  settings(): Settings {
    this.#settings ??= settingsOf(this.#instance)
    return this.#settings
  }

  journal(): Journal {
    const { maxBytes, maxDays } = this.settings().journal
    const directory = join(this.#instance, 'data', 'journal')
    this.#journal ??= openJournal({ directory, maxBytes, maxDays, log: this.#note })
    return this.#journal
  }

  report({ envelope }: QueuedMessage, now: number): ReportContext {
    const { queue, relay } = this.settings()
    const me = heloOf(this.#instance)
    return {
      me,
      now,
      newId: () => randomUUID().toUpperCase(),
      postmaster: relay.postmaster ?? `postmaster@${me}`,
      expiresAt: expiresAt(envelope, queue),
    }
  }

  close(): void {
    this.#journal?.close()
    this.#journal = null
  }
}

/**
 * What root writes the server could not read: from here on this process is the owner of the queue's folder.
 * @param open the queue
 */
export function actAsOwner({ folder }: OpenQueue): void {
  const stats = statSync(folder, { throwIfNoEntry: false })
  if (stats === undefined || process.getuid?.() !== 0 || stats.uid === 0) return
  process.setgroups?.([stats.gid])
  process.setgid?.(stats.gid)
  process.setuid?.(stats.uid)
}

/**
 * @param open the queue, after it was asked
 * @throws CommandFailed when a process did not answer: what was told is not all
 */
export function requireAnswers({ controls }: OpenQueue): void {
  if (controls.failures.length === 0) return
  throw new CommandFailed(`${controls.failures.join('\n')}\nwhat it has is not in this answer`)
}
