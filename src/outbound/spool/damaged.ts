/** What cannot be read is set aside, with the reason beside it: the rest goes on, and nothing is thrown away. */

import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DeliveryRecord } from '../../journal/record.ts'
import { printable } from '../../text/printable.ts'
import { syncFolder } from './folder-sync.ts'
import { DAMAGED_FOLDER, stateName } from './names.ts'

const WHY = '.why'

/** A file that was set aside. */
export interface DamagedFile {
  /** Below queue/damaged/. */
  readonly file: string
  readonly why: string
}

/**
 * @param queue the queue's folder
 * @param folder where the file is
 * @param name of the file
 * @param why what is wrong with it, as the end of a sentence
 * @returns where it is now
 * @throws when it cannot be moved
 */
export async function setAside(queue: string, folder: string, name: string, why: string): Promise<string> {
  const target = join(queue, DAMAGED_FOLDER)
  await mkdir(target, { recursive: true, mode: 0o700 })
  const path = join(target, name)
  await rename(join(folder, name), path)
  if (name.endsWith('.msg')) {
    await rename(join(folder, stateName(name)), join(target, stateName(name))).catch(() => undefined)
  }
  await writeFile(`${path}${WHY}`, `${new Date().toISOString()} ${printable(why, 500)}\n`, { mode: 0o600 })
  await syncFolder(target)
  return path
}

/**
 * @param id of the message, as far as the file's name tells it
 * @param path where the file is now
 * @param why what is wrong with it
 * @param now milliseconds since 1970
 * @returns the line of the journal
 */
export function damagedRecord(id: string, path: string, why: string, now: number): DeliveryRecord {
  return {
    time: new Date(now).toISOString(),
    id,
    event: 'damaged',
    organization: null,
    sender: '',
    recipients: [],
    route: null,
    remote: null,
    tls: null,
    status: '',
    reply: printable(`${why}; set aside: ${path}`, 500),
    attempts: 0,
    age: 0,
    nextAttempt: null,
    by: null,
    related: null,
  }
}

/**
 * @param queue the queue's folder
 * @returns what was set aside; none when there is no such folder
 */
export async function damagedIn(queue: string): Promise<readonly DamagedFile[]> {
  const folder = join(queue, DAMAGED_FOLDER)
  const names = await readdir(folder).catch(() => [])
  const files = names.filter((name) => !name.endsWith(WHY) && !name.endsWith('.state'))
  return Promise.all(
    files.map(async (file) => {
      const why = await readFile(join(folder, `${file}${WHY}`), 'utf8').catch(() => '')
      return { file, why: why.trim().slice(0, 600) }
    }),
  )
}
