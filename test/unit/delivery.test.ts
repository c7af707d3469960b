/** What becomes of a message in the queue: a real folder, a scripted network, and a clock that is moved. */

import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { retryDelay } from '../../src/outbound/delivery/retry.ts'
import { NotStored } from '../../src/outbound/types.ts'
import { CONTENT, DAY, HOUR, MINUTE, World } from '../support/delivery-world.ts'
import { recipient } from '../support/queued.ts'

const TWO = [recipient('john@fabrikam.com'), recipient('lisa@fabrikam.com')]

describe('a message that is accepted', () => {
  it('is sent once, whole, and leaves the queue and the disk', async (t) => {
    const world = await World.open(t)
    await world.accept('one.1', { recipients: TWO })
    assert.equal(world.sent.length, 1)
    const [sent] = world.sent
    assert.deepEqual(sent?.recipients, ['john@fabrikam.com', 'lisa@fabrikam.com'])
    assert.equal(sent.content, CONTENT.toString())
    assert.equal(sent.host, 'mx.fabrikam.com')
    assert.deepEqual(await world.ids(), [])
    assert.deepEqual(world.events('one.1'), ['delivered john@fabrikam.com lisa@fabrikam.com'])
    await world.pass(DAY)
    assert.equal(world.sent.length, 1)
    await world.start()
    assert.equal(world.sent.length, 1, 'nothing is left for the next process')
    assert.deepEqual(world.errors, [])
  })

  it('is read from the disk where memory has no room for it', async (t) => {
    const world = await World.open(t, (one) => {
      one.settings = { ...one.settings, bufferBytes: 0 }
    })
    await world.accept('one.1')
    assert.equal(world.sent[0]?.content, CONTENT.toString())
  })

  it('gives its room in memory to the next', async (t) => {
    let reads = 0
    const world = await World.open(t, (one) => {
      one.settings = { ...one.settings, bufferBytes: CONTENT.length }
      one.fails = (what) => {
        if (what === 'read') reads += 1
        return null
      }
    })
    world.answers = (_, id) => (id === '1.1' ? 'deferred' : 'delivered')
    for (const id of ['0.1', '1.1', '2.1', '3.1']) await world.accept(id)
    assert.equal(world.sent.length, 4)
    assert.equal(reads, 0)
    await world.passUntilDue('1.1')
    assert.equal(reads, 1)
  })

  it('is not accepted when it cannot be stored', async (t) => {
    const world = await World.open(t)
    world.fails = () => new NotStored('no space', true)
    await assert.rejects(world.accept('one.1'), NotStored)
    assert.deepEqual(await world.ids(), [])
    await world.pass(DAY)
    assert.deepEqual(world.sent, [])
  })

  it('is split: each next hop gets what is its own, and each recipient its own fate', async (t) => {
    const world = await World.open(t)
    const recipients = [
      recipient('a@one.example'),
      recipient('b@two.example'),
      recipient('c@one.example'),
      recipient('d@three.example'),
    ]
    world.answers = (address) =>
      address === 'b@two.example' ? 'failed' : address === 'd@three.example' ? 'deferred' : 'delivered'
    await world.accept('one.1', { recipients })
    const to = world.sentOf('one.1').map((sent) => `${sent.host} ${sent.recipients.join(' ')}`)
    assert.deepEqual(to.toSorted(), [
      'mx.one.example a@one.example c@one.example',
      'mx.three.example d@three.example',
      'mx.two.example b@two.example',
    ])
    assert.deepEqual(world.events('one.1').toSorted(), [
      'bounced b@two.example',
      'deferred d@three.example',
      'delivered a@one.example c@one.example',
    ])
    const bounces = world.sent.filter(({ sender }) => sender === '')
    assert.equal(bounces.length, 1)
    assert.deepEqual(bounces[0]?.recipients, ['kate@contoso.com'])
    assert.match(bounces[0].content, /b@two\.example/)
    assert.doesNotMatch(bounces[0].content, /[acd]@(one|three)\.example/)
    world.answers = () => 'delivered'
    await world.passUntilDue('one.1')
    assert.deepEqual(world.sentOf('one.1').at(-1)?.recipients, ['d@three.example'])
    assert.deepEqual(await world.ids(), [])
    assert.equal(world.sent.length, 5)
  })

  it('has both fates where one server delivers to one recipient and refuses another', async (t) => {
    const world = await World.open(t)
    world.answers = (address) => (address === 'lisa@fabrikam.com' ? 'failed' : 'delivered')
    await world.accept('one.1', { recipients: TWO })
    assert.deepEqual(world.events('one.1').toSorted(), [
      'bounced lisa@fabrikam.com',
      'delivered john@fabrikam.com',
    ])
    assert.equal(world.sent.length, 2)
    assert.deepEqual(await world.ids(), [])
  })
})

