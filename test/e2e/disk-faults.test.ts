/**
 * The disk below the queue of a running server: full, failing, damaged, readable by others, and what of it was synced
 * before the answer. Whatever happens, what was answered 250 arrives whole, and nothing else is answered 250.
 */

import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { settle } from '../support/account.ts'
import { CountingSink } from '../support/counting-sink.ts'
import type { DistinctMessage } from '../support/distinct-messages.ts'
import { DistinctMessages } from '../support/distinct-messages.ts'
import { examined } from '../support/doctor.ts'
import { filesInQueue, ServerGroup } from '../support/server-group.ts'
import { freeBytes, mountSmallDisk } from '../support/small-disk.ts'
import type { Instance } from '../support/smarthost.ts'
import { freePort, makeInstance, temporaryFolder } from '../support/smarthost.ts'
import { SmtpClient } from '../support/smtp-client.ts'
import type { SentMessage } from '../support/steady-sender.ts'
import type { SystemCall } from '../support/strace.ts'
import { callsIn, canTrace, STRACE, Trace } from '../support/strace.ts'

const ORGANIZATIONS = `organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
    inboundConnectors:
      - name: Clients
        connectorType: OnPremises
        senderIPAddresses: [127.52.0.0/24]
`

const TO = ['john@a.example', 'mary@b.example']

interface Scene {
  readonly instance: Instance
  readonly server: ServerGroup
  readonly sinkPort: number
  readonly sinkFile: string
  readonly sent: Map<string, SentMessage>
  /** Sends one over a connection of its own: the reply to it. */
  send(message: DistinctMessage): Promise<string>
  startSink(): Promise<CountingSink>
}

async function setUp(t: TestContext, before: readonly string[] = []): Promise<Scene> {
  const sinkPort = await freePort()
  const sinkFile = join(await temporaryFolder(t), 'sink')
  const instance = await makeInstance(t, {
    demo: false,
    smartHost: sinkPort,
    organizations: ORGANIZATIONS,
    config: {
      'connectors.ini': (text) =>
        text.replace(/^retry_intervals = .*$/m, 'retry_intervals = 1s').replace(/^grace = .*$/m, 'grace = 5'),
    },
  })
  const server = new ServerGroup(t, instance, before)
  const sent = new Map<string, SentMessage>()
  return {
    instance,
    server,
    sinkPort,
    sinkFile,
    sent,
    send: (message) => sendOne(instance, sent, message),
    startSink: () =>
      CountingSink.start(t, {
        file: sinkFile,
        listen: [{ host: '127.0.0.1', port: sinkPort }],
        faults: 0,
        seed: 1,
      }),
  }
}

async function sendOne(
  { host, smtp }: Instance,
  sent: Map<string, SentMessage>,
  message: DistinctMessage,
): Promise<string> {
  const client = await SmtpClient.connect({ host, port: smtp, localAddress: '127.52.0.1' })
  try {
    await client.ehlo()
    const one: SentMessage = { message, to: TO, reply: null }
    sent.set(message.id, one)
    const refused = await envelope(client)
    if (refused !== null) {
      one.reply = refused
      return refused
    }
    client.write(message.wire)
    const reply = await client.reply()
    one.reply = reply
    return reply
  } finally {
    client.close()
  }
}

/** @returns the first answer that ends it; null when the content may come */
async function envelope(client: SmtpClient): Promise<string | null> {
  const commands = [
    'MAIL FROM:<kate@contoso.com> BODY=8BITMIME',
    ...TO.map((to) => `RCPT TO:<${to}>`),
    'DATA',
  ]
  for (const command of commands) {
    const reply = await client.command(command)
    if (!/^[23]/.test(reply)) return reply
  }
  return null
}

async function until(what: string, holds: () => boolean, { server }: Scene): Promise<void> {
  const end = Date.now() + 30_000
  while (!holds()) {
    assert.ok(Date.now() < end, `not in time: ${what}\n${server.output().slice(-3000)}`)
    assert.ok(!server.hasEnded, `the server has ended\n${server.output().slice(-3000)}`)
    await pause(50)
  }
}

