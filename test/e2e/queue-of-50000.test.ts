/**
 * A queue of 50,000 messages to 1,000 destinations, of which three are dead in three ways (2,000 messages in CI): the
 * server listens before it has read it, the dead hold up nobody and are not asked again and again, the oldest goes first.
 */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { newOwnerName } from '../../src/outbound/control/socket.ts'
import { openSpool } from '../../src/outbound/spool/spool.ts'
import { cpuOf } from '../../bench/processor-time.ts'
import { memoryOf } from '../../bench/program.ts'
import type { SinkListener, SinkMessage } from '../support/counting-sink.ts'
import { CountingSink } from '../support/counting-sink.ts'
import { ID_FIELD } from '../support/distinct-messages.ts'
import { filesInQueue, ServerGroup } from '../support/server-group.ts'
import type { Instance } from '../support/smarthost.ts'
import { freePort, makeInstance, temporaryFolder } from '../support/smarthost.ts'
import { SmtpClient } from '../support/smtp-client.ts'

const MESSAGES = process.env['PROOF'] === 'whole' ? 50_000 : 2_000
const DESTINATIONS = 1_000

/** The first three destinations: takes connections and says nothing, takes and closes them, refuses them. */
const DEAD = ['silent', 'close', 'refuse'] as const
/** One of so many messages goes to each of them. */
const TO_EACH_DEAD = 20

/** As connectors.ini has it by default. */
const CONNECTIONS_TO_ONE = 20
/** The first retry interval, less a fifth: so long a destination that is dead is left alone. */
const LEFT_ALONE_MILLISECONDS = 48_000

const address = (destination: number): string =>
  `127.78.${Math.floor(destination / 250)}.${(destination % 250) + 1}`
const domain = (destination: number): string => `d${destination}.example`

function destinationOf(message: number): number {
  const dead = message % TO_EACH_DEAD
  if (dead < DEAD.length) return dead
  return DEAD.length + (message % (DESTINATIONS - DEAD.length))
}

function organizations(port: number): string {
  const connectors = Array.from(
    { length: DESTINATIONS },
    (_, index) =>
      `      - { name: D${index}, recipientDomains: [${domain(index)}], smartHosts: ["${address(index)}:${port}"] }\n`,
  )
  return `organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
    inboundConnectors:
      - name: Clients
        connectorType: OnPremises
        senderIPAddresses: [127.53.0.0/24]
    outboundConnectors:
${connectors.join('')}`
}

test(
  `a queue of ${MESSAGES} messages is delivered while three of its ${DESTINATIONS} destinations are dead`,
  { timeout: 1_200_000 },
  async (t) => {
    const port = await freePort(address(0))
    const listen = Array.from({ length: DESTINATIONS }, (_, index): SinkListener => {
      const dead = DEAD[index]
      const mode = dead === undefined || dead === 'refuse' ? 'serve' : dead
      return { host: address(index), port, mode }
    }).filter((_, index) => DEAD[index] !== 'refuse')
    const file = join(await temporaryFolder(t), 'sink')
    const sink = await CountingSink.start(t, { file, listen, faults: 0, seed: 1 })
    const instance = await makeInstance(t, { demo: false, organizations: organizations(port) })
    const server = new ServerGroup(t, instance)
    const empty = await startTime(server)
    await server.kill()
    await fill(instance)
    assert.equal(filesInQueue(instance).length, MESSAGES)

    const begin = Date.now()
    const full = await startTime(server)
    const early = sink.messages().length
    const startCpu = cpuOf(server.pid)
    const live = Array.from({ length: MESSAGES }, (_, index) => index).filter(
      (index) => destinationOf(index) >= DEAD.length,
    )
    const seconds = await drained(sink, live.length, server)
    const cpu = cpuOf(server.pid) - startCpu
    const peak = memoryOf(server.pid, 'VmHWM')
    // New mail is taken and delivered beside what waits.
    assert.match(await sendOne(instance), /^250/)
    await drained(sink, live.length + 1, server)

    const messages = sink.messages().filter(({ id }) => id !== 'new')
    const attempts = (mode: string): number => {
      const index = listen.findIndex((one) => one.mode === mode)
      return sink.lines.filter(({ kind, listener }) => kind === 'begin' && listener === index).length
    }
    const displaced = displacement(messages)
    say(
      t,
      `listening after ${full.milliseconds} ms (${full.cpu.toFixed(1)} s CPU), with an empty queue after ${empty.milliseconds} ms (${empty.cpu.toFixed(1)} s); delivered by then: ${early}`,
    )
    say(
      t,
      `all live destinations drained ${seconds.toFixed(1)} s after that (${(live.length / seconds).toFixed(0)} a second, ${(cpu / live.length).toFixed(2)} ms CPU each)`,
    )
    say(t, `peak of memory: ${peak.toFixed(0)} MiB`)
    say(t, `connections to the dead: silent ${attempts('silent')}, closing ${attempts('close')}`)
    say(t, `out of order by at most ${displaced} places within a destination`)

    assert.ok(early < live.length, 'it listened only when everything was delivered')
    assert.deepEqual(
      messages.map(({ id }) => Number(id)).toSorted((a, b) => a - b),
      live,
    )
    assert.ok(displaced <= CONNECTIONS_TO_ONE, `a message came ${displaced} places too late`)
    const periods = 1 + Math.ceil((Date.now() - begin) / LEFT_ALONE_MILLISECONDS)
    for (const mode of ['silent', 'close']) {
      assert.ok(attempts(mode) <= CONNECTIONS_TO_ONE * periods, `${attempts(mode)} connections: ${mode}`)
      assert.ok(attempts(mode) > 0, `nobody tried ${mode}`)
    }
    // What cannot be delivered waits, and is not given up.
    await until('only what is for the dead waits', () => waiting(instance) === MESSAGES - live.length, server)
    await server.kill()
  },
)

