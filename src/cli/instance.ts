/** The folder that a command works on, and what is in it. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { TrustSets } from '../certificate/trust-sets.ts'
import type { Directory } from '../directory/directory.ts'
import type { StoreLog } from '../directory/file-store.ts'
import type { SeenRevision } from '../directory/redis/watch.ts'
import type { Problem } from '../directory/model.ts'
import { formatProblem } from '../directory/model.ts'
import type { Settings } from '../instance/settings.ts'
import { readSettings } from '../instance/settings.ts'
import { openDirectory, seenBy } from '../instance/store.ts'
import { loadTrust } from '../instance/trust.ts'
import { CommandFailed } from './errors.ts'
import { messageOf } from '../text/message-of.ts'

/**
 * @param folder what --instance names
 * @throws CommandFailed when it is no instance
 */
export function requireInstance(folder: string): void {
  if (existsSync(join(folder, 'config', 'smtp.ini'))) return
  throw new CommandFailed(
    `${folder} is no instance: there is no config/smtp.ini; name one with --instance, or make one with connectorctl init`,
  )
}

/**
 * @param instance an instance's folder
 * @returns its settings
 * @throws CommandFailed with every error in them
 */
export function settingsOf(instance: string): Settings {
  const { settings, problems } = readSettings(instance)
  requireNoErrors(problems)
  return settings
}

/**
 * Opens the instance's directory for one command, and closes it after it.
 * @param instance an instance's folder
 * @param settings its settings
 * @param use what the command does with it
 * @returns what `use` returns
 * @throws CommandFailed with every error in the file, or why Redis cannot be asked
 */
export async function withDirectory<T>(
  instance: string,
  settings: Settings,
  use: (directory: Directory) => Promise<T>,
): Promise<T> {
  const complaints: string[] = []
  const complain = (message: string): void => void complaints.push(message)
  const log = { info: () => undefined, warn: () => undefined, error: complain }
  const directory = await openDirectory(instance, settings, log, asked(instance, log)).catch(
    (error: unknown) => {
      throw new CommandFailed(messageOf(error))
    },
  )
  try {
    // An answer from a directory that cannot be asked would be "451" for whatever reason.
    if (complaints.length > 0) throw new CommandFailed(complaints.join('\n'))
    return await use(directory)
  } finally {
    await directory.close()
  }
}

/** What the server believes counts here, too, but it is the server's to remember: another user could not read it. */
function asked(instance: string, log: Pick<StoreLog, 'warn'>): SeenRevision {
  const seen = seenBy(instance, log)
  return { read: () => seen.read(), write: () => undefined }
}

/**
 * @param instance an instance's folder
 * @param settings its settings
 * @returns whom it trusts
 * @throws CommandFailed with every error in the files
 */
export function trustOf(instance: string, settings: Settings): TrustSets {
  const { problems, sets } = loadTrust(instance, settings)
  requireNoErrors(problems)
  return sets
}

function requireNoErrors(problems: readonly Problem[]): void {
  const errors = problems.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw new CommandFailed(errors.map((problem) => formatProblem(problem)).join('\n'))
}
