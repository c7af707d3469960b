/** What the directory in Redis costs, counted: commands of a decision; and what apply says of replicas and large files. */

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Directory } from '../../src/directory/directory.ts'
import type { StoredOrganization } from '../../src/directory/editor.ts'
import type { Organization } from '../../src/directory/model.ts'
import { OrganizationsSource, SourceError } from '../../src/directory/organizations-source.ts'
import { openRedisDirectory } from '../../src/directory/redis/redis-store.ts'
import { DirectoryWriter } from '../../src/directory/redis/writer.ts'
import { connector, domain } from '../support/policy-world.ts'
import { hasPrograms } from '../support/programs.ts'
import type { RedisServer } from '../support/redis.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import { atEnd, connectorctl, makeInstance, temporaryFolder } from '../support/smarthost.ts'

const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined }

describe('a decision from Redis', () => {
  it('is one command when nothing is remembered and none after it, whatever the directory holds', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const { connection } = redis
    const options = { connection, prefix: 'c', replicas: 0, command: 'test', seen: null }
    const writer = await DirectoryWriter.open(options)
    atEnd(t, () => {
      writer.close()
    })
    for (const count of [1, 500]) {
      for (let index = count === 1 ? 0 : 1; index < count; index++) {
        const name = `org${index}`
        const after = {
          name,
          comment: null,
          acceptedDomains: [domain(name, `d${index}.example`)],
          inboundConnectors: [
            {
              ...connector(name, 'one', {
                tlsSenderCertificateName: `*.d${index}.example`,
                senderIPAddresses: ['10.1.0.0/16', `10.2.${index % 250}.0/24`],
              }),
              senderDomains: [],
              allowWideAddresses: false,
              comment: null,
            },
          ],
          outboundConnectors: [],
        }
        await writer.replace([{ nameKey: name, after, expected: null }])
      }
      const directory = await openRedisDirectory({
        connection,
        prefix: 'c',
        seen: { read: () => null, write: () => undefined },
        log: LOG,
        cache: { maxBytes: 1_048_576, ttlMilliseconds: 60_000 },
        pollMilliseconds: 3_600_000,
      })
      await redis.client.config('RESETSTAT')
      const question = {
        presentedNames: ['mail.d0.example'],
        address: '10.2.0.1',
        domains: ['d0.example', 'a.b'],
      }
      const ask = async (): Promise<string[]> => {
        const { connectors, domain: find } = await directory.ask(question)
        assert.ok(!('unknown' in connectors) && connectors.length > 0)
        assert.ok(!('unknown' in find('d0.example')))
        const stats = await redis.client.info('commandstats')
        return [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
          .map(([, name, calls]) => `${name} ${calls}`)
          .filter((line) => !/^(?:info|config|client)/.test(line))
      }
      assert.deepEqual(await ask(), ['mget 1'])
      assert.deepEqual(await ask(), ['mget 1'])
      // Many who ask the same at once wait for the same answer.
      const other = { presentedNames: [], address: null, domains: ['never.example'] }
      await Promise.all(Array.from({ length: 50 }, () => directory.ask(other)))
      assert.deepEqual(await ask(), ['mget 2'])
      await directory.close()
    }
  })
})

