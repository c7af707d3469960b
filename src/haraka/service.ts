/**
 * What the plugins of one process share: settings, directory and journal of the instance. Opened by
 * inbound_connector; the others only ask for it.
 */

import constants from 'haraka-constants'
import type { TrustSets } from '../certificate/trust-sets.ts'
import type { Directory } from '../directory/directory.ts'
import { formatProblem } from '../directory/model.ts'
import type { Settings } from '../instance/settings.ts'
import { readSettings } from '../instance/settings.ts'
import { openDirectory } from '../instance/store.ts'
import { openTrust } from '../instance/live-trust.ts'
import { watchFiles } from '../instance/watch-files.ts'
import type { ExpiringCertificates } from '../journal/expiring.ts'
import { openExpiring } from '../journal/expiring.ts'
import type { Journal } from '../journal/writer.ts'
import { openJournal } from '../journal/writer.ts'
import type { HarakaModules } from './mend.ts'
import type { Plugin } from './types.ts'
import { join } from 'node:path'
import { messageOf } from '../text/message-of.ts'

export interface Service {
  readonly instance: string
  /** The settings in force; asked at each use, since they change while the server runs. */
  settings(): Settings
  readonly directory: Directory
  readonly journal: Journal
  readonly expiring: ExpiringCertificates
  /** Who says whether a certificate counts; another one after each change of the trusted files. */
  trust(): TrustSets
  /** The same for the certificates of next hops. */
  nextHopTrust(): TrustSets
  /** Whether an address is a listed proxy's own. */
  isProxy(address: string): boolean
  close(): Promise<void>
}

let shared: Service | null = null

let announce: (service: Service) => void = () => undefined

const OPENED = new Promise<Service>((resolve) => {
  announce = resolve
})

/**
 * @returns the service, once it is open. Haraka listens before its plugins have opened anything: whoever comes early
 *   waits for the greeting instead of hearing 451. Where it cannot be opened, the process ends
 */
export function serviceOpened(): Promise<Service> {
  return OPENED
}

/**
 * @returns the service of this process
 * @throws while it is not open yet: whoever asks then answers 451
 */
export function theService(): Service {
  if (shared === null) throw new Error('the directory is not open yet')
  return shared
}

/**
 * @param plugin inbound_connector, whose log is used
 * @param haraka the running Haraka
 * @param instance the Haraka directory
 * @param settings the settings as read at start
 * @returns the service, opened once for this process
 * @throws with all problems of the directory when it cannot be read
 */
export async function openService(
  plugin: Plugin,
  haraka: HarakaModules,
  instance: string,
  settings: Settings,
): Promise<Service> {
  if (shared !== null) return shared
  const log = {
    info: (message: string) => plugin.lognotice(message),
    warn: (message: string) => plugin.logwarn(message),
    error: (message: string) => plugin.logerror(message),
  }
  const directory = await openDirectory(instance, settings, log)
  const journal = openJournal({
    directory: join(instance, 'data', 'journal'),
    maxBytes: settings.journal.maxBytes,
    maxDays: settings.journal.maxDays,
    log: (message) => plugin.logerror(message),
  })
  let inForce = settings
  const trust = openTrust({ instance, settings: () => inForce, log })
  // Not Haraka's own watch: that waits 5 seconds after the last change, and a change shall count within one.
  const watch = watchFiles({
    files: () => [join(instance, 'config', 'connectors.ini')],
    changed: () => {
      inForce = reread(plugin, instance, inForce)
      trust.reload()
    },
  })
  // The last decisions are written also when Haraka ends by process.exit().
  process.once('exit', () => {
    journal.close()
  })
  shared = {
    instance,
    settings: () => inForce,
    directory,
    journal,
    expiring: openExpiring(join(instance, 'data', 'expiring'), log.warn),
    trust: () => trust.sets(),
    nextHopTrust: () => trust.nextHops(),
    isProxy: (address) => haraka.netUtils.is_haproxy_allowed(address),
    close: async () => {
      watch.close()
      journal.close()
      trust.close()
      await directory.close()
    },
  }
  announce(shared)
  return shared
}

function reread(plugin: Plugin, instance: string, inForce: Settings): Settings {
  const { settings, problems } = readSettings(instance)
  const errors = problems.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) {
    plugin.logerror(
      `config/connectors.ini was changed and is not used; the settings before stay in force: ${errors.map((problem) => formatProblem(problem)).join('; ')}`,
    )
    return inForce
  }
  plugin.lognotice('config/connectors.ini was read again')
  return settings
}

/** The answer of an init hook that could not do its work: Haraka ends with exit code 1. */
export function initFailure(error: unknown): { readonly code: number; readonly message: string } {
  return { code: constants.deny, message: messageOf(error) }
}