describe('a message that is deferred', () => {
  it('is tried at growing intervals, each shorter or longer by a fifth at most', async (t) => {
    const world = await World.open(t)
    world.answers = () => 'deferred'
    await world.accept('one.1')
    const delays: number[] = []
    for (const random of [0, 1, 0.5, 0.5]) {
      world.random = () => random
      delays.push(await world.passUntilDue('one.1'))
    }
    // The first was made with what chance said before.
    assert.deepEqual(delays, [5 * MINUTE, 12 * MINUTE, 72 * MINUTE, HOUR])
    assert.equal(world.sent.length, 5)
    assert.equal((await world.message('one.1'))?.state.recipients[0]?.attempts, 5)
    for (let attempt = 1; attempt < 20; attempt++) {
      const delay = retryDelay(attempt, world.settings, Math.random)
      const wanted = [5 * MINUTE, 15 * MINUTE, HOUR][Math.min(attempt, 3) - 1] ?? 0
      assert.ok(delay >= wanted * 0.8 && delay <= wanted * 1.2)
    }
  })

  it('is not tried before its time, and after a restart goes on where it was', async (t) => {
    const world = await World.open(t)
    world.answers = () => 'deferred'
    await world.accept('one.1')
    await world.pass(5 * MINUTE - 1)
    assert.equal(world.sent.length, 1)
    await world.queue.stop(0)
    await world.start()
    assert.equal(world.sent.length, 1)
    assert.equal((await world.message('one.1'))?.state.recipients[0]?.attempts, 1)
    await world.pass(1)
    assert.equal(world.sent.length, 2)
  })

  it('comes back to its sender when its time is up, after a last attempt, and leaves the queue', async (t) => {
    const world = await World.open(t)
    world.answers = (address) => (address === 'john@fabrikam.com' ? 'deferred' : 'delivered')
    await world.accept('one.1')
    const begin = Date.now()
    while ((await world.ids()).includes('one.1')) await world.passUntilDue('one.1')
    assert.equal(Date.now() - begin, 2 * DAY, 'the last attempt is at the end of its lifetime')
    assert.equal(world.events('one.1').at(-1), 'bounced john@fabrikam.com')
    const last = world.journal.findLast(({ event, id }) => event === 'bounced' && id === 'one.1')
    assert.equal(last?.status, '5.7.1')
    const bounce = world.sent.at(-1)
    assert.equal(bounce?.sender, '')
    assert.deepEqual(bounce.recipients, ['kate@contoso.com'])
    assert.equal(last.related, bounce.id)
    assert.deepEqual(await world.ids(), [])
  })

  it('is told to its sender once when it is late', async (t) => {
    const world = await World.open(t)
    world.answers = (address) => (address.endsWith('@fabrikam.com') ? 'deferred' : 'delivered')
    await world.accept('one.1', { recipients: TWO })
    for (let attempt = 0; attempt < 10; attempt++) await world.passUntilDue('one.1')
    const warnings = world.sent.filter(({ sender }) => sender === '')
    assert.equal(warnings.length, 1)
    assert.match(warnings[0]?.content ?? '', /Action: delayed/)
    assert.deepEqual(
      world.events('one.1').filter((event) => event.startsWith('delayed')),
      ['delayed john@fabrikam.com lisa@fabrikam.com'],
    )
    await world.queue.stop(0)
    await world.start()
    await world.passUntilDue('one.1')
    assert.equal(world.sent.filter(({ sender }) => sender === '').length, 1, 'also after a restart')
  })

  it('is told to nobody when it is late and its sender may be somebody else', async (t) => {
    const world = await World.open(t)
    world.answers = () => 'deferred'
    await world.accept('one.1', { mayBounce: false })
    for (let attempt = 0; attempt < 10; attempt++) await world.passUntilDue('one.1')
    assert.ok(world.sent.every(({ sender }) => sender !== ''))
  })
})