describe('a decision while the directory changes', () => {
  it('is from one state of it, never from half of a change', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const { writer, redis } = await withContoso(t, SMALLEST_CACHE)
    // The connector and its domain move together: in every state there is one organisation that has both.
    const having = (name: string, has: boolean): Organization => ({
      ...owning(name, ...(has ? ['moving.example', `${name}.example`] : [`${name}.example`])),
      inboundConnectors: has
        ? [
            {
              ...connector(name, 'Servers', { tlsSenderCertificateName: 'mail.moving.example' }),
              senderDomains: [],
              allowWideAddresses: false,
              comment: null,
            },
          ]
        : [],
    })
    const put = async (owner: string): Promise<void> => {
      const names = ['left', 'right']
      const before = await Promise.all(names.map((name) => writer.organizations.read(name)))
      await writer.replace(
        names.map((name, index) => ({
          nameKey: name,
          after: having(name, name === owner),
          expected: before[index]?.revision ?? null,
        })),
      )
    }
    await put('left')
    const open = (): ReturnType<typeof openRedisDirectory> =>
      openRedisDirectory({
        connection: redis.connection,
        prefix: 'c',
        seen: { read: () => null, write: () => undefined },
        log: LOG,
        // What is remembered is forgotten one by one: most look-ups find a part of it.
        cache: { maxBytes: SMALLEST_CACHE, ttlMilliseconds: 7 },
        pollMilliseconds: 20,
      })
    const directories = await Promise.all([open(), open()])
    for (const directory of directories) atEnd(t, () => directory.close())
    const names = ['mail.moving.example']
    let [moves, decided, deferred] = [0, 0, 0]
    const until = performance.now() + 3_000
    const move = async (): Promise<void> => {
      for (; performance.now() < until; moves++) await put(moves % 2 === 0 ? 'right' : 'left')
    }
    const decide = async (directory: Directory, only: boolean): Promise<void> => {
      while (performance.now() < until) {
        const presentedNames = only ? [] : names
        const answer = await directory.ask({ presentedNames, address: null, domains: ['moving.example'] })
        const domainFact = answer.domain('moving.example')
        if (only) continue
        if ('unknown' in answer.connectors || 'unknown' in domainFact) {
          deferred++
          continue
        }
        decided++
        const owner = domainFact.acceptedDomain?.organization
        assert.deepEqual([answer.connectors[0]?.connector.organization, answer.connectors.length], [owner, 1])
      }
    }
    await Promise.all([move(), ...directories.flatMap((one) => [decide(one, false), decide(one, true)])])
    assert.ok(moves > 5 && decided > 1000, `${moves} moves, ${decided} decisions`)
    assert.ok(deferred < decided / 100, `${deferred} of ${decided} could not be had`)
  })
})

describe('a decision right after a change', () => {
  it('finds a connector whose range became wider, though nothing was known under the wider one before', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const { writer, directory } = await withContoso(t, SMALLEST_CACHE)
    const put = async (name: string, ranges: readonly string[]): Promise<void> => {
      const stored = await writer.organizations.read(name)
      const after = { ...owning(name, `${name}.example`), inboundConnectors: [reached(name, ranges)] }
      await writer.replace([{ nameKey: name, after, expected: stored?.revision ?? null }])
    }
    const found = async (address: string): Promise<readonly string[]> => {
      const { connectors } = await directory.ask({ presentedNames: [], address, domains: [] })
      assert.ok(!('unknown' in connectors))
      return connectors.map(({ connector: { organization } }) => organization)
    }
    await put('other', ['10.9.0.0/16'])
    for (let round = 0; round < 30; round++) {
      await put('narrow', [`10.${round}.0.0/24`])
      const from = performance.now()
      while ((await found(`10.${round}.0.5`)).length === 0) assert.ok(performance.now() - from < 1000)
      // A neighbour is asked about: that there is nothing for the /16 is remembered.
      assert.deepEqual(await found(`10.${round}.7.7`), round === 9 ? ['other'] : [])
      await put('narrow', [`10.${round}.0.0/16`])
      const right = round === 9 ? ['narrow', 'other'] : ['narrow']
      assert.deepEqual([...(await found(`10.${round}.0.5`))].toSorted(), right)
    }
  })

  it('is had while others write as fast as they can', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const { writer, directory } = await withContoso(t, SMALLEST_CACHE)
    let [writes, asked] = [0, 0]
    const until = performance.now() + 2_000
    const write = async (): Promise<void> => {
      for (; performance.now() < until; writes++) {
        const name = `org${writes}`
        await writer.replace([{ nameKey: name, after: owning(name, `${name}.example`), expected: null }])
      }
    }
    const ask = async (): Promise<void> => {
      for (; performance.now() < until; asked++) {
        const domains = ['contoso.com', `never-asked-${asked}.example`]
        const { domain: find } = await directory.ask({ presentedNames: [], address: null, domains })
        for (const name of domains) {
          const fact = find(name)
          assert.ok(!('unknown' in fact), JSON.stringify(fact))
          assert.equal(fact.acceptedDomain !== null, name === 'contoso.com')
        }
      }
    }
    await Promise.all([write(), ask()])
    assert.ok(writes > 200 && asked > 50, `${writes} writes, ${asked} questions`)
  })
})

