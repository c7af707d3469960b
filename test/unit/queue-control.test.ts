/** The socket of each process that has a part of the queue, and all of them as one. Real sockets and processes. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { askOwner, NoAnswer, OwnerGone } from '../../src/outbound/control/ask.ts'
import { mergedByAge } from '../../src/outbound/control/merge.ts'
import type { DeadFolders } from '../../src/outbound/control/open.ts'
import { openControls } from '../../src/outbound/control/open.ts'
import { serveControl } from '../../src/outbound/control/serve.ts'
import { isAlive, newOwnerName, socketName } from '../../src/outbound/control/socket.ts'
import type { QueueControl, QueueEntry } from '../../src/outbound/types.ts'
import { MemoryControl, queued, RECEIVED } from '../support/queued.ts'
import { atEnd, ROOT, temporaryFolder } from '../support/smarthost.ts'

const OWNER = fileURLToPath(new URL('../support/queue-owner.ts', import.meta.url))

const log = { warn: (message: string) => assert.fail(message) }

async function serve(
  t: TestContext,
  queue: string,
  owner: string,
  control: QueueControl | Promise<QueueControl>,
) {
  const listening = await serveControl({ queue, owner, control, log })
  atEnd(t, () => listening.close())
  return listening
}

async function idsOf(list: AsyncIterable<QueueEntry>): Promise<string[]> {
  const ids: string[] = []
  for await (const { envelope } of list) ids.push(envelope.id)
  return ids
}

/** @returns the child, and the pid of the process that has the queue */
async function ownerProcess(t: TestContext, ...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', OWNER, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  atEnd(t, async () => {
    child.kill('SIGKILL')
    await ended
  })
  const [pid] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, pid: Number(pid.toString()) }
}

/** Folders of dead processes, as far as their names go. */
function nothingDead(queue: string): DeadFolders {
  return {
    owners: async () => (await readdir(queue)).map((name) => name.replace(/\.sock$/, '')),
    list: () => idle(),
    show: () => Promise.resolve(null),
    act: () => Promise.resolve([]),
  }
}

async function* idle(): AsyncGenerator<QueueEntry> {
  // Nothing is there.
}

