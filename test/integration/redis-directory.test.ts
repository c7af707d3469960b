/** A smarthost on a directory in Redis: connectorctl fills it, nodes follow, and what goes wrong is never a wrong 550. */

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { hasPrograms } from '../support/programs.ts'
import { applied, ask, file, makeNode, until } from '../support/redis-node.ts'
import type { RedisServer } from '../support/redis.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import type { Smarthost } from '../support/smarthost.ts'
import { connectorctl, startInstance } from '../support/smarthost.ts'

/** The lines of docs/directory.md. */
const DOCS = new URL('../../docs/directory.md', import.meta.url)

const CONTOSO = `organizations:
  - name: contoso
    comment: moved from Exchange Online
    acceptedDomains:
      - domainName: contoso.com
        matchSubDomains: true
    inboundConnectors:
      - name: Datacentre
        connectorType: OnPremises
        senderIPAddresses: [127.0.0.2]
`

const FABRIKAM = `  - name: fabrikam
    acceptedDomains: [{ domainName: fabrikam.com }]
    inboundConnectors:
      - name: Branch
        connectorType: OnPremises
        senderIPAddresses: [127.0.0.3]
`

describe('a directory in Redis', () => {
  it('is filled by apply, read back by export, and the same file changes nothing', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    const path = await file(t, CONTOSO + FABRIKAM)
    const run = (...args: string[]) => connectorctl(...args, '--instance', node.folder)

    const unasked = await run('apply', path)
    assert.equal(unasked.code, 1)
    assert.match(unasked.stdout, /\+ organization contoso\n.*\+ accepted-domain contoso\.com/)
    assert.match(unasked.stderr, /add --yes/)
    assert.equal(await redis.client.dbsize(), 0)
    assert.equal((await run('apply', path, '--dry-run')).code, 0)
    assert.equal(await redis.client.dbsize(), 0)

    assert.match(await applied(node, path), /2 organisations to add, 0 to change, 0 to remove/)
    assert.match(await applied(node, path), /nothing to change/)
    const exported = await run('export')
    assert.match(exported.stdout, /moved from Exchange Online/)
    assert.match(await applied(node, await file(t, exported.stdout)), /nothing to change/)

    // Without --prune what is not in the file stays.
    assert.match(await applied(node, await file(t, CONTOSO)), /nothing to change/)
    assert.match(await applied(node, await file(t, CONTOSO), '--prune'), /1 to remove/)
    const { stdout } = await run('directory', 'audit', '--json')
    const [last] = stdout.trim().split('\n')
    const entry = JSON.parse(last ?? '') as Record<string, string>
    assert.equal(entry['organization'], 'fabrikam')
    assert.equal(entry['after'], '')
    assert.match(entry['who'] ?? '', /@/)
    assert.match(
      (await run('directory', 'verify')).stdout,
      /^sound: 1 organisations, 1 accepted domains, 1 inbound/,
    )
  })

  it('moves a domain from one organisation to another at once, in whatever order the file has them', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    const of = (left: string, right: string): string =>
      `organizations:\n  - name: a\n    acceptedDomains: [${left}]\n  - name: b\n    acceptedDomains: [${right}]\n`
    const one = '{domainName: contoso.com}'
    await applied(node, await file(t, of(one, '')))
    await applied(node, await file(t, of('', one)))
    assert.match(await redis.client.get('{connectors}:domain:contoso.com').then(String), /"organization":"b"/)
    await applied(node, await file(t, of(one, '')))
    assert.match(await redis.client.get('{connectors}:domain:contoso.com').then(String), /"organization":"a"/)
    const writes = await redis.client.xlen('{connectors}:changes')
    assert.equal(writes, 3)
  })

  it('with a mistake in the file is not touched', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    const path = await file(t, CONTOSO.replace('contoso.com', 'not a domain'))
    const { code, stderr } = await connectorctl('apply', path, '--yes', '--instance', node.folder)
    assert.equal(code, 1)
    assert.match(stderr, /organizations\.yaml:5:.*not a domain[\s\S]*nothing was changed/)
    assert.equal(await redis.client.dbsize(), 0)
  })

  it('gives its reader and its writer no more than docs/directory.md says', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const lines = (await readFile(DOCS, 'utf8')).matchAll(/^ACL SETUSER (.*)$/gm)
    for (const [, line = ''] of lines) {
      await redis.client.call('ACL', 'SETUSER', ...line.replaceAll('SECRET', 'pass').split(' '))
    }
    await redis.client.call('ACL', 'SETUSER', 'default', 'resetpass', '-@all')
    const node = await makeNode(t, redis, [
      '[opts]',
      'username = connectors-reader',
      'password_file = reader.txt',
      '[writer]',
      'username = connectors-writer',
      'password = pass',
    ])
    await writeFile(node.path('reader.txt'), 'pass\n')
    await applied(node, await file(t, CONTOSO))
    const run = (...args: string[]) => connectorctl(...args, '--instance', node.folder)
    for (const command of [['export'], ['directory', 'audit'], ['directory', 'verify'], ['check']]) {
      const { code, stderr, stdout } = await run(...command)
      assert.equal(code, 0, `${command.join(' ')}: ${stderr}${stdout}`)
    }
    const smarthost = await startInstance(t, node)
    await until(smarthost, 'kate@contoso.com', /^250/, 2000)
    assert.ok(!smarthost.output().includes('pass\n') && !smarthost.output().includes('NOPERM'))
    // Who may only read cannot write.
    const asReader = ['[opts]', 'username = connectors-reader', 'password = pass']
    await writeFile(node.path('redis.ini'), `[server]\nport = ${redis.port}\n${asReader.join('\n')}\n`)
    const refused = await run('directory', 'accept', '--yes')
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /does not let this user/)
    await smarthost.stop()
  })
})

