/**
 * The fleet of docker-compose.yml as an operator meets it: two nodes behind HAProxy, Redis with a replica and Sentinels,
 * each from the very files that compose mounts.
 */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { SANDBOX_PROGRAMS } from '../support/compose.ts'
import type { Fleet, NodeName } from '../support/fleet.ts'
import { journalOf, makeFleet } from '../support/fleet.ts'
import { hasPrograms } from '../support/programs.ts'
import type { TestSink } from '../support/sink.ts'
import { startTestSink } from '../support/sink.ts'
import { atEnd } from '../support/smarthost.ts'
import { SmtpClient } from '../support/smtp-client.ts'

const OUT = 'john@elsewhere.example'
const NODES = ['node1', 'node2'] as const
/** In the connector's range, and in nobody's. */
const BRANCH = '127.50.0.7'
const STRANGER = '127.60.0.7'

/** More branches are added by their addresses. */
function organizations(...addresses: string[]): string {
  return `organizations:
  - name: contoso
    acceptedDomains: [{ domainName: contoso.com }]
    inboundConnectors:
      - name: Branch
        connectorType: OnPremises
        senderIPAddresses: [127.50.0.0/24${addresses.map((address) => `, ${address}`).join('')}]
`
}

/** Tries again every second instead of every minute. */
const SETTINGS = {
  'connectors.ini': (text: string) => text.replace(/^retry_intervals = .*$/m, 'retry_intervals = 1s'),
}

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const end = Date.now() + 60_000
  while (!(await holds())) {
    assert.ok(Date.now() < end, `not in time: ${what}`)
    await delay(20)
  }
}

/** What is answered at RCPT, through HAProxy; '' when the connection was closed. */
async function ask(fleet: Fleet, from: string, sender = 'kate@contoso.com', port = 25): Promise<string> {
  const client = await fleet.connect(from, port)
  try {
    await client.ehlo()
    return await client.envelope(sender, OUT)
  } finally {
    client.close()
  }
}

/** Clients that send without a pause, and strangers that ask, until they are stopped. */
class Traffic {
  readonly accepted: string[] = []
  readonly heard = { branch: new Map<string, number>(), stranger: new Map<string, number>() }
  readonly #fleet: Fleet
  readonly #clients: readonly Promise<void>[]
  #stopping = false
  #count = 0

  constructor(fleet: Fleet, senders: number, strangers: number) {
    this.#fleet = fleet
    this.#clients = [
      ...Array.from({ length: senders }, () => this.#again('branch', () => this.#send())),
      ...Array.from({ length: strangers }, () => this.#again('stranger', () => this.#probe())),
    ]
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#clients)
  }

  /** Each reply code that was heard, sorted. */
  codes(who: 'branch' | 'stranger'): string[] {
    return [...this.heard[who].keys()].toSorted()
  }

  async #again(who: 'branch' | 'stranger', once: () => Promise<string>): Promise<void> {
    while (!this.#stopping) {
      const reply = await once().catch((error: unknown) => `error ${String(error)}`)
      const code = /^\d{3}/.test(reply) ? reply.slice(0, 3) : reply
      this.heard[who].set(code, (this.heard[who].get(code) ?? 0) + 1)
    }
  }

  async #send(): Promise<string> {
    const id = `message-${++this.#count}-`
    const client = await this.#fleet.connect(BRANCH)
    try {
      await client.ehlo()
      const reply = await client.envelope('kate@contoso.com', OUT)
      if (!reply.startsWith('250')) return reply
      const answer = await client.message(`Subject: ${id}\r\n\r\n${id}\r\n`)
      if (answer.startsWith('250')) this.accepted.push(id)
      await client.quit()
      return answer
    } finally {
      client.close()
    }
  }

  /** A sender domain that nobody remembers: Redis has to be asked. */
  async #probe(): Promise<string> {
    return ask(this.#fleet, STRANGER, `somebody@unknown-${++this.#count}.example`)
  }
}

