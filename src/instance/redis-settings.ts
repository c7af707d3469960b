/** `config/redis.ini`: where Redis is, and as whom it is spoken to. */

import { readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { createSecureContext } from 'node:tls'
import { z } from 'zod'
import type { Problem } from '../directory/model.ts'
import type { RedisAddress, RedisConnection } from '../directory/redis/client.ts'
import { printable } from '../text/printable.ts'
import { parseEndpoint } from './endpoint.ts'
import type { Ini } from './ini.ts'
import { count, flag, iniProblem, list, readIniFile, text } from './ini-schema.ts'
import { messageOf } from '../text/message-of.ts'

export interface RedisSettings {
  /** As a mail node. */
  readonly reader: RedisConnection
  /** As a command that changes the directory. */
  readonly writer: RedisConnection
  readonly prefix: string
  readonly replicas: number
  readonly cache: { readonly maxBytes: number; readonly ttlMilliseconds: number }
}

export interface ReadRedisSettings {
  /** When there are problems these are not to be used. */
  readonly redis: RedisSettings
  readonly problems: readonly Problem[]
}

/** The file's name in problems. */
export const REDIS_FILE = 'config/redis.ini'

const endpoints = () =>
  list().transform((items, context): readonly RedisAddress[] => {
    const parsed = items.flatMap((item) => parseEndpoint(item, undefined) ?? [])
    if (parsed.length === items.length) return parsed
    context.addIssue({
      code: 'custom',
      message: `"${printable(items.join(', '))}" is no list of HOST:PORT|write e.g. redis1.contoso.com:26379, 192.0.2.2:26379`,
    })
    return z.NEVER
  })

const prefix = () =>
  text().transform((given, context) => {
    if (given === '') return 'connectors'
    if (/^[a-z0-9_.:-]{1,100}$/i.test(given)) return given
    context.addIssue({
      code: 'custom',
      message: `"${printable(given)}" cannot be part of a key|use letters, digits, "-", "_", "." and ":"`,
    })
    return z.NEVER
  })

const user = { username: text(), password: text(), password_file: text() }

const SCHEMA = z.object({
  server: z.object({
    host: text().transform((given) => (given === '' ? '127.0.0.1' : given)),
    port: count(6379, 1, 65_535),
  }),
  opts: z.object({ ...user, database: count(0, 0, 1_000_000) }),
  writer: z.object(user),
  sentinel: z.object({ hosts: endpoints(), master: text(), ...user }),
  cluster: z.object({ hosts: endpoints() }),
  tls: z.object({ enabled: flag(false), ca: text(), cert: text(), key: text(), server_name: text() }),
  redis: z.object({
    prefix: prefix(),
    replicas: count(0, 0, 100),
    command_timeout: count(200, 10, 10_000),
    connect_timeout: count(1000, 50, 60_000),
    cache_bytes: count(67_108_864, 1_048_576, 100_000_000_000),
    cache_ttl: count(60, 1, 86_400),
  }),
})

type Data = z.output<typeof SCHEMA>

interface Credentials {
  readonly username: string | null
  readonly password: string | null
}

type Report = (section: string, key: string, what: string, mend: string) => void

/**
 * @param instance the instance's folder
 * @param environment where secrets may be, beside files and the settings themselves
 * @returns where Redis is, and everything that is wrong with the settings; no problem holds a secret
 */
export function readRedisSettings(
  instance: string,
  environment: NodeJS.ProcessEnv = process.env,
): ReadRedisSettings {
  const { data, problems, ini } = readIniFile(instance, REDIS_FILE, SCHEMA)
  const found: Problem[] = [...problems]
  const report: Report = (section, key, what, mend) => {
    found.push(iniProblem(REDIS_FILE, ini.line(section, key), `[${section}] ${key} ${what}`, mend))
  }
  const config = join(instance, 'config')
  const secret = (section: 'opts' | 'writer' | 'sentinel', variable: string): Credentials =>
    credentials(data[section], environment, variable, config, (key, what, mend) => {
      report(section, key, what, mend)
    })
  const own = secret('opts', 'CONNECTORS_REDIS_PASSWORD')
  const writing = secret('writer', 'CONNECTORS_REDIS_WRITER_PASSWORD')
  const sentinel = secret('sentinel', 'CONNECTORS_REDIS_SENTINEL_PASSWORD')
  const reader: RedisConnection = {
    ...placeOf(data, ini, report),
    ...own,
    sentinelUsername: sentinel.username,
    sentinelPassword: sentinel.password,
    database: data.opts.database,
    tls: tlsOf(data.tls, config, report),
    commandTimeout: data.redis.command_timeout,
    connectTimeout: data.redis.connect_timeout,
  }
  const { cache_bytes: maxBytes, cache_ttl: ttl, replicas } = data.redis
  const redis: RedisSettings = {
    reader,
    writer: writing.username === null && writing.password === null ? reader : { ...reader, ...writing },
    prefix: data.redis.prefix,
    replicas,
    cache: { maxBytes, ttlMilliseconds: ttl * 1000 },
  }
  return { redis, problems: found }
}

function placeOf(
  { server, sentinel, cluster, opts }: Data,
  ini: Ini,
  report: Report,
): Pick<RedisConnection, 'mode' | 'addresses' | 'masterName'> {
  if (sentinel.hosts.length > 0 && cluster.hosts.length > 0) {
    report('cluster', 'hosts', 'and [sentinel] hosts exclude each other', 'keep one of them')
  }
  if (cluster.hosts.length > 0) {
    if (opts.database !== 0) report('opts', 'database', 'must be 0 in a cluster', 'write 0')
    return { mode: 'cluster', addresses: cluster.hosts, masterName: '' }
  }
  if (sentinel.hosts.length > 0) {
    if (sentinel.master === '') {
      report(
        'sentinel',
        'master',
        'is missing',
        "write the name in the Sentinels' line: sentinel monitor NAME",
      )
    }
    return { mode: 'sentinel', addresses: sentinel.hosts, masterName: sentinel.master }
  }
  if (sentinel.master !== '' && ini.text('sentinel', 'hosts') !== undefined) {
    report('sentinel', 'hosts', 'is empty, though a master is named', 'list the Sentinels, or empty master')
  }
  return { mode: 'server', addresses: [server], masterName: '' }
}

/**
 * The environment counts before a file, a file before the settings; `VARIABLE_FILE` names a file, as is the custom
 * where secrets are mounted into containers.
 */
function credentials(
  { username, password, password_file: ownFile }: Data['writer'],
  environment: NodeJS.ProcessEnv,
  variable: string,
  config: string,
  report: (key: string, what: string, mend: string) => void,
): Credentials {
  const named = username === '' ? null : username
  const given = environment[variable] ?? ''
  if (given !== '') return { username: named, password: given }
  const mounted = environment[`${variable}_FILE`] ?? ''
  if (mounted !== '')
    return { username: named, password: firstLine(mounted, config, `${variable}_FILE`, report) }
  if (ownFile !== '')
    return { username: named, password: firstLine(ownFile, config, 'password_file', report) }
  return { username: named, password: password === '' ? null : password }
}

function firstLine(
  file: string,
  config: string,
  key: string,
  report: (key: string, what: string, mend: string) => void,
): string | null {
  const content = contentOf(config, file)
  if (typeof content !== 'string') {
    report(key, content.why, 'name a file that the server may read')
    return null
  }
  const [first = ''] = content.split(/\r?\n/, 1)
  if (first !== '') return first
  report(key, 'names a file whose first line is empty', 'write the password there')
  return null
}

function tlsOf(
  { enabled, ca, cert, key, server_name: serverName }: Data['tls'],
  config: string,
  report: Report,
): ConnectionOptions | null {
  if (!enabled) return null
  const read = (name: string, file: string): string | undefined => {
    if (file === '') return undefined
    const content = contentOf(config, file)
    // OpenSSL takes a file without any certificate, and then trusts nobody.
    if (typeof content === 'string' && name !== 'key' && !content.includes('-----BEGIN CERTIFICATE-----')) {
      report('tls', name, `names ${printable(file)}, which holds no certificate`, 'name a PEM file')
    }
    if (typeof content === 'string') return content
    report('tls', name, content.why, 'name a PEM file that the server may read')
    return undefined
  }
  if ((cert === '') !== (key === '')) {
    report('tls', cert === '' ? 'cert' : 'key', 'is missing', 'cert and key belong together: set both')
  }
  const files = { ca: read('ca', ca), cert: read('cert', cert), key: read('key', key) }
  const options = Object.fromEntries(Object.entries(files).filter(([, content]) => content !== undefined))
  try {
    createSecureContext(options)
  } catch (error) {
    const why = messageOf(error)
    report('tls', 'enabled', `cannot be: ${printable(why)}`, 'mend the files in ca, cert and key')
  }
  return { ...options, ...(serverName === '' ? {} : { servername: serverName }) }
}

function contentOf(config: string, file: string): string | { readonly why: string } {
  try {
    return readFileSync(isAbsolute(file) ? file : join(config, file), 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return {
      why: `names ${printable(file)}, which ${code === 'ENOENT' ? 'is missing' : `cannot be read: ${code ?? message}`}`,
    }
  }
}
