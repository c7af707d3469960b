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
import { connectionTo, REDIS_SERVER, startRedis } from '../support/redis.ts'
import { atEnd, freePort, temporaryFolder } from '../support/smarthost.ts'

const REDIS_SENTINEL = '/usr/bin/redis-sentinel'
const FORGETFUL = { read: () => null, write: () => undefined }

function organization(...domains: string[]): Organization {
  return {
    name: 'contoso',
    comment: null,
    acceptedDomains: domains.map((name) => domain('contoso', name)),
    inboundConnectors: [],
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

  it('in a cluster of three nodes answers as on one server', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const start = () => startRedis(t, 'cluster-enabled yes', 'cluster-node-timeout 2000')
    const nodes = [await start(), await start(), await start()]
    const ranges = [
      [0, 5460],
      [5461, 10_922],
      [10_923, 16_383],
    ] as const
    for (const [index, node] of nodes.entries()) {
      await node.client.call('CLUSTER', 'ADDSLOTSRANGE', ...(ranges[index] ?? []))
      await node.client.call('CLUSTER', 'MEET', '127.0.0.1', String(nodes[0]?.port))
    }
    for (const node of nodes) {
      await until('the cluster is up', async () =>
        String(await node.client.call('CLUSTER', 'INFO')).includes('cluster_state:ok'),
      )
    }
    const addresses = nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
    const connection = connectionTo(0, { mode: 'cluster', addresses })
    await write(connection, organization('contoso.com'))
    const directory = await open(t, connection)
    assert.equal(await isRegistered(directory, 'contoso.com'), 'yes')
    assert.equal(await isRegistered(directory, 'fabrikam.com'), 'no')
    await write(connection, organization('contoso.com', 'fabrikam.com'))
    await until('the change counts', async () => (await isRegistered(directory, 'fabrikam.com')) === 'yes')
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