describe('a message that cannot be delivered', () => {
  it('comes back to its sender with all who refused it', async (t) => {
    const world = await World.open(t)
    world.answers = (address) => (address.endsWith('@fabrikam.com') ? 'failed' : 'delivered')
    await world.accept('one.1', { recipients: TWO })
    const bounces = world.sent.filter(({ sender }) => sender === '')
    assert.equal(bounces.length, 1)
    assert.match(bounces[0]?.content ?? '', /john@fabrikam\.com[^]*lisa@fabrikam\.com/)
    assert.deepEqual(await world.ids(), [])
  })

  for (const [what, more] of [
    ['its sender was not attributed', { mayBounce: false }],
    ['it has the null sender', { sender: '' }],
    ['it is a report itself', { sender: '', reportOn: 'zero.1' }],
    ['it is a report, whatever its sender', { reportOn: 'zero.1' }],
  ] as const) {
    it(`is held, and nobody is told, when ${what}`, async (t) => {
      const world = await World.open(t)
      world.answers = (address) => (address === 'john@fabrikam.com' ? 'failed' : 'delivered')
      await world.accept('one.1', { ...more, recipients: TWO })
      assert.equal(world.sent.length, 1)
      assert.deepEqual(world.events('one.1').toSorted(), [
        'delivered lisa@fabrikam.com',
        'held john@fabrikam.com',
      ])
      await world.pass(10 * DAY)
      await world.queue.stop(0)
      await world.start()
      await world.pass(10 * DAY)
      assert.equal(world.sent.length, 1)
      const message = await world.message('one.1')
      assert.deepEqual(
        message?.state.recipients.map(({ status }) => status),
        ['waiting', 'delivered'],
      )
      assert.notEqual(message.state.hold, null)
    })
  }

  it('is held when it is a report whose time is up', async (t) => {
    const world = await World.open(t)
    world.answers = () => 'deferred'
    await world.accept('one.1', { sender: '', reportOn: 'zero.1' })
    const begin = Date.now()
    while ((await world.message('one.1'))?.state.hold === null) await world.passUntilDue('one.1')
    assert.equal(Date.now() - begin, DAY)
    assert.equal(world.sent.filter(({ id }) => id !== 'one.1').length, 0)
  })

  it('is kept when its bounce cannot be stored, and nobody who has it gets it again', async (t) => {
    const world = await World.open(t)
    world.answers = (address) => (address === 'lisa@fabrikam.com' ? 'failed' : 'delivered')
    world.fails = (what, id) =>
      what === 'store' && id.startsWith('REPORT') ? new NotStored('full', true) : null
    await world.accept('one.1', { recipients: TWO })
    assert.deepEqual(await world.ids(), ['one.1'])
    assert.deepEqual(world.events('one.1'), ['delivered john@fabrikam.com'])
    await world.passUntilDue('one.1')
    world.fails = () => null
    await world.passUntilDue('one.1')
    assert.deepEqual(await world.ids(), [])
    const got = world.sent.flatMap(({ recipients }) => recipients)
    assert.equal(got.filter((address) => address === 'john@fabrikam.com').length, 1)
    assert.equal(got.filter((address) => address === 'kate@contoso.com').length, 1)
  })

  it('is given up without a word where its sender wants none', async (t) => {
    const world = await World.open(t)
    world.answers = () => 'failed'
    await world.accept('one.1', { recipients: [recipient('john@fabrikam.com', { notify: [] })] })
    assert.deepEqual(world.events('one.1'), ['bounced john@fabrikam.com'])
    assert.equal(world.sent.length, 1)
    assert.deepEqual(await world.ids(), [])
  })
})

