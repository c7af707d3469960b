/** The table of the relay rule asked of both stores: the YAML file, and Redis filled from that very file. */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { stringify } from 'yaml'
import type { Directory } from '../../src/directory/directory.ts'
import { openFileDirectory } from '../../src/directory/file-store.ts'
import { nameKey } from '../../src/directory/model.ts'
import { openRedisDirectory } from '../../src/directory/redis/redis-store.ts'
import { DirectoryWriter } from '../../src/directory/redis/writer.ts'
import { parseOrganizations } from '../../src/directory/schema.ts'
import type { Decision } from '../../src/policy/decide.ts'
import type { Terms } from '../../src/policy/proof.ts'
import { attributeSender, decideRecipient } from '../../src/relaying/gather.ts'
import type { Message, World } from '../support/policy-world.ts'
import { decideMessage, factsOf } from '../support/policy-world.ts'
import { hasPrograms } from '../support/programs.ts'
import { applied, file, makeNode } from '../support/redis-node.ts'
import type { RedisServer } from '../support/redis.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import { messageOf, ROWS, TIES, WORLD } from '../support/relay-rule-table.ts'
import { atEnd } from '../support/smarthost.ts'

/** A table that shrinks shows less, and nobody would notice. */
const FEWEST_ROWS = 110

const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined }
const FORGETFUL = { read: () => null, write: () => undefined }

/** The world as an administrator writes it. */
function asFile({ domains, connectors }: World): string {
  const names = new Set([...domains, ...connectors].map(({ organization }) => organization))
  const organizations = [...names].map((name) => ({
    name,
    acceptedDomains: domains
      .filter(({ organization }) => organization === name)
      .map(({ organization: _owner, ...domain }) => domain),
    inboundConnectors: connectors
      .filter(({ organization }) => organization === name)
      .map(({ organization: _owner, tlsSenderCertificateName, ...connector }) => ({
        ...connector,
        ...(tlsSenderCertificateName === null ? {} : { tlsSenderCertificateName }),
        // The schema wants it of a Partner; the rule does not look at it.
        ...(connector.connectorType === 'Partner' ? { senderDomains: ['*'] } : {}),
      })),
  }))
  return stringify({ organizations })
}

async function decideFrom(directory: Directory, message: Message): Promise<Decision> {
  const { peer, sender, hasRoute, ...question } = factsOf(message)
  const smartHost = hasRoute ? { host: 'next.example', port: 25 } : null
  const attribution = await attributeSender(directory, peer, sender, () => peer.certificate, termsOf(message))
  const leadsBack = (): Promise<boolean> => Promise.resolve(message.leadsBack ?? false)
  const asked = { ...question, attribution, smartHost, leadsBack }
  const { route: _route, routeFacts: _facts, ...decision } = await decideRecipient(directory, asked)
  return decision
}

function termsOf(message: Message): Terms {
  const { now, settings } = factsOf(message)
  return { now, requireDomainProof: settings.requireDomainProof }
}

async function winner(directory: Directory, message: Message): Promise<string> {
  const { peer, sender } = factsOf(message)
  const { matched } = await attributeSender(directory, peer, sender, () => peer.certificate, termsOf(message))
  return matched?.connector.name ?? 'nobody'
}

async function fromFile(t: TestContext, world: World): Promise<Directory> {
  const directory = await openFileDirectory({ path: await file(t, asFile(world)), log: LOG })
  atEnd(t, () => directory.close())
  return directory
}

interface Remembering {
  /** Milliseconds that an answer is remembered. */
  readonly ttlMilliseconds: number
  readonly prefix?: string
}

async function fromRedis(
  t: TestContext,
  { connection }: RedisServer,
  { ttlMilliseconds, prefix = 'connectors' }: Remembering,
): Promise<Directory> {
  const directory = await openRedisDirectory({
    connection,
    prefix,
    seen: FORGETFUL,
    log: LOG,
    cache: { maxBytes: 1_048_576, ttlMilliseconds },
  })
  atEnd(t, () => directory.close())
  return directory
}

/** Every row, as a test of its own: the whole decision is the one that the plain facts give. */
async function askRows(t: TestContext, directory: Directory): Promise<void> {
  let asked = 0
  for (const row of ROWS) {
    await t.test(row[0], async () => {
      const message = messageOf(row)
      const decision = await decideFrom(directory, message)
      assert.equal(`${decision.outcome} ${decision.reason}`, row[4])
      assert.deepEqual(decision, decideMessage(WORLD, message))
      asked++
    })
  }
  assert.equal(asked, ROWS.length)
  assert.ok(asked >= FEWEST_ROWS, `only ${asked} rows`)
}

describe('the relay rule asked of a store', () => {
  it('decides from the file as the table says', async (t) => {
    await askRows(t, await fromFile(t, WORLD))
  })

  it('decides from Redis, filled from that file by apply, as the table says, asked anew or remembered', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    await applied(await makeNode(t, redis), await file(t, asFile(WORLD)), '--with-proofs')
    await t.test('asked anew', async (t) => askRows(t, await fromRedis(t, redis, { ttlMilliseconds: 0 })))
    const remembering = await fromRedis(t, redis, { ttlMilliseconds: 60_000 })
    for (const row of ROWS) await decideFrom(remembering, messageOf(row))
    await redis.stop()
    await t.test('remembered, while Redis is away', async (t) => askRows(t, remembering))
  })

  it('prefers the same of several connectors, whichever store has them', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    for (const [index, [behaviour, world, message, expected]] of TIES.entries()) {
      await t.test(behaviour, async (t) => {
        assert.equal(await winner(await fromFile(t, world), message), expected)
        const prefix = `tie${index}`
        await fill(redis, prefix, asFile(world))
        const directory = await fromRedis(t, redis, { ttlMilliseconds: 60_000, prefix })
        assert.equal(await winner(directory, message), expected)
      })
    }
    assert.equal(TIES.length, 5)
  })
})

/** What apply does, without a process for each world. */
async function fill({ connection }: RedisServer, prefix: string, text: string): Promise<void> {
  const { organizations, errors } = parseOrganizations(text, 'organizations.yaml', () => {
    throw new Error('no world names a CA')
  })
  assert.deepEqual(errors, [])
  const writer = await DirectoryWriter.open({ connection, prefix, replicas: 0, command: 'test', seen: null })
  try {
    await writer.replace(
      organizations.map((after) => ({ nameKey: nameKey(after.name), after, expected: null })),
    )
  } finally {
    writer.close()
  }
}
