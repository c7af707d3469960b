/**
 * kill -9, again and again, of the whole server or of one of its workers, while clients send and the next hops fail, are
 * down and recover: what was answered 250 arrives, whole, for everybody. `npm run proof` kills 300 times, CI 20;
 * CRASH_SEED=… makes the same choices again, as far as time allows.
 *
 * Duplicates cannot be avoided (RFC 1047): a server that is killed, or loses a connection, between a next hop's taking a
 * message and having noted it must send it again. They are bounded: each must be explained by one of the last transactions
 * of a connection that was cut (support/account.ts), and there are no more of them than connections that were cut.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { settle } from '../support/account.ts'
import { CountingSink } from '../support/counting-sink.ts'
import { DistinctMessages } from '../support/distinct-messages.ts'
import { Random } from '../support/random.ts'
import { filesInQueue, ServerGroup } from '../support/server-group.ts'
import { freePort, makeInstance, temporaryFolder } from '../support/smarthost.ts'
import { SteadySender } from '../support/steady-sender.ts'

const WHOLE = process.env['PROOF'] === 'whole'

const CLIENT = '127.51.0.1'

/** Mail to b*.example goes to the second sink, all other to the first. */
const organizations = (second: number): string => `organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
    inboundConnectors:
      - name: Clients
        connectorType: OnPremises
        senderIPAddresses: [127.51.0.0/24]
    outboundConnectors:
      - name: Second
        recipientDomains: [b1.example, b2.example]
        smartHosts: ["127.0.0.1:${second}"]
`

const DOMAINS = ['a1.example', 'a2.example', 'a3.example', 'b1.example', 'b2.example']

/** How often the sinks fail, in each of half a dozen places of a transaction. */
const FAULTS = 0.04

interface Plan {
  readonly kills: number
  readonly nodes: number
}

for (const { kills, nodes } of [
  { kills: WHOLE ? 180 : 12, nodes: 0 },
  { kills: WHOLE ? 120 : 8, nodes: 2 },
]) {
  const what = nodes === 0 ? 'the server' : 'the server with its workers, or one of them,'
  test(
    `nothing that was answered 250 is lost or altered when ${what} is killed ${kills} times`,
    { timeout: 120_000 + kills * 20_000 },
    (t) => crash(t, { kills, nodes }),
  )
}