describe('the socket of a process that has a part of the queue', () => {
  it('lists, shows and acts, and is for its user alone', async (t) => {
    const queue = join(await temporaryFolder(t), 'queue')
    const owner = newOwnerName()
    assert.match(owner, /^[a-z0-9-]+$/)
    const control = new MemoryControl(owner, [queued('1'), queued('2', { organization: null })])
    await serve(t, queue, owner, control)
    assert.equal((await stat(queue)).mode & 0o777, 0o700)
    assert.equal((await stat(join(queue, socketName(owner)))).mode & 0o777, 0o600)
    const asked = askOwner(queue, owner)
    assert.deepEqual(await idsOf(asked.list({})), ['1', '2'])
    assert.deepEqual(await idsOf(asked.list({ organization: 'contoso', olderThan: 1, held: false })), ['1'])
    assert.equal((await asked.show('1'))?.header, 'Subject: Offer\r\n')
    assert.equal(await asked.show('3'), null)
    assert.deepEqual(await asked.act('drop', { ids: ['2'] }, 'root'), [
      { id: '2', done: true, why: 'dropped' },
    ])
    assert.deepEqual(await idsOf(asked.list({})), ['1'])
  })

  it('works below a folder whose name is longer than a socket may have', async (t) => {
    const queue = join(await temporaryFolder(t), 'x'.repeat(80), 'y'.repeat(80), 'queue')
    const owner = newOwnerName()
    const listening = await serveControl({
      queue,
      owner,
      control: new MemoryControl(owner, [queued('1')]),
      log,
    })
    assert.deepEqual(await readdir(queue), [socketName(owner)])
    assert.deepEqual(await idsOf(askOwner(queue, owner).list({})), ['1'])
    assert.equal(await isAlive(queue, owner), true)
    await listening.close()
    assert.deepEqual(await readdir(queue), [])
    assert.equal(await isAlive(queue, owner), false)
  })

  it('hands over 50,000 messages without holding them, as fast as they are read', async (t) => {
    const queue = await temporaryFolder(t)
    let made = 0
    const control: QueueControl = {
      async *list() {
        for (; made < 50_000; made += 1) {
          yield await Promise.resolve({ ...queued(String(made)), owner: 'many', active: false })
        }
      },
      show: () => Promise.resolve(null),
      act: () => Promise.resolve([]),
    }
    await serve(t, queue, 'many', control)
    const entries = askOwner(queue, 'many').list({})[Symbol.asyncIterator]()
    await entries.next()
    assert.ok(made < 10_000, `${made} were made for one that was read`)
    let read = 1
    while ((await entries.next()).done !== true) read += 1
    assert.equal(read, 50_000)
  })

  it('is not taken for one that hangs by somebody who reads slowly', async (t) => {
    const queue = await temporaryFolder(t)
    const many = Array.from({ length: 2_000 }, (_, index) => queued(String(index)))
    await serve(t, queue, 'one', new MemoryControl('one', many))
    const entries = askOwner(queue, 'one', 2_000).list({})[Symbol.asyncIterator]()
    await entries.next()
    // Nothing of this process goes on meanwhile, and then whatever is late by then.
    for (let round = 0; round < 3; round += 1) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_100)
      await new Promise((done) => setImmediate(done))
    }
    let read = 1
    while ((await entries.next()).done !== true) read += 1
    assert.equal(read, 2_000)
  })

  it('lets who asks wait until the queue is read, and tells why it could not be', async (t) => {
    const queue = await temporaryFolder(t)
    let begin: (control: QueueControl) => void = () => undefined
    const reading = new Promise<QueueControl>((resolve) => (begin = resolve))
    await serve(t, queue, 'slow', reading)
    const asked = idsOf(askOwner(queue, 'slow').list({}))
    begin(new MemoryControl('slow', [queued('1')]))
    assert.deepEqual(await asked, ['1'])
    await serve(t, queue, 'broken', Promise.reject(new Error('the disk is broken')))
    await assert.rejects(idsOf(askOwner(queue, 'broken').list({})), /broken: the disk is broken/)
  })

  it('answers what is no question with a refusal, and goes on', async (t) => {
    const queue = await temporaryFolder(t)
    const control = new MemoryControl('one', [queued('1')])
    await serve(t, queue, 'one', control)
    const said = async (text: string | Buffer): Promise<string> => {
      const socket = connect(join(queue, socketName('one')))
      let answer = ''
      socket.on('data', (data) => (answer += data.toString()))
      socket.on('error', () => undefined)
      const closed = new Promise<void>((resolve) => {
        socket.on('close', () => {
          resolve()
        })
      })
      socket.write(text)
      await closed
      return answer
    }
    const bad = [
      'GET / HTTP/1.1\r\n\r\n',
      '{}\n',
      '{"version":1,"ask":"act","action":"erase","filter":{},"by":"x"}\n',
      '{"version":1,"ask":"list","filter":{"__proto__":{"held":true},"all":true}}\n',
      '{"version":1,"ask":"list","filter":{"olderThan":-1}}\n',
      `{"version":1,"ask":"list","filter":{"ids":[${'"x",'.repeat(10_000)}"x"]}}\n`,
      Buffer.alloc(2 * 1024 * 1024, 0x61),
    ]
    for (const text of bad) assert.doesNotMatch(await said(text), /entry|done|end/)
    assert.match(await said('{"version":2,"ask":"list","filter":{}}\n'), /speaks version 1/)
    assert.deepEqual(await idsOf(askOwner(queue, 'one').list({})), ['1'])
    assert.equal(control.journal.length, 0)
  })

  it('survives any bytes', async (t) => {
    const queue = await temporaryFolder(t)
    await serve(t, queue, 'one', new MemoryControl('one', [queued('1')]))
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const socket = connect(join(queue, socketName('one')))
        socket.on('error', () => undefined)
        socket.end(bytes)
        socket.resume()
        await new Promise((done) => socket.on('close', done))
      }),
      { numRuns: 50 },
    )
    assert.deepEqual(await idsOf(askOwner(queue, 'one').list({})), ['1'])
  })

  it('is dead as soon as its process is killed, and one that stands still is alive, but told of', async (t) => {
    const queue = await temporaryFolder(t)
    assert.equal(await isAlive(queue, 'one'), false)
    const { child, pid } = await ownerProcess(t, queue, 'one')
    assert.equal(await isAlive(queue, 'one'), true)
    process.kill(pid, 'SIGSTOP')
    assert.equal(await isAlive(queue, 'one'), true)
    await assert.rejects(idsOf(askOwner(queue, 'one', 200).list({})), (error) => {
      assert.ok(error instanceof NoAnswer)
      assert.match(error.message, /the process of one .* has said nothing for 0\.2 seconds: it hangs/)
      return true
    })
    const ended = once(child, 'close')
    child.kill('SIGKILL')
    await ended
    assert.deepEqual(await readdir(queue), ['one.sock'], 'what it left behind')
    assert.equal(await isAlive(queue, 'one'), false)
    await assert.rejects(idsOf(askOwner(queue, 'one').list({})), OwnerGone)
  })

  it("of a cluster's worker is the worker's own: the master does not keep it alive", async (t) => {
    const queue = await temporaryFolder(t)
    const { child, pid } = await ownerProcess(t, queue, 'worker', 'cluster')
    assert.notEqual(pid, child.pid)
    assert.equal(await isAlive(queue, 'worker'), true)
    process.kill(pid, 'SIGKILL')
    while (await isAlive(queue, 'worker')) await new Promise((done) => setImmediate(done))
    assert.equal(child.exitCode, null, 'the master lives')
  })

  it('that is no socket is nobody', async (t) => {
    const queue = await temporaryFolder(t)
    await writeFile(join(queue, socketName('file')), '')
    assert.equal(await isAlive(queue, 'file'), false)
    assert.equal(await isAlive(join(queue, 'missing'), 'x'), false)
  })
})

