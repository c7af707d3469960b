/** The directory in Redis answers as the directory in memory does, whatever is written in whatever order. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Directory, Question } from '../../src/directory/directory.ts'
import { dissenting } from '../../src/directory/domain-index.ts'
import { buildDirectory } from '../../src/directory/memory-directory.ts'
import type { ConfiguredConnector, Organization } from '../../src/directory/model.ts'
import { ChangeRefused } from '../../src/directory/redis/changes.ts'
import { openRedisDirectory } from '../../src/directory/redis/redis-store.ts'
import { DirectoryWriter } from '../../src/directory/redis/writer.ts'
import { ancestorsOf } from '../../src/text/domain-name.ts'
import { connector, domain, EARLIER, LATER, proof } from '../support/policy-world.ts'
import { outboundConnectors } from '../support/outbound.ts'
import { hasPrograms } from '../support/programs.ts'
import type { RedisServer } from '../support/redis.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'

const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined }
const FORGETFUL = { read: () => null, write: () => undefined }

const label = fc.constantFrom('a', 'mail', 'contoso')
const name = fc
  .array(label, { minLength: 1, maxLength: 3 })
  .map((labels) => [...labels, 'example', 'com'].join('.'))
const maybeWildcard = fc.tuple(name, fc.boolean()).map(([text, star]) => (star ? `*.${text}` : text))
const range = fc.constantFrom('10.1.0.0/16', '10.1.2.0/24', '10.1.2.3/32', '2001:db8::/32', '2001:db8::1/128')
const owner = fc.constantFrom('contoso', 'Fabrikam', 'adatum')

const until = fc.constantFrom(null, LATER)
const proven = fc.constantFrom(null, proof(), proof({ lostAt: EARLIER, countsUntil: LATER }))

const organization = owner.chain((organizationName) =>
  fc.record({
    name: fc.constant(organizationName),
    comment: fc.option(fc.constant('a comment')),
    reportOnlyUntil: until,
    acceptedDomains: fc.uniqueArray(
      fc
        .tuple(name, fc.boolean(), fc.boolean(), fc.uniqueArray(label, { maxLength: 2 }), proven)
        .map(([text, matchSubDomains, pendingRemoval, delegated, shown]) =>
          domain(organizationName, text, {
            matchSubDomains,
            pendingRemoval,
            proof: shown,
            delegatedSubDomains: delegated.map((below) => `${below}.${text}`),
          }),
        ),
      { selector: ({ domainName }) => domainName, maxLength: 3 },
    ),
    inboundConnectors: fc.uniqueArray(
      fc
        .record({
          name: fc.constantFrom('One', 'two', 'three'),
          enabled: fc.boolean(),
          tlsSenderCertificateName: fc.option(maybeWildcard),
          senderIPAddresses: fc.uniqueArray(range, { maxLength: 3 }),
          reportOnlyUntil: until,
          organizationReportOnlyUntil: until,
          trust: fc.option(fc.constant({ key: 'k', certificateAuthorities: ['PEM'], certificatePins: [] })),
        })
        .map((item): ConfiguredConnector => ({
          ...connector(organizationName, item.name, item),
          senderDomains: [],
          allowWideAddresses: false,
          comment: null,
        })),
      { selector: (item) => item.name.toLowerCase(), maxLength: 3 },
    ),
    outboundConnectors: outboundConnectors(organizationName, (certificatePins) => ({
      key: certificatePins.join(' '),
      certificateAuthorities: ['PEM'],
      certificatePins,
    })),
  }),
)

const change = fc.oneof({ weight: 4, arbitrary: organization }, { weight: 1, arbitrary: owner })

const question = fc.record({
  presentedNames: fc.uniqueArray(maybeWildcard, { maxLength: 3 }),
  address: fc.option(fc.constantFrom('10.1.2.3', '10.1.2.4', '10.9.9.9', '2001:db8::1', '2001:db8::2')),
  domains: fc.uniqueArray(name, { maxLength: 2 }),
  outboundOf: fc.uniqueArray(fc.constantFrom('contoso', 'FABRIKAM', 'nobody'), { maxLength: 2 }),
})

function mayBe(organizations: readonly Organization[]): boolean {
  const domains = organizations.flatMap(({ acceptedDomains }) => acceptedDomains)
  const byName = new Map(domains.map((record) => [record.domainName, record]))
  if (byName.size < domains.length) return false
  return domains.every(
    (record) =>
      dissenting(
        record,
        ancestorsOf(record.domainName).flatMap((above) => byName.get(above) ?? []),
      ).length === 0,
  )
}

/** What the relay rule can see of an answer. */
async function seen(directory: Pick<Directory, 'ask'>, asked: Question): Promise<unknown> {
  const { connectors, domain: find, outboundConnectors: outboundOf } = await directory.ask(asked)
  assert.ok(!('unknown' in connectors))
  const found = connectors.map(({ connector: item, by }) => [
    item.organization,
    item.name,
    item.connectorType,
    item.tlsSenderCertificateName,
    by,
    by.via === 'certificate' ? (item.trust ?? null) : null,
    by.via === 'certificate' ? find((item.tlsSenderCertificateName ?? '').replace(/^\*\./, '')) : null,
  ])
  const outbound = ['contoso', 'Fabrikam', 'adatum', 'nobody'].map((owner) => {
    const own = outboundOf(owner)
    return 'unknown' in own ? own : own.toSorted((left, right) => (left.name < right.name ? -1 : 1))
  })
  const domains = asked.domains.map((text) => find(text))
  return [found.map((item) => JSON.stringify(item)).toSorted(), domains, outbound]
}

