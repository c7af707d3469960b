/** A history that went another way, clocks that are wrong, and records that nobody lists any more. */

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openRedisDirectory } from '../../src/directory/redis/redis-store.ts'
import { DirectoryWriter } from '../../src/directory/redis/writer.ts'
import { domain } from '../support/policy-world.ts'
import { hasPrograms } from '../support/programs.ts'
import { applied, ask, file, makeNode, until } from '../support/redis-node.ts'
import type { RedisServer } from '../support/redis.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import { atEnd, connectorctl, startInstance } from '../support/smarthost.ts'

const ORGANIZATIONS = `organizations:
  - name: Contoso
    comment: kept
    acceptedDomains: [{ domainName: contoso.com }, { domainName: more.example }]
    inboundConnectors:
      - { name: Datacentre, connectorType: OnPremises, senderIPAddresses: [127.0.0.2] }
  - name: fabrikam
    acceptedDomains: [{ domainName: fabrikam.com }]
`

describe('directory verify', () => {
  it('keeps what the lists forgot, and removes what was left over from a removal', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    await applied(node, await file(t, ORGANIZATIONS))
    const before = await connectorctl('export', '--instance', node.folder)
    const stray = await redis.client.get('{connectors}:domain:fabrikam.com')
    await applied(
      node,
      await file(t, ORGANIZATIONS.slice(0, ORGANIZATIONS.indexOf('  - name: fabrikam'))),
      '--prune',
    )
    // What was removed on purpose comes back by mistake; what is owned is listed nowhere; a name is lost.
    await redis.client.set('{connectors}:domain:fabrikam.com', stray ?? '')
    await redis.client.zrem('{connectors}:organizations', 'contoso')
    await redis.client.zrem('{connectors}:domains-of:contoso', 'more.example')
    await redis.client.del('{connectors}:organization:contoso')
    const verify = (...flags: string[]) =>
      connectorctl('directory', 'verify', ...flags, '--instance', node.folder)
    const found = await verify()
    assert.equal(found.code, 1)
    assert.match(found.stdout, /organizations is (?:missing|not what)/)
    assert.match(found.stdout, /domains-of:contoso is not what its organisations say/)
    assert.match(found.stdout, /organization:contoso is missing/)
    assert.match(found.stdout, /domain:fabrikam\.com belongs to nothing/)
    assert.doesNotMatch(found.stdout, /contoso\.com|more\.example/)
    assert.equal((await verify('--mend')).code, 0)
    assert.match((await verify()).stdout, /^sound: 1 organisations, 2 accepted domains, 1 inbound/)
    const after = await connectorctl('export', '--instance', node.folder)
    assert.equal(after.stdout, before.stdout.slice(0, before.stdout.indexOf('  - name: fabrikam')))
  })

  it('looks at one moment: others who write meanwhile are no fault', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    await applied(node, await file(t, ORGANIZATIONS))
    const writer = await writerTo(redis)
    atEnd(t, () => {
      writer.close()
    })
    let [writing, writes] = [true, 0]
    const write = async (): Promise<void> => {
      for (; writing; writes++) {
        const stored = await writer.organizations.read('other')
        const domains = [`d${writes}.example`, 'always.example'].map((name) => domain('other', name))
        const after = {
          name: 'other',
          comment: null,
          acceptedDomains: domains,
          inboundConnectors: [],
          outboundConnectors: [],
        }
        await writer.replace([{ nameKey: 'other', after, expected: stored?.revision ?? null }])
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const ended = write()
    const run = (...args: string[]) => connectorctl(...args, '--instance', node.folder)
    const results = await Promise.all([run('directory', 'verify'), run('export')])
    writing = false
    await ended
    assert.ok(writes > 10)
    for (const { code, stdout, stderr } of results) {
      if (code === 0) continue
      assert.match(stderr, /changed all the time while it was looked at|changed meanwhile/)
      assert.doesNotMatch(stdout, /is missing|belongs to nothing|not what/)
    }
    assert.equal((await run('directory', 'verify')).code, 0)
  })
})

