/** Whether Redis keeps the directory, and for whom. */

import type { Revision } from '../directory/redis/header.ts'
import { compareRevisions, formatRevision } from '../directory/redis/header.ts'
import { isAtLeast } from '../haraka/version.ts'
import type { Report } from './finding.ts'
import type { DefaultUser, RedisFacts, RedisServerFacts } from './redis-facts.ts'

/**
 * @param facts what was seen
 * @param report where findings go
 */
export function checkRedisServer(facts: RedisFacts, report: Report): void {
  if (facts.failure !== null) {
    report('error', 'redis-unreachable', `${facts.where}: ${facts.failure}`)
    return
  }
  checkHeader(facts, report)
  checkUsers(facts, report)
  if (facts.writerFailure !== null) {
    report('warning', 'redis-unreachable', `${facts.where}, as [writer], ${facts.writerFailure}`)
  }
  for (const server of facts.servers) {
    checkPersistence(server, report)
    checkDefaultUser(server, report)
    checkEviction(server, report)
    checkReplication(server, facts.wantedReplicas, report)
  }
  if (facts.hidden.length > 0) {
    report('info', 'redis-cannot-be-seen', `${facts.where}: ${facts.hidden.join(', ')}`)
  }
}

function checkHeader({ header, prefix, seen, where }: RedisFacts, report: Report): void {
  if (header === null || header.kind === 'missing') {
    report('error', 'directory-missing', `${where}, prefix {${prefix}}`)
  } else if (header.kind === 'damaged') {
    report('error', 'directory-damaged', `${where}: {${prefix}}:header: ${header.why}`)
  } else if (seen !== null && isOlder(header.revision, seen)) {
    report(
      'error',
      'directory-went-back',
      `${where} is at ${formatRevision(header.revision)}; this node has seen ${formatRevision(seen)}`,
    )
  }
}

/** Another history with the same number is as good as an older one: what was written is not in it. */
function isOlder(found: Revision, seen: Revision): boolean {
  const order = compareRevisions(found, seen)
  return order < 0 || (order === 0 && found.id !== seen.id)
}

function checkUsers({ hasWriter, onLoopback, open, readerWrites, where }: RedisFacts, report: Report): void {
  if (open !== null) {
    report(onLoopback ? 'warning' : 'error', 'redis-default-user-open', `${where}: ${open}`)
    // Everybody may do everything: that the nodes may is no news.
    return
  }
  if (readerWrites === true) {
    const writer = hasWriter ? 'though [writer] names another user' : 'and [writer] names no other'
    report('warning', 'redis-reader-writes', `${where}: the user in [opts] may DEL keys, ${writer}`)
  }
}

function checkPersistence({ info, save, where }: RedisServerFacts, report: Report): void {
  const appendOnly = info.get('aof_enabled')
  if (appendOnly === undefined) return
  if (appendOnly === '0') {
    if (save === '') report('error', 'redis-persistence-off', `${where}: appendonly no, and save is empty`)
    else {
      const snapshots =
        save === null ? 'whether snapshots are saved cannot be seen' : `snapshots: save ${save}`
      report('warning', 'redis-persistence-off', `${where}: appendonly no; ${snapshots}`)
    }
  }
  const failed = ['aof_last_write_status', 'aof_last_bgrewrite_status', 'rdb_last_bgsave_status'].filter(
    (field) => (info.get(field) ?? 'ok') !== 'ok',
  )
  if (failed.length > 0) {
    const what = failed.map((field) => `${field}: ${info.get(field) ?? ''}`).join(', ')
    report('error', 'redis-write-failed', `${where}: ${what}`)
  }
}

/** What the directory's transactions consist of. */
const REPLAYED = ['set', 'del', 'zadd', 'zrem', 'hset', 'hdel', 'xadd']

/** redis/redis#14541: mended in 8.4.4 and 8.6; whether in other lines, and where in Valkey, is not known here. */
function checkDefaultUser({ defaultUser, info, where }: RedisServerFacts, report: Report): void {
  if (defaultUser === null || info.get('aof_enabled') !== '1' || canReplay(defaultUser)) return
  const version = info.get('valkey_version') ?? info.get('redis_version') ?? ''
  const isRedis = !info.has('valkey_version')
  if (isRedis && isAtLeast(version, '8.4.4')) return
  const certain = isRedis && !isAtLeast(version, '8.0.0')
  report(
    certain ? 'error' : 'warning',
    'redis-default-user-without-commands',
    `${where}: ${isRedis ? 'Redis' : 'Valkey'} ${version}, default user: ${defaultUser.commands} ${defaultUser.keys}${certain ? '' : ' (this version may be mended)'}`,
  )
}

function canReplay({ commands, keys }: DefaultUser): boolean {
  const rules = commands.split(/\s+/)
  if (!/(?:^|\s)~\*/.test(keys)) return false
  let everything = false
  const allowed = new Set<string>()
  for (const rule of rules) {
    if (rule === '+@all') everything = true
    else if (rule === '-@all') {
      everything = false
      allowed.clear()
    } else if (rule === '+@write') for (const command of REPLAYED) allowed.add(command)
    else if (rule.startsWith('+')) allowed.add(rule.slice(1))
    else if (rule.startsWith('-') && REPLAYED.includes(rule.slice(1))) return false
  }
  return everything || REPLAYED.every((command) => allowed.has(command))
}

function checkEviction({ info, where }: RedisServerFacts, report: Report): void {
  const policy = info.get('maxmemory_policy')
  // None of the directory's keys has a time to live, which is all that volatile- policies remove.
  if (policy === undefined || !policy.startsWith('allkeys-')) return
  const limited = info.get('maxmemory') !== '0'
  const limit = limited ? `, maxmemory ${info.get('maxmemory') ?? ''}` : ', and no maxmemory yet'
  report(limited ? 'error' : 'warning', 'redis-eviction', `${where}: maxmemory-policy ${policy}${limit}`)
}

const MOST_LAG_SECONDS = 10

function checkReplication(server: RedisServerFacts, wanted: number, report: Report): void {
  const { info, where } = server
  const field = (name: string): string => info.get(name) ?? ''
  if (field('role') === 'slave') {
    const isUp = field('master_link_status') === 'up'
    const master = `${field('master_host')}:${field('master_port')}`
    const evidence = `${where} is a replica of ${master}, whose link is ${isUp ? 'up' : 'down'}`
    report(isUp ? 'warning' : 'error', 'redis-is-replica', evidence)
  }
  if (field('role') !== 'master') return
  const connected = Number(field('connected_slaves'))
  if (connected < wanted) {
    report('error', 'redis-replicas-missing', `${where}: ${connected} connected, ${wanted} wanted`)
  }
  for (let index = 0; index < connected; index += 1) checkReplica(field(`slave${index}`), where, report)
}

/** @param text e.g. `ip=10.0.0.2,port=6379,state=online,offset=42,lag=0` */
function checkReplica(text: string, where: string, report: Report): void {
  const fields = new Map(text.split(',').map((pair) => pair.split('=', 2) as [string, string]))
  const field = (name: string, otherwise: string): string => fields.get(name) ?? otherwise
  const lag = Number(field('lag', '0'))
  const state = field('state', 'online')
  if (state === 'online' && lag <= MOST_LAG_SECONDS) return
  const replica = `${field('ip', '')}:${field('port', '')}`
  report('warning', 'redis-replica-behind', `${where}: ${replica} is ${state}, ${lag} s behind`)
}