/** Everything that was answered 250 has arrived; how often each. */
async function arrivals(sink: TestSink, ids: readonly string[]): Promise<number[]> {
  const count = (): Map<string, number> => {
    const counts = new Map<string, number>()
    for (const { message } of sink.arrived) {
      const id = /^Subject: (message-\d+-)/m.exec(message.toString())?.[1] ?? ''
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    return counts
  }
  await until('every accepted message arrives', () => {
    const counts = count()
    return ids.every((id) => counts.has(id))
  })
  const counts = count()
  return ids.map((id) => counts.get(id) ?? 0)
}

test('the fleet of docker-compose.yml', { timeout: 900_000 }, async (t) => {
  const servers = ['/usr/sbin/haproxy', '/usr/bin/redis-server', '/usr/bin/redis-sentinel']
  if (!hasPrograms(t, ...servers, ...SANDBOX_PROGRAMS)) return
  const sink = await startTestSink(t)
  const fleet = await makeFleet(t, `127.0.0.1:${sink.port}`, SETTINGS)
  const { compose } = fleet
  await compose.up()
  const first = await fleet.apply(organizations())
  assert.equal(first.code, 0, first.output)
  await until('both nodes have the directory', async () => (await answers(fleet, BRANCH)).every(isAccepted))

  await t.test('takes mail by the address of the client, on all three ports', async () => {
    for (const port of [25, 587, 465]) {
      assert.match(await ask(fleet, BRANCH, 'kate@contoso.com', port), /^250/)
      assert.match(await ask(fleet, STRANGER, 'kate@contoso.com', port), /^550 5\.7\.64 TenantAttribution/)
    }
    const journals = (await Promise.all(NODES.map((name) => journalOf(fleet, name)))).join('')
    assert.match(journals, new RegExp(`"address":"${BRANCH}"`))
    assert.doesNotMatch(journals, new RegExp(`"address":"${fleet.proxy}"`))
  })

  await t.test('believes a PROXY header from HAProxy only', async () => {
    const header = `PROXY TCP4 ${BRANCH} ${fleet.address} 40000 25`
    // A client's own header, behind the one of HAProxy.
    const liar = await fleet.connect(STRANGER)
    assert.match(await liar.command(header), /^421/)
    liar.close()
    assert.match(await ask(fleet, STRANGER), /^550/)
    for (const name of NODES) {
      const host = fleet.nodeAddress(name)
      const other = await SmtpClient.connect({ host, port: 2525, localAddress: STRANGER })
      assert.match(await other.command(header), /^421/)
      other.close()
    }
  })

  await t.test('counts a connector on both nodes within a second of its writing', async (step) => {
    const rounds = process.env['PROOF'] === 'whole' ? 200 : 10
    const took = await measureChanges(step, fleet, rounds)
    const sorted = took.toSorted((left, right) => left - right)
    const [p99, most] = [sorted[Math.ceil(rounds * 0.99) - 1] ?? 0, sorted.at(-1) ?? 0]
    const said = `a connector counts on both nodes after: median ${sorted[Math.floor(rounds / 2)]} ms, p99 ${p99} ms, maximum ${most} ms (${rounds} times)`
    step.diagnostic(said)
    process.stdout.write(`${said}\n`)
    assert.ok(most < 1000, said)
  })

  await t.test('is restarted node by node without a refused, lost or doubled message', async () => {
    const traffic = new Traffic(fleet, 3, 1)
    for (const name of NODES) await restart(fleet, name)
    await traffic.stop()
    assert.deepEqual(traffic.codes('branch'), ['250'])
    assert.deepEqual(traffic.codes('stranger'), ['550'])
    assert.ok(traffic.accepted.length > 20)
    const times = await arrivals(sink, traffic.accepted)
    assert.ok(
      times.every((count) => count === 1),
      'each arrives once',
    )
  })

  await t.test('keeps accepted mail when a node is killed, and delivers it once it is back', async () => {
    await sink.close()
    const traffic = new Traffic(fleet, 2, 0)
    await until('some are accepted', () => traffic.accepted.length >= 10)
    await traffic.stop()
    assert.deepEqual(traffic.codes('branch'), ['250'])
    for (const name of NODES) await compose.stop(name, 'SIGKILL')
    const again = await startTestSink(t, sink.port)
    for (const name of NODES) await compose.start(name)
    await Promise.all(NODES.map((name) => compose.healthy(name)))
    await arrivals(again, traffic.accepted)
  })

  await t.test('goes on while an operator lets the replica of Redis take over', async (step) => {
    await haproxyKnows(fleet, 'UP')
    const traffic = new Traffic(fleet, 1, 2)
    await until('there is traffic', () => (traffic.heard.stranger.get('550') ?? 0) > 5)
    // As deploy/README.md has it.
    const where = [
      '-h',
      fleet.compose.file.services['sentinel1']?.environment['ADDRESS'] ?? '',
      '-p',
      '26379',
    ]
    const password = ['-a', await fleet.secret('sentinel'), '--no-auth-warning']
    const command = ['SENTINEL', 'FAILOVER', 'connectors']
    const told = await compose.exec('sentinel1', 'redis-cli', ...where, ...password, ...command)
    assert.match(told.output, /^OK/)
    await sentinelUser(step, fleet, 'redis1')
    const before = traffic.heard.stranger.get('550') ?? 0
    await until('the other one is asked', () => (traffic.heard.stranger.get('550') ?? 0) > before + 20)
    await traffic.stop()
    assert.deepEqual(
      traffic.codes('stranger').filter((code) => code !== '451'),
      ['550'],
    )
    assert.deepEqual(
      traffic.codes('branch').filter((code) => code !== '451'),
      ['250'],
    )
    const changed = await appliedOnceReplicated(fleet, organizations('127.50.0.99'))
    assert.equal(changed.code, 0, changed.output)
  })

  await t.test(
    'outlives the master of Redis: 451 in the gap and nothing else, then as before',
    async (step) => {
      await haproxyKnows(fleet, 'UP')
      const traffic = new Traffic(fleet, 1, 2)
      await until('there is traffic', () => (traffic.heard.stranger.get('550') ?? 0) > 5)
      await compose.stop('redis2', 'SIGKILL')
      await until('there is a gap', () => traffic.heard.stranger.has('451'))
      // Sentinels wait for a while after the change of masters before they make another.
      await until('the replica is master', async () => (await roleOf(step, fleet, 'redis1')) === 'master')
      const before = traffic.heard.stranger.get('550') ?? 0
      await until('it is asked', () => (traffic.heard.stranger.get('550') ?? 0) > before + 20)
      await traffic.stop()
      assert.deepEqual(traffic.codes('stranger'), ['451', '550'])
      assert.deepEqual(
        traffic.codes('branch').filter((code) => code !== '451'),
        ['250'],
        'who may relay is never refused',
      )
      // The old master comes back as a replica, and a change counts again with it.
      await compose.start('redis2')
      const { output, code } = await appliedOnceReplicated(fleet, organizations('127.50.1.1'))
      assert.equal(code, 0, output)
      await until('the change counts', async () => (await answers(fleet, '127.50.1.1')).every(isAccepted))
    },
  )

  await t.test(
    'believes no new master that lacks the last change, until an administrator accepts it',
    async (step) => {
      const replica = await sentinelUser(step, fleet, 'redis2')
      await replica.call('SLAVEOF', '127.0.0.1', '1')
      const lost = await fleet.apply(organizations('127.50.2.2'))
      assert.equal(lost.code, 1)
      assert.match(lost.output, /written, not replicated: 0 of 1 replicas/)
      // Neither of them reads the replica, which hears of nothing.
      const from = Date.now()
      await until('both nodes saw it', async () => (await answers(fleet, '127.50.2.2')).every(isAccepted))
      assert.ok(Date.now() - from < 1000)
      const traffic = new Traffic(fleet, 1, 1)
      await compose.stop('redis1', 'SIGKILL')
      for (const name of NODES) {
        const { output } = await spoken(fleet, name, /went back in time/)
        assert.match(output, /connectorctl directory accept/)
      }
      // What was remembered of the lost state is not used either.
      for (const address of [BRANCH, STRANGER, '127.50.2.2']) {
        for (const reply of await answers(fleet, address)) assert.match(reply, /^451 4\.3\.0/)
      }
      await compose.start('redis1')
      const accepted = await fleet.ctl('directory', 'accept', '--yes')
      assert.match(accepted.output, /accepted, revision/)
      await until('it counts', async () => (await answers(fleet, BRANCH)).every(isAccepted))
      for (const reply of await answers(fleet, '127.50.2.2')) assert.match(reply, /^550/)
      await traffic.stop()
      const wrong = [...traffic.codes('branch'), ...traffic.codes('stranger')].filter(
        (code) => !['250', '451', '550'].includes(code),
      )
      assert.deepEqual(wrong, [])
      assert.ok(!traffic.heard.branch.has('550') && !traffic.heard.stranger.has('250'))
    },
  )

  await t.test('stops with exit code 0, and no log holds a secret', async () => {
    const secrets = await Promise.all(
      ['reader', 'writer', 'replica', 'sentinel'].map((name) => fleet.secret(name)),
    )
    for (const name of Object.keys(compose.file.services)) {
      if (name === 'connectorctl') continue
      assert.equal(await compose.stop(name), 0, name)
      const output = compose.running(name).output()
      for (const secret of secrets) assert.ok(!output.includes(secret), name)
    }
  })
})

function isAccepted(reply: string): boolean {
  return reply.startsWith('250')
}

/** What each node answers to a client, past HAProxy. */
async function answers(fleet: Fleet, from: string): Promise<string[]> {
  return Promise.all(
    NODES.map(async (name) => {
      const client = await fleet.connectTo(name, from)
      try {
        await client.expect(/^220/)
        await client.ehlo()
        return await client.envelope('kate@contoso.com', OUT)
      } finally {
        client.close()
      }
    }),
  )
}

/** Milliseconds from each change's entry in the audit stream until the slower node has answered by it. */
async function measureChanges(t: TestContext, fleet: Fleet, rounds: number): Promise<number[]> {
  const audit = new Redis({
    host: fleet.redisAddress('redis1'),
    username: 'connectors-writer',
    password: await fleet.secret('writer'),
    protocol: 2,
    enableReadyCheck: false,
  })
  atEnd(t, () => {
    audit.disconnect()
  })
  const took: number[] = []
  for (let round = 0; round < rounds; round++) {
    const address = `127.51.${Math.floor(round / 250)}.${1 + (round % 250)}`
    const seen = NODES.map((name) => firstAccepted(fleet, name, address))
    const { code, output } = await fleet.apply(organizations(address))
    assert.equal(code, 0, output)
    const [entry] = await audit.xrevrange('{connectors}:audit', '+', '-', 'COUNT', 1)
    const written = Number(entry?.[0].split('-')[0])
    took.push(Math.max(...(await Promise.all(seen))) - written)
  }
  return took
}

async function firstAccepted(fleet: Fleet, name: NodeName, address: string): Promise<number> {
  const client = await fleet.connectTo(name, address)
  await client.expect(/^220/)
  await client.ehlo()
  try {
    for (;;) {
      if (isAccepted(await client.envelope('kate@contoso.com', OUT))) return Date.now()
      await client.command('RSET')
      await delay(5)
    }
  } finally {
    client.close()
  }
}

/** Stops a node as `docker compose restart` does, and looks on. */
async function restart(fleet: Fleet, name: NodeName): Promise<void> {
  const { compose } = fleet
  await haproxyKnows(fleet, 'UP')
  const ended = compose.stop(name)
  // The health check hears it first, and mail is still taken.
  await until(`${name} tells the health check`, async () => {
    const check = await fleet.connectTo(name, fleet.proxy)
    const greeting = await check.reply()
    check.close()
    return greeting.startsWith('421')
  })
  const client = await fleet.connectTo(name, BRANCH)
  await client.expect(/^220/)
  await client.ehlo()
  assert.match(await client.envelope('kate@contoso.com', OUT), /^250/)
  assert.match(await client.message('Subject: in between\r\n\r\n.\r\n'), /^250/)
  client.close()
  await haproxyKnows(fleet, `smtp/${name} is DOWN`)
  assert.equal(await ended, 0, compose.running(name).output())
  await compose.start(name)
  await compose.healthy(name)
  await haproxyKnows(fleet, `smtp/${name} is UP`)
}

/** Waits for HAProxy to say so last of that server; `UP` alone: no server is down. */
async function haproxyKnows({ compose }: Fleet, what: string): Promise<void> {
  await until(`HAProxy says ${what}`, () => {
    const lines = compose.running('haproxy').output().split('\n')
    const last = (server: string): string =>
      lines.findLast((line) => line.includes(`Server ${server} is `)) ?? `Server ${server} is UP`
    if (what === 'UP') return ['smtp/node1', 'smtp/node2'].every((server) => last(server).includes(' is UP'))
    return last(what.split(' ')[0] ?? '').includes(what)
  })
}

/** The replica may need a moment after its start: the command is run again until it has the change. */
async function appliedOnceReplicated(fleet: Fleet, text: string): ReturnType<Fleet['apply']> {
  for (;;) {
    const result = await fleet.apply(text)
    if (result.code === 0) return result
    assert.match(result.output, /written, not replicated: 0 of 1 replicas/)
  }
}

/** Waits until a node's log matches. */
async function spoken(fleet: Fleet, name: NodeName, pattern: RegExp): Promise<{ output: string }> {
  const output = (): string => fleet.compose.running(name).output()
  await until(`${name} says ${String(pattern)}`, () => pattern.test(output()))
  return { output: output() }
}

async function roleOf(t: TestContext, fleet: Fleet, name: 'redis1' | 'redis2'): Promise<string> {
  const client = await asSentinel(t, fleet, name)
  return /role:(\w+)/.exec(await client.info('replication').catch(() => ''))?.[1] ?? ''
}

async function sentinelUser(t: TestContext, fleet: Fleet, name: 'redis1' | 'redis2'): Promise<Redis> {
  await until(`${name} is a replica`, async () => (await roleOf(t, fleet, name)) === 'slave')
  return asSentinel(t, fleet, name)
}

const CLIENTS = new Map<string, Redis>()

/** A connection to one of the Redis servers as the Sentinels have, kept for all steps. */
async function asSentinel(t: TestContext, fleet: Fleet, name: 'redis1' | 'redis2'): Promise<Redis> {
  const known = CLIENTS.get(name)
  if (known !== undefined) return known
  const client = new Redis({
    host: fleet.redisAddress(name),
    username: 'sentinel',
    password: await fleet.secret('sentinel'),
    protocol: 2,
    enableReadyCheck: false,
    retryStrategy: () => 50,
  })
  client.on('error', () => undefined)
  CLIENTS.set(name, client)
  atEnd(t, () => {
    CLIENTS.delete(name)
    client.disconnect()
  })
  return client
}
