/** Who else on this machine can read the secrets, or change who may relay; and whether the server can read its own. */

import { execFile } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'
import type { HarakaConfig } from '../instance/haraka-config.ts'
import { readIni } from '../instance/ini.ts'
import { groupId, idOf } from '../instance/prepare.ts'
import { isMessage } from '../outbound/spool/names.ts'
import { ownerFolders } from '../outbound/spool/owners.ts'
import type { FindingCode } from './codes.ts'
import type { Report } from './finding.ts'

const run = promisify(execFile)

export type PathKind = 'key' | 'secret' | 'settings' | 'mail'

export interface PathFacts {
  /** For people. */
  readonly path: string
  readonly kind: PathKind
  /** The permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly isFolder: boolean
  /** Whether the server has to use it. */
  readonly needed: boolean
}

export interface ServerUser {
  readonly user: string
  readonly uid: number
  readonly gids: readonly number[]
}

export interface PermissionFacts {
  readonly paths: readonly PathFacts[]
  /** Whom the server runs as: `user` of smtp.ini; null when it keeps the user that it is started by. */
  readonly server: ServerUser | null
  /** Who may own secrets beside root: the server, and whoever owns data/. */
  readonly owners: readonly number[]
}

const SETTINGS = [
  '.',
  'connection.ini',
  'connectors.ini',
  'organizations.yaml',
  'plugins',
  'redis.ini',
  'smtp.ini',
  'tls.ini',
] as const

/**
 * @param instance the instance's folder
 * @param haraka what Haraka's files say
 * @param queue the queue's folder
 * @returns what is there
 */
export async function permissionFacts(
  instance: string,
  { tlsKey, user, group }: HarakaConfig,
  queue: string,
): Promise<PermissionFacts> {
  const config = join(instance, 'config')
  const wanted: Wanted[] = [
    { path: join(config, tlsKey), kind: 'key', needed: true },
    { path: join(config, 'internalcmd_key'), kind: 'secret', needed: false },
    ...(await redisSecrets(config)),
    ...SETTINGS.map((name): Wanted => ({ path: join(config, name), kind: 'settings', needed: true })),
    { path: queue, kind: 'mail', needed: true },
    ...(await mailOf(queue)),
    { path: join(instance, 'data'), kind: 'mail', needed: true },
  ]
  const found = await Promise.all(
    wanted.map(async (one): Promise<PathFacts | null> => {
      const stats = await stat(one.path).catch(() => null)
      if (stats === null) return null
      const { mode, uid, gid } = stats
      return { ...one, mode: mode & 0o777, uid, gid, isFolder: stats.isDirectory() }
    }),
  )
  return { ...(await usersOf(instance, { user, group })), paths: found.filter((one) => one !== null) }
}

/**
 * @param instance the instance's folder
 * @param haraka whom Haraka's files say that it runs as
 * @returns whom the server runs as, and who may own secrets
 */
export async function usersOf(
  instance: string,
  { group, user }: Pick<HarakaConfig, 'group' | 'user'>,
): Promise<Pick<PermissionFacts, 'owners' | 'server'>> {
  const server = await serverUser(user, group)
  const data = await stat(join(instance, 'data')).catch(() => null)
  return { server, owners: [server?.uid, data?.uid].filter((uid) => uid !== undefined) }
}

type Wanted = Pick<PathFacts, 'path' | 'kind' | 'needed'>

/** A file or folder that somebody brought back from a backup, or made as root, is one that the server cannot read. */
const MOST_MAIL = 1_000

/** What processes have of the queue. */
async function mailOf(queue: string): Promise<Wanted[]> {
  const folders = await ownerFolders(queue).catch(() => [])
  const paths: string[] = []
  for (const name of folders.slice(0, MOST_MAIL)) {
    const folder = join(queue, name)
    const files = await readdir(folder).catch(() => [])
    const messages = files.filter((file) => isMessage(file)).toSorted()
    paths.push(folder, ...messages.slice(0, MOST_MAIL).map((file) => join(folder, file)))
    if (paths.length > MOST_MAIL) break
  }
  return paths.map((path) => ({ path, kind: 'mail', needed: true }))
}