describe('the whole queue', () => {
  it('of several processes is listed by age, each message once, and acted on in all of them', async (t) => {
    const queue = await temporaryFolder(t)
    const at = (id: string, seconds: number) => queued(id, { receivedAt: RECEIVED + seconds })
    await serve(t, queue, 'one', new MemoryControl('one', [at('a', 1), at('c', 3), at('e', 5)]))
    await serve(t, queue, 'two', new MemoryControl('two', [at('b', 2), at('c', 3), at('d', 4)]))
    const controls = openControls(queue, nothingDead(queue))
    assert.deepEqual(await idsOf(controls.list({})), ['a', 'b', 'c', 'd', 'e'])
    assert.equal((await controls.show('d'))?.entry.owner, 'two')
    const done = await controls.act('hold', { ids: ['a', 'd', 'missing'] }, 'root')
    assert.deepEqual(
      done.map(({ id, done: isDone }) => [id, isDone]),
      [
        ['a', true],
        ['d', true],
      ],
    )
    assert.deepEqual(await idsOf(controls.list({ held: true })), ['a', 'd'])
    assert.deepEqual(controls.failures, [])
  })

  it('is told as far as processes answer, with one message for each that does not', async (t) => {
    const queue = await temporaryFolder(t)
    await serve(t, queue, 'one', new MemoryControl('one', [queued('1')]))
    await serve(t, queue, 'broken', Promise.reject(new Error('the disk is broken')))
    const controls = openControls(queue, nothingDead(queue))
    assert.deepEqual(await idsOf(controls.list({})), ['1'])
    assert.deepEqual(await idsOf(controls.list({})), ['1'])
    assert.deepEqual(controls.failures, ['the process of broken: the disk is broken'])
  })

  it('is found whole where a process takes over what another left, while it is listed', async (t) => {
    const queue = await temporaryFolder(t)
    await mkdir(join(queue, 'gone'))
    let round = 0
    const dead: DeadFolders = {
      ...nothingDead(queue),
      owners: () => {
        round += 1
        return Promise.resolve(round === 1 ? ['gone', 'one'] : ['one'])
      },
    }
    let asked = 0
    const moving: QueueControl = {
      async *list() {
        asked += 1
        yield { ...queued('1'), owner: 'one', active: false }
        if (asked > 1) yield await Promise.resolve({ ...queued('moved'), owner: 'one', active: false })
      },
      show: () => Promise.resolve(null),
      act: () => Promise.resolve([]),
    }
    await serve(t, queue, 'one', moving)
    assert.deepEqual(await idsOf(openControls(queue, dead).list({})), ['1', 'moved'])
  })

  it('closes every list when nobody wants more', async () => {
    let closed = 0
    async function* endless(): AsyncGenerator<QueueEntry> {
      try {
        for (let index = 0; ; index += 1)
          yield await Promise.resolve({ ...queued(`${index}`), owner: 'x', active: false })
      } finally {
        closed += 1
      }
    }
    for await (const _ of mergedByAge([endless(), endless()])) break
    assert.equal(closed, 2)
  })
})
