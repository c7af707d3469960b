/** What the directory in Redis costs, counted: commands of a decision; and what apply says of replicas and large files. */

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { OrganizationsSource, SourceError } from '../../src/directory/organizations-source.ts'
import { openRedisDirectory } from '../../src/directory/redis/redis-store.ts'
import { DirectoryWriter } from '../../src/directory/redis/writer.ts'
import { connector, domain } from '../support/policy-world.ts'
import { hasPrograms } from '../support/programs.ts'
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
    const wrong: readonly (readonly [string, number, RegExp])[] = [
      [text.replace('b.example', 'not a domain'), 11, /not a domain/],
      [text + one('A', 'c.example'), 12, /given twice/],
      [`other: 1\n${text}`, 1, /must begin with "organizations:"/],
      [`${text}other: 1\n`, 12, /the list of organisations ends here/],
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
