/** Makes a new instance from the templates beside this file. */

import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exists, writeWhole } from './files.ts'
import type { Endpoint } from './endpoint.ts'
import { formatEndpoint } from './endpoint.ts'
import { setIniValue } from './ini.ts'
import { DEMO_CA, prepareInstance } from './prepare.ts'

const TEMPLATE = new URL('./template/', import.meta.url)

export interface InitOptions {
  readonly smtp: Endpoint
  readonly smtps: Endpoint | null
  readonly smartHost: Endpoint | null
  readonly workers: number
  readonly hostname: string | null
  readonly user: string | null
  readonly group: string | null
  readonly demo: boolean
  /** Where the demonstration's sink listens. */
  readonly sink: Endpoint
}

const FILES = [
  'connection.ini',
  'connectors.ini',
  'dhparams.pem',
  'headers.ini',
  'log.ini',
  'organizations.yaml',
  'plugins',
  'redis.ini',
  'smtp.ini',
  'tls.ini',
] as const

/**
 * @param options what the flags of `init` say
 * @returns the files of config/, by name
 */
export async function renderConfig(options: InitOptions): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const name of FILES) files.set(name, await readFile(new URL(name, TEMPLATE), 'utf8'))
  files.set('smtp.ini', renderSmtp(files.get('smtp.ini') ?? '', options))
  files.set('connectors.ini', renderConnectors(files.get('connectors.ini') ?? '', options))
  if (options.demo) {
    files.set('organizations.yaml', await readFile(new URL('organizations.demo.yaml', TEMPLATE), 'utf8'))
  }
  if (options.hostname !== null) files.set('me', `${options.hostname}\n`)
  return files
}

function renderSmtp(text: string, { smtp, smtps, workers, user, group }: InitOptions): string {
  const set = (key: string, value: string): void => {
    changed = setIniValue(changed, 'main', key, value).replace(`${key} = `, `${key}=`)
  }
  let changed = text
  set(
    'listen',
    [smtp, ...(smtps === null ? [] : [smtps])].map((endpoint) => formatEndpoint(endpoint)).join(','),
  )
  if (smtps !== null) set('smtps_port', String(smtps.port))
  if (workers > 0) set('nodes', String(workers))
  if (user !== null) set('user', user)
  if (group !== null) set('group', group)
  return changed
}

function renderConnectors(text: string, { smartHost, demo, sink }: InitOptions): string {
  let changed = text
  const set = (section: string, key: string, value: string): void => {
    changed = setIniValue(changed, section, key, value)
  }
  if (smartHost !== null) set('outbound', 'smart_host', formatEndpoint(smartHost))
  if (demo) {
    set('certificates', 'ca', DEMO_CA)
    set('relay', 'postmaster', 'postmaster@contoso.com')
    if (smartHost === null) set('outbound', 'smart_host', formatEndpoint(sink))
    set('demonstration', 'sink', formatEndpoint(sink))
  }
  return changed
}

/**
 * @param folder where the instance shall be: a new or an empty folder
 * @param options what the flags say
 * @returns a line for each thing that was made
 * @throws with one line, having changed nothing, when the folder is not empty
 */
export async function initInstance(folder: string, options: InitOptions): Promise<string[]> {
  const inside = (await exists(folder)) ? await readdir(folder) : []
  if (inside.length > 0) {
    const what = inside.includes('config') ? 'holds an instance already' : 'is not empty'
    throw new Error(`${folder} ${what}: choose a new folder`)
  }
  const config = join(folder, 'config')
  await mkdir(config, { recursive: true })
  const files = await renderConfig(options)
  // smtp.ini makes the folder an instance: last, so that one that was cut off is none.
  for (const [name, text] of [...files].toSorted(
    ([left], [right]) => Number(left === 'smtp.ini') - Number(right === 'smtp.ini'),
  )) {
    await writeWhole(join(config, name), text)
  }
  return ['config/, queue/, data/', ...(await prepareInstance(folder))]
}
