/** The folder that a command works on, and what is in it. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { TrustSets } from '../certificate/trust-sets.ts'
import type { Directory } from '../directory/directory.ts'
import { buildFileDirectory } from '../directory/file-store.ts'
import type { Problem } from '../directory/model.ts'
import { formatProblem } from '../directory/model.ts'
import type { Settings } from '../instance/settings.ts'
import { readSettings } from '../instance/settings.ts'
import { loadTrust } from '../instance/trust.ts'
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
 * @param instance an instance's folder
 * @returns its directory, as it is now
 * @throws CommandFailed with every error in it
 */
export function directoryOf(instance: string): Directory {
  try {
    return buildFileDirectory(join(instance, 'config', 'organizations.yaml'))
  } catch (error) {
    throw new CommandFailed(error instanceof Error ? error.message : String(error))
  }
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