describe('a smarthost on a directory in Redis', () => {
  it('follows every change within a second, and starts with the directory empty, away and back', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis, ['[redis]', 'cache_ttl = 1'])
    await redis.stop()
    const smarthost = await startInstance(t, node)
    await smarthost.printed(/cannot be asked/)
    assert.match(await ask(smarthost, 'kate@contoso.com'), /^451/)
    await redis.start()
    await smarthost.printed(/Redis holds no directory: fill it with connectorctl apply/)
    assert.match(await ask(smarthost, 'kate@contoso.com'), /^451/)
    await applied(node, await file(t, CONTOSO))
    await until(smarthost, 'kate@contoso.com', /^250/, 1000)
    assert.match(await ask(smarthost, 'kate@fabrikam.com'), /^550 5\.7\.64/)
    await applied(node, await file(t, CONTOSO.replace('127.0.0.2', '127.0.0.9')))
    await until(smarthost, 'kate@contoso.com', /^550 5\.7\.64/, 1000)
    await smarthost.stop()
  })

  it('answers 451 and nothing else while Redis hangs, and is right again after it', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis, ['[redis]', 'cache_ttl = 1'])
    await applied(node, await file(t, CONTOSO))
    const smarthost = await startInstance(t, node)
    await until(smarthost, 'kate@contoso.com', /^250/, 2000)
    redis.pause()
    const from = Date.now()
    const seen = new Set<string>()
    while (Date.now() - from < 3000) {
      const began = Date.now()
      seen.add((await ask(smarthost, 'kate@contoso.com')).slice(0, 3))
      seen.add((await ask(smarthost, 'somebody@never.example')).slice(0, 3))
      assert.ok(Date.now() - began < 2000, 'nobody waits long for a server that hangs')
    }
    assert.deepEqual([...seen].toSorted(), ['250', '451'])
    assert.match(await ask(smarthost, 'kate@contoso.com'), /^451 4\.3\.0/)
    redis.resume()
    await until(smarthost, 'kate@contoso.com', /^250/, 3000)
    assert.match(await ask(smarthost, 'somebody@never.example'), /^550/)
    await smarthost.printed(/answers again/)
    await smarthost.stop()
  })

  it('defers everything when Redis comes back empty, on every node, old and new, until apply fills it', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const path = await file(t, CONTOSO)
    const [first, second, third] = await Promise.all([
      makeNode(t, redis),
      makeNode(t, redis),
      makeNode(t, redis),
    ])
    await applied(first, path)
    const [knew, restarted] = await Promise.all([startInstance(t, first), startInstance(t, second)])
    for (const node of [knew, restarted]) await until(node, 'kate@contoso.com', /^250/, 2000)
    // It saves nothing.
    await redis.stop()
    await redis.start()
    const lost =
      /\[ERROR\].*Redis holds no directory, though it held revision \S+: fill it with connectorctl apply/
    for (const node of [knew, restarted]) await node.printed(lost)
    await restarted.stop()
    const [again, young] = await Promise.all([startInstance(t, second), startInstance(t, third)])
    await again.printed(lost)
    await young.printed(/\[ERROR\].*Redis holds no directory: fill it with connectorctl apply/)
    const nodes = [knew, again, young]
    for (const node of nodes) {
      for (const from of ['kate@contoso.com', 'kate@fabrikam.com', '']) {
        assert.match(await ask(node, from), /^451 4\.3\.0/)
      }
    }
    await applied(first, path)
    await Promise.all(nodes.map((node) => until(node, 'kate@contoso.com', /^250/, 1000)))
    for (const node of nodes) assert.match(await ask(node, 'kate@fabrikam.com'), /^550 5\.7\.64/)
    await Promise.all(nodes.map((node) => node.stop()))
  })

  it('is as before when Redis was killed and comes back with its data: in between 451 and what is remembered', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t, 'appendonly yes', 'appendfsync always')
    const node = await makeNode(t, redis, ['[redis]', 'cache_ttl = 1'])
    await applied(node, await file(t, CONTOSO))
    const smarthost = await startInstance(t, node)
    await until(smarthost, 'kate@contoso.com', /^250/, 2000)
    assert.match(await ask(smarthost, 'kate@fabrikam.com'), /^550/)
    await redis.stop('SIGKILL')
    const seen: string[] = []
    while (seen.at(-1) !== '451') {
      assert.match(await ask(smarthost, 'somebody@never.example'), /^451/)
      seen.push((await ask(smarthost, 'kate@contoso.com')).slice(0, 3))
      assert.ok(seen.length < 1000)
    }
    assert.match(seen.join(' '), /^(?:250 )*451$/)
    await redis.start()
    await until(smarthost, 'kate@contoso.com', /^250/, 2000)
    for (const from of ['kate@fabrikam.com', 'somebody@never.example']) {
      assert.match(await ask(smarthost, from), /^550 5\.7\.64/)
    }
    assert.doesNotMatch(smarthost.output(), /holds no directory|back in time/)
    await smarthost.stop()
  })

  it('does not believe a restored older backup before an administrator accepts it', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    await applied(node, await file(t, CONTOSO))
    const backup = await dump(redis)
    await applied(node, await file(t, CONTOSO.replace('127.0.0.2', '127.0.0.9')))
    const smarthost = await startInstance(t, node)
    await until(smarthost, 'kate@contoso.com', /^550/, 2000)
    await restore(redis, backup)
    await smarthost.printed(/went back in time/)
    assert.match(await ask(smarthost, 'kate@contoso.com'), /^451/)
    const { code, stdout } = await connectorctl('directory', 'accept', '--yes', '--instance', node.folder)
    assert.equal(code, 0)
    assert.match(stdout, /1 organisations, 1 accepted domains/)
    await until(smarthost, 'kate@contoso.com', /^250/, 1000)
    await smarthost.stop()
  })

  it('defers what hangs on a damaged record, names its key once, and verify mends it', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis, ['[redis]', 'cache_ttl = 1'])
    await applied(node, await file(t, CONTOSO + FABRIKAM))
    const key = '{connectors}:domain:contoso.com'
    for (const damage of ['{"v":1,"dom', '{"v":2,"domainName":"contoso.com"}', '[]', '{"v":1}']) {
      await redis.client.set(key, damage)
      const smarthost: Smarthost = await startInstance(t, node)
      await smarthost.printed(/the directory is in force/)
      assert.match(await ask(smarthost, 'kate@contoso.com'), /^451/, damage)
      assert.match(await ask(smarthost, 'kate@fabrikam.com', '127.0.0.3'), /^250/)
      await ask(smarthost, 'kate@contoso.com')
      assert.equal(smarthost.output().split(`${key} in Redis`).length - 1, 1, smarthost.output())
      const verify = (...flags: string[]) =>
        connectorctl('directory', 'verify', ...flags, '--instance', node.folder)
      const found = await verify()
      assert.equal(found.code, 1)
      assert.match(found.stdout, /\{connectors\}:domain:contoso\.com .*the audit stream has it/)
      assert.equal((await verify('--mend')).code, 0)
      assert.equal((await verify()).code, 0)
      await until(smarthost, 'kate@contoso.com', /^250/, 1000)
      await smarthost.stop()
    }
  })

  it('defers mail whose outbound connectors are damaged, and verify gives each organisation its own back', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    const outbound = (name: string, port: number): string =>
      `    outboundConnectors:\n      - { name: ${name}, recipientDomains: ['*'], smartHosts: ['127.0.0.1:${port}'] }\n`
    const organizations = `${CONTOSO}${outbound('Filter', 2601)}  - name: contoso/x\n${outbound('Other', 2602)}`
    await applied(node, await file(t, organizations))
    const run = (...args: string[]) => connectorctl(...args, '--instance', node.folder)
    const before = await run('export')
    const key = '{connectors}:outbound-of:contoso'
    for (const damage of ['{"v":1,"conn', '{"v":1,"connectors":[{"name":"Filter"}]}']) {
      await redis.client.set(key, damage)
      const smarthost = await startInstance(t, node)
      await smarthost.printed(/the directory is in force/)
      assert.match(await ask(smarthost, 'kate@contoso.com'), /^451/, damage)
      const found = await run('directory', 'verify')
      assert.equal(found.code, 1)
      assert.match(found.stdout, /\{connectors\}:outbound-of:contoso .*the audit stream has it/)
      assert.equal((await run('directory', 'verify', '--mend')).code, 0)
      assert.equal((await run('directory', 'verify')).code, 0)
      assert.equal((await run('export')).stdout, before.stdout)
      await until(smarthost, 'kate@contoso.com', /^250/, 1000)
      await smarthost.stop()
    }
  })

  it('lets two administrators who write at once lose nothing', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    const names = Array.from({ length: 8 }, (_none, index) => `org${index}`)
    await Promise.all(
      names.map(async (name) => {
        const text = `organizations:\n  - name: ${name}\n    acceptedDomains: [{domainName: ${name}.example}]\n`
        await applied(node, await file(t, text))
      }),
    )
    const { stdout } = await connectorctl('directory', 'verify', '--instance', node.folder)
    assert.match(stdout, /^sound: 8 organisations, 8 accepted domains/)
    // One domain, two organisations: one of them gets it.
    const ended = await Promise.all(
      ['left', 'right'].map(async (name) => {
        const text = `organizations:\n  - name: ${name}\n    acceptedDomains: [{domainName: shared.example}]\n`
        return connectorctl('apply', await file(t, text), '--yes', '--instance', node.folder)
      }),
    )
    assert.deepEqual(new Set(ended.map(({ code }) => code)), new Set([0, 1]))
    assert.match(ended.map(({ stderr }) => stderr).join(''), /shared\.example is registered already/)
  })

  it('keeps what it has when Redis is full: apply says so and changes nothing', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    await applied(node, await file(t, CONTOSO))
    await redis.client.config('SET', 'maxmemory', '1')
    const { code, stderr } = await connectorctl(
      'apply',
      await file(t, CONTOSO + FABRIKAM),
      '--yes',
      '--instance',
      node.folder,
    )
    assert.equal(code, 1)
    assert.match(stderr, /Redis is full \(maxmemory\): nothing was changed/)
    await redis.client.config('SET', 'maxmemory', '0')
    assert.equal((await connectorctl('directory', 'verify', '--instance', node.folder)).code, 0)
  })
})

async function dump({ client }: RedisServer): Promise<Map<string, Buffer>> {
  const copies = new Map<string, Buffer>()
  for (const key of await client.keys('*')) {
    const copy = await client.dumpBuffer(key)
    if (copy !== null) copies.set(key, copy)
  }
  return copies
}

async function restore({ client }: RedisServer, copies: ReadonlyMap<string, Buffer>): Promise<void> {
  const all = client.multi().flushall()
  for (const [key, copy] of copies) all.restore(key, 0, copy)
  await all.exec()
}