async function contents(server: RedisServer, prefix: string): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {}
  for (const key of (await server.client.keys(`{${prefix}}:*`)).toSorted()) {
    const short = key.slice(prefix.length + 3)
    if (short === 'changes' || short === 'audit') continue
    const type = await server.client.type(key)
    if (type === 'zset') all[short] = await server.client.zrange(key, '0', '-1')
    else if (type === 'hash') all[short] = await server.client.hgetall(key)
    else all[short] = withoutRevision((await server.client.get(key)) ?? '')
  }
  return all
}

function withoutRevision(json: string): unknown {
  const {
    revision: _revision,
    epoch: _epoch,
    number: _number,
    id: _id,
    ...rest
  } = JSON.parse(json) as Record<string, unknown>
  return rest
}

describe('the directory in Redis', () => {
  it('answers as the one in memory, after any changes, and refuses those that the file refuses', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const server = await startRedis(t)
    let runs = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 8 }),
        fc.array(question, { minLength: 1, maxLength: 5 }),
        async (changes, questions) => {
          const prefix = `run${++runs}`
          const options = { connection: server.connection, replicas: 0, command: 'test', seen: null }
          const writer = await DirectoryWriter.open({ ...options, prefix })
          const fresh = await DirectoryWriter.open({ ...options, prefix: `${prefix}fresh` })
          let organizations = new Map<string, Organization>()
          try {
            for (const item of changes) {
              const key = (typeof item === 'string' ? item : item.name).toLowerCase()
              const after = new Map(organizations)
              if (typeof item === 'string') after.delete(key)
              else after.set(key, item)
              const expected = (await writer.organizations.read(key))?.revision ?? null
              const writing = writer.replace([{ nameKey: key, after: after.get(key) ?? null, expected }])
              if (mayBe([...after.values()])) {
                await writing
                organizations = after
              } else await assert.rejects(writing, ChangeRefused)
            }
            if (organizations.size === 0) return
            await fresh.replace(
              [...organizations].map(([key, item]) => ({ nameKey: key, after: item, expected: null })),
            )
            assert.deepEqual(await contents(server, prefix), await contents(server, `${prefix}fresh`))

            const directory = await openRedisDirectory({
              connection: server.connection,
              prefix,
              seen: FORGETFUL,
              log: LOG,
              cache: { maxBytes: 1_000_000, ttlMilliseconds: 60_000 },
            })
            const memory = buildDirectory([...organizations.values()], 'test')
            // Anew, from remembered records, and as a remembered answer.
            for (const asked of [...questions, ...questions, ...questions]) {
              const expected = await seen({ ask: (it) => Promise.resolve(memory.ask(it)) }, asked)
              assert.deepEqual(await seen(directory, asked), expected)
            }
            await directory.close()
          } finally {
            writer.close()
            fresh.close()
          }
        },
      ),
      { numRuns: process.env['PROOF'] === 'whole' ? 2000 : 200 },
    )
  })
})
