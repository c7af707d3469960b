/** What connectorctl doctor says of a Redis that was set up badly: real servers, each with one thing wrong. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Doctored, StillInstance } from '../support/doctor.ts'
import { doctor, examined, Moulds } from '../support/doctor.ts'
import { hasPrograms } from '../support/programs.ts'
import { applied, file } from '../support/redis-node.ts'
import type { RedisServer } from '../support/redis.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import type { Instance } from '../support/smarthost.ts'
import { atEnd, freePort } from '../support/smarthost.ts'

const moulds = new Moulds()
after(() => moulds.remove())

const ORGANIZATIONS = `organizations:
  - name: contoso
    acceptedDomains: [{ domainName: contoso.com }]
    inboundConnectors:
      - { name: Exchange, connectorType: OnPremises, tlsSenderCertificateName: mail.contoso.com }
`

/** docs/directory.md. */
const READER = 'connectors-reader reset on >geheim %R~{connectors}:* +get +mget +xrange +role +select +info'
const WRITER =
  'connectors-writer reset on >geheim ~{connectors}:* +get +mget +set +del +exists +type +scan +zadd +zrem +zrange +zrangebylex +hset +hdel +hgetall +xadd +xrange +xrevrange +eval +wait +select +info'

/** An instance whose directory is in Redis, with these lines of redis.ini. */
async function node(t: TestContext, port: number, ...lines: string[]): Promise<StillInstance> {
  const instance = await moulds.copy(t, 'organizations: []\n')
  await rm(instance.path('organizations.yaml'))
  await writeFile(
    instance.path('connectors.ini'),
    '[directory]\nstore = redis\n[relay]\npostmaster = a@contoso.com\n',
  )
  await writeFile(instance.path('redis.ini'), ['[server]', `port = ${port}`, ...lines, ''].join('\n'))
  return instance
}

const AS_READER = ['[opts]', 'username = connectors-reader', 'password = geheim']
const AS_BOTH = [...AS_READER, '[writer]', 'username = connectors-writer', 'password = geheim']

/** A server with the users of docs/directory.md and a directory in it. */
async function filled(t: TestContext, ...settings: string[]): Promise<RedisServer> {
  const redis = await startRedis(t, ...settings)
  const instance = await node(t, redis.port)
  await applied(instance as Instance, await file(t, ORGANIZATIONS))
  for (const user of [READER, WRITER]) await redis.client.call('ACL', 'SETUSER', ...user.split(' '))
  return redis
}

function assertFound(found: Doctored, code: string, severity: string, evidence: RegExp): void {
  assert.ok(
    found.of(code).some((finding) => finding.severity === severity && evidence.test(finding.evidence)),
    JSON.stringify(found.findings, null, 2),
  )
}