function say(t: TestContext, line: string): void {
  t.diagnostic(line)
}

/** What it takes until it greets. */
async function startTime(
  server: ServerGroup,
): Promise<{ readonly milliseconds: number; readonly cpu: number }> {
  const begin = Date.now()
  await server.start()
  return { milliseconds: Date.now() - begin, cpu: cpuOf(server.pid) / 1000 }
}

/** As the server itself would have left them. */
async function fill({ folder }: Instance): Promise<void> {
  const quiet = (): undefined => undefined
  const spool = await openSpool({
    queue: join(folder, 'queue'),
    owner: newOwnerName(),
    isAlive: () => Promise.resolve(false),
    log: { info: quiet, warn: quiet, error: quiet },
  })
  const first = Date.now() - MESSAGES
  let next = 0
  const some = async (): Promise<void> => {
    while (next < MESSAGES) {
      const number = next
      next += 1
      const recipient = domain(destinationOf(number))
      const content = `${ID_FIELD}: ${number}\r\nFrom: kate@contoso.com\r\nSubject: ${number}\r\n\r\n${'x'.repeat(2_000)}\r\n`
      await spool.store(
        {
          id: `${randomUUID().toUpperCase()}.1`,
          receivedAt: first + number,
          sender: 'kate@contoso.com',
          recipients: [{ address: `john@${recipient}`, domain: recipient, notify: null, orcpt: null }],
          organization: 'contoso',
          connector: 'Clients',
          peer: '127.53.0.1',
          mayBounce: true,
          reportOn: null,
          smtpUtf8: false,
          body: null,
          ret: null,
          envid: null,
        },
        Buffer.from(content),
      )
    }
  }
  await Promise.all(Array.from({ length: 32 }, some))
  await spool.close()
}

async function sendOne({ host, smtp }: Instance): Promise<string> {
  const client = await SmtpClient.connect({ host, port: smtp, localAddress: '127.53.0.1' })
  try {
    await client.ehlo()
    await client.envelope('kate@contoso.com', `john@${domain(DEAD.length)}`)
    return await client.message(`${ID_FIELD}: new\r\nSubject: new\r\n\r\nnew\r\n`)
  } finally {
    client.close()
  }
}

/** Waits for so many messages for as long as more arrive. @returns seconds until the last */
async function drained(sink: CountingSink, count: number, server: ServerGroup): Promise<number> {
  const begin = Date.now()
  let [had, since] = [-1, Date.now()]
  for (;;) {
    const { length } = sink.messages()
    if (length >= count) return (Date.now() - begin) / 1000
    if (length > had) [had, since] = [length, Date.now()]
    assert.ok(
      Date.now() - since < 30_000 && !server.hasEnded,
      `${length} of ${count} have arrived, and no more:\n${server.output().slice(-3000)}`,
    )
    await pause(100)
  }
}

async function until(what: string, holds: () => boolean, server: ServerGroup): Promise<void> {
  const end = Date.now() + 30_000
  while (!holds()) {
    assert.ok(Date.now() < end, `not in time: ${what}\n${server.output().slice(-3000)}`)
    await pause(100)
  }
}

function waiting({ folder }: Instance): number {
  return filesInQueue({ folder }).filter((name) => name.endsWith('.msg')).length
}

/** By how many places a message came later or earlier than its age says, within its destination; the worst. */
function displacement(messages: readonly SinkMessage[]): number {
  const byDestination = new Map<number, { id: number; mail: number }[]>()
  for (const { id, listener, mail } of messages) {
    byDestination.set(listener, [...(byDestination.get(listener) ?? []), { id: Number(id), mail }])
  }
  let worst = 0
  for (const arrived of byDestination.values()) {
    const order = arrived.toSorted((left, right) => left.mail - right.mail).map(({ id }) => id)
    const ages = order.toSorted((left, right) => left - right)
    for (const [place, id] of order.entries()) worst = Math.max(worst, Math.abs(place - ages.indexOf(id)))
  }
  return worst
}