/** Everything that was answered 250 arrives, and after that nothing that was not. */
async function allArrive(scene: Scene, sink: CountingSink): Promise<void> {
  const account = (): ReturnType<typeof settle> => {
    sink.read()
    return settle(scene.sent, sink.lines)
  }
  await until('everything arrives', () => account().lost.length === 0, scene)
  await until('the queue is empty', () => filesInQueue(scene.instance).length === 0, scene)
  const { strange, torn, unpromised } = account()
  assert.deepEqual({ strange, torn, unpromised }, { strange: [], torn: [], unpromised: 0 })
}

/** What a message has to go through before it is answered 250; each call is this one's alone (support/strace.ts). */
const STEPS = [
  { what: 'its file is made', call: 'openat', ofFolder: false },
  { what: 'it is written', call: 'writev', ofFolder: false },
  { what: 'it is synced', call: 'fsync', ofFolder: false },
  { what: 'it gets its name', call: 'rename', ofFolder: false },
  { what: 'its folder is synced', call: 'fsync', ofFolder: true },
]

const ERRORS = [
  { error: 'EIO', reply: '451 4.3.0' },
  { error: 'ENOSPC', reply: '452 4.3.1' },
]

const codes = (replies: readonly string[]): string[] =>
  [...new Set(replies.map((reply) => reply.slice(0, 9)))].toSorted()

