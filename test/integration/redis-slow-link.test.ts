/** A smarthost with a bad line to Redis: late, dribbling, broken off and swallowed answers, and never a wrong one. */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { hasPrograms } from '../support/programs.ts'
import { applied, ask, file, makeNode, until } from '../support/redis-node.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import type { SlowLink } from '../support/slow-link.ts'
import { startSlowLink } from '../support/slow-link.ts'
import type { Smarthost } from '../support/smarthost.ts'
import { startInstance } from '../support/smarthost.ts'
import { SmtpClient } from '../support/smtp-client.ts'

const CONTOSO = `organizations:
  - name: contoso
    acceptedDomains: [{ domainName: contoso.com }, { domainName: contoso.net }]
    inboundConnectors:
      - name: Datacentre
        connectorType: OnPremises
        senderIPAddresses: [127.0.0.2, 127.0.0.4]
`

/** Seconds that the node of these tests remembers. */
const TTL = 2
/** Twice the default: a busy machine is no bad line. */
const COMMAND_TIMEOUT = 400
/** Nobody waits longer for a reply: two commands, and a busy machine. */
const LONGEST = 2500
const CLIENTS = 200

/** Domains that nobody asked about before. */
let drawn = 0
function fresh(): string {
  return `a@never${++drawn}.example`
}

/** The reply's code, which must come soon. */
async function hear(node: Smarthost, from: string): Promise<string> {
  const began = performance.now()
  const code = (await ask(node, from)).slice(0, 3)
  const milliseconds = Math.round(performance.now() - began)
  assert.ok(milliseconds < LONGEST, `${code} after ${milliseconds} ms`)
  return code
}

/** How often the log says that Redis went away, and that it is back. */
function outages(node: Smarthost): readonly number[] {
  const count = (text: string): number => node.output().split(text).length - 1
  return [count('cannot be asked:'), count('answers again')]
}

/** The line is good again: the node is right by itself, and has logged each outage once, when and when no more. */
async function recovered(
  node: Smarthost,
  link: SlowLink,
  before: readonly number[],
  outagesSince: number,
): Promise<void> {
  link.become({ kind: 'good' })
  // Somebody of whom nothing is remembered, so that Redis itself is asked.
  const end = Date.now() + 5000
  while ((await hear(node, fresh())) !== '550') assert.ok(Date.now() < end, 'not right again in time')
  assert.equal(await hear(node, 'kate@contoso.com'), '250')
  assert.deepEqual(
    outages(node),
    before.map((count) => count + outagesSince),
  )
}

