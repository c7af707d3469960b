/** The memory of one machine, in `data/`: it belongs to whom that folder belongs, since the smarthost looks, too. */

import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../text/message-of.ts'
import type { Look } from './last-look.ts'
import { lookFile, parseLook } from './last-look.ts'
import type { ProofMemory } from './memory.ts'

const INSTALLATION_ID = /^[0-9a-f]{32}$/

/** @returns the id of a new installation */
export function newInstallationId(): string {
  return randomBytes(16).toString('hex')
}

export interface FileMemory extends ProofMemory {
  /** @returns the id when there is one already */
  knownInstallationId(): Promise<string | null>
}

/**
 * @param data the instance's `data/`
 * @returns what is kept there
 */
export function fileMemory(data: string): FileMemory {
  const idFile = join(data, 'installation-id')
  const known = async (): Promise<string | null> => {
    const text = await readFile(idFile, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw cannot('read', idFile, error)
    })
    if (text === null || INSTALLATION_ID.test(text.trim())) return text?.trim() ?? null
    throw new Error(
      `${idFile} does not hold the 32 hexadecimal digits of an installation: bring it back from a backup; without it, remove it, and domains that are not proven yet get other tokens`,
    )
  }
  return {
    knownInstallationId: known,
    installationId: async () => {
      const id = await known()
      if (id !== null) return id
      await make(data, idFile, `${newInstallationId()}\n`)
      // Another one may have been faster: what stands there counts.
      const made = await known()
      if (made === null) throw new Error(`${idFile} was removed in the moment in which it was made`)
      return made
    },
    lastLook: async () => parseLook(await readFile(lookFile(data), 'utf8').catch(() => '')),
    rememberLook: (look: Look) => replace(data, lookFile(data), `${JSON.stringify(look)}\n`),
    beginLook: () => Promise.resolve(true),
    endLook: () => Promise.resolve(),
    requiredSince: () => Promise.resolve(null),
    rememberRequired: () => Promise.resolve(),
    domainsBelow: () => Promise.resolve(null),
    close: () => undefined,
  }
}

/** A name appears with its whole content: of two at once one wins, and both read the same. */
async function make(data: string, path: string, text: string): Promise<void> {
  await written(data, path, text, async (temporary) => {
    await link(temporary, path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    })
  })
}

async function replace(data: string, path: string, text: string): Promise<void> {
  await written(data, path, text, (temporary) => rename(temporary, path))
}

async function written(
  data: string,
  path: string,
  text: string,
  put: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.new`
  try {
    await mkdir(data, { recursive: true, mode: 0o700 })
    const { uid, gid } = await stat(data)
    const handle = await open(temporary, 'wx', 0o644)
    try {
      const own = await handle.stat()
      if (process.getuid?.() === 0 && (own.uid !== uid || own.gid !== gid)) await handle.chown(uid, gid)
      await handle.chmod(0o644)
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await put(temporary)
    await syncFolder(data)
  } catch (error) {
    throw cannot('write', path, error)
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined)
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function cannot(what: 'read' | 'write', path: string, error: unknown): Error {
  const why = (error as NodeJS.ErrnoException).code ?? messageOf(error)
  return new Error(
    `${path} cannot be ${what === 'read' ? 'read' : 'written'}: ${why}; run this as root or as the user of the smarthost`,
    { cause: error },
  )
}
