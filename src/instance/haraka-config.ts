/** What the instance's own Haraka files say, as far as `start` and `check` need it. */

import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Endpoint } from './endpoint.ts'
import type { Ini } from './ini.ts'
import { readIni } from './ini.ts'
import { normalizeDomain } from '../text/domain-name.ts'

export interface ListenAddress extends Endpoint {
  readonly implicitTls: boolean
}

export interface HarakaConfig {
  readonly listen: readonly ListenAddress[]
  /** Addresses that Haraka would pass over. */
  readonly unreadableListen: readonly string[]
  /** Worker processes; 0 is one process for everything. */
  readonly workers: number
  readonly user: string | null
  readonly group: string | null
  readonly ignoreBadPlugins: boolean
  readonly tlsKey: string
  readonly tlsCertificate: string
  readonly requestCertificate: boolean
  /** `ca` and `crl` of tls.ini, where they are set. */
  readonly tlsCa: string | null
  readonly tlsCrl: string | null
  readonly plugins: readonly string[]
  readonly proxies: readonly string[]
  readonly internalCommandKey: boolean
}

/**
 * @param instance the instance's folder
 * @returns what Haraka will read; a missing file is empty
 */
export function readHarakaConfig(instance: string): HarakaConfig {
  const read = (name: string): string => readConfigFile(instance, name)
  const smtp = readIni(read('smtp.ini'))
  const tls = readIni(read('tls.ini'))
  const { listen, unreadable } = listenAddresses(smtp)
  return {
    listen,
    unreadableListen: unreadable,
    workers: workersOf(smtp),
    user: smtp.text('main', 'user') ?? null,
    group: smtp.text('main', 'group') ?? null,
    ignoreBadPlugins: isTrue(smtp.text('main', 'ignore_bad_plugins')),
    tlsKey: tls.text('main', 'key') ?? 'tls_key.pem',
    tlsCertificate: tls.text('main', 'cert') ?? 'tls_cert.pem',
    requestCertificate: isTrue(tls.text('main', 'requestCert') ?? 'true'),
    tlsCa: tls.text('main', 'ca') ?? null,
    tlsCrl: tls.text('main', 'crl') ?? null,
    plugins: read('plugins')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith(';')),
    proxies: list(readIni(read('connection.ini')), 'haproxy', 'hosts'),
    internalCommandKey: read('internalcmd_key').trim() !== '',
  }
}

function readConfigFile(instance: string, name: string): string {
  try {
    return readFileSync(join(instance, 'config', name), 'utf8')
  } catch {
    return ''
  }
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && /^(?:true|yes|on|ok|enabled|1)$/i.test(text)
}

function list(ini: Ini, section: string, key: string): string[] {
  const value = ini.get(section, key)
  const items: readonly unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value]
  return items.map(String).filter((item) => item !== '')
}

/** As Haraka's get_listen_addrs: port 25 on every address when nothing is said. */
function listenAddresses(smtp: Ini): { listen: ListenAddress[]; unreadable: string[] } {
  const implicit = Number(smtp.get('main', 'smtps_port') ?? 465)
  const texts = (smtp.text('main', 'listen') ?? '').split(',').map((text) => text.trim())
  const port = smtp.text('main', 'port')
  if (port !== undefined) texts.unshift(`${smtp.text('main', 'listen_host') ?? '[::0]'}:${port}`)
  const given = texts.filter((text) => text !== '')
  const listen: ListenAddress[] = []
  const unreadable: string[] = []
  for (const text of given.length === 0 ? ['[::0]:25'] : given) {
    const address = listenAddress(text, implicit)
    if (address === null) unreadable.push(text)
    else listen.push(address)
  }
  return { listen, unreadable }
}

function listenAddress(text: string, implicit: number): ListenAddress | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/i.exec(text)
  if (match === null) return null
  const [, literal, name, digits = '25'] = match
  const host = literal ?? name ?? ''
  const port = Number(digits)
  return { host: host === '::0' ? '::' : host, port, implicitTls: port === implicit }
}

function workersOf(smtp: Ini): number {
  const nodes = smtp.get('main', 'nodes')
  if (nodes === 'cpus') return availableParallelism()
  return nodes === undefined ? 1 : Number(nodes) || 0
}

/**
 * @param instance the instance's folder
 * @returns the name in config/me, in A-label form; null where there is none, or none that is a name
 */
export function hostNameOf(instance: string): string | null {
  try {
    return normalizeDomain(readFileSync(join(instance, 'config', 'me'), 'utf8').trim())
  } catch {
    return null
  }
}