describe('a disk that fails', () => {
  it('gives nobody a message twice when it cannot be removed, and it is removed later', async (t) => {
    const world = await World.open(t)
    let broken = true
    world.fails = (what) => (what === 'remove' && broken ? new Error('EROFS: read-only file system') : null)
    await world.accept('one.1')
    await world.pass(5 * MINUTE)
    assert.equal(world.sent.length, 1)
    broken = false
    await world.pass(5 * MINUTE)
    assert.deepEqual(await world.ids(), [])
    await world.start()
    assert.equal(world.sent.length, 1)
  })

  it('gives nobody a message twice when what happened cannot be written', async (t) => {
    const world = await World.open(t)
    world.fails = (what) => (what === 'saveState' ? new Error('ENOSPC: no space left on device') : null)
    world.answers = (address) => (address === 'lisa@fabrikam.com' ? 'deferred' : 'delivered')
    await world.accept('one.1', { recipients: TWO })
    await world.passUntilDue('one.1')
    assert.deepEqual(
      world.sent.map(({ recipients }) => recipients.length),
      [2, 1],
    )
  })

  it('has written durably who has the message before it is tried again', async (t) => {
    const world = await World.open(t)
    world.answers = (address) => (address === 'lisa@fabrikam.com' ? 'deferred' : 'delivered')
    await world.accept('one.1', { recipients: TWO })
    // Killed: nothing is closed.
    await world.start()
    await world.passUntilDue('one.1')
    assert.deepEqual(world.sentOf('one.1').at(-1)?.recipients, ['lisa@fabrikam.com'])
  })

  it('says so durably each time from then on: what is synced is not replaced by what is not', async (t) => {
    const world = await World.open(t)
    await world.accept('other.1')
    world.answers = (address) => (address === 'lisa@fabrikam.com' ? 'deferred' : 'delivered')
    await world.accept('one.1', { recipients: TWO })
    await world.passUntilDue('one.1')
    await world.passUntilDue('one.1')
    assert.deepEqual(
      world.saved.map(({ durable }) => durable),
      [true, true, true],
    )
    world.answers = () => 'deferred'
    await world.accept('two.1')
    assert.deepEqual(world.saved.at(-1), { id: 'two.1', durable: false }, 'an attempt alone may be forgotten')
  })

  it('is sent as often as it was accepted, also under the same id: a plugin may send a copy', async (t) => {
    const world = await World.open(t)
    world.answers = () => 'deferred'
    await Promise.all([
      world.accept('one.1', {}, Buffer.from('Subject: one\r\n\r\n')),
      world.accept('one.1', {}, Buffer.from('Subject: copy\r\n\r\n')),
    ])
    await world.accept('one.1', {}, Buffer.from('Subject: third\r\n\r\n'))
    assert.deepEqual((await world.ids()).toSorted(), ['one.1', 'one.1.2', 'one.1.3'])
    await world.start()
    world.answers = () => 'delivered'
    await world.pass(HOUR)
    assert.deepEqual(new Set(world.sent.map(({ content }) => content)).size, 3)
    assert.deepEqual(await world.ids(), [])
  })

  it('comes back when its time is up though a plugin knows no next hop all the time', async (t) => {
    const world = await World.open(t)
    world.routes.set('fabrikam.com', { deferred: 'a plugin knows no next hop: nobody home' })
    await world.accept('one.1')
    for (let hour = 0; hour < 50; hour++) await world.pass(HOUR)
    assert.equal(world.events('one.1').at(-1), 'bounced john@fabrikam.com')
    assert.deepEqual(await world.ids(), [])
  })

  it('takes nothing from the others when a message cannot be read', async (t) => {
    const world = await World.open(t, (one) => {
      one.settings = { ...one.settings, bufferBytes: 0 }
    })
    world.fails = (what, id) => (what === 'read' && id === 'bad.1' ? new Error('EIO: i/o error') : null)
    await world.accept('bad.1')
    await world.accept('good.1')
    assert.deepEqual(
      world.sent.map(({ id }) => id),
      ['good.1'],
    )
    assert.match(world.errors.join(), /bad\.1/)
    world.fails = () => null
    await world.passUntilDue('bad.1')
    assert.equal(world.sent.length, 2)
  })

  it('takes a message out of the queue that somebody has removed from it', async (t) => {
    const world = await World.open(t)
    world.answers = () => 'deferred'
    await world.accept('one.1')
    for (const name of await readdir(world.folder, { recursive: true }))
      if (name.endsWith('.msg')) await rm(join(world.folder, name))
    await world.passUntilDue('one.1')
    assert.deepEqual(await world.ids(), [])
    assert.match(world.errors.join(), /one\.1/)
    assert.equal(world.sent.length, 1)
  })
})
