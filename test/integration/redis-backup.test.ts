/** Backup and restore of the directory in Redis, as docs/operations.md says it is done. */

import assert from 'node:assert/strict'
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { hasPrograms } from '../support/programs.ts'
import { applied, ask, file, makeNode, until } from '../support/redis-node.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import { connectorctl, ROOT, startInstance, temporaryFolder } from '../support/smarthost.ts'

const KEPT = ['appendonly yes', 'appendfsync always']

function organizations(address: string): string {
  return `organizations:
  - name: contoso
    comment: "moved\\u2028from Exchange\\nOnline"
    acceptedDomains: [{ domainName: contoso.com, delegatedSubDomains: [b.contoso.com, a.contoso.com] }]
    inboundConnectors:
      - name: Datacentre
        connectorType: OnPremises
        senderIPAddresses: [${address}]
  - name: a sub-domain of its own
    acceptedDomains: [{ domainName: a.contoso.com }]
`
}

describe('a backup of the directory', () => {
  it('by export is brought back by apply into an empty Redis, and nothing is done on the nodes', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t, ...KEPT)
    const node = await makeNode(t, redis)
    const run = (...args: string[]) => connectorctl(...args, '--instance', node.folder)
    await applied(node, await file(t, organizations('127.0.0.2')))
    const smarthost = await startInstance(t, node)
    await until(smarthost, 'kate@contoso.com', /^250/, 2000)
    const backup = await run('export')
    await redis.client.flushall()
    await smarthost.printed(/Redis holds no directory, though it held revision/)
    assert.match(await ask(smarthost, 'kate@contoso.com'), /^451/)
    await applied(node, await file(t, backup.stdout))
    await until(smarthost, 'kate@contoso.com', /^250/, 1000)
    assert.equal((await run('export')).stdout, backup.stdout)
    assert.match((await run('directory', 'verify')).stdout, /^sound: 2 organisations, 2 accepted domains/)
    await smarthost.stop()
  })

  it("by Redis' own files is deferred by the nodes until it is accepted, and counts then", async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t, ...KEPT)
    const node = await makeNode(t, redis)
    await applied(node, await file(t, organizations('127.0.0.2')))
    await redis.stop('SIGTERM')
    const files = join(redis.folder, 'appendonlydir')
    await cp(files, `${files}.backup`, { recursive: true })
    await redis.start()
    await applied(node, await file(t, organizations('127.0.0.9')))
    const smarthost = await startInstance(t, node)
    await until(smarthost, 'kate@contoso.com', /^550/, 2000)

    await redis.stop('SIGTERM')
    await rm(files, { recursive: true })
    await cp(`${files}.backup`, files, { recursive: true })
    await redis.start()
    const line = await smarthost.printed(/went back in time .* connectorctl directory accept --after \d+-\d+/)
    assert.match(await ask(smarthost, 'kate@contoso.com'), /^451/)
    const told = /connectorctl (directory accept --after \d+-\d+)/.exec(line)?.[1]?.split(' ') ?? []
    const accepted = await connectorctl(...told, '--yes', '--instance', node.folder)
    assert.equal(accepted.code, 0, accepted.stderr)
    await until(smarthost, 'kate@contoso.com', /^250/, 1000)
    assert.equal((await connectorctl('directory', 'verify', '--instance', node.folder)).code, 0)
    await smarthost.stop()
  })
})

describe('a Redis with the users of deploy/redis/users.acl', () => {
  it('holds after a restart what was written before', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const folder = await temporaryFolder(t)
    const users = await readFile(join(ROOT, 'deploy', 'redis', 'users.acl'), 'utf8')
    await writeFile(join(folder, 'users.acl'), users.replaceAll(/>[A-Z]+/g, '>pass'))
    const redis = await startRedis(t, ...KEPT, `aclfile ${folder}/users.acl`)
    const as = ['[opts]', 'username = connectors-reader', 'password = pass']
    const node = await makeNode(t, redis, [
      ...as,
      '[writer]',
      'username = connectors-writer',
      'password = pass',
    ])
    await applied(node, await file(t, organizations('127.0.0.2')))
    await redis.stop()
    await redis.start()
    const { stdout } = await connectorctl('directory', 'verify', '--instance', node.folder)
    assert.match(stdout, /^sound: 2 organisations, 2 accepted domains/)
  })
})

describe('connectorctl apply', () => {
  it('of no organisations makes a directory where there is none: nobody may relay, and nothing is deferred', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    const smarthost = await startInstance(t, node)
    await smarthost.printed(/Redis holds no directory/)
    const empty = await file(t, 'organizations: []\n')
    const unasked = await connectorctl('apply', empty, '--instance', node.folder)
    assert.equal(unasked.code, 1)
    assert.match(unasked.stdout, /^\+ directory, without organisations$/m)
    assert.equal(await redis.client.dbsize(), 0)
    await applied(node, empty)
    await until(smarthost, 'kate@contoso.com', /^550 5\.7\.64 TenantAttribution/, 1000)
    assert.match(await applied(node, empty), /nothing to change/)
    await smarthost.stop()
  })

  it('run again says whether the replica has what was written before', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t, 'repl-diskless-sync-delay 0')
    const node = await makeNode(t, redis, ['[redis]', 'replicas = 1'])
    const path = await file(t, organizations('127.0.0.2'))
    const again = () => connectorctl('apply', path, '--yes', '--instance', node.folder)
    assert.match((await again()).stderr, /written, not replicated: 0 of 1/)
    const still = await again()
    assert.equal(still.code, 1)
    assert.match(still.stdout, /nothing to change/)
    assert.match(still.stderr, /written, not replicated: 0 of 1/)
    const replica = await startRedis(t, `replicaof 127.0.0.1 ${redis.port}`)
    while ((await replica.client.exists('{connectors}:header')) === 0);
    const done = await again()
    assert.equal(done.code, 0, done.stderr)
  })
})
