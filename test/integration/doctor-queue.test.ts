/** What connectorctl doctor says of the queue, and of what outbound connectors show: one thing broken in each instance. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, chown, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { after, describe, it } from 'node:test'
import { encodeMessage } from '../../src/outbound/spool/format.ts'
import { messageName } from '../../src/outbound/spool/names.ts'
import { openSpool } from '../../src/outbound/spool/spool.ts'
import type { QueuedMessage } from '../../src/outbound/types.ts'
import { newOwnerName } from '../../src/outbound/control/socket.ts'
import { Authority } from '../support/authority.ts'
import type { StillInstance } from '../support/doctor.ts'
import { examined, Moulds } from '../support/doctor.ts'
import { queued, recipient, waiting } from '../support/queued.ts'
import type { QueueWorld } from '../support/queue-world.ts'
import { deadOwner, livingOwner, strangeOwner } from '../support/queue-world.ts'
import { atEnd } from '../support/smarthost.ts'

const HOUR = 3_600_000

const moulds = new Moulds()
after(() => moulds.remove())

interface Case {
  readonly name: string
  readonly code: string
  readonly severity: 'error' | 'warning' | 'info'
  readonly evidence: RegExp
  readonly organizations?: string
  /** Breaks it. */
  readonly breakIt: (world: QueueWorld & StillInstance, t: TestContext) => unknown
}

const waitingFor = (age: number, domain = 'fabrikam.com', more: Partial<QueuedMessage['state']> = {}) =>
  queued(
    `2E0958EC-${age}.1`,
    { receivedAt: Date.now() - age, recipients: [recipient(`john@${domain}`)] },
    more,
  )

const REFUSED = {
  at: Date.now(),
  code: 451,
  status: '4.7.1',
  text: 'Greylisted \u001b[31m',
  remote: { host: 'mx.fabrikam.com', address: '192.0.2.25', port: 25 },
}

/** A file of Haraka's own queue, as its outbound/hmail.js writes it. */
function harakaFile(envelope = '{"rcpt_to":[],"mail_from":{}}'): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(envelope.length)
  return Buffer.concat([length, Buffer.from(`${envelope}Subject: x\r\n\r\nx\r\n`)])
}

function harakaName(age: number): string {
  const time = Date.now() - age
  return `${time}_${time}_0_123_AbCdEf_0_smarthost.test`
}

async function certificate({ path }: StillInstance, t: TestContext, days: number): Promise<void> {
  const authority = new Authority()
  atEnd(t, () => {
    authority.close()
  })
  const made = authority.make({ name: 'smarthost.test', issuer: null, days })
  await mkdir(path('outbound'))
  await writeFile(path('outbound', 'client.pem'), made.pem)
  await rename(made.keyFile, path('outbound', 'client.key'))
  await chmod(path('outbound', 'client.key'), 0o600)
}

const WITH_CERTIFICATE = `organizations:
  - name: contoso
    outboundConnectors:
      - name: To partners
        recipientDomains: [fabrikam.com]
        smartHosts: [smtp.fabrikam.com]
        tlsCertificateFile: outbound/client.pem
        tlsKeyFile: outbound/client.key
`