describe('a smarthost with a bad line to Redis', () => {
  it('is never wrong, never hangs, and is right again by itself', async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const redis = await startRedis(t)
    const link = await startSlowLink(t, redis.port)
    const settings = ['[redis]', `cache_ttl = ${TTL}`, `command_timeout = ${COMMAND_TIMEOUT}`]
    const instance = await makeNode(t, link, settings)
    await applied(instance, await file(t, CONTOSO))
    const node = await startInstance(t, instance)
    await until(node, 'kate@contoso.com', /^250/, 2000)

    await t.test(
      '100 ms late: the answers of a good line, and a change counts within a second',
      async (t) => {
        const before = outages(node)
        link.become({ kind: 'late', milliseconds: 100 })
        for (let round = 0; round < 5; round++) {
          assert.equal(await hear(node, fresh()), '550')
          assert.equal(await hear(node, 'kate@contoso.com'), '250')
        }
        await applied(instance, await file(t, CONTOSO.replace('contoso.net', 'contoso.org')))
        await until(node, 'kate@contoso.org', /^250/, 1000)
        assert.match(await ask(node, 'kate@contoso.net'), /^550 5\.7\.64/)
        await recovered(node, link, before, 0)
      },
    )

    await t.test('a byte at a time: the answers of a good line', async () => {
      const before = outages(node)
      link.become({ kind: 'dribbling' })
      for (let round = 0; round < 10; round++) assert.equal(await hear(node, fresh()), '550')
      assert.match(await ask(node, 'kate@contoso.com', '127.0.0.4'), /^250/)
      await recovered(node, link, before, 0)
    })

    await t.test('later than command_timeout: 250 for what is remembered and fresh, else 451', async () => {
      const before = outages(node)
      link.become({ kind: 'late', milliseconds: COMMAND_TIMEOUT + 100 })
      const from = performance.now()
      const remembered: string[] = []
      while (performance.now() - from < TTL * 1000 + 700) {
        remembered.push(await hear(node, 'kate@contoso.com'))
        assert.equal(await hear(node, fresh()), '451')
      }
      // First what is remembered, then nothing is.
      assert.match(remembered.join(' '), /^250 (?:250 )*451(?: 451)*$/)
      await recovered(node, link, before, 1)
    })

    await t.test(`swallowed: ${CLIENTS} clients at once hear 451 soon, and nothing piles up`, async (t) => {
      const clients = await connectAll(t, node)
      const before = outages(node)
      link.become({ kind: 'swallowing' })
      await allDeferred(clients)
      // Those were the first to notice. From here on nobody asks Redis but for the looks whether it is back, and
      // what was not answered goes with its connection.
      link.tried()
      await allDeferred(clients)
      const { connections, commands } = await untilTried(link)
      assert.ok(connections <= 5, `${connections} connections`)
      assert.ok(commands.length <= 20 && !commands.includes('mget'), commands.join(' '))
      assert.equal(node.process.exitCode, null)
      await recovered(node, link, before, 1)
    })

    for (const half of ['close', 'hang'] as const) {
      await t.test(`answers that ${half} in the middle: 451, and nothing is made of the half`, async () => {
        const before = outages(node)
        link.become({ kind: 'halving', ending: half })
        for (let round = 0; round < 10; round++) {
          assert.equal(await hear(node, fresh()), '451')
          assert.match(await hear(node, 'kate@contoso.com'), /^(?:250|451)$/)
        }
        await recovered(node, link, before, 1)
      })
    }

    await t.test('cut again and again: nobody hears what he would not hear otherwise, but 451', async () => {
      for (let round = 0; round < 20; round++) {
        const asked = Promise.all([hear(node, 'kate@contoso.com'), hear(node, fresh())])
        await delay(round)
        link.cut()
        const [known, stranger] = await asked
        assert.match(known, /^(?:250|451)$/)
        assert.match(stranger, /^(?:550|451)$/)
      }
      await until(node, fresh(), /^550/, 3000)
      const [away, back] = outages(node)
      assert.equal(away, back)
      assert.equal(await hear(node, 'kate@contoso.com'), '250')
    })

    assert.equal(await node.stop(), 0)
    // What the log says is about Redis, not about the options of a library.
    assert.match(node.output(), /cannot be asked: the connection was lost/)
    assert.doesNotMatch(node.output(), /maxRetriesPerRequest|enableOfflineQueue/)
  })
})

/** Clients that have said EHLO, each with a domain of its own from then on. */
async function connectAll(t: TestContext, node: Smarthost): Promise<readonly SmtpClient[]> {
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () => SmtpClient.connect({ port: node.smtp, localAddress: '127.0.0.2' })),
  )
  t.after(() => {
    for (const client of clients) client.close()
  })
  await Promise.all(clients.map((client) => client.ehlo()))
  return clients
}

/** What was tried until there was another connection. */
async function untilTried(link: SlowLink): Promise<ReturnType<SlowLink['tried']>> {
  const commands: string[] = []
  const end = Date.now() + 5000
  for (;;) {
    const tried = link.tried()
    commands.push(...tried.commands)
    if (tried.connections > 0) return { connections: tried.connections, commands }
    assert.ok(Date.now() < end, 'no other connection in time')
    await delay(20)
  }
}

async function allDeferred(clients: readonly SmtpClient[]): Promise<void> {
  const began = performance.now()
  await Promise.all(
    clients.map(async (client) => {
      await client.command(`MAIL FROM:<${fresh()}>`)
      assert.match(await client.command('RCPT TO:<john@elsewhere.example>'), /^451/)
      await client.command('RSET')
    }),
  )
  const milliseconds = performance.now() - began
  assert.ok(milliseconds < 3000, `${milliseconds} ms`)
}