describe('a history', () => {
  it('that is later by a wrong clock than any other is followed by the command in the log', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    const ahead = Date.now() + 3_600_000
    await writeFile(
      join(node.folder, 'data', 'directory.json'),
      JSON.stringify({ epoch: ahead, number: 7, id: 'x' }),
    )
    const elsewhere = await makeNode(t, redis)
    await applied(elsewhere, await file(t, ORGANIZATIONS))
    const smarthost = await startInstance(t, node)
    const line = await smarthost.printed(/went back in time .* accept --after \d+-\d+/)
    assert.ok(line.endsWith(`--after ${ahead}-7`), line)
    assert.match(await ask(smarthost, 'kate@contoso.com'), /^451/)
    const accept = (...after: string[]) =>
      connectorctl('directory', 'accept', '--yes', ...after, '--instance', elsewhere.folder)
    for (const wrong of ['nonsense', '1', `${ahead * 2}-1`]) {
      const { code, stderr } = await accept('--after', wrong)
      assert.equal(code, 2)
      assert.match(stderr, /is no revision/)
    }
    assert.equal((await accept('--after', `${ahead}-7`)).code, 0)
    await until(smarthost, 'kate@contoso.com', /^250/, 1000)
    await smarthost.stop()
  })

  it('that went another way stays refused, also once the stream of changes no longer reaches back', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const writer = await writerTo(redis)
    atEnd(t, () => {
      writer.close()
    })
    const put = async (name: string): Promise<void> => {
      const acceptedDomains = [domain(name, `${name}.example`)]
      const owned = { acceptedDomains, inboundConnectors: [], outboundConnectors: [] }
      const after = { name, comment: null, ...owned }
      await writer.replace([{ nameKey: name, after, expected: null }])
    }
    await put('first')
    const copies = await Promise.all(
      (await redis.client.keys('*')).map(async (key) => [key, await redis.client.dumpBuffer(key)] as const),
    )
    await put('lost')
    const directory = await openRedisDirectory({
      connection: redis.connection,
      prefix: 'connectors',
      seen: { read: () => null, write: () => undefined },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      cache: { maxBytes: 1_048_576, ttlMilliseconds: 60_000 },
      pollMilliseconds: 20,
    })
    atEnd(t, () => directory.close())
    const isKnown = async (): Promise<boolean> => {
      const question = { presentedNames: [], address: null, domains: ['first.example'] }
      return !('unknown' in (await directory.ask(question)).domain('first.example'))
    }
    assert.ok(await isKnown())
    await redis.client.flushall()
    for (const [key, copy] of copies) if (copy !== null) await redis.client.restore(key, 0, copy)
    await put('another')
    while (await isKnown());
    for (const name of ['one', 'two', 'three']) await put(name)
    await redis.client.xtrim('{connectors}:changes', 'MAXLEN', 1)
    await put('four')
    const { revision } = directory.summary()
    assert.equal(revision, 'none')
    assert.ok(!(await isKnown()))
    await writer.accept()
    while (!(await isKnown()));
  })

  it('of which an index names what does not belong there is deferred where it does, with its key', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    await applied(node, await file(t, ORGANIZATIONS))
    const key = '{connectors}:range:127.0.0.2/32'
    const entry = await redis.client.get(key)
    await redis.client.set(key, (entry ?? '').replace('127.0.0.2/32', 'nonsense'))
    const smarthost = await startInstance(t, node)
    await smarthost.printed('the directory is in force')
    assert.match(await ask(smarthost, 'kate@contoso.com'), /^451/)
    await smarthost.printed(`${key} in Redis lists the connector "Datacentre", which does not belong there`)
    assert.equal((await connectorctl('directory', 'verify', '--mend', '--instance', node.folder)).code, 0)
    await until(smarthost, 'kate@contoso.com', /^250/, 1000)
    await smarthost.stop()
  })
})

describe('connectorctl apply', () => {
  it('says what cannot be done before it does anything', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeNode(t, redis)
    await applied(node, await file(t, ORGANIZATIONS))
    const text =
      'organizations:\n  - name: new\n    acceptedDomains: [{ domainName: contoso.com }]\n  - name: other\n'
    const path = await file(t, text)
    for (const flags of [['--dry-run'], ['--yes']]) {
      const { code, stderr } = await connectorctl('apply', path, ...flags, '--instance', node.folder)
      assert.equal(code, 1)
      assert.match(stderr, /contoso\.com is registered already, with "Contoso": .*\nnothing was changed/)
    }
    assert.equal(await redis.client.exists('{connectors}:organization:other'), 0)
    // Where its owner goes at the same time it is no obstacle.
    await applied(node, path, '--prune')
  })
})

function writerTo({ connection }: RedisServer): Promise<DirectoryWriter> {
  return DirectoryWriter.open({ connection, prefix: 'connectors', replicas: 0, command: 'test', seen: null })
}