describe('the disk below the queue', { concurrency: false }, () => {
  it('is full: mail is answered 452 before it is taken, what was taken arrives, and it goes on by itself', async (t) => {
    const scene = await setUp(t)
    const { instance, server } = scene
    const queue = join(instance.folder, 'queue')
    if (!mountSmallDisk(t, queue, 4 * 1024 * 1024)) return
    await server.start()
    const messages = new DistinctMessages(1)
    const replies: string[] = []
    // Nothing leaves, so that it fills; several at once, so that all write while there is room for one.
    const fill = async (size: number): Promise<void> => {
      for (let count = 0; count < 40; count += 1) {
        const reply = await scene.send(messages.make(size))
        replies.push(reply)
        if (!reply.startsWith('250')) return
      }
    }
    for (const size of [150_000, 20_000, 1_000]) await Promise.all([1, 2, 3, 4].map(() => fill(size)))
    // Full to the last block: also what the queue notes beside its messages does not fit any more.
    const rest = join(queue, '.rest')
    try {
      for (;;) appendFileSync(rest, Buffer.alloc(4096))
    } catch {
      assert.equal(freeBytes(queue), 0)
    }
    for (let count = 0; count < 5; count += 1) replies.push(await scene.send(messages.make(1_000)))
    assert.deepEqual(codes(replies), ['250 2.0.0', '452 4.3.1'])
    // Long enough that everything was tried again while nothing can be written.
    await pause(2500)
    assert.match(await scene.send(messages.make(1_000)), /^452 4\.3\.1/)
    const accepted = [...scene.sent.values()].filter(({ reply }) => reply?.startsWith('250') === true).length
    t.diagnostic(`${accepted} taken, ${scene.sent.size - accepted} refused`)
    const sink = await scene.startSink()
    await until(
      'everything arrives',
      () => {
        sink.read()
        return settle(scene.sent, sink.lines).lost.length === 0
      },
      scene,
    )
    truncateSync(rest, 0)
    assert.match(await scene.send(messages.make(150_000)), /^250/)
    await until(
      'the queue is empty',
      () => filesInQueue(instance).filter((name) => name !== '.rest').length === 0,
      scene,
    )
    const { lost, strange, torn, unpromised } = settle(scene.sent, (sink.read(), sink.lines))
    assert.deepEqual({ lost, strange, torn, unpromised }, { lost: [], strange: [], torn: [], unpromised: 0 })
    assert.equal(await server.stop(), 0)
  })

  it('fails in each step of taking a message: 452 or 451, nothing is left of it, and the next is taken', async (t) => {
    if (!canTrace(t)) return
    const scene = await setUp(t)
    const { instance, server } = scene
    await server.start()
    const messages = new DistinctMessages(2)
    assert.match(await scene.send(messages.make(2_000)), /^250/)
    const [first = ''] = filesInQueue(instance)
    const folder = join(instance.folder, 'queue', first.slice(0, first.indexOf('/')))
    let turns = 0
    const inject = (...args: string[]): Promise<Trace> => {
      turns += 1
      return Trace.attach(t, server.pid, `${scene.sinkFile}.strace${turns}`, ...args)
    }
    const injectedBy = async (trace: Trace): Promise<number> =>
      (await trace.detach()).split('(INJECTED)').length - 1

    // Nobody takes the mail yet: what stands in the queue is what was answered 250.
    let taken = 1
    for (const step of STEPS) {
      for (const { error, reply } of ERRORS) {
        const what = `${step.what}: ${error}`
        const paths = step.ofFolder ? ['-P', folder] : []
        const trace = await inject(
          ...paths,
          '-e',
          `trace=${step.call}`,
          '-e',
          `inject=${step.call}:error=${error}`,
        )
        const replies = await Promise.all([1, 2].map(() => scene.send(messages.make(30_000))))
        assert.ok((await injectedBy(trace)) > 0, `${what} never failed`)
        assert.deepEqual(codes(replies), [reply], what)
        assert.match(await scene.send(messages.make(30_000)), /^250/, what)
        taken += 1
        const stands = filesInQueue(instance).filter((name) => !name.includes('.state'))
        assert.equal(stands.length, taken, `${what}: ${stands.join(' ')}`)
      }
    }

    // Now and then, in any step, while what was taken leaves.
    const sink = await scene.startSink()
    const replies: string[] = []
    let failures = 0
    for (const when of ['1+2', '2+3', '3+4']) {
      const some = 'openat,writev,fsync,rename'
      const trace = await inject('-e', `trace=${some}`, '-e', `inject=${some}:error=EIO:when=${when}`)
      for (let count = 0; count < 3; count += 1) {
        replies.push(...(await Promise.all([1, 2, 3].map(() => scene.send(messages.make(30_000))))))
      }
      failures += await injectedBy(trace)
    }
    t.diagnostic(
      `${failures} calls failed now and then; ${replies.length} messages, answered ${codes(replies).join(', ')}`,
    )
    assert.ok(failures > 0)
    assert.deepEqual(
      codes(replies).filter((code) => code !== '250 2.0.0' && code !== '451 4.3.0'),
      [],
    )
    assert.match(await scene.send(messages.make(2_000)), /^250/)
    await allArrive(scene, sink)
    // Nothing of what was refused is left for the next start.
    assert.equal(await server.stop(), 0)
    await server.start()
    assert.match(await scene.send(messages.make(2_000)), /^250/)
    await allArrive(scene, sink)
    assert.equal(await server.stop(), 0)
  })

  it('has content, name and folder of a message before its 250, in an order that survives the loss of power', async (t) => {
    if (!canTrace(t)) return
    const file = join(await temporaryFolder(t), 'strace')
    const calls = 'trace=openat,mkdir,write,writev,fsync,fdatasync,rename'
    const scene = await setUp(t, [STRACE, '-f', '--seccomp-bpf', '-y', '-s', '100', '-e', calls, '-o', file])
    const { instance, server } = scene
    await server.start()
    const messages = new DistinctMessages(3)
    const replies = [await scene.send(messages.make(5_000))]
    // Together, so that syncs are shared.
    replies.push(...(await Promise.all([1, 2, 3, 4, 5].map(() => scene.send(messages.make(50_000))))))
    assert.deepEqual(codes(replies), ['250 2.0.0'])
    // A client hears the answer before strace has written that it was given.
    const answers = (): SystemCall[] =>
      callsIn(readFileSync(file, 'latin1')).filter(
        ({ name, text }) => name === 'write' && text.includes('"250 2.0.0'),
      )
    await until('strace has told of all answers', () => answers().length >= replies.length, scene)
    await server.kill()
    const log = callsIn(readFileSync(file, 'latin1'))

    const queue = join(instance.folder, 'queue')
    const folderSyncs: SystemCall[] = []
    let firstAnswer = Number.POSITIVE_INFINITY
    let owner = ''
    for (const reply of replies) {
      const [, id = ''] = /queued \(([-.0-9A-F]+)\)/.exec(reply) ?? []
      const only = (what: string, name: string, pattern: RegExp): SystemCall => {
        const [call, ...more] = log.filter((one) => one.name === name && pattern.test(one.text))
        assert.ok(call !== undefined && more.length === 0, `${id}: ${what}: ${more.length} and ${call?.text}`)
        assert.match(call.result, /^\d+(?:<.*>)?$/, `${id}: ${what}`)
        return call
      }
      const begun = `${queue}/[^/]+/[^/]+-${id}\\.msg\\.new`
      const opened = only('opened', 'openat', new RegExp(`"${begun}", O_WRONLY\\|O_CREAT\\|O_EXCL.*, 0600$`))
      const written = only('written', 'writev', new RegExp(`^\\d+<${begun}>`))
      const synced = only('synced', 'fsync', new RegExp(`^\\d+<${begun}>$`))
      const named = only('named', 'rename', new RegExp(`^"${begun}", ".*-${id}\\.msg"$`))
      const answered = only('answered', 'write', new RegExp(`^\\d+<.*>, "250 2\\.0\\.0 [^"]*\\(${id}\\)`))
      owner = /^"(.*)\/[^/]+", "/.exec(named.text)?.[1] ?? ''
      const lasting = log.find(
        (one) =>
          one.name === 'fsync' &&
          one.text.endsWith(`<${owner}>`) &&
          one.result === '0' &&
          one.begin > named.end,
      )
      assert.ok(lasting !== undefined, `${id}: its folder was not synced`)
      folderSyncs.push(lasting)
      const steps = [opened, written, synced, named, lasting, answered]
      for (const [index, step] of steps.entries()) {
        const before = steps[index - 1]
        assert.ok(
          before === undefined || before.end < step.begin,
          `${id}: ${step.name} before ${before?.name}`,
        )
      }
      firstAnswer = Math.min(firstAnswer, answered.begin)
    }
    // The folder itself has its name for good before anything is said to be in it.
    const made = log.find((one) => one.name === 'mkdir' && one.text.startsWith(`"${owner}"`))
    const kept = log.find(
      (one) => one.name === 'fsync' && one.text.endsWith(`<${queue}>`) && one.begin > (made?.end ?? Infinity),
    )
    assert.ok(kept !== undefined && kept.end < firstAnswer, 'the folder of the process was not synced')
    t.diagnostic(`${replies.length} messages, ${new Set(folderSyncs).size} syncs of their folder`)
  })

  it('holds damaged and foreign files at a start: they are set aside and told, the rest is delivered', async (t) => {
    const scene = await setUp(t)
    const { instance, sent, server } = scene
    const queue = join(instance.folder, 'queue')
    await server.start()
    const messages = new DistinctMessages(4)
    for (let count = 0; count < 12; count += 1) {
      assert.match(await scene.send(messages.make(5_000)), /^250/)
    }
    await server.kill()
    const stands = filesInQueue(instance)
    const holding = (id: string): string => {
      const found = stands.find((name) => readFileSync(join(queue, name)).includes(`Subject: ${id}\r\n`))
      assert.ok(found !== undefined, `${id} is in no file of the queue`)
      return join(queue, found)
    }
    const ids = [...sent.keys()]
    const damage: readonly (readonly [string, (path: string) => void])[] = [
      ['truncated in the middle', (path) => truncateSync(path, Math.round(statSync(path).size / 2))],
      ['truncated by a byte', (path) => truncateSync(path, statSync(path).size - 1)],
      ['truncated to ten bytes', (path) => truncateSync(path, 10)],
      ['empty', (path) => truncateSync(path, 0)],
      ['a bit of the content flipped', (path) => flip(path, 2_000)],
      ['a bit of the beginning flipped', (path) => flip(path, 5)],
      ['zeros at the end', (path) => zeroLast(path, 1_000)],
    ]
    const damaged = damage.map(([, act], index) => {
      const id = ids[index] ?? ''
      const path = holding(id)
      act(path)
      return { id, path, bytes: readFileSync(path) }
    })
    const owner = join(damaged[0]?.path ?? '', '..')
    for (const folder of new Set([queue, owner])) {
      writeFileSync(join(folder, 'README'), 'not a message\n')
      writeFileSync(join(folder, '.hidden'), '')
      writeFileSync(join(folder, 'core.1234'), Buffer.alloc(100_000))
      mkdirSync(join(folder, 'lost+found'))
      symlinkSync('/etc/passwd', join(folder, 'passwd'))
    }
    // What looks unfinished and cannot be removed.
    mkdirSync(join(owner, 'half.msg.new', 'deeper'), { recursive: true })
    const sink = await scene.startSink()
    await server.start()
    for (const { id } of damaged) sent.delete(id)
    const arrived = (): string[] => sink.messages().map(({ id }) => id)
    await until(
      'the rest arrives',
      () => {
        const here = new Set(arrived())
        return [...sent.keys()].every((id) => here.has(id))
      },
      scene,
    )
    assert.match(await scene.send(messages.make(2_000)), /^250/)
    await until('new mail arrives', () => [...sent.keys()].every((id) => arrived().includes(id)), scene)
    // The damaged ones are kept for people, byte for byte.
    const kept = everyFile(join(queue, 'damaged'))
    for (const [index, { bytes, id }] of damaged.entries()) {
      const [what] = damage[index] ?? []
      assert.ok(!arrived().includes(id), `${id} (${what}) was delivered`)
      assert.ok(
        bytes.length === 0 || kept.some((path) => readFileSync(path).equals(bytes)),
        `${id} (${what}) is gone`,
      )
    }
    const told = server.output()
    const untold = damaged.filter(({ path }) => !told.includes(path.slice(path.lastIndexOf('/') + 1)))
    assert.deepEqual(
      untold.map(({ id }) => id),
      [],
      `not told in the log:\n${told.slice(-3000)}`,
    )
    assert.match(readFileSync('/etc/passwd', 'utf8'), /^root:/)
    const journal = join(instance.folder, 'data', 'journal')
    const journalled = everyFile(journal)
      .flatMap((path) => readFileSync(path, 'utf8').split('\n'))
      .filter((line) => line.includes('"damaged"'))
    const { of } = await examined(instance.folder)
    const found = of('queue-damaged').map(({ evidence }) => evidence)
    for (const { path } of damaged) {
      const name = path.slice(path.lastIndexOf('/') + 1)
      assert.ok(
        journalled.some((line) => line.includes(name)),
        `${name} is not in the journal`,
      )
      assert.ok(
        found.some((line) => line.includes(name)),
        `doctor does not tell of ${name}`,
      )
    }
    assert.equal(await server.stop(), 0)
    // And the next start is not stopped by them either.
    await server.start()
    assert.equal(await server.stop(), 0)
  })

  it('shows mail to nobody else: files have 0600, folders 0700, also under an open umask', async (t) => {
    const scene = await setUp(t, ['sh', '-c', 'umask 000; exec "$@"', 'sh'])
    const { instance, server } = scene
    const queue = join(instance.folder, 'queue')
    await server.start()
    const messages = new DistinctMessages(5)
    for (let count = 0; count < 3; count += 1) {
      assert.match(await scene.send(messages.make(5_000)), /^250/)
    }
    // Refused by the sink that is not there: what is noted of that stands there too.
    await until('it was tried', () => /ECONNREFUSED/.test(server.output()), scene)
    await server.kill()
    const wrong = readdirSync(queue, { recursive: true, withFileTypes: true }).flatMap((entry) => {
      const path = join(entry.parentPath, entry.name)
      const mode = statSync(path).mode & 0o777
      const allowed = entry.isDirectory() ? 0o700 : 0o600
      return (mode & ~allowed) === 0 ? [] : [`${path} has ${mode.toString(8)}`]
    })
    assert.deepEqual(wrong, [])
  })
})

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 0x04
  writeFileSync(path, bytes)
}

/** What a file system may leave of a file whose last blocks never reached the disk. */
function zeroLast(path: string, count: number): void {
  const bytes = readFileSync(path)
  writeFileSync(path, bytes.fill(0, bytes.length - count))
}

function everyFile(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  )
}