describe('a write', () => {
  it('whose connection is lost while it waits for the replica is done, and not replicated', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const { redis, open } = await withContoso(t, SMALLEST_CACHE, 1)
    const writer = await open()
    const expected = (await writer.organizations.read('contoso'))?.revision ?? null
    const after = owning('contoso', 'contoso.com', 'more.example')
    const writing = writer.replace([{ nameKey: 'contoso', after, expected }])
    while ((await redis.client.exists('{c}:domain:more.example')) === 0);
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    assert.equal((await writing)?.replicas, 0)
  })

  it('of more records than Redis can take in a moment is refused before anything is changed', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const { writer } = await withContoso(t, SMALLEST_CACHE)
    const names = Array.from({ length: 50_001 }, (_none, index) => `d${index}.example`)
    const large = { nameKey: 'large', after: owning('large', ...names), expected: null }
    await assert.rejects(
      writer.replace([large]),
      /50002 records would change at once, and 50000 is the limit/,
    )
    assert.equal(await writer.organizations.read('large'), null)
  })
})

function reached(
  organization: string,
  senderIPAddresses: readonly string[],
): Organization['inboundConnectors'][number] {
  return {
    ...connector(organization, 'Servers', { senderIPAddresses }),
    senderDomains: [],
    allowWideAddresses: false,
    comment: null,
  }
}

const NAMES = 50_000
const SMALLEST_CACHE = 1_048_576

/** Bytes of JavaScript objects that are in use, garbage not counted. */
function heapInUse(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

async function calls(redis: RedisServer, command: string): Promise<number> {
  const stats = await redis.client.info('commandstats')
  return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0)
}

describe('what a worker remembers of Redis', () => {
  it('does not grow with what strangers ask about: 50,000 names take what the smallest cache may', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const { directory } = await withContoso(t, SMALLEST_CACHE)
    const askAll = async (from: number, to: number): Promise<void> => {
      for (let first = from; first < to; first += 50) {
        const domains = Array.from({ length: 50 }, (_none, index) => `stranger${first + index}.example`)
        const { domain: find } = await directory.ask({ presentedNames: [], address: null, domains })
        for (const name of domains) assert.ok(!('unknown' in find(name)))
      }
    }
    // The cache is full many times over, and the code warm.
    await askAll(0, NAMES / 2)
    const before = heapInUse()
    await askAll(NAMES / 2, NAMES * 1.5)
    // Remembered, all of them would take several times as much.
    const grown = heapInUse() - before
    assert.ok(grown < 6 * SMALLEST_CACHE, `${grown} bytes more`)
  })

  it('is also what is not there: asked once, and known at once when it is registered', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const { redis, writer, directory } = await withContoso(t, 67_108_864)
    const isRegistered = async (name: string): Promise<boolean> => {
      const { domain: find } = await directory.ask({ presentedNames: [], address: null, domains: [name] })
      const fact = find(name)
      assert.ok(!('unknown' in fact))
      return fact.acceptedDomain !== null
    }
    assert.equal(await isRegistered('fabrikam.com'), false)
    const before = await calls(redis, 'mget')
    for (let round = 0; round < 100; round++) assert.equal(await isRegistered('fabrikam.com'), false)
    assert.equal(await calls(redis, 'mget'), before)

    await writer.replace([{ nameKey: 'fabrikam', after: owning('fabrikam', 'fabrikam.com'), expected: null }])
    const from = performance.now()
    while (!(await isRegistered('fabrikam.com'))) {
      assert.ok(performance.now() - from < 1000, 'a change counts within a second')
      await delay(5)
    }
  })
})

describe('two administrators', () => {
  it('who looked at the same organisation: the second is told to look again, and nothing is lost', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const { redis, writer: first, open } = await withContoso(t, SMALLEST_CACHE)
    const second = await open()
    const [mine, theirs] = [
      await first.organizations.read('contoso'),
      await second.organizations.read('contoso'),
    ]
    assert.deepEqual(mine, theirs)
    const expected = mine?.revision ?? null
    const left = owning('contoso', 'contoso.com', 'left.example')
    await first.replace([{ nameKey: 'contoso', after: left, expected }])
    const audited = await redis.client.xlen('{c}:audit')
    for (const after of [owning('contoso', 'contoso.com', 'right.example'), null]) {
      await assert.rejects(second.replace([{ nameKey: 'contoso', after, expected }]), {
        message: 'organisation contoso was changed by somebody else meanwhile: look at it again',
      })
    }
    // Nor does who thinks that it is not there yet write over it.
    await assert.rejects(
      second.replace([{ nameKey: 'contoso', after: owning('contoso', 'right.example'), expected: null }]),
      /changed by somebody else/,
    )
    assert.equal(await redis.client.xlen('{c}:audit'), audited)
    assert.equal(await redis.client.exists('{c}:domain:right.example'), 0)

    const again = await second.organizations.read('contoso')
    assert.deepEqual(namesIn(again), ['contoso.com', 'left.example'])
    const both = owning('contoso', 'contoso.com', 'left.example', 'right.example')
    await second.replace([{ nameKey: 'contoso', after: both, expected: again?.revision ?? null }])
    assert.deepEqual(namesIn(await first.organizations.read('contoso')), [
      'contoso.com',
      'left.example',
      'right.example',
    ])
  })
})