async function crash(t: TestContext, { kills, nodes }: Plan): Promise<void> {
  const seed = Number(process.env['CRASH_SEED'] ?? Math.floor(Math.random() * 1_000_000_000))
  const say = (line: string): void => {
    t.diagnostic(line)
  }
  say(`CRASH_SEED=${seed}`)
  const random = new Random(seed)
  const folder = await temporaryFolder(t)
  const [first, second] = [await freePort(), await freePort()]
  const sinks: CountingSink[] = []
  for (const [index, port] of [first, second].entries()) {
    const file = join(folder, `sink${index}`)
    const listen = [{ host: '127.0.0.1', port }]
    sinks.push(await CountingSink.start(t, { file, listen, faults: FAULTS, seed: seed + index }))
  }
  const instance = await makeInstance(t, {
    demo: false,
    smartHost: first,
    organizations: organizations(second),
    config: {
      'connectors.ini': (text) =>
        text.replace(/^retry_intervals = .*$/m, 'retry_intervals = 1s').replace(/^grace = .*$/m, 'grace = 5'),
      'smtp.ini': (text) => text.replace(/^nodes=.*$/m, `nodes=${nodes}`),
    },
  })
  const server = new ServerGroup(t, instance)
  let acceptances = 0
  let wakeUp: () => void = () => undefined
  const sender = new SteadySender({
    host: instance.host,
    port: instance.smtp,
    localAddress: CLIENT,
    clients: 5,
    messages: new DistinctMessages(seed),
    size: () => sizeOf(random),
    recipients: () =>
      random.some(DOMAINS, random.between(1, 4)).map((domain) => `user${random.between(1, 3)}@${domain}`),
    accepted: () => {
      acceptances += 1
      wakeUp()
    },
  })

  /** Resolves with the 250 that makes so many, at that very moment. */
  const accepted = (count: number): Promise<void> =>
    new Promise((resolve) => {
      wakeUp = () => {
        if (acceptances >= count) resolve()
      }
    })

  const counts = { group: 0, worker: 0, sink: 0 }
  for (let kill = 0; kill < kills; kill += 1) {
    if (server.hasEnded) server.spawn()
    const outage = random.chance(0.25) ? outageOf(random.pick(sinks), random.between(0, 2000)) : null
    const moment = random.between(0, 2)
    if (moment === 0) {
      // At any moment, also before it listens.
      await pause(random.between(0, 2500))
    } else {
      await server.listening()
      const count = acceptances + random.between(1, 60)
      await Promise.race([accepted(count), pause(5000)])
      // Or a little later: while it is delivering.
      if (moment === 2) await pause(random.between(0, 200))
    }
    const [worker] = nodes > 0 && random.chance(0.3) ? server.workers() : []
    if (worker === undefined) {
      await server.kill()
      counts.group += 1
    } else {
      process.kill(worker, 'SIGKILL')
      counts.worker += 1
    }
    if (outage !== null) counts.sink += 1
    await outage
  }

  if (server.hasEnded) server.spawn()
  await server.listening()
  await accepted(acceptances + 20)
  await sender.stop()
  for (const sink of sinks) sink.fail(0)
  const lines = (): CountingSink['lines'] =>
    sinks.flatMap((sink) => {
      sink.read()
      return sink.lines
    })
  await quiet(() => settle(sender.sent, lines()).lost.length, server)
  await quiet(() => filesInQueue(instance).filter((name) => !name.endsWith('.lock')).length, server)
  const code = await server.stop()
  const account = settle(sender.sent, lines())

  const promised = sender.accepted()
  const pairs = promised.reduce((sum, { to }) => sum + to.length, 0)
  const bytes = promised.reduce((sum, { message }) => sum + message.bytes, 0)
  say(`kills: ${counts.group} of all, ${counts.worker} of one worker; of a sink: ${counts.sink}`)
  say(
    `sent ${sender.sent.size}, of which answered 250: ${promised.length} (${(bytes / 1048576).toFixed(0)} MiB) to ${pairs} recipients`,
  )
  say(
    `lost ${account.lost.length}, torn ${account.torn.length}, arrived without a 250: ${account.unpromised}, duplicates ${account.duplicates} (${account.explained.join(', ')} from the last, the last but one … transaction of a connection that was cut; ${account.cut} were)`,
  )
  for (const [reply, times] of sender.refusals) say(`${times} times: ${reply}`)

  const some = (items: readonly string[]): readonly string[] => items.slice(0, 10)
  assert.deepEqual(some(account.lost), [], queueAndLog(server))
  assert.deepEqual(some(account.torn), [])
  assert.deepEqual(some(account.strange), [])
  assert.deepEqual(some(account.unexplained), [])
  assert.ok(account.duplicates <= account.cut, `${account.duplicates} duplicates`)
  assert.equal(code, 0, server.output().slice(-3000))
  assert.deepEqual(filesInQueue(instance), [])
}

/** kill -9 of a sink, which is then down for a while. */
async function outageOf(sink: CountingSink, milliseconds: number): Promise<void> {
  await sink.kill()
  await pause(milliseconds)
  await sink.restart()
}

function queueAndLog(server: ServerGroup): string {
  const files = filesInQueue(server.instance)
  return `in the queue: ${files.length}: ${files.slice(0, 5).join(' ')}\n${server.output().slice(-3000)}`
}

/** Most are small; 100 bytes to 300 KiB. */
function sizeOf(random: Random): number {
  if (random.chance(0.05)) return random.between(64 * 1024, 300 * 1024)
  return random.chance(0.3) ? random.between(4096, 64 * 1024) : random.between(100, 4096)
}

/** Waits until there is nothing left, for as long as it becomes less. */
async function quiet(left: () => number, server: ServerGroup): Promise<void> {
  let least = left()
  let end = Date.now() + 30_000
  while (least > 0) {
    if (Date.now() >= end || server.hasEnded) return
    await pause(100)
    const now = left()
    if (now < least) end = Date.now() + 30_000
    least = Math.min(least, now)
  }
}
