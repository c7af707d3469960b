/** What commands that change the directory share, whichever store it is in. */

import { join, resolve } from 'node:path'
import type { DirectoryEditor, EditWritten, WantedOrganization } from '../directory/editor.ts'
import { StaleRevision } from '../directory/editor.ts'
import { openFileEditor } from '../directory/file/file-editor.ts'
import type { Settings } from '../instance/settings.ts'
import { messageOf } from '../text/message-of.ts'
import { CommandFailed, UsageError } from './errors.ts'
import { requireInstance, settingsOf } from './instance.ts'
import { requireReplicas } from './replication.ts'

export interface OpenEditor {
  /** The instance's folder, absolute. */
  readonly instance: string
  readonly settings: Settings
  readonly editor: DirectoryEditor
  /** Redis: replicas that must have a write; the file: 0. */
  readonly replicas: number
}

/**
 * @param folder what --instance names
 * @param command the command with its arguments, for the audit stream
 * @param use what is done with the directory
 * @returns what `use` returns
 * @throws CommandFailed with one message when there is no such instance, or its directory cannot be used
 */
export async function withEditor<T>(
  folder: string,
  command: string,
  use: (open: OpenEditor) => Promise<T>,
): Promise<T> {
  const instance = resolve(folder)
  requireInstance(instance)
  const settings = settingsOf(instance)
  try {
    const { editor, replicas } = await openEditor(instance, settings, command)
    try {
      return await use({ instance, settings, editor, replicas })
    } finally {
      editor.close()
    }
  } catch (error) {
    if (error instanceof CommandFailed || error instanceof UsageError) throw error
    throw new CommandFailed(messageOf(error))
  }
}

async function openEditor(
  instance: string,
  settings: Settings,
  command: string,
): Promise<Pick<OpenEditor, 'editor' | 'replicas'>> {
  if (settings.directory.store === 'file') {
    return { editor: await openFileEditor(join(instance, 'config', 'organizations.yaml')), replicas: 0 }
  }
  // A command on the file need not wait for the client of a server that it does not have.
  const { openWriter } = await import('./redis.ts')
  const { redisEditor } = await import('../directory/redis/redis-editor.ts')
  const { replicas, writer } = await openWriter(instance, command)
  return { editor: redisEditor(writer), replicas }
}

/** Times that a change is worked out anew, since others wrote meanwhile. */
const MOST_ATTEMPTS = 20

/**
 * Changes the directory. When somebody else was faster the change is worked out anew from what stands there then: two
 * administrators at once lose nothing.
 * @param open the directory
 * @param prepare looks at the directory and says what shall be different; it runs again when it was late
 * @returns what was written, or null when nothing is different
 * @throws CommandFailed when it is not replicated as wanted, and what `prepare` throws
 */
export async function changeDirectory(
  { editor, replicas }: OpenEditor,
  prepare: () => Promise<readonly WantedOrganization[]>,
): Promise<EditWritten | null> {
  for (let attempt = 1; ; attempt++) {
    try {
      const written = await editor.replace(await prepare())
      // An earlier write may have been "written, not replicated".
      requireReplicas(written === null ? await editor.confirm() : written.replicas, replicas)
      return written
    } catch (error) {
      if (!(error instanceof StaleRevision) || attempt === MOST_ATTEMPTS) throw error
    }
  }
}
