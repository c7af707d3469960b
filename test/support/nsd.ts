/**
 * Debian's name servers, one of its own for a test: nsd knows zones, unbound asks it and caches. On free loopback ports, in
 * a folder of their own, ended by their pid.
 */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { atEnd, freePort, temporaryFolder } from './smarthost.ts'

export const NSD = '/usr/sbin/nsd'
export const UNBOUND = '/usr/sbin/unbound'

/** Zones by name: the lines of each, without its SOA. */
export type Zones = Readonly<Record<string, readonly string[]>>

export interface Nsd {
  readonly address: string
  readonly port: number
  /** Other zone files; nothing that was before is served any more when it returns. */
  reload(zones: Zones): Promise<void>
  stop(): Promise<void>
}

/** Ports are tried until one is free on this address, over UDP and TCP. */
const MOST_STARTS = 5

/**
 * @param t the test
 * @param zones what it knows; the same names at each reload
 * @param at where it listens; a port of its own on 127.0.0.1 when left out
 */
export async function startNsd(
  t: TestContext,
  zones: Zones,
  at: { readonly address?: string; readonly port?: number } = {},
): Promise<Nsd> {
  const folder = await temporaryFolder(t)
  const { address = '127.0.0.1' } = at
  const origins = Object.keys(zones)
  let child: ChildProcess | null = null
  let serial = 0
  const stop = async (): Promise<void> => {
    if (child !== null) await end(child)
  }
  atEnd(t, stop)
  const start = async (now: Zones, port: number): Promise<void> => {
    serial += 1
    for (const [origin, lines] of Object.entries(now)) {
      const soa = `@ SOA ns1 hostmaster ${serial} 3600 600 86400 60`
      const text = [`$ORIGIN ${origin}.`, '$TTL 60', soa, ...lines, ''].join('\n')
      await writeFile(join(folder, `${origin}.zone`), text)
    }
    await writeFile(join(folder, 'nsd.conf'), nsdConf(folder, { address, port }, origins))
    child = spawn(NSD, ['-d', '-c', join(folder, 'nsd.conf')], { stdio: 'ignore' })
    await answering({ address, port, child }, origins[0] ?? '', serial)
  }
  for (let tries = 1; ; tries += 1) {
    const port = at.port ?? (await freePort(address))
    try {
      await start(zones, port)
    } catch (error) {
      if (tries < MOST_STARTS && at.port === undefined) continue
      throw error
    }
    return {
      address,
      port,
      // Started anew: for a moment after SIGHUP the old process answers as well as the new one.
      reload: async (now) => {
        await stop()
        await start(now, port)
      },
      stop,
    }
  }
}

function nsdConf(folder: string, at: { address: string; port: number }, origins: string[]): string {
  return [
    'server:',
    `  ip-address: ${at.address}@${at.port}`,
    `  zonesdir: "${folder}"`,
    `  pidfile: "${join(folder, 'nsd.pid')}"`,
    `  xfrdfile: "${join(folder, 'xfrd.state')}"`,
    `  zonelistfile: "${join(folder, 'zone.list')}"`,
    '  database: ""',
    '  username: ""',
    '  server-count: 1',
    'remote-control:',
    '  control-enable: no',
    ...origins.flatMap((origin) => ['zone:', `  name: "${origin}"`, `  zonefile: "${origin}.zone"`]),
    '',
  ].join('\n')
}

export interface Unbound {
  readonly address: string
  readonly port: number
}

/**
 * A resolver that caches.
 * @param t the test
 * @param nsd whom it asks
 * @param origins about which zones
 */
export async function startUnbound(t: TestContext, nsd: Nsd, origins: readonly string[]): Promise<Unbound> {
  const folder = await temporaryFolder(t)
  const address = '127.0.0.1'
  const port = await freePort(address)
  const lines = [
    'server:',
    `  interface: ${address}@${port}`,
    `  directory: "${folder}"`,
    `  pidfile: "${join(folder, 'unbound.pid')}"`,
    '  chroot: ""',
    '  username: ""',
    '  use-syslog: no',
    '  do-not-query-localhost: no',
    '  num-threads: 1',
    '  module-config: "iterator"',
    '  do-ip6: no',
    'remote-control:',
    '  control-enable: no',
    ...origins.flatMap((origin) => [
      'stub-zone:',
      `  name: "${origin}"`,
      `  stub-addr: ${nsd.address}@${nsd.port}`,
    ]),
    '',
  ]
  await writeFile(join(folder, 'unbound.conf'), lines.join('\n'))
  const child = spawn(UNBOUND, ['-d', '-c', join(folder, 'unbound.conf')], { stdio: 'ignore' })
  atEnd(t, () => end(child))
  const [origin = ''] = origins
  await answering({ address, port, child }, origin, 1)
  return { address, port }
}

interface Running {
  readonly address: string
  readonly port: number
  readonly child: ChildProcess
}

/** Waits until it knows a zone at this serial number. */
async function answering({ address, port, child }: Running, origin: string, serial: number): Promise<void> {
  const resolver = new Resolver({ timeout: 250, tries: 1 })
  resolver.setServers([`${address}:${port}`])
  for (;;) {
    try {
      const soa = await resolver.resolveSoa(origin)
      if (soa.serial === serial) return
    } catch {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`port ${port} is taken`)
    }
    await delay(10)
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}
