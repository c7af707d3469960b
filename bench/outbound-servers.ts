/** The servers of `bench outbound`: this project, bare Haraka and Postfix, each with the same two routes. */

import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../test/support/smarthost.ts'
import { destinationDomain, destinations } from './outbound-sinks.ts'
import type { Server } from './servers.ts'
import { BARE_OUTBOUND, CONNECTORCTL, HARAKA, launch, makeInstance } from './servers.ts'

export interface OutboundOptions {
  /** Postfix's daemons have to get in: it is world-readable. */
  readonly folder: string
  /** PEM of the CA that client certificates come from. */
  readonly authorities: string
  /** Of the client's certificate, as `openssl x509 -fingerprint -sha256` prints it after the equals sign. */
  readonly fingerprint: string
  /** Of all sinks. */
  readonly port: number
}

const routes = (): { readonly domain: string; readonly address: string }[] =>
  destinations().map((address, index) => ({ domain: destinationDomain(index), address }))

/**
 * @param options where and with what
 * @param nodes worker processes; 0 for one process that does everything
 * @returns this project's server, listening
 */
export async function startOursOutbound(options: OutboundOptions, nodes: number): Promise<Server> {
  const name = `ours${nodes}`
  const { port, instance } = await makeInstance({ ...options, sink: options.port }, name)
  const config = (file: string): string => join(instance, 'config', file)
  const edit = (file: string, pattern: RegExp, text: string): void => {
    writeFileSync(config(file), readFileSync(config(file), 'utf8').replace(pattern, text))
  }
  edit('connectors.ini', /^ca = system$/m, 'ca = bench-ca.pem')
  edit('smtp.ini', /^nodes=.*$/m, `nodes=${nodes}`)
  const outbound = routes().map(
    ({ domain, address }) =>
      `      - { name: ${domain}, recipientDomains: [${domain}], smartHosts: ["${address}:${options.port}"] }\n`,
  )
  writeFileSync(
    config('organizations.yaml'),
    `organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
    inboundConnectors:
      - name: Servers
        connectorType: OnPremises
        tlsSenderCertificateName: '*.contoso.com'
      - name: Branch
        connectorType: OnPremises
        senderIPAddresses: [127.50.0.0/24]
    outboundConnectors:
${outbound.join('')}`,
  )
  return launch(name, port, options, [CONNECTORCTL, 'start', '--instance', instance])
}

const RELAY_PLUGIN = `'use strict'
const constants = require('haraka-constants')
const hosts = new Map(HOSTS)
exports.register = function () {
  this.register_hook('rcpt', 'rcpt')
  this.register_hook('get_mx', 'get_mx')
}
exports.rcpt = function (next, connection) {
  connection.relaying = true
  next(constants.ok)
}
exports.get_mx = function (next, hmail, domain) {
  next(constants.ok, { priority: 0, exchange: hosts.get(domain) ?? '127.0.0.1', port: PORT })
}
`

/**
 * @param options where and with what
 * @returns Haraka with its own outbound, listening; a plugin answers get_mx
 */
export async function startBareOutbound(options: OutboundOptions): Promise<Server> {
  const { port, instance } = await makeInstance({ ...options, sink: options.port }, 'bare')
  const config = (file: string): string => join(instance, 'config', file)
  mkdirSync(join(instance, 'plugins'))
  const hosts = JSON.stringify(routes().map(({ domain, address }) => [domain, address]))
  writeFileSync(
    join(instance, 'plugins', 'bench_relay.js'),
    RELAY_PLUGIN.replace('HOSTS', hosts).replace('PORT', String(options.port)),
  )
  writeFileSync(config('plugins'), 'tls\nbench_relay\n')
  writeFileSync(config('outbound.ini'), BARE_OUTBOUND)
  appendFileSync(config('tls.ini'), '\nca=bench-ca.pem\n')
  return launch('bare', port, options, [HARAKA, '-c', instance])
}

