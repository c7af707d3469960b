/** At MAIL: which connector is the server that speaks? */

import { resolve } from 'node:path'
import constants from 'haraka-constants'
import DSN from 'haraka-dsn'
import { noteMail } from '../../src/haraka/accepted.ts'
import { guardCluster } from '../../src/haraka/cluster-guard.ts'
import { toDsn } from '../../src/haraka/dsn.ts'
import { goodbye, isStopping, trackConnection, untrackConnection } from '../../src/haraka/lifecycle.ts'
import type { HarakaModules } from '../../src/haraka/mend.ts'
import { harakaModules } from '../../src/haraka/mend.ts'
import { applyMends } from '../../src/haraka/mends.ts'
import { observePeer } from '../../src/haraka/peer.ts'
import type { HookAnswer } from '../../src/haraka/safe-hook.ts'
import { safeHook } from '../../src/haraka/safe-hook.ts'
import { initFailure, openService, serviceOpened, theService } from '../../src/haraka/service.ts'
import { takeOverTls } from '../../src/haraka/tls.ts'
import {
  failedHandshake,
  reportFailedHandshakes,
  watchHandshake,
  watchServerCertificate,
} from '../../src/haraka/tls-listeners.ts'
import { rememberMail } from '../../src/haraka/transaction-state.ts'
import type { Address, Connection, EsmtpParameters, Plugin, TlsSocketModule } from '../../src/haraka/types.ts'
import { requireHaraka } from '../../src/haraka/version.ts'
import { formatProblem } from '../../src/directory/model.ts'
import type { Settings } from '../../src/instance/settings.ts'
import { readSettings } from '../../src/instance/settings.ts'
import { parseDsnMailParameters } from '../../src/outbound/report/parameters.ts'
import { describe } from '../../src/policy/describe.ts'
import { attributeSender } from '../../src/relaying/gather.ts'
import { senderOf } from '../../src/relaying/envelope.ts'
import { termsNow } from '../../src/relaying/terms.ts'
import { printable } from '../../src/text/printable.ts'

const NAME = 'inbound_connector'
const INSTANCE = resolve(process.env['HARAKA'] ?? '.')

let settings: Settings | null = null
let tlsOpen = false

export function register(this: Plugin): void {
  requireHaraka((this.haraka_require('package.json') as { version: string }).version)
  settings = settingsAtStart(this)
  applyMends(harakaModules(this), this)
  takeOverTls(this.haraka_require('tls_socket') as TlsSocketModule, this)

  this.register_hook('init_master', 'open_in_master')
  this.register_hook('init_child', 'open')
  this.register_hook('connect_init', 'connect_init')
  this.register_hook('lookup_rdns', 'lookup_rdns')
  this.register_hook('mail', 'mail')
  this.register_hook('disconnect', 'disconnect', 100)
}

function settingsAtStart(plugin: Plugin): Settings {
  const { settings: read, problems } = readSettings(INSTANCE)
  for (const problem of problems) {
    if (problem.severity === 'error') throw new Error(formatProblem(problem))
    plugin.logwarn(formatProblem(problem))
  }
  return read
}

export const open_in_master = safeHook(NAME, (plugin) => {
  const { server } = harakaModules(plugin)
  if (server.cluster === undefined) return openDirectory(plugin)
  // The workers answer mail; the master only has to notice when none of them can listen.
  guardCluster(plugin)
  return undefined
})

export const open = safeHook(NAME, (plugin) => openDirectory(plugin))

async function openDirectory(plugin: Plugin): Promise<HookAnswer | undefined> {
  try {
    const haraka = harakaModules(plugin)
    await openService(plugin, haraka, INSTANCE, settings ?? settingsAtStart(plugin))
    openTls(plugin, haraka)
    return undefined
  } catch (error) {
    return initFailure(error)
  }
}

function openTls(plugin: Plugin, { server }: HarakaModules): void {
  if (tlsOpen) return
  tlsOpen = true
  const contexts = takeOverTls(plugin.haraka_require('tls_socket') as TlsSocketModule, plugin)
  watchServerCertificate(plugin, INSTANCE, server, contexts)
  reportFailedHandshakes(plugin, server)
}

export const connect_init = safeHook(NAME, (_plugin, connection) => {
  trackConnection(connection)
  watchHandshake(connection)
  return undefined
})

export const disconnect = safeHook(NAME, (plugin, connection) => {
  untrackConnection(connection)
  const why = failedHandshake(connection)
  if (why !== null)
    connection.lognotice(plugin, `the TLS handshake failed ip=${connection.remote.ip} why=${why}`)
  return undefined
})

/**
 * No name is looked up for the address unless the settings ask for it: nothing here asks the Internet unasked. And
 * Haraka lets a listed proxy come to the implicit-TLS port without a PROXY header; it would then speak for itself.
 */
export const lookup_rdns = safeHook(NAME, async (_plugin, { client, remote }) => {
  const smtps = client.haraka_smtps
  if (smtps?.peer_allowed === true && smtps.proxy === undefined) {
    return {
      code: constants.denysoftdisconnect,
      message: DSN.create(421, 'A PROXY header is required here', 3, 2),
    }
  }
  const service = await serviceOpened()
  // A proxy that names itself as the client is its health check: it hears of a stop while mail is still taken.
  if (isStopping() && service.isProxy(remote.ip)) {
    return { code: constants.denysoftdisconnect, message: goodbye() }
  }
  if (service.settings().connection.lookupRdns) return undefined
  return { code: constants.ok, message: 'NXDOMAIN' }
})

export const mail = safeHook<[Address, EsmtpParameters]>(
  NAME,
  async (_plugin, connection, [address, given]) => {
    const { transaction } = connection
    if (transaction === null) return undefined
    const parameters = parseDsnMailParameters(Object.entries(given))
    if ('reply' in parameters) return { code: constants.deny, message: toDsn(parameters.reply) }
    const relayingBefore = connection.relaying
    const service = theService()
    const peer = observePeer(connection, (ip) => service.isProxy(ip), service.trust())
    const sender = senderOf(address)
    const attribution = await attributeSender(
      service.directory,
      peer,
      sender,
      peer.certificateFor,
      termsNow(service.settings().relay),
    )
    // The client may have gone, or sent RSET, while the directory was asked.
    if (connection.transaction !== transaction) return undefined
    noteMail(transaction, parameters, peer.address)
    rememberMail(transaction, { peer, sender, attribution, relayingBefore })
    noteResult(connection, attribution.matched === null ? 'fail' : 'pass', describe(attribution.matched))
    return undefined
  },
)

function noteResult(connection: Connection, kind: 'pass' | 'fail', text: string): void {
  connection.transaction?.results.add({ name: NAME }, { [kind]: printable(text) })
}