describe('connectorctl doctor, of Redis,', () => {
  it('finds nothing wrong with one as docs/directory.md has it, and says what it may not see', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await filled(t, 'appendonly yes')
    await redis.client.call('ACL', 'SETUSER', 'default', 'off', 'resetpass')
    const found = await doctor((await node(t, redis.port, ...AS_BOTH)).folder)
    const ours = found.findings.filter(({ code }) => /^(?:redis|directory|clock)-/.test(code))
    assert.deepEqual(
      ours.map(({ code, severity }) => [severity, code]),
      [['info', 'redis-cannot-be-seen']],
    )
    assert.match(ours[0]?.evidence ?? '', /: CONFIG GET save, ACL GETUSER default$/)
    // The directory was read, as the writer.
    assertFound(
      found,
      'certificate-domain-trap',
      'warning',
      /mail\.contoso\.com is no accepted domain of contoso/,
    )
    assertFound(found, 'usage-unknown', 'info', /^unknown: there is no decision in /)
    assert.equal(found.code, 1)
    assertFound(found, 'secret-readable-by-others', 'error', /redis\.ini has mode 644/)
  })

  it('says what a mail node cannot read by itself', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await filled(t, 'appendonly yes')
    await redis.client.call('ACL', 'SETUSER', 'default', 'off', 'resetpass')
    const found = await examined((await node(t, redis.port, ...AS_READER)).folder)
    assertFound(found, 'directory-not-read', 'info', /^NOPERM/)
    assert.deepEqual(found.of('redis-reader-writes'), [])
  })

  it('finds one that is away, and ends all the same', async (t) => {
    const found = await doctor((await node(t, await freePort())).folder)
    assertFound(found, 'redis-unreachable', 'error', /^Redis at 127\.0\.0\.1:\d+: .*ECONNREFUSED/)
    assertFound(found, 'clock-not-compared', 'info', /did not tell its time/)
  })

  it('finds one that takes connections and answers nobody, and ends all the same', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await filled(t)
    redis.pause()
    const found = await doctor((await node(t, redis.port, ...AS_BOTH)).folder)
    redis.resume()
    assertFound(found, 'redis-unreachable', 'error', /timed out|took longer/)
  })

  it('finds a wrong password', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await filled(t)
    const lines = ['[opts]', 'username = connectors-reader', 'password = falsch']
    const found = await examined((await node(t, redis.port, ...lines)).folder)
    assertFound(found, 'redis-unreachable', 'error', /WRONGPASS/)
    const writer = [...AS_READER, '[writer]', 'username = connectors-writer', 'password = falsch']
    const other = await examined((await node(t, redis.port, ...writer)).folder)
    assertFound(other, 'redis-unreachable', 'warning', /as \[writer\], user connectors-writer: WRONGPASS/)
    assertFound(other, 'directory-not-read', 'warning', /WRONGPASS/)
  })

  it('finds that everybody is let in', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await filled(t)
    assertFound(
      await examined((await node(t, redis.port)).folder),
      'redis-default-user-open',
      'warning',
      /redis\.ini has no user and no password$/,
    )
    assertFound(
      await examined((await node(t, redis.port, ...AS_BOTH)).folder),
      'redis-default-user-open',
      'warning',
      /PING was answered without a password$/,
    )
  })

  it('finds nodes that may write', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await filled(t)
    await redis.client.call('ACL', 'SETUSER', 'default', 'off', 'resetpass')
    const lines = ['[opts]', 'username = connectors-writer', 'password = geheim']
    const found = await examined((await node(t, redis.port, ...lines)).folder)
    assertFound(found, 'redis-reader-writes', 'warning', /may DEL keys, and \[writer\] names no other$/)
  })

  it('finds that nothing is kept on disk, or snapshots only, or that they fail', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await filled(t)
    const instance = await node(t, redis.port)
    assertFound(
      await examined(instance.folder),
      'redis-persistence-off',
      'error',
      /appendonly no, and save is empty$/,
    )
    await redis.client.config('SET', 'save', '3600 1')
    assertFound(
      await examined(instance.folder),
      'redis-persistence-off',
      'warning',
      /appendonly no; snapshots: save 3600 1$/,
    )
    // A folder in the place of the file that it is renamed to.
    await mkdir(join(redis.folder, 'dump.rdb', 'x'), { recursive: true })
    await redis.client.bgsave().catch(() => undefined)
    while (!/rdb_last_bgsave_status:err/.test(await redis.client.info('persistence'))) await delay(20)
    assertFound(await examined(instance.folder), 'redis-write-failed', 'error', /rdb_last_bgsave_status: err/)
  })

  it('finds one that forgets when it is full', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await filled(t)
    const instance = await node(t, redis.port, ...AS_BOTH)
    await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru')
    assertFound(
      await examined(instance.folder),
      'redis-eviction',
      'warning',
      /allkeys-lru, and no maxmemory yet$/,
    )
    await redis.client.config('SET', 'maxmemory', '100mb')
    assertFound(
      await examined(instance.folder),
      'redis-eviction',
      'error',
      /allkeys-lru, maxmemory 104857600$/,
    )
    await redis.client.config('SET', 'maxmemory-policy', 'volatile-lru')
    assert.deepEqual((await examined(instance.folder)).of('redis-eviction'), [])
  })

  it('finds a default user under whom the append-only file cannot be replayed', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await filled(t, 'appendonly yes')
    await redis.client.call('ACL', 'SETUSER', 'administrator', 'on', '>geheim', '~*', '&*', '+@all')
    const lines = [...AS_READER, '[writer]', 'username = administrator', 'password = geheim']
    const instance = await node(t, redis.port, ...lines)
    assert.deepEqual((await examined(instance.folder)).of('redis-default-user-without-commands'), [])
    await redis.client.call('ACL', 'SETUSER', 'default', 'off', 'resetpass', '-@all')
    const found = await examined(instance.folder)
    const severity = /Redis [67]\./.test(found.of('redis-default-user-without-commands')[0]?.evidence ?? '')
      ? 'error'
      : 'warning'
    assertFound(found, 'redis-default-user-without-commands', severity, /default user: -@all ~\*/)
    assert.deepEqual(found.of('redis-cannot-be-seen'), [])
  })

  it('finds replicas that are missing, that are not in step, and a replica in the place of a master', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await filled(t, 'repl-diskless-sync yes', 'repl-diskless-sync-delay 60')
    const instance = await node(t, redis.port, '[redis]', 'replicas = 2')
    assertFound(
      await examined(instance.folder),
      'redis-replicas-missing',
      'error',
      /: 0 connected, 2 wanted$/,
    )
    // Half a replica: it asks for the data, and is told to wait.
    const half = connect({ port: redis.port })
    atEnd(t, () => half.destroy())
    // To one that takes the data from the socket alone Redis sends them after the delay; to others at once, from a file.
    half.write('REPLCONF capa eof\r\n')
    await once(half, 'data')
    half.write('PSYNC ? -1\r\n')
    while (!(await redis.client.info('replication')).includes('connected_slaves:1')) await delay(10)
    const found = await examined(instance.folder)
    assertFound(found, 'redis-replicas-missing', 'error', /: 1 connected, 2 wanted$/)
    assertFound(found, 'redis-replica-behind', 'warning', /: 127\.0\.0\.1:0 is wait_bgsave, 0 s behind$/)
    await redis.client.call('REPLICAOF', '127.0.0.1', String(await freePort()))
    assertFound(
      await examined(instance.folder),
      'redis-is-replica',
      'error',
      /is a replica of 127\.0\.0\.1:\d+, whose link is down$/,
    )
  })

  it('finds a directory that is missing, damaged, or older than one that was seen', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const empty = await startRedis(t)
    assertFound(
      await examined((await node(t, empty.port)).folder),
      'directory-missing',
      'error',
      /, prefix \{connectors\}$/,
    )
    const redis = await filled(t)
    const instance = await node(t, redis.port)
    const seen = JSON.stringify({ epoch: Date.now() + 1e6, number: 7, id: 'abc' })
    await writeFile(join(instance.folder, 'data', 'directory.json'), seen)
    assertFound(
      await examined(instance.folder),
      'directory-went-back',
      'error',
      /is at \d+-1; this node has seen \d+-7$/,
    )
    await redis.client.set('{connectors}:domain:contoso.com', '\u001b[31m{')
    assertFound(
      await examined(instance.folder),
      'directory-damaged',
      'error',
      /^\{connectors\}:domain:contoso\.com /,
    )
    await redis.client.set('{connectors}:header', '[]')
    assertFound(await examined(instance.folder), 'directory-damaged', 'error', /\{connectors\}:header: /)
  })

  it('finds that the clocks differ', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await filled(t)
    const instance = await node(t, await slowClock(t, redis.port))
    assertFound(
      await examined(instance.folder),
      'clock-differs',
      'error',
      /^Redis' clock is \d+\.\d s behind this machine's$/,
    )
  })
})

/** Stands before a Redis and lets its clock be years behind. */
async function slowClock(t: TestContext, port: number): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const redis = connect({ port })
    for (const socket of [client, redis]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    client.pipe(redis)
    redis.on('data', (chunk: Buffer) => {
      client.write(chunk.toString('latin1').replace(/server_time_usec:\d/, 'server_time_usec:0'), 'latin1')
    })
    redis.on('close', () => client.destroy())
    client.on('close', () => redis.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(t, () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