/** What of Postfix's limits is abuse protection or sparing of small machines; Haraka has none of it. */
const RELAXED = [
  'smtpd_error_sleep_time = 0',
  'smtpd_soft_error_limit = 100000',
  'smtpd_hard_error_limit = 100000',
  'smtpd_junk_command_limit = 100000',
  'smtpd_client_connection_count_limit = 0',
  'smtpd_peername_lookup = no',
  'in_flow_delay = 0',
  'message_size_limit = 104857600',
]

/** As Debian ships them, but without chroot and without local delivery. */
const SERVICES = `
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

/**
 * @param options where and with what
 * @returns Postfix, listening; its log goes to a file through its own postlogd
 */
export async function startPostfixOutbound(options: OutboundOptions): Promise<Server> {
  const folder = join(options.folder, 'postfix')
  const path = (...names: string[]): string => join(folder, ...names)
  for (const name of ['', 'conf', 'queue', 'data']) mkdirSync(path(name), { mode: 0o755 })
  // The umask may have taken something away.
  for (const name of ['', 'conf', 'queue', 'data']) chmodSync(path(name), 0o755)
  const user = /^postfix:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))
  chownSync(path('data'), Number(user?.[1]), Number(user?.[2]))
  const { instance } = await makeInstance({ ...options, sink: options.port }, 'postfix-keys')
  const port = await freePort()
  const hop = (address: string): string => `smtp:[${address}]:${options.port}`
  writeFileSync(
    path('conf', 'transport'),
    routes()
      .map(({ domain, address }) => `${domain} ${hop(address)}\n`)
      .join(''),
  )
  writeFileSync(path('conf', 'clients'), `${options.fingerprint} bench\n`)
  writeFileSync(
    path('conf', 'main.cf'),
    [
      'compatibility_level = 3.6',
      `queue_directory = ${path('queue')}`,
      `data_directory = ${path('data')}`,
      'command_directory = /usr/sbin',
      'daemon_directory = /usr/lib/postfix/sbin',
      'mail_owner = postfix',
      'setgid_group = postdrop',
      'myhostname = bench.example',
      'mydestination =',
      'inet_interfaces = 127.0.0.1',
      'inet_protocols = ipv4',
      `maillog_file = ${path('mail.log')}`,
      `maillog_file_prefixes = ${folder}`,
      'alias_maps =',
      'alias_database =',
      'biff = no',
      'mynetworks = 127.50.0.0/24',
      `relayhost = [127.0.0.1]:${options.port}`,
      `transport_maps = texthash:${path('conf', 'transport')}`,
      'smtpd_relay_restrictions = permit_mynetworks, permit_tls_clientcerts, reject_unauth_destination',
      'smtpd_tls_security_level = may',
      `smtpd_tls_cert_file = ${join(instance, 'config', 'tls_cert.pem')}`,
      `smtpd_tls_key_file = ${join(instance, 'config', 'tls_key.pem')}`,
      `smtpd_tls_CAfile = ${join(instance, 'config', 'bench-ca.pem')}`,
      'smtpd_tls_ask_ccert = yes',
      'smtpd_tls_fingerprint_digest = sha256',
      `relay_clientcerts = texthash:${path('conf', 'clients')}`,
      'smtp_tls_security_level = may',
      ...RELAXED,
      '',
    ].join('\n'),
  )
  writeFileSync(path('conf', 'master.cf'), `127.0.0.1:${port} inet n - n - - smtpd${SERVICES}`)
  // Makes the folders of the queue.
  execFileSync('/usr/sbin/postfix', ['-c', path('conf'), 'check'], { stdio: 'ignore' })
  const args = ['-c', path('conf'), '-d']
  const server = await launch('postfix', port, options, args, '/usr/lib/postfix/sbin/master')
  return {
    ...server,
    stop: async () => {
      process.kill(server.pid, 'SIGTERM')
      await pause(200)
      await server.stop()
    },
  }
}
