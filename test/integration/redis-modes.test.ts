/** Redis by TLS, behind Sentinels that fail over, and as a cluster: the same answers, and never a wrong one. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Directory } from '../../src/directory/directory.ts'
import type { Organization } from '../../src/directory/model.ts'
import type { RedisConnection } from '../../src/directory/redis/client.ts'
import { openRedisDirectory } from '../../src/directory/redis/redis-store.ts'
import { DirectoryWriter } from '../../src/directory/redis/writer.ts'
import { Authority, CA } from '../support/authority.ts'
import { domain } from '../support/policy-world.ts'
import { hasPrograms } from '../support/programs.ts'
import type { RedisServer } from '../support/redis.ts'
import { connectionTo, REDIS_SERVER, startRedis } from '../support/redis.ts'
import { atEnd, freePort, temporaryFolder } from '../support/smarthost.ts'

const DOCS = join(import.meta.dirname, '..', '..', 'docs', 'directory.md')
const REDIS_SENTINEL = '/usr/bin/redis-sentinel'
const FORGETFUL = { read: () => null, write: () => undefined }

function organization(...domains: string[]): Organization {
  return {
    name: 'contoso',
    comment: null,
    acceptedDomains: domains.map((name) => domain('contoso', name)),
    inboundConnectors: [],
    outboundConnectors: [],
  }
}

async function write(connection: RedisConnection, after: Organization, replicas = 0): Promise<void> {
  const writer = await DirectoryWriter.open({
    connection,
    prefix: 'c',
    replicas,
    command: 'test',
    seen: null,
  })
  try {
    const before = await writer.organizations.read('contoso')
    const wanted = { nameKey: 'contoso', after, expected: before?.revision ?? null }
    const written = await writer.replace([wanted])
    assert.ok((written?.replicas ?? 0) >= replicas)
  } finally {
    writer.close()
  }
}

async function open(t: TestContext, connection: RedisConnection, said: string[] = []): Promise<Directory> {
  const log = (message: string): void => void said.push(message)
  const directory = await openRedisDirectory({
    connection,
    prefix: 'c',
    seen: FORGETFUL,
    log: { info: log, warn: log, error: log },
    // Nothing is remembered for long: each answer is Redis' own.
    cache: { maxBytes: 1_048_576, ttlMilliseconds: 1 },
    pollMilliseconds: 20,
  })
  atEnd(t, () => directory.close())
  return directory
}

async function isRegistered(directory: Directory, name: string): Promise<'yes' | 'no' | 'unknown'> {
  const fact = (await directory.ask({ presentedNames: [], address: null, domains: [name] })).domain(name)
  if ('unknown' in fact) return 'unknown'
  return fact.acceptedDomain === null ? 'no' : 'yes'
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 30_000
  while (!(await holds())) {
    assert.ok(Date.now() < end, `not in time: ${what}`)
    await delay(20)
  }
}

describe('a directory in Redis', () => {
  it('is spoken to by TLS with a client certificate, and not to a stranger', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const authority = new Authority()
    atEnd(t, () => {
      authority.close()
    })
    const ca = authority.make({ name: 'ca', issuer: null, extensions: CA })
    const server = authority.make({
      name: 'localhost',
      issuer: ca,
      extensions: ['basicConstraints=CA:false', 'subjectAltName=DNS:localhost'],
    })
    const client = authority.make({ name: 'node', issuer: ca, extensions: ['basicConstraints=CA:false'] })
    const port = await freePort()
    await startRedis(
      t,
      `tls-port ${port}`,
      `tls-cert-file ${server.file}`,
      `tls-key-file ${server.keyFile}`,
      `tls-ca-cert-file ${ca.file}`,
    )
    const read = (path: string): string => readFileSync(path, 'utf8')
    const own = { cert: read(client.file), key: read(client.keyFile) }
    const trusting = { ca: read(ca.file), servername: 'localhost', ...own }
    const connection = connectionTo(port, { tls: trusting })
    await write(connection, organization('contoso.com'))
    assert.equal(await isRegistered(await open(t, connection), 'contoso.com'), 'yes')
    // Neither a server that is not of this CA nor one of another name is believed.
    for (const tls of [
      { servername: 'localhost', ...own },
      { ...trusting, servername: 'other.example' },
    ]) {
      const stranger = await open(t, connectionTo(port, { tls }))
      assert.equal(await isRegistered(stranger, 'contoso.com'), 'unknown')
    }
  })

  it('in a cluster of three nodes answers as on one server, to users who may do no more than they must', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const { addresses, nodes } = await cluster(t)
    for (const { client } of nodes) {
      for (const [, line = ''] of readFileSync(DOCS, 'utf8').matchAll(/^ACL SETUSER (.*)$/gm)) {
        const rules = line.replaceAll('SECRET', 'pass').replaceAll('{connectors}', '{c}')
        await client.call('ACL', 'SETUSER', ...rules.split(' '), '+cluster|slots')
      }
      await client.call('ACL', 'SETUSER', 'default', 'resetpass', '-@all', '+@connection')
    }
    const as = (username: string): RedisConnection =>
      connectionTo(0, { mode: 'cluster', addresses, username, password: 'pass' })
    await write(as('connectors-writer'), organization('contoso.com'))
    const directory = await open(t, as('connectors-reader'))
    assert.equal(await isRegistered(directory, 'contoso.com'), 'yes')
    assert.equal(await isRegistered(directory, 'fabrikam.com'), 'no')
    await write(as('connectors-writer'), organization('contoso.com', 'fabrikam.com'))
    await until('the change counts', async () => (await isRegistered(directory, 'fabrikam.com')) === 'yes')
  })

  it('in a cluster asks the replicas of the keys and no others, and writes nothing while keys are moved', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const { addresses, nodes, start } = await cluster(t)
    const slot = Number(await nodes[0]?.client.call('CLUSTER', 'KEYSLOT', '{c}:header'))
    const owner = nodes[RANGES.findIndex(([from, to]) => slot >= from && slot <= to)]
    const other = nodes.find((node) => node !== owner)
    assert.ok(owner !== undefined && other !== undefined)
    const idOf = async ({ client }: RedisServer): Promise<string> =>
      String(await client.call('CLUSTER', 'MYID'))
    // Each master has a replica: only one of them has the keys.
    const replicas = []
    for (const master of nodes) {
      const replica = await start()
      await replica.client.call('CLUSTER', 'MEET', '127.0.0.1', String(master.port))
      const id = await idOf(master)
      await until('the replica is taken', async () =>
        replica.client.call('CLUSTER', 'REPLICATE', id).then(
          () => true,
          () => false,
        ),
      )
      await until('the replica follows', async () =>
        (await replica.client.info('replication')).includes('master_link_status:up'),
      )
      replicas.push(replica)
    }
    const connection = connectionTo(0, { mode: 'cluster', addresses })
    await write(connection, organization('contoso.com'), 1)
    replicas[nodes.indexOf(owner)]?.pause()
    const writer = await DirectoryWriter.open({
      connection,
      prefix: 'c',
      replicas: 1,
      command: 't',
      seen: null,
    })
    atEnd(t, () => {
      writer.close()
    })
    for (let count = 0; count < 2; count++) assert.equal(await writer.confirm(), 0)
    replicas[nodes.indexOf(owner)]?.resume()

    const { client } = owner
    await other.client.call('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', await idOf(owner))
    await client.call('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', await idOf(other))
    await client.call('MIGRATE', '127.0.0.1', String(other.port), '{c}:domain:contoso.com', '0', '1000')
    const before = [await client.get('{c}:header'), await client.xlen('{c}:audit')]
    const stored = await writer.organizations.read('contoso').catch(() => null)
    const after = organization('fabrikam.com')
    const wanted = { nameKey: 'contoso', after, expected: stored?.revision ?? null }
    await assert.rejects(writer.replace([wanted]), /the cluster moves keys/)
    assert.deepEqual([await client.get('{c}:header'), await client.xlen('{c}:audit')], before)
  })

  it('behind Sentinels outlives its master: unknown in the gap, never a wrong answer', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER, REDIS_SENTINEL)) return
    const { master, connection } = await sentinels(t)
    await write(connection, organization('contoso.com'), 1)
    const directory = await open(t, connection)
    assert.equal(await isRegistered(directory, 'contoso.com'), 'yes')
    await master.stop()
    let gap = 0
    await until('the replica is master', async () => {
      const answers = [
        await isRegistered(directory, 'contoso.com'),
        await isRegistered(directory, 'other.com'),
      ]
      assert.notEqual(answers[0], 'no')
      assert.notEqual(answers[1], 'yes')
      if (answers.includes('unknown')) gap++
      return gap > 0 && answers[0] === 'yes' && answers[1] === 'no'
    })
    await write(connection, organization('contoso.com', 'later.com'))
    await until('a change counts', async () => (await isRegistered(directory, 'later.com')) === 'yes')
  })

  it('whose new master lacks the last writes is believed by nobody until it is accepted', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER, REDIS_SENTINEL)) return
    const { master, replica, connection } = await sentinels(t)
    await write(connection, organization('contoso.com'), 1)
    const said: string[] = []
    const directory = await open(t, connection, said)
    // It gets nothing from here on, but looks alive to the Sentinels.
    await replica.client.config('SET', 'masterauth', 'wrong')
    await replica.client.call('REPLICAOF', '127.0.0.1', '1')
    await write(connection, organization('contoso.com', 'lost.com'))
    await until('the node saw it', async () => (await isRegistered(directory, 'lost.com')) === 'yes')
    await master.stop()
    await replica.client.call('REPLICAOF', 'NO', 'ONE')
    const direct = connectionTo(replica.port)
    const seen = directory.summary().revision.split('-').map(Number)
    const history = { epoch: seen[0] ?? 0, number: seen[1] ?? 0, id: 'seen before' }
    const late = await openRedisDirectory({
      connection: direct,
      prefix: 'c',
      seen: { read: () => history, write: () => undefined },
      log: { info: () => undefined, warn: () => undefined, error: (message) => void said.push(message) },
      cache: { maxBytes: 1_048_576, ttlMilliseconds: 1 },
    })
    atEnd(t, () => late.close())
    assert.equal(await isRegistered(late, 'contoso.com'), 'unknown')
    assert.equal(await isRegistered(late, 'lost.com'), 'unknown')
    assert.match(said.join('\n'), /went back in time/)
    const writer = await DirectoryWriter.open({
      connection: direct,
      prefix: 'c',
      replicas: 0,
      command: 'accept',
      seen: history,
    })
    atEnd(t, () => {
      writer.close()
    })
    await writer.accept()
    await until('it is accepted', async () => (await isRegistered(late, 'contoso.com')) === 'yes')
    assert.equal(await isRegistered(late, 'lost.com'), 'no')
  })
})

const RANGES = [
  [0, 5460],
  [5461, 10_922],
  [10_923, 16_383],
] as const

async function cluster(t: TestContext) {
  const start = () => startRedis(t, 'cluster-enabled yes', 'cluster-node-timeout 2000')
  const nodes = [await start(), await start(), await start()]
  for (const [index, node] of nodes.entries()) {
    await node.client.call('CLUSTER', 'ADDSLOTSRANGE', ...(RANGES[index] ?? []))
    await node.client.call('CLUSTER', 'MEET', '127.0.0.1', String(nodes[0]?.port))
  }
  for (const node of nodes) {
    await until('the cluster is up', async () =>
      String(await node.client.call('CLUSTER', 'INFO')).includes('cluster_state:ok'),
    )
  }
  return { nodes, start, addresses: nodes.map(({ port }) => ({ host: '127.0.0.1', port })) }
}

async function sentinels(t: TestContext) {
  const master = await startRedis(t, 'repl-diskless-sync-delay 0')
  const replica = await startRedis(t, `replicaof 127.0.0.1 ${master.port}`)
  await until('the replica follows', async () =>
    (await replica.client.info('replication')).includes('master_link_status:up'),
  )
  const folder = await temporaryFolder(t)
  const addresses = []
  for (const name of ['one', 'two', 'three']) {
    const port = await freePort()
    const path = join(folder, `${name}.conf`)
    await writeFile(
      path,
      [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${folder}`,
        `sentinel monitor mail 127.0.0.1 ${master.port} 2`,
        'sentinel down-after-milliseconds mail 500',
        'sentinel failover-timeout mail 3000',
        '',
      ].join('\n'),
    )
    const child = spawn(REDIS_SENTINEL, [path], { stdio: 'ignore' })
    atEnd(t, () => child.kill('SIGKILL'))
    addresses.push({ host: '127.0.0.1', port })
  }
  const [first] = addresses
  const probe = new Redis({
    port: first?.port ?? 0,
    protocol: 2,
    retryStrategy: () => 20,
  })
  probe.on('error', () => undefined)
  await until('the Sentinels know each other and the replica', async () => {
    const state = await probe.call('SENTINEL', 'MASTER', 'mail').catch(() => [])
    const fields = (state as string[]).map(String)
    const value = (name: string): string => fields[fields.indexOf(name) + 1] ?? ''
    return value('num-slaves') === '1' && value('num-other-sentinels') === '2'
  })
  probe.disconnect()
  const connection = connectionTo(0, { mode: 'sentinel', addresses, masterName: 'mail' })
  return { master, replica, connection }
}
