/** The trusted files while the server runs: a change counts within a second, a bad one changes nothing. */

import type { TrustSets } from '../certificate/trust-sets.ts'
import type { StoreLog } from '../directory/file-store.ts'
import type { Problem } from '../directory/model.ts'
import { formatProblem } from '../directory/model.ts'
import type { Settings } from './settings.ts'
import { loadTrust } from './trust.ts'
import { watchFiles } from './watch-files.ts'

export interface LiveTrust {
  /** The verifiers in force. */
  sets(): TrustSets
  /** The same for the certificates of next hops. */
  nextHops(): TrustSets
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
export function openTrust({ instance, settings, log, pollMilliseconds }: LiveTrustOptions): LiveTrust {
  let trust = loadTrust(instance, settings())
  const first = errorsOf(trust.problems)
  if (first !== '') throw new Error(first)
  const reload = (): void => {
    // Before they are read: what changes meanwhile is seen by the next look.
    watch.settle()
    const changed = loadTrust(instance, settings())
    if (changed.files.join('\n') !== files.join('\n')) {
      files = changed.files
      watch.settle()
    }
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
  let { files } = trust
  const watch = watchFiles({ files: () => files, changed: reload, pollMilliseconds })
  return {
    sets: () => trust.sets,
    nextHops: () => trust.nextHops,
    reload,
    close: () => {
      watch.close()
    },
  }
}

function errorsOf(problems: readonly Problem[]): string {
  return problems
    .filter(({ severity }) => severity === 'error')
    .map((problem) => formatProblem(problem))
    .join('; ')
}
