/** What an administrator does with the queue of a process while it works. A real folder, a scripted network. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DAY, MINUTE, World } from '../support/delivery-world.ts'
import { recipient } from '../support/queued.ts'

const TWO = [recipient('john@fabrikam.com'), recipient('lisa@tailspintoys.com')]

/** A message of which one recipient waits and one has it. */
async function halfDelivered(t: Parameters<typeof World.open>[0], more = {}): Promise<World> {
  const world = await World.open(t)
  world.answers = (address) => (address === 'john@fabrikam.com' ? 'deferred' : 'delivered')
  await world.accept('one.1', { recipients: TWO, ...more })
  return world
}

describe('what an administrator says', () => {
  it('retry: who waits is tried now, and nobody else', async (t) => {
    const world = await halfDelivered(t)
    world.answers = () => 'delivered'
    const [done] = await world.queue.control.act('retry', { ids: ['one.1'] }, 'root')
    assert.equal(done?.done, true)
    await world.settled()
    assert.deepEqual(world.sentOf('one.1').at(-1)?.recipients, ['john@fabrikam.com'])
    assert.equal(world.sent.length, 3)
    assert.deepEqual(await world.ids(), [])
  })

  it('hold: it is tried no more, also after a restart, until release: then at once', async (t) => {
    const world = await halfDelivered(t)
    await world.queue.control.act('hold', {}, 'root')
    world.answers = () => 'delivered'
    await world.pass(DAY)
    await world.queue.stop(0)
    await world.start()
    await world.pass(DAY)
    assert.equal(world.sent.length, 2)
    assert.equal((await world.message('one.1'))?.state.hold?.by, 'root')
    await world.queue.control.act('release', { held: true }, 'kate')
    await world.settled()
    assert.equal(world.sent.length, 3)
    assert.deepEqual(await world.ids(), [])
    assert.deepEqual(world.events('one.1').slice(2), [
      'held john@fabrikam.com',
      'released john@fabrikam.com',
      'delivered john@fabrikam.com',
    ])
  })

  it('release: what was held as undeliverable is tried once more, and held again when that fails', async (t) => {
    const world = await World.open(t)
    world.answers = () => 'failed'
    await world.accept('one.1', { mayBounce: false })
    for (let time = 2; time < 5; time++) {
      await world.queue.control.act('release', {}, 'root')
      await world.settled()
      assert.equal(world.sent.length, time)
      assert.notEqual((await world.message('one.1'))?.state.hold, null)
    }
    world.answers = () => 'deferred'
    await world.pass(10 * DAY)
    await world.queue.control.act('release', {}, 'root')
    await world.settled()
    assert.notEqual((await world.message('one.1'))?.state.hold, null, 'its time was up')
  })

  it('bounce: the sender is told of those that wait, and it leaves the queue', async (t) => {
    const world = await halfDelivered(t)
    await world.queue.control.act('bounce', {}, 'root')
    await world.settled()
    const bounces = world.sent.filter(({ sender }) => sender === '')
    assert.equal(bounces.length, 1)
    assert.match(bounces[0]?.content ?? '', /Final-Recipient: rfc822; ?john@fabrikam\.com/)
    assert.doesNotMatch(bounces[0]?.content ?? '', /Final-Recipient: rfc822; ?lisa/)
    assert.deepEqual(await world.ids(), [])
    const record = world.journal.find(({ event }) => event === 'bounced')
    assert.equal(record?.by, 'root')
    assert.equal(record.related, bounces[0]?.id)
  })

  it('bounce: nothing is done when the bounce cannot be stored', async (t) => {
    const world = await halfDelivered(t)
    world.fails = (what) => (what === 'store' ? new Error('no space') : null)
    const [done] = await world.queue.control.act('bounce', {}, 'root')
    assert.deepEqual(done, { id: 'one.1', done: false, why: 'no space' })
    world.fails = () => null
    world.answers = () => 'delivered'
    await world.passUntilDue('one.1')
    assert.equal(world.sentOf('one.1').length, 3)
  })

  it('drop: it leaves the queue, and nobody is told but the journal', async (t) => {
    const world = await halfDelivered(t)
    await world.queue.control.act('drop', {}, 'root')
    await world.pass(DAY)
    await world.start()
    await world.pass(DAY)
    assert.equal(world.sent.length, 2)
    assert.deepEqual(world.events('one.1').at(-1), 'dropped john@fabrikam.com')
  })

  for (const action of ['retry', 'hold', 'release', 'bounce', 'drop'] as const) {
    it(`${action}: is refused while it is being delivered, which goes on`, async (t) => {
      const world = await World.open(t)
      let open: (value: null) => void = () => undefined
      const held = new Promise<null>((resolve) => {
        open = resolve
      })
      world.before = () => held
      await world.accept('one.1')
      for await (const entry of world.queue.control.list({})) assert.equal(entry.active, true)
      const [done] = await world.queue.control.act(action, {}, 'root')
      assert.equal(done?.done, false)
      assert.match(done.why, /at this moment/)
      open(null)
      await world.settled()
      assert.deepEqual(world.events('one.1'), ['delivered john@fabrikam.com'])
      assert.deepEqual(await world.ids(), [])
    })
  }

  it('counts at once for what waits for a connection, which is not sent then', async (t) => {
    const world = await World.open(t)
    world.settings = { ...world.settings, maxConnectionsPerDestination: 1 }
    let open: (value: null) => void = () => undefined
    const busy = new Promise<null>((resolve) => {
      open = resolve
    })
    world.before = () => busy
    for (const id of ['first.1', 'dropped.1', 'held.1', 'bounced.1', 'retried.1']) await world.accept(id)
    const act = async (action: 'drop' | 'hold' | 'bounce' | 'retry', id: string): Promise<void> => {
      const [done] = await world.queue.control.act(action, { ids: [id] }, 'root')
      assert.equal(done?.done, true, `${action}: ${done?.why}`)
    }
    await act('drop', 'dropped.1')
    await act('hold', 'held.1')
    await act('bounce', 'bounced.1')
    await act('retry', 'retried.1')
    open(null)
    await world.settled()
    assert.deepEqual(await world.ids(), ['held.1'])
    assert.deepEqual(
      world.sent.map(({ id }) => id).filter((id) => !id.startsWith('REPORT')),
      ['first.1', 'retried.1'],
    )
    await world.queue.control.act('release', {}, 'root')
    await world.settled()
    assert.equal(world.sentOf('held.1').length, 1)
    assert.deepEqual(await world.ids(), [])
  })

  it('retry: what is delivered while the word is being written stays delivered', async (t) => {
    const world = await World.open(t)
    world.settings = { ...world.settings, maxConnectionsPerDestination: 1 }
    const gates = ['first.1', 'written'].map(() => {
      let open: (value: null) => void = () => undefined
      const opened = new Promise<null>((resolve) => {
        open = resolve
      })
      return {
        opened,
        open: () => {
          open(null)
        },
      }
    })
    const [sending, writing] = gates
    world.before = () => sending?.opened
    await world.accept('first.1')
    await world.accept('two.1', {
      recipients: [recipient('john@fabrikam.com'), recipient('lisa@fabrikam.com')],
    })
    world.answers = (address) => (address === 'lisa@fabrikam.com' ? 'deferred' : 'delivered')
    let isFirst = true
    world.fails = (what) => {
      if (what !== 'saveState' || !isFirst) return null
      isFirst = false
      return writing?.opened
    }
    const acted = world.queue.control.act('retry', { ids: ['two.1'] }, 'root')
    sending?.open()
    while (world.sentOf('two.1').length === 0) await new Promise((resolve) => setImmediate(resolve))
    // Time enough for what came of it to be written, were it not to wait for the word.
    for (const end = performance.now() + 200; performance.now() < end;)
      await new Promise((resolve) => setImmediate(resolve))
    writing?.open()
    await acted
    await world.settled()
    await world.passUntilDue('two.1')
    assert.deepEqual(
      world.sentOf('two.1').map(({ recipients }) => recipients),
      [['john@fabrikam.com', 'lisa@fabrikam.com'], ['lisa@fabrikam.com']],
    )
  })

  it('is said about what is there at that moment: what is delivered meanwhile is not touched', async (t) => {
    const world = await World.open(t)
    world.answers = () => 'deferred'
    await world.accept('1.1')
    await world.accept('2.1')
    world.answers = () => 'delivered'
    // While the first is worked on the second becomes due.
    world.fails = async (what, id) => {
      if (what === 'saveState' && id === '1.1') {
        world.fails = () => null
        await world.passUntil(5 * MINUTE, async () => !(await world.ids()).includes('2.1'))
      }
      return null
    }
    const done = world.queue.control.act('hold', {}, 'root')
    assert.deepEqual(
      (await done).map((one) => one.why),
      ['held', 'it has left the queue meanwhile'],
    )
    assert.deepEqual(await world.ids(), ['1.1'])
    assert.equal(world.sentOf('2.1').length, 2)
  })

  it('is answered with the header as mail is read, also of what is on the disk alone', async (t) => {
    const world = await World.open(t)
    world.answers = () => 'deferred'
    await world.accept('one.1', {}, Buffer.from('Subject: Offer\r\n..x: y\r\n\r\nbody\r\n'))
    const shown = await world.queue.control.show('one.1')
    assert.equal(shown?.header, 'Subject: Offer\r\n.x: y\r\n')
    assert.equal(await world.queue.control.show('two.1'), null)
  })
})