function namesIn(stored: StoredOrganization | null): string[] | undefined {
  return stored?.organization.acceptedDomains.map(({ domainName }) => domainName)
}

function owning(name: string, ...domains: string[]): Organization {
  const acceptedDomains = domains.map((domainName) => domain(name, domainName))
  return { name, comment: null, acceptedDomains, inboundConnectors: [], outboundConnectors: [] }
}

/** A Redis that knows contoso, and who reads and writes there. */
async function withContoso(t: TestContext, maxBytes: number, replicas = 0) {
  const redis = await startRedis(t)
  const { connection } = redis
  const open = async (): Promise<DirectoryWriter> => {
    const options = { connection, prefix: 'c', replicas, command: 'test', seen: null }
    const writer = await DirectoryWriter.open(options)
    atEnd(t, () => {
      writer.close()
    })
    return writer
  }
  const writer = await open()
  await writer.replace([{ nameKey: 'contoso', after: owning('contoso', 'contoso.com'), expected: null }])
  const directory = await openRedisDirectory({
    connection,
    prefix: 'c',
    seen: { read: () => null, write: () => undefined },
    log: LOG,
    cache: { maxBytes, ttlMilliseconds: 60_000 },
  })
  atEnd(t, () => directory.close())
  return { redis, writer, directory, open }
}

describe('connectorctl apply', () => {
  it('says "written, not replicated" and ends with 1 when no replica has it', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const node = await makeInstance(t, {
      config: { 'connectors.ini': (text) => text.replace('store = file', 'store = redis') },
    })
    await writeFile(node.path('redis.ini'), `[server]\nport = ${redis.port}\n[redis]\nreplicas = 1\n`)
    const path = node.path('organizations.yaml')
    const { code, stderr } = await connectorctl('apply', path, '--yes', '--instance', node.folder)
    assert.equal(code, 1)
    assert.match(stderr, /written, not replicated: 0 of 1 replicas/)
    assert.equal(await redis.client.exists('{connectors}:header'), 1)
  })

  it('reads a large file an organisation at a time: the same organisations, errors at their lines', async (t) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'large.yaml')
    const one = (name: string, registered: string): string =>
      `  - name: ${name}\n    # a comment\n    acceptedDomains:\n      - domainName: ${registered}\n`
    const read = async (text: string, whole: number) => {
      await writeFile(path, text)
      const organizations = []
      for await (const { organization } of new OrganizationsSource(path, whole).organizations()) {
        organizations.push(organization)
      }
      return organizations
    }
    const text = `# all of them\norganizations:\n${one('a', 'a.example')}\n${one('b', 'b.example')}`
    assert.equal((await read(text, 0)).length, 2)
    assert.deepEqual(await read(text, 0), await read(text, 1_000_000))
    assert.deepEqual(await read('organizations: []\n'.padEnd(30, '#'), 1000), [])
    // A dash that stands alone begins an item, too.
    const alone = text
      .replace('  - name: b', '  -\n    name: b')
      .replace('  - name: a', '  - # the first\n    name: a')
    assert.equal((await read(alone, 0)).length, 2)
    assert.deepEqual(await read(alone, 0), await read(text, 1_000_000))
    const wrong: readonly (readonly [string, number, RegExp])[] = [
      [text.replace('b.example', 'not a domain'), 11, /not a domain/],
      [text + one('A', 'c.example'), 12, /given twice/],
      [`other: 1\n${text}`, 1, /must begin with "organizations:"/],
      [`${text}other: 1\n`, 12, /the list of organisations ends here/],
      [`${text}  -\n`, 12, /an organisation must be a group of keys/],
    ]
    for (const [bad, line, said] of wrong) {
      await assert.rejects(read(bad, 0), (error) => {
        assert.ok(error instanceof SourceError)
        const [problem] = error.problems
        assert.match(problem?.message ?? '', said)
        assert.equal(problem?.line, line)
        return true
      })
    }
  })
})
