/** The trusted files while the server runs: a change counts within a second, a bad one changes nothing. */

import { statSync } from 'node:fs'
import type { TrustSets } from '../certificate/trust-sets.ts'
import type { StoreLog } from '../directory/file-store.ts'
import type { Problem } from '../directory/model.ts'
import { formatProblem } from '../directory/model.ts'
import type { Settings } from './settings.ts'
import { loadTrust } from './trust.ts'

const POLL_MILLISECONDS = 250

export interface LiveTrust {
  /** The verifiers in force. */
  sets(): TrustSets
  /** Reads everything again, as after a change of the settings. */
  reload(): void
  close(): void
}

export interface LiveTrustOptions {
  readonly instance: string
  readonly settings: () => Settings
  readonly log: StoreLog
  readonly pollMilliseconds?: number
}

/**
 * @param options where the files are and where to report
 * @returns trust that is kept up to date until it is closed
 * @throws with all problems when the files cannot be used
 */
export function openTrust({
  instance,
  settings,
  log,
  pollMilliseconds = POLL_MILLISECONDS,
}: LiveTrustOptions): LiveTrust {
  let trust = loadTrust(instance, settings())
  const first = errorsOf(trust.problems)
  if (first !== '') throw new Error(first)
  let settled = stateOf(trust.files)
  let pending: string | null = null

  const reload = (): void => {
    const changed = loadTrust(instance, settings())
    settled = stateOf(changed.files)
    pending = null
    const errors = errorsOf(changed.problems)
    if (errors !== '') {
      log.error(
        `the trusted certificates were changed and are not used, those before stay in force: ${errors}`,
      )
      return
    }
    trust = changed
    log.info(`the trusted certificates are in force: ${trust.description.join('; ')}`)
    for (const problem of trust.problems) log.warn(formatProblem(problem))
  }
  const look = (): void => {
    const state = stateOf(trust.files)
    if (state === settled) pending = null
    // A file that is being written changes from look to look.
    else if (state === pending) reload()
    else pending = state
  }
  const timer = setInterval(look, pollMilliseconds)
  timer.unref()
  return {
    sets: () => trust.sets,
    reload,
    close: () => {
      clearInterval(timer)
    },
  }
}

function errorsOf(problems: readonly Problem[]): string {
  return problems
    .filter(({ severity }) => severity === 'error')
    .map((problem) => formatProblem(problem))
    .join('; ')
}

function stateOf(files: readonly string[]): string {
  return files
    .map((path) => {
      const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
      return stat === undefined
        ? `${path} missing`
        : `${path} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.size} ${stat.ino}`
    })
    .join('\n')
}
