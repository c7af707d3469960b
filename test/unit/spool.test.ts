/** The queue on the disk: what was stored is there again, whole, and once. Real files. */

import assert from 'node:assert/strict'
import {
  appendFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import fs from 'node:fs/promises'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { afterEach, describe, it, mock } from 'node:test'
import fc from 'fast-check'
import { newOwnerName } from '../../src/outbound/control/socket.ts'
import { damagedIn } from '../../src/outbound/spool/damaged.ts'
import type { SpoolOptions } from '../../src/outbound/spool/spool.ts'
import { DamagedMessage, openSpool } from '../../src/outbound/spool/spool.ts'
import type { Envelope, QueuedMessage, Spool } from '../../src/outbound/types.ts'
import { NotStored } from '../../src/outbound/types.ts'
import { queued, RECEIVED, recipient, waiting } from '../support/queued.ts'
import { mountSmallDisk } from '../support/small-disk.ts'
import { temporaryFolder } from '../support/smarthost.ts'

const TEXT = Buffer.from('Subject: Offer\r\n\r\nHello\r\n')

function deferred() {
  let resolve: (value: undefined) => void = () => undefined
  const promise = new Promise<undefined>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

function silent() {
  const told: string[] = []
  const say = (message: string) => told.push(message)
  return { told, log: { info: say, warn: say, error: say } }
}

const opened = new Set<Spool>()

afterEach(async () => {
  for (const spool of opened) await spool.close().catch(() => undefined)
  opened.clear()
})

async function spoolIn(queue: string, more: Partial<SpoolOptions> = {}): Promise<Spool> {
  const { log } = silent()
  const isAlive = () => Promise.resolve(false)
  const spool = await openSpool({ queue, owner: newOwnerName(), isAlive, log, ...more })
  opened.add(spool)
  return spool
}

async function loaded(spool: Spool): Promise<QueuedMessage[]> {
  const messages: QueuedMessage[] = []
  await spool.load((message) => messages.push(message))
  return messages
}

function ids(messages: readonly QueuedMessage[]): string[] {
  return messages.map(({ envelope }) => envelope.id)
}

function envelope(id: string, more: Partial<Envelope> = {}): Envelope {
  return queued(id, more).envelope
}

/** @returns the paths of all files below a queue that are called so */
async function filesIn(queue: string, end: string): Promise<string[]> {
  const entries = await readdir(queue, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(end))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
}

/** A queue with messages that a dead process has left. */
async function left(t: TestContext, ...names: string[]): Promise<{ queue: string; files: string[] }> {
  const queue = await temporaryFolder(t)
  const spool = await spoolIn(queue)
  for (const [index, id] of names.entries())
    await spool.store(envelope(id, { receivedAt: RECEIVED + index }), TEXT)
  return { queue, files: await filesIn(queue, '.msg') }
}

const ID = fc.stringMatching(/^[A-Za-z0-9-]{1,36}\.[1-9]$/)
const NULLABLE = fc.option(fc.string({ unit: 'binary' }))
/** As JSON makes them. */
const PLAIN = { noNullPrototype: true } as const
const ENVELOPE: fc.Arbitrary<Envelope> = fc.record(
  {
    id: ID,
    receivedAt: fc.integer({ min: 0, max: 4_000_000_000_000 }),
    sender: fc.string({ unit: 'binary' }),
    recipients: fc.array(
      fc.record(
        {
          address: fc.string({ unit: 'binary' }),
          domain: fc.domain(),
          notify: fc.option(fc.subarray(['SUCCESS', 'FAILURE', 'DELAY'] as const)),
          orcpt: NULLABLE,
        },
        PLAIN,
      ),
      { minLength: 1, maxLength: 200 },
    ),
    organization: NULLABLE,
    connector: NULLABLE,
    peer: fc.option(fc.ipV4()),
    mayBounce: fc.boolean(),
    reportOn: fc.option(ID),
    smtpUtf8: fc.boolean(),
    body: fc.constantFrom('7BIT', '8BITMIME', null),
    ret: fc.constantFrom('FULL', 'HDRS', null),
    envid: NULLABLE,
  },
  PLAIN,
)

describe('a message that was stored', () => {
  it('is the same when another process finds it, whatever its envelope and content', async (t) => {
    const parent = await temporaryFolder(t)
    let runs = 0
    await fc.assert(
      fc.asyncProperty(ENVELOPE, fc.uint8Array({ maxLength: 20_000 }), async (written, octets) => {
        const queue = join(parent, `${runs++}`)
        const content = Buffer.from(octets)
        const before = await spoolIn(queue)
        const stored = await before.store(written, content)
        const after = await spoolIn(queue)
        const [found, ...others] = await loaded(after)
        assert.deepEqual(others, [])
        assert.ok(found)
        assert.deepEqual(found, stored)
        assert.deepEqual(found.envelope, written)
        assert.equal(found.size, content.length)
        assert.ok((await after.read(found)).equals(content))
        await after.remove(found)
        await Promise.all([before.close(), after.close()])
        assert.deepEqual(await readdir(queue), [])
      }),
      { numRuns: 60 },
    )
  })

  it('can be read by its owner alone', async (t) => {
    const { files, queue } = await left(t, 'one.1')
    const [file = ''] = files
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    for (const folder of await readdir(queue))
      assert.equal((await stat(join(queue, folder))).mode & 0o777, 0o700)
    const spool = await spoolIn(queue)
    const [message] = await loaded(spool)
    assert.ok(message)
    await spool.saveState(message, { ...message.state, warnedAt: RECEIVED }, false)
    const [state = ''] = await filesIn(queue, '.state')
    assert.equal((await stat(state)).mode & 0o777, 0o600)
  })

  it('is promised only after the sync of its folder', async (t) => {
    const queue = await temporaryFolder(t)
    const spool = await spoolIn(queue)
    const { handle, methods } = await handleMethods(queue)
    const begun = deferred()
    const gate = deferred()
    const sync = mock.method(methods, 'sync', async () => {
      begun.resolve(undefined)
      await gate.promise
    })
    try {
      let promised = false
      const storing = spool.store(envelope('one.1'), TEXT).then(() => (promised = true))
      await begun.promise
      assert.equal((await filesIn(queue, '.msg')).length, 1, 'it has its name before')
      assert.equal(promised, false)
      gate.resolve(undefined)
      await storing
      assert.equal(sync.mock.callCount(), 1)
    } finally {
      sync.mock.restore()
      await handle.close()
    }
  })

  it('shares the sync with others that come at the same time', async (t) => {
    const queue = await temporaryFolder(t)
    const spool = await spoolIn(queue)
    const { handle, methods } = await handleMethods(queue)
    const sync = mock.method(methods, 'sync')
    try {
      await Promise.all(Array.from({ length: 50 }, (_, index) => spool.store(envelope(`${index}.1`), TEXT)))
      assert.ok(sync.mock.callCount() < 50, `${sync.mock.callCount()} syncs of 50 messages`)
    } finally {
      sync.mock.restore()
      await handle.close()
    }
    assert.equal((await loaded(await spoolIn(queue))).length, 50)
  })

  it('was not stored when its folder could not be synced, and nothing of it is left', async (t) => {
    const queue = await temporaryFolder(t)
    const spool = await spoolIn(queue)
    const { handle, methods } = await handleMethods(queue)
    const failure = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
    const sync = mock.method(methods, 'sync', () => Promise.reject(failure))
    try {
      await assert.rejects(spool.store(envelope('one.1'), TEXT), (error) => {
        assert.ok(error instanceof NotStored)
        assert.equal(error.full, false)
        return true
      })
    } finally {
      sync.mock.restore()
      await handle.close()
    }
    assert.deepEqual(await filesIn(queue, ''), [])
    await spool.store(envelope('two.1'), TEXT)
    assert.deepEqual(ids(await loaded(await spoolIn(queue))), ['two.1'])
  })

  it('was not stored when the disk is full, which is told from other failures', async (t) => {
    const queue = await temporaryFolder(t)
    if (!mountSmallDisk(t, queue, 256 * 1024)) return
    const spool = await spoolIn(queue)
    await spool.store(envelope('small.1'), TEXT)
    await assert.rejects(spool.store(envelope('large.1'), Buffer.alloc(400 * 1024)), (error) => {
      assert.ok(error instanceof NotStored)
      assert.equal(error.full, true)
      return true
    })
    assert.equal((await filesIn(queue, '')).length, 1, 'nothing of it takes room')
    await spool.store(envelope('next.1'), TEXT)
    assert.deepEqual(ids(await loaded(await spoolIn(queue))), ['next.1', 'small.1'])
  })

  it('is not stored with an envelope that would not be read again', async (t) => {
    const queue = await temporaryFolder(t)
    const spool = await spoolIn(queue)
    const recipients = Array.from({ length: 40_000 }, (_, index) =>
      recipient(`${index}@fabrikam.com`, { orcpt: `rfc822;${'x'.repeat(480)}` }),
    )
    await assert.rejects(spool.store(envelope('one.1', { recipients }), TEXT), NotStored)
    assert.deepEqual(await filesIn(queue, '.msg'), [])
  })

  it('is not stored under a name that is none', async (t) => {
    const spool = await spoolIn(await temporaryFolder(t))
    for (const id of ['../../etc/passwd', '', 'a/b', 'x'.repeat(200)])
      await assert.rejects(spool.store(envelope(id), TEXT), NotStored)
  })
})

/** The methods that all file handles share. */
async function handleMethods(folder: string) {
  const handle = await open(folder, 'r')
  return { handle, methods: Object.getPrototypeOf(handle) as { sync: () => Promise<void> } }
}

describe('what has happened to a message', () => {
  it('is known to the next process', async (t) => {
    const queue = await temporaryFolder(t)
    const first = await spoolIn(queue)
    const recipients = [recipient('john@fabrikam.com'), recipient('lisa@tailspintoys.com')]
    const stored = await first.store(envelope('one.1', { recipients }), TEXT)
    const remote = { host: 'mx.fabrikam.com', address: '192.0.2.1', port: 25 }
    const said = { at: RECEIVED, code: 451, status: '4.7.1', text: '451 4.7.1 later', remote }
    const state = {
      recipients: [
        waiting({ status: 'delivered', attempts: 1, said, dsnPassedOn: true }),
        waiting({ attempts: 3, nextAttempt: RECEIVED + 900_000, said }),
      ],
      hold: { at: RECEIVED, reason: 'by administrator', by: 'root' },
      warnedAt: RECEIVED + 5,
    }
    const kept = await first.saveState(stored, state, true)
    assert.deepEqual(kept.state, state)
    const [second, ...others] = await loaded(await spoolIn(queue))
    assert.deepEqual(second, { ...stored, state })
    assert.deepEqual(others, [])
  })

  it('goes with the message, also when it was taken over', async (t) => {
    const { queue } = await left(t, 'one.1')
    for (let generation = 0; generation < 3; generation++) {
      const spool = await spoolIn(queue)
      const [message] = await loaded(spool)
      assert.ok(message)
      const state = { ...message.state, warnedAt: (message.state.warnedAt ?? 0) + 1 }
      await spool.saveState(message, state, true)
      assert.equal((await filesIn(queue, '')).length, 2)
    }
    const last = await spoolIn(queue)
    const [message] = await loaded(last)
    assert.equal(message?.state.warnedAt, 3)
    await last.remove(message)
    assert.deepEqual(await filesIn(queue, ''), [])
  })

  it('counts as nothing where it cannot be read: the message is tried as a new one', async (t) => {
    const { files, queue } = await left(t, 'one.1')
    const [file = ''] = files
    await writeFile(file.replace(/msg$/, 'state'), '{"version":1,"recipients":[')
    const { log, told } = silent()
    const [message] = await loaded(await spoolIn(queue, { log }))
    assert.equal(message?.state.recipients[0]?.status, 'waiting')
    assert.match(told.join('\n'), /one\.1/)
  })

  it('is waited for where it cannot be read at the moment: nobody gets it again who has it', async (t) => {
    const { queue } = await left(t, 'one.1')
    const first = await spoolIn(queue)
    const [message] = await loaded(first)
    assert.ok(message)
    await first.saveState(message, { ...message.state, recipients: [waiting({ status: 'delivered' })] }, true)
    const { log, told } = silent()
    const spool = await spoolIn(queue, { log })
    const failing = mock.method(fs, 'readFile', () =>
      Promise.reject(Object.assign(new Error('too many open files'), { code: 'EMFILE' })),
    )
    syncBuiltinESMExports()
    try {
      assert.deepEqual(await loaded(spool), [])
    } finally {
      failing.mock.restore()
      syncBuiltinESMExports()
    }
    assert.match(told.join('\n'), /tried again later/)
    const found: QueuedMessage[] = []
    await spool.adopt((one) => found.push(one))
    assert.deepEqual(
      found.map(({ state }) => state.recipients[0]?.status),
      ['delivered'],
    )
  })

  it('is thrown away when its message is gone, as is what was being written at a kill', async (t) => {
    const { files, queue } = await left(t, 'one.1')
    const [file = ''] = files
    await writeFile(file.replace(/one\.1\.msg$/, 'gone.1.state'), '{}')
    await writeFile(file.replace('one.1', 'two.1') + '.new', TEXT)
    await writeFile(file.replace(/msg$/, 'state.new'), '{"ver')
    const spool = await spoolIn(queue)
    const [message, ...others] = await loaded(spool)
    assert.ok(message)
    assert.deepEqual(others, [])
    assert.equal((await filesIn(queue, '')).length, 1)
    await spool.saveState(message, message.state, true)
  })
})

describe('a file that is damaged', () => {
  const damages: [string, (file: string) => Promise<unknown>, RegExp][] = [
    ['empty', (file) => truncate(file), /is empty/],
    ['cut off in its first line', (file) => truncate(file, 9), /is cut off/],
    ['cut off in its envelope', (file) => truncate(file, 60), /is cut off/],
    [
      'of another program',
      (file) => writeFile(file, 'From: somebody\r\n\r\nelse and more than that\r\n'),
      /begin/,
    ],
    ['of zeros', (file) => writeFile(file, Buffer.alloc(4096)), /begin/],
    ['renamed to another', (file) => rename(file, file.replace('bad.1', 'zzz.1')), /name of another/],
  ]
  for (const [what, damage, why] of damages) {
    it(`is set aside when it is ${what}, and the rest goes on`, async (t) => {
      const { files, queue } = await left(t, 'good.1', 'bad.1', 'good.2')
      await damage(files.find((file) => file.includes('bad.1')) ?? '')
      const found: string[] = []
      const { log } = silent()
      const spool = await spoolIn(queue, { log, damaged: (id, _, reason) => found.push(`${id} ${reason}`) })
      assert.deepEqual(ids(await loaded(spool)), ['good.1', 'good.2'])
      assert.equal(found.length, 1)
      assert.match(found[0] ?? '', why)
      const [aside, ...others] = await damagedIn(queue)
      assert.deepEqual(others, [])
      assert.match(aside?.why ?? '', why)
      assert.deepEqual(ids(await loaded(await spoolIn(queue))), ['good.1', 'good.2'])
    })
  }

  it('is found at the latest when it is read, wherever it was cut or altered', async (t) => {
    const { files } = await left(t, 'model.1')
    const model = await readFile(files[0] ?? '')
    const name = (files[0] ?? '').split('/').at(-1) ?? ''
    const change = fc.oneof(
      fc.record({ kind: fc.constant('cut'), at: fc.nat(model.length - 1), bit: fc.nat(7) }),
      fc.record({ kind: fc.constant('flip'), at: fc.nat(model.length - 1), bit: fc.nat(7) }),
      fc.record({ kind: fc.constant('add'), at: fc.nat(model.length - 1), bit: fc.nat(7) }),
    )
    await fc.assert(
      fc.asyncProperty(change, async ({ at, bit, kind }) => {
        const folder = await temporaryFolder(t)
        const owner = newOwnerName()
        await mkdir(join(folder, owner))
        const path = join(folder, owner, name)
        const bytes = Buffer.from(model)
        if (kind === 'flip') bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
        await writeFile(path, kind === 'cut' ? bytes.subarray(0, at) : bytes)
        if (kind === 'add') await appendFile(path, 'more')
        const spool = await spoolIn(folder)
        const [message] = await loaded(spool)
        // A number of a version that is not known is left where it is.
        if (message === undefined) return
        await assert.rejects(spool.read(message), DamagedMessage)
        assert.equal((await damagedIn(folder)).length, 1)
        assert.deepEqual(
          await filesIn(folder, '.msg').then((all) => all.filter((one) => !one.includes('damaged'))),
          [],
        )
      }),
      { numRuns: 200 },
    )
  })

  it('is left where it is when a newer version wrote it', async (t) => {
    const { files, queue } = await left(t, 'one.1', 'new.1')
    const file = files.find((one) => one.includes('new.1')) ?? ''
    const bytes = await readFile(file)
    bytes[bytes.indexOf('1\n')] = '2'.charCodeAt(0)
    await writeFile(file, bytes)
    assert.deepEqual(ids(await loaded(await spoolIn(queue))), ['one.1'])
    assert.deepEqual(await damagedIn(queue), [])
    assert.equal((await filesIn(queue, '.msg')).length, 2)
  })

  it('is told when somebody else has removed it', async (t) => {
    const { queue } = await left(t, 'one.1')
    const spool = await spoolIn(queue)
    const [message] = await loaded(spool)
    assert.ok(message)
    const [file = ''] = await filesIn(queue, '.msg')
    await rename(file, join(queue, 'elsewhere'))
    await assert.rejects(spool.read(message), DamagedMessage)
  })
})

describe('a folder of a queue', () => {
  it('is taken over when its owner is dead, and left when it lives', async (t) => {
    const queue = await temporaryFolder(t)
    const [dead, living] = [newOwnerName(), newOwnerName()]
    for (const owner of [dead, living]) {
      const spool = await spoolIn(queue, { owner })
      await spool.store(envelope(`${owner}.1`), TEXT)
    }
    const owner = newOwnerName()
    const spool = await spoolIn(queue, { owner, isAlive: (other) => Promise.resolve(other === living) })
    assert.deepEqual(ids(await loaded(spool)), [`${dead}.1`])
    const folders = await readdir(queue)
    assert.ok(folders.includes(living))
    assert.ok(!folders.includes(dead))
    assert.ok(folders.some((name) => name.startsWith(`${owner}.taken.`)))
  })

  it('is taken over while the process runs, when its owner dies meanwhile', async (t) => {
    const queue = await temporaryFolder(t)
    const other = newOwnerName()
    let alive = true
    const first = await spoolIn(queue, { owner: other })
    const second = await spoolIn(queue, { isAlive: (owner) => Promise.resolve(owner === other && alive) })
    await first.store(envelope('one.1'), TEXT)
    assert.deepEqual(await loaded(second), [])
    alive = false
    const found: QueuedMessage[] = []
    await second.adopt((message) => found.push(message))
    await second.adopt((message) => found.push(message))
    assert.deepEqual(ids(found), ['one.1'])
    const [message] = found
    assert.ok(message)
    assert.ok((await second.read(message)).equals(TEXT))
    await second.remove(message)
    await second.close()
    assert.deepEqual(await readdir(queue), [])
  })

  it('gives each message to exactly one of several that take over at once', async (t) => {
    const queue = await temporaryFolder(t)
    const stored: string[] = []
    for (let folder = 0; folder < 12; folder++) {
      const spool = await spoolIn(queue)
      for (let index = 0; index < 5; index++) {
        const id = `${folder}-${index}.1`
        await spool.store(envelope(id), TEXT)
        stored.push(id)
      }
    }
    const owners = Array.from({ length: 4 }, () => newOwnerName())
    const isAlive = (owner: string) => Promise.resolve(owners.includes(owner))
    const spools = await Promise.all(owners.map((owner) => spoolIn(queue, { owner, isAlive })))
    const found = await Promise.all(spools.map((spool) => loaded(spool)))
    assert.deepEqual(found.flatMap((messages) => ids(messages)).toSorted(), stored.toSorted())
    for (const [index, spool] of spools.entries()) {
      for (const message of found[index] ?? []) await spool.remove(message)
      await spool.close()
    }
    assert.deepEqual(await readdir(queue), [])
  })

  it('is taken over also where another folder cannot be read', async (t) => {
    const { queue } = await left(t, 'one.1', 'two.1')
    // A file where a folder should be.
    await writeFile(join(queue, '1-000000000000'), '')
    const { log, told } = silent()
    const spool = await spoolIn(queue, { log })
    assert.deepEqual(ids(await loaded(spool)), ['one.1', 'two.1'])
    assert.match(told.join('\n'), /cannot be read, and is tried again later/)
  })

  it('is loaded the oldest first, wherever the messages stand', async (t) => {
    const queue = await temporaryFolder(t)
    const [one, other] = [await spoolIn(queue), await spoolIn(queue)]
    for (const age of [5, 1, 3]) await one.store(envelope(`${age}.1`, { receivedAt: RECEIVED + age }), TEXT)
    for (const age of [4, 0, 2]) await other.store(envelope(`${age}.1`, { receivedAt: RECEIVED + age }), TEXT)
    assert.deepEqual(ids(await loaded(await spoolIn(queue))), ['0.1', '1.1', '2.1', '3.1', '4.1', '5.1'])
  })

  it('is loaded whole when its owner opens it again, with what it had taken over', async (t) => {
    const { queue } = await left(t, 'first.1')
    const owner = newOwnerName()
    const spool = await spoolIn(queue, { owner })
    await loaded(spool)
    await spool.store(envelope('second.1', { receivedAt: RECEIVED + 1 }), TEXT)
    await spool.close()
    const again = await spoolIn(queue, { owner, isAlive: () => Promise.resolve(true) })
    assert.deepEqual(ids(await loaded(again)), ['first.1', 'second.1'])
  })

  it('is loaded while messages come in: those are neither loaded nor disturbed', async (t) => {
    const { queue } = await left(t, ...Array.from({ length: 40 }, (_, index) => `old${index}.1`))
    const spool = await spoolIn(queue)
    const found: QueuedMessage[] = []
    const loading = spool.load((message) => found.push(message))
    const stored = await Promise.all(
      Array.from({ length: 40 }, (_, index) => spool.store(envelope(`new${index}.1`), TEXT)),
    )
    await loading
    assert.equal(found.length, 40)
    assert.ok(ids(found).every((id) => id.startsWith('old')))
    for (const message of stored) assert.ok((await spool.read(message)).equals(TEXT))
  })
})

const WIRE = Buffer.from('Subject: Offer\r\n\r\n..a line that began with a dot\r\nthe end\r\n')

/** Writes a file as Haraka does, with its own code. */
async function harakaFile(
  folder: string,
  { content = WIRE, recipients = ['<lisa@fabrikam.com>'], sender = '<kate@contoso.com>' } = {},
): Promise<string> {
  const require = createRequire(import.meta.url)
  const { Address } = require('@haraka/email-address') as { Address: new (text: string) => object }
  const outbound = require('Haraka/outbound') as {
    build_todo(todo: object, ws: NodeJS.WritableStream, then: () => void): void
  }
  const qfile = require('Haraka/outbound/qfile') as { name(more: object): string }
  const Todo = require('Haraka/outbound/todo') as new (domain: string, to: object[], from: object) => object
  const to = recipients.map((text) => new Address(text))
  const uuid = '5A3C8CE6-3F19-4F5B-B6B2-4E3E9F6D3C10.1'
  const todo = new Todo('fabrikam.com', to, { mail_from: new Address(sender), notes: {}, uuid })
  const file = qfile.name({ host: 'mail.example.net' })
  const ws = createWriteStream(join(folder, file))
  await new Promise<void>((resolve) => {
    outbound.build_todo(todo, ws, resolve)
  })
  ws.end(content)
  await once(ws, 'close')
  return file
}

describe("a message in Haraka's own queue", () => {
  it('comes into this one, held when it fails, as its sender was not attributed', async (t) => {
    const queue = await temporaryFolder(t)
    await harakaFile(queue, { recipients: ['<lisa@fabrikam.com>', '<"a b"@FABRIKAM.com>'] })
    const spool = await spoolIn(queue)
    const [message, ...others] = await loaded(spool)
    assert.deepEqual(others, [])
    assert.ok(message)
    const { id, mayBounce, recipients, sender } = message.envelope
    assert.match(id, /^5A3C8CE6-3F19-4F5B-B6B2-4E3E9F6D3C10\.1\.\w+$/)
    assert.equal(sender, 'kate@contoso.com')
    assert.deepEqual(
      recipients.map(({ address, domain }) => [address, domain]),
      [
        ['lisa@fabrikam.com', 'fabrikam.com'],
        ['"a b"@fabrikam.com', 'fabrikam.com'],
      ],
    )
    assert.equal(mayBounce, false)
    assert.ok((await spool.read(message)).equals(WIRE), 'its dots are doubled already')
    assert.equal((await filesIn(queue, '')).length, 1)
    assert.deepEqual(ids(await loaded(await spoolIn(queue))), [id])
  })

  it('asks for SMTPUTF8 where an address needs it', async (t) => {
    const queue = await temporaryFolder(t)
    await harakaFile(queue, { recipients: ['<jörg@bücher.example>'] })
    const [message] = await loaded(await spoolIn(queue))
    assert.equal(message?.envelope.recipients[0]?.address, 'jörg@xn--bcher-kva.example')
    assert.equal(message.envelope.smtpUtf8, true)
  })

  it('keeps the null sender, and is told apart from others of the same transaction', async (t) => {
    const queue = await temporaryFolder(t)
    await harakaFile(queue, { sender: '<>' })
    await harakaFile(queue, { sender: '<>' })
    const messages = await loaded(await spoolIn(queue))
    assert.deepEqual(
      messages.map(({ envelope: { sender } }) => sender),
      ['', ''],
    )
    assert.equal(new Set(ids(messages)).size, 2)
  })

  it('comes once when its process ended while it was taken over', async (t) => {
    const queue = await temporaryFolder(t)
    const owner = newOwnerName()
    const file = await harakaFile(queue)
    const bytes = await readFile(join(queue, file))
    const [first] = await loaded(await spoolIn(queue, { owner }))
    assert.ok(first)
    // Killed before it could remove it.
    await writeFile(join(queue, owner, file), bytes)
    const spool = await spoolIn(queue)
    assert.deepEqual(ids(await loaded(spool)), ids([first]))
    await spool.remove(first)
    assert.deepEqual(await filesIn(queue, ''), [])
  })

  it('is not lost when its process ended before it was stored', async (t) => {
    const queue = await temporaryFolder(t)
    const owner = newOwnerName()
    await spoolIn(queue, { owner })
    await harakaFile(join(queue, owner))
    const spool = await spoolIn(queue)
    const [message] = await loaded(spool)
    assert.ok(message)
    assert.equal((await filesIn(queue, '')).length, 1)
    await spool.remove(message)
    assert.deepEqual(await filesIn(queue, ''), [])
  })

  it('is set aside when it is damaged, and the rest goes on', async (t) => {
    const queue = await temporaryFolder(t)
    await harakaFile(queue)
    const bad = await harakaFile(queue)
    await truncate(join(queue, bad), 40)
    const empty = await harakaFile(queue)
    await truncate(join(queue, empty))
    assert.equal((await loaded(await spoolIn(queue))).length, 1)
    assert.deepEqual((await damagedIn(queue)).map(({ file }) => file).toSorted(), [bad, empty].toSorted())
  })
})