const CASES: readonly Case[] = [
  {
    name: 'mail that waits for long',
    code: 'queue-old',
    severity: 'warning',
    evidence: /^1 messages wait, the oldest since \S+ \(5 hours\)$/,
    breakIt: (world, t) => livingOwner(t, world, [waitingFor(5.5 * HOUR)]),
  },
  {
    name: 'mail that waits for too long',
    code: 'queue-old',
    severity: 'error',
    evidence: /^2 messages wait, .*\(49 hours\)$/,
    breakIt: (world) =>
      deadOwner(
        world,
        [waitingFor(49.5 * HOUR), waitingFor(1)].map((one) => [one, 'x\r\n']),
      ),
  },
  {
    name: 'much mail that waits',
    code: 'queue-long',
    severity: 'warning',
    evidence: /^10001 messages wait$/,
    breakIt: (world, t) =>
      livingOwner(
        t,
        world,
        Array.from({ length: 10_001 }, (_none, index) =>
          queued(`2E0958EC-${index}.1`, { receivedAt: Date.now() }),
        ),
      ),
  },
  {
    name: 'a destination that does not take mail, with its last answer',
    code: 'queue-destination-late',
    severity: 'warning',
    evidence:
      /^2 messages to fabrikam\.com wait, the oldest since \S+ \(2 hours\); the last answer: 451 Greylisted \\x1b\[31m$/,
    breakIt: (world, t) =>
      livingOwner(t, world, [
        waitingFor(2.5 * HOUR, 'fabrikam.com', { recipients: [waiting({ attempts: 3, said: REFUSED })] }),
        waitingFor(1),
      ]).then(() => livingOwner(t, world, [waitingFor(HOUR / 2, 'tailspintoys.com')])),
  },
  {
    name: 'a destination that has not taken mail for a day',
    code: 'queue-destination-late',
    severity: 'error',
    evidence: /^1 messages to fabrikam\.com wait, .* \(25 hours\); not tried yet$/,
    breakIt: (world) => deadOwner(world, [[waitingFor(25.5 * HOUR), 'x\r\n']]),
  },
  {
    name: 'held mail',
    code: 'queue-held',
    severity: 'warning',
    evidence: /^2 messages are held, the oldest since 2026-11-2/,
    breakIt: (world) => {
      const hold = { at: Date.now(), reason: 'could not be delivered', by: null }
      return deadOwner(
        world,
        [waitingFor(72 * HOUR, 'fabrikam.com', { hold }), waitingFor(HOUR, 'fabrikam.com', { hold })].map(
          (one) => [one, 'x\r\n'],
        ),
      )
    },
  },
  {
    name: 'a process that does not answer',
    code: 'queue-not-answering',
    severity: 'error',
    evidence: /^the process of \S+ \(pid \d+\) has said nothing for 5 seconds: it hangs/,
    breakIt: (world, t) => strangeOwner(t, world, () => undefined),
  },
  {
    name: 'mail that a process left when it ended, and that nobody has',
    code: 'queue-left-behind',
    severity: 'warning',
    evidence:
      /^queue\/\d+-\w+: 1 messages of a process that has ended, and no other has a part of the queue$/,
    breakIt: (world) => deadOwner(world, [[waitingFor(1), 'x\r\n']]),
  },
  {
    name: 'that a living process will take over what another left',
    code: 'queue-left-behind',
    severity: 'info',
    evidence: /of a process that has ended, while 1 live$/,
    breakIt: async (world, t) => {
      await livingOwner(t, world, [])
      await deadOwner(world, [[waitingFor(1), 'x\r\n']])
    },
  },
  {
    name: "mail in Haraka's own form",
    code: 'queue-not-taken-over',
    severity: 'warning',
    evidence: /\/queue: 2 messages, the oldest since \d{4}-/,
    breakIt: async ({ queue }) => {
      for (const age of [5 * HOUR, HOUR]) await writeFile(join(queue, harakaName(age)), harakaFile())
    },
  },
  {
    name: "mail in Haraka's own form in the folder that it was told of",
    code: 'queue-not-taken-over',
    severity: 'warning',
    evidence: /\/elsewhere: 1 messages, /,
    breakIt: async ({ folder, path }) => {
      await mkdir(join(folder, 'elsewhere'))
      await writeFile(join(folder, 'elsewhere', harakaName(HOUR)), harakaFile())
      await writeFile(path('queue_dir'), `${join(folder, 'elsewhere')}\n`)
    },
  },
  {
    name: "a message in Haraka's own form that is cut short",
    code: 'queue-damaged',
    severity: 'error',
    evidence: /_smarthost\.test has an envelope that is cut short$/,
    breakIt: ({ queue }) => writeFile(join(queue, harakaName(0)), Buffer.from([0, 0, 1, 0, 0x7b])),
  },
  {
    name: 'a pipe in the queue',
    code: 'queue-damaged',
    severity: 'error',
    evidence: /_smarthost\.test is no file$/,
    breakIt: ({ queue }) => execFileSync('/usr/bin/mkfifo', [join(queue, harakaName(0))]),
  },
  {
    name: 'a message that is cut off, before anybody has found it',
    code: 'queue-damaged',
    severity: 'error',
    evidence: /^\d+-\w+\/\S+-x\.1\.msg has an envelope that is no JSON$/,
    breakIt: async (world) => {
      const owner = await deadOwner(world, [[waitingFor(1), 'x\r\n']])
      const [head = Buffer.alloc(0)] = encodeMessage(queued('x.1').envelope, Buffer.from('x\r\n'))
      head[head.length - 1] = 0x21
      await writeFile(
        join(world.queue, owner, messageName(Date.now(), 'x.1')),
        Buffer.concat([head, Buffer.alloc(50)]),
      )
    },
  },
  {
    name: 'what a process has set aside, and why',
    code: 'queue-damaged',
    severity: 'error',
    evidence: /^damaged\/\S+-x\.1\.msg was set aside: \d{4}-\S+Z is empty$/,
    breakIt: async (world) => {
      const dead = await deadOwner(world, [[waitingFor(1), 'x\r\n']])
      await writeFile(join(world.queue, dead, messageName(Date.now(), 'x.1')), '')
      const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
      const isAlive = () => Promise.resolve(false)
      const spool = await openSpool({ queue: world.queue, owner: newOwnerName(), isAlive, log: quiet })
      await spool.load(() => undefined)
      await spool.close()
    },
  },
  {
    name: 'a file that is no message',
    code: 'queue-foreign',
    severity: 'warning',
    evidence: /^1 names: error\.1234_x$/,
    breakIt: ({ queue }) => writeFile(join(queue, 'error.1234_x'), ''),
  },
  {
    name: "a file that is no message, in a process's folder",
    code: 'queue-foreign',
    severity: 'warning',
    evidence: /^1 names: \d+-\w+\/core$/,
    breakIt: async (world) => {
      const owner = await deadOwner(world, [[waitingFor(1), 'x\r\n']])
      await writeFile(join(world.queue, owner, 'core'), '')
    },
  },
  {
    name: 'that others can read what a process has of the queue',
    code: 'mail-readable-by-others',
    severity: 'warning',
    evidence: /\/queue\/\d+-\w+\/\S+\.msg has mode 644$/,
    breakIt: async (world) => {
      const owner = await deadOwner(world, [[waitingFor(1), 'x\r\n']])
      const message = queued('x.1')
      const path = join(world.queue, owner, messageName(Date.now(), 'x.1'))
      await writeFile(path, Buffer.concat(encodeMessage(message.envelope, Buffer.from('x\r\n'))))
      await chmod(path, 0o644)
    },
  },
  {
    name: 'an outbound connector whose certificate is missing',
    code: 'outbound-identity-unusable',
    severity: 'error',
    organizations: WITH_CERTIFICATE,
    evidence: /outbound connector To partners: outbound\/client\.pem .*\(contoso\)$/,
    breakIt: () => undefined,
  },
  {
    name: 'an outbound connector whose certificate has expired',
    code: 'outbound-certificate-expired',
    severity: 'error',
    organizations: WITH_CERTIFICATE,
    evidence: /^outbound connector "To partners" of contoso: outbound\/client\.pem expired on 20/,
    breakIt: (world, t) => certificate(world, t, -1),
  },
  {
    name: 'an outbound connector whose certificate expires soon',
    code: 'outbound-certificate-expiring',
    severity: 'warning',
    organizations: WITH_CERTIFICATE,
    evidence:
      /^outbound connector "To partners" of contoso: outbound\/client\.pem expires on 20\S+, in 9 days$/,
    breakIt: (world, t) => certificate(world, t, 10),
  },
]

async function instanceFor(
  t: TestContext,
  organizations: string | null,
): Promise<QueueWorld & StillInstance> {
  const instance = await moulds.copy(t, organizations)
  return { ...instance, queue: join(instance.folder, 'queue') }
}

describe('doctor, of the queue and of what is shown to next hops', () => {
  for (const { breakIt, code, evidence, name, organizations = null, severity } of CASES) {
    it(`finds ${name} (${code})`, async (t) => {
      const world = await instanceFor(t, organizations)
      await breakIt(world, t)
      const { of } = await examined(world.folder)
      const found = of(code)
      assert.ok(
        found.some((finding) => finding.severity === severity && evidence.test(finding.evidence)),
        JSON.stringify(found, null, 2),
      )
    })
  }

  it('finds nothing wrong with mail that has just come, in a process and in its folder', async (t) => {
    const world = await instanceFor(t, null)
    await livingOwner(t, world, [waitingFor(HOUR / 2)])
    const { findings } = await examined(world.folder)
    const codes = findings.map(({ code }) => code)
    assert.deepEqual(
      codes.filter((code) => code.startsWith('queue-')),
      [],
    )
  })

  it('tells a late destination by mail that still waits for it, not by what it has taken', async (t) => {
    const world = await instanceFor(t, null)
    const recipients = [recipient('john@fabrikam.com'), recipient('kai@tailspintoys.com')]
    await livingOwner(t, world, [
      queued(
        '2E0958EC.1',
        { receivedAt: Date.now() - 2 * HOUR, recipients },
        { recipients: [waiting({ status: 'delivered' }), waiting()] },
      ),
    ])
    const { of } = await examined(world.folder)
    assert.deepEqual(
      of('queue-destination-late').map((one) => /to (\S+) wait/.exec(one.evidence)?.[1]),
      ['tailspintoys.com'],
    )
  })

  it("finds a message that is not the server's, as a backup brought it back by root", async (t) => {
    if (process.getuid?.() !== 0) {
      t.skip('SKIPPED: not root')
      return
    }
    const world = await instanceFor(t, null)
    const owner = await deadOwner(world, [[waitingFor(1), 'x\r\n']])
    for (const path of [world.queue, join(world.folder, 'data')]) await chown(path, 65_534, 65_534)
    await writeFile(world.path('smtp.ini'), 'listen=127.0.0.1:2\nuser=nobody\ngroup=nogroup\n')
    const { of } = await examined(world.folder)
    const evidence = of('not-readable-by-server').map((one) => one.evidence)
    assert.ok(
      evidence.some((text) => text.includes(`/queue/${owner} belongs to user 0, mode 700`)),
      evidence.join('\n'),
    )
    assert.ok(
      evidence.some((text) => /\.msg belongs to user 0, mode 600; the server runs as nobody/.test(text)),
    )
  })

  it('is not misled by an entry that holds impossible times', async (t) => {
    const world = await instanceFor(t, null)
    await livingOwner(t, world, [queued('2E0958EC.1', { receivedAt: -9e15 })])
    const { of } = await examined(world.folder)
    assert.match(of('queue-old')[0]?.evidence ?? '', /since -9000000000000000 /)
    assert.deepEqual(of('check-failed'), [])
  })
})
