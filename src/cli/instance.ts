/** The folder that a command works on. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CommandFailed } from './errors.ts'

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