/** redis.ini itself where a password stands in it, and the files that it names. The server needs none but its own. */
async function redisSecrets(config: string): Promise<Wanted[]> {
  const path = join(config, 'redis.ini')
  const ini = readIni(await readFile(path, 'utf8').catch(() => ''))
  const wanted: Wanted[] = []
  const add = (file: string, kind: PathKind, needed: boolean): void => {
    if (file !== '') wanted.push({ path: isAbsolute(file) ? file : join(config, file), kind, needed })
  }
  const sections = ['opts', 'writer', 'sentinel']
  if (sections.some((section) => (ini.text(section, 'password') ?? '') !== '')) add(path, 'secret', false)
  for (const section of sections)
    add(ini.text(section, 'password_file') ?? '', 'secret', section !== 'writer')
  add(ini.text('tls', 'key') ?? '', 'key', true)
  return wanted
}

/** A user or a group that is missing is `start`'s to tell. */
async function serverUser(user: string | null, group: string | null): Promise<PermissionFacts['server']> {
  if (user === null) return null
  try {
    const uid = await idOf('-u', user)
    // Haraka takes the groups that the user has as well.
    const { stdout } = await run('id', ['-G', '--', user])
    const own = stdout.trim().split(' ').map(Number)
    return { user, uid, gids: group === null ? own : [await groupId(group), ...own] }
  } catch {
    return null
  }
}

/** What others may not do with it, and which finding it is when they may. */
const FORBIDDEN: Readonly<Record<PathKind, { readonly bits: number; readonly code: FindingCode }>> = {
  key: { bits: 0o007, code: 'key-readable-by-others' },
  secret: { bits: 0o007, code: 'secret-readable-by-others' },
  settings: { bits: 0o002, code: 'config-writable-by-others' },
  mail: { bits: 0o007, code: 'mail-readable-by-others' },
}

const GROUP = 0o070

/**
 * @param facts what was seen
 * @param report where findings go
 */
export function checkPermissions({ owners, paths, server }: PermissionFacts, report: Report): void {
  for (const facts of paths) {
    const { kind, mode, path } = facts
    const { bits, code } = FORBIDDEN[kind]
    const what = `${path} has mode ${octal(mode)}`
    if ((mode & bits) !== 0) report(kind === 'mail' ? 'warning' : 'error', code, what)
    else if (kind === 'key' && (mode & GROUP) !== 0) report('warning', code, `${what}: its group can read it`)
    if ((kind === 'key' || kind === 'secret') && facts.uid !== 0 && !owners.includes(facts.uid)) {
      report('warning', code, `${path} belongs to user ${facts.uid}, who is neither root nor the server`)
    }
    checkUsable(facts, server, report)
  }
}

function checkUsable(facts: PathFacts, server: ServerUser | null, report: Report): void {
  if (server === null || server.uid === 0 || !facts.needed || isUsable(facts, server)) return
  const { kind, mode, path, uid } = facts
  const needs = kind === 'mail' ? 'has to write there' : 'has to read it'
  report(
    'error',
    'not-readable-by-server',
    `${path} belongs to user ${uid}, mode ${octal(mode)}; the server runs as ${server.user} (${server.uid}) and ${needs}`,
  )
}

/** By its user, by its group, or by everybody. */
function isUsable({ gid, isFolder, kind, mode, uid }: PathFacts, server: ServerUser): boolean {
  const needed = (isFolder ? 0o5 : 0o4) | (kind === 'mail' ? 0o2 : 0)
  const shift = uid === server.uid ? 6 : server.gids.includes(gid) ? 3 : 0
  return ((mode >> shift) & needed) === needed
}

function octal(mode: number): string {
  return mode.toString(8).padStart(3, '0')
}
