/** The servers that are compared: this project as an administrator starts it, and bare Haraka with the same settings. */

import type { ChildProcess } from 'node:child_process'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, closeSync, cpSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../test/support/smarthost.ts'
import { cpuOf } from './processor-time.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
export const CONNECTORCTL = join(ROOT, 'bin', 'connectorctl.js')
export const HARAKA = join(ROOT, 'node_modules', 'Haraka', 'bin', 'haraka')

export interface Server {
  readonly name: string
  readonly pid: number
  readonly port: number
  /** CPU that it and its children have used so far, in milliseconds. */
  cpu(): number
  stop(): Promise<void>
}

export interface ServerOptions {
  readonly folder: string
  /** PEM of the CAs that client certificates come from; null: the system's. */
  readonly authorities: string | null
  /** Where mail goes. */
  readonly sink: number
  /** Port of the Redis that holds the directory; a file of one organisation when not given. */
  readonly redis?: number
}

const ORGANIZATIONS = `organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
    inboundConnectors:
      - name: Servers
        connectorType: OnPremises
        tlsSenderCertificateName: '*.contoso.com'
`

/** What bare Haraka needs to relay, to deny and to hand on: no look-up, no certificate, no journal. */
const RELAY_PLUGIN = `'use strict'
const constants = require('haraka-constants')
exports.register = function () {
  this.register_hook('rcpt', 'rcpt')
  this.register_hook('get_mx', 'get_mx')
}
exports.rcpt = function (next, connection, [address]) {
  if (address.host === 'denied.example') return next(constants.deny, 'Relay Access Denied')
  connection.relaying = true
  next(constants.ok)
}
exports.get_mx = function (next) {
  next(constants.ok, { priority: 0, exchange: '127.0.0.1', port: SINK })
}
`

/**
 * @param options where and with what
 * @returns this project's server, listening
 */
export async function startOurs(options: ServerOptions): Promise<Server> {
  const { port, instance } = await makeInstance(options, 'ours')
  const ini = join(instance, 'config', 'connectors.ini')
  const ca = options.authorities === null ? 'system' : 'bench-ca.pem'
  const store = options.redis === undefined ? 'file' : 'redis'
  writeFileSync(
    ini,
    readFileSync(ini, 'utf8')
      .replace(/^ca = .*$/m, `ca = ${ca}`)
      .replace(/^store = .*$/m, `store = ${store}`),
  )
  if (options.redis !== undefined) {
    writeFileSync(join(instance, 'config', 'redis.ini'), `[server]\nport = ${options.redis}\n`)
  }
  return launch('ours', port, options, [CONNECTORCTL, 'start', '--instance', instance])
}

/**
 * @param options where and with what
 * @returns bare Haraka, listening
 */
export async function startBare(options: ServerOptions): Promise<Server> {
  const { port, instance } = await makeInstance(options, 'bare')
  const config = (name: string): string => join(instance, 'config', name)
  mkdirSync(join(instance, 'plugins'))
  writeFileSync(
    join(instance, 'plugins', 'bench_relay.js'),
    RELAY_PLUGIN.replace('SINK', String(options.sink)),
  )
  writeFileSync(config('plugins'), 'tls\nbench_relay\n')
  writeFileSync(config('outbound.ini'), BARE_OUTBOUND)
  const system = '/etc/ssl/certs/ca-certificates.crt'
  if (options.authorities === null) cpSync(system, config('bench-ca.pem'))
  appendFileSync(config('tls.ini'), '\nca=bench-ca.pem\n')
  return launch('bare', port, options, [HARAKA, '-c', instance])
}

/** Haraka's own outbound, which only the bare one uses: so many deliveries at once as ours has by default. */
export const BARE_OUTBOUND = 'concurrency_max=100\nenable_tls=true\nreceived_header=disabled\n'

/**
 * Settings that `connectorctl init` writes: ports, logs, limits.
 * @param options where, and with what
 * @param name of the folder that is made
 * @returns its port and its folder
 */
export async function makeInstance(
  { authorities, folder, sink }: Pick<ServerOptions, 'authorities' | 'folder' | 'sink'>,
  name: string,
): Promise<{ readonly port: number; readonly instance: string }> {
  const [port, smtps] = [await freePort(), await freePort()]
  const instance = join(folder, name)
  const ports = ['--smtp', `127.0.0.1:${port}`, '--smtps', `127.0.0.1:${smtps}`]
  const names = ['--hostname', 'bench.example', '--smart-host', `127.0.0.1:${sink}`]
  execFileSync(process.execPath, [CONNECTORCTL, 'init', instance, ...ports, ...names])
  writeFileSync(join(instance, 'config', 'organizations.yaml'), ORGANIZATIONS)
  if (authorities !== null) writeFileSync(join(instance, 'config', 'bench-ca.pem'), authorities)
  return { port, instance }
}

/**
 * Starts it as a process group of its own, and ends all of that.
 * @param name what it is called
 * @param port it will listen on
 * @param options where its log goes
 * @param args of node, or the whole command of another program
 * @param program what is run
 * @returns it, listening
 */
export async function launch(
  name: string,
  port: number,
  { folder }: Pick<ServerOptions, 'folder'>,
  args: readonly string[],
  program = process.execPath,
): Promise<Server> {
  const log = openSync(join(folder, `${name}.log`), 'a')
  const child = spawn(program, args, { stdio: ['ignore', log, log], detached: true })
  closeSync(log)
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    process.kill(-(child.pid ?? 0), 'SIGKILL')
    await once(child, 'exit')
  }
  await listening(child, port, join(folder, `${name}.log`)).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  return { name, pid: child.pid ?? 0, port, cpu: () => cpuOf(child.pid ?? 0), stop }
}

async function listening(child: ChildProcess, port: number, log: string): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (child.exitCode !== null) break
    const socket = connect(port, '127.0.0.1')
    const greeting = await Promise.race([
      once(socket, 'data').then(
        ([data]) => String(data),
        () => '',
      ),
      pause(1000).then(() => ''),
    ])
    socket.destroy()
    if (greeting.startsWith('220')) return
    await pause(100)
  }
  throw new Error(`it does not listen on ${port}:\n${readFileSync(log, 'utf8').slice(-3000)}`)
}
