/** Next hops: which connections are made and shared, and what a dead one means for others. Scripted, with a real folder. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addressOf, CONNECTOR, DAY, IDENTITY, MINUTE, unreachable, World } from '../support/delivery-world.ts'
import { queued, recipient } from '../support/queued.ts'

/** Something to wait for. */
function gate() {
  let resolve: (value: null) => void = () => undefined
  const opened = new Promise<null>((done) => {
    resolve = done
  })
  return {
    opened,
    open: () => {
      resolve(null)
    },
  }
}

const to = (domain: string) => ({ recipients: [recipient(`john@${domain}`)] })

describe('a next hop that does not answer', () => {
  it('is passed over for the next host, and asked last for a while', async (t) => {
    const world = await World.open(t, (one) => {
      one.settings = { ...one.settings, messagesPerConnection: 1 }
    })
    world.mx.set('fabrikam.com', {
      found: [
        { preference: 10, exchange: 'a.fabrikam.com' },
        { preference: 20, exchange: 'b.fabrikam.com' },
      ],
    })
    world.refuses = (target) => (target.host === 'a.fabrikam.com' ? unreachable(target) : null)
    await world.accept('one.1')
    assert.deepEqual(
      world.tried.splice(0).map(({ host }) => host),
      ['a.fabrikam.com', 'b.fabrikam.com'],
    )
    await world.accept('two.1')
    assert.deepEqual(
      world.tried.splice(0).map(({ host }) => host),
      ['b.fabrikam.com'],
    )
    world.refuses = () => null
    await world.pass(2 * MINUTE)
    await world.accept('three.1')
    assert.deepEqual(
      world.tried.splice(0).map(({ host }) => host),
      ['a.fabrikam.com'],
    )
    assert.equal(world.sent.length, 3)
  })

  it('defers its mail with the reason, which waits together and is tried by one', async (t) => {
    const world = await World.open(t)
    world.refuses = (target) => unreachable(target)
    for (const id of ['1.1', '2.1', '3.1']) await world.accept(id)
    assert.equal(world.tried.length, 1, 'it is left alone')
    const attempts = await Promise.all(
      ['1.1', '2.1', '3.1'].map(async (id) => (await world.message(id))?.state.recipients[0]),
    )
    assert.deepEqual(
      attempts.map((state) => state?.attempts),
      [1, 0, 0],
    )
    assert.deepEqual(
      attempts.map((state) => state?.said?.status),
      ['4.4.1', '4.4.1', '4.4.1'],
    )
    await world.pass(31_000)
    assert.equal(world.tried.length, 2)
    world.refuses = () => null
    await world.pass(5 * MINUTE)
    assert.equal(world.sent.length, 3)
    assert.deepEqual(await world.ids(), [])
  })

  it('does not hold up mail for others, however much waits for it', async (t) => {
    const world = await World.open(t, (one) => {
      one.settings = { ...one.settings, maxConnections: 3 }
    })
    const never = gate()
    world.refuses = async (target) => {
      if (target.host !== 'mx.dead.example') return null
      await never.opened
      return unreachable(target)
    }
    for (let index = 0; index < 20; index++) await world.accept(`dead${index}.1`, to('dead.example'))
    for (let index = 0; index < 20; index++) await world.accept(`${index}.1`, to(`d${index}.example`))
    await world.pass(1_000)
    await world.pass(1_000)
    assert.equal(world.sent.length, 20)
    never.open()
    await world.settled()
    assert.equal((await world.ids()).length, 20)
  })

  it('gives its mail back to the senders when their time is up', async (t) => {
    const world = await World.open(t)
    world.refuses = (target) => (target.host === 'mx.dead.example' ? unreachable(target) : null)
    for (const id of ['1.1', '2.1', '3.1']) await world.accept(id, to('dead.example'))
    for (let hour = 0; hour < 24 * 2 * 3 + 6; hour++) await world.pass(20 * MINUTE)
    assert.deepEqual(await world.ids(), [])
    for (const id of ['1.1', '2.1', '3.1']) assert.equal(world.events(id).at(-1), 'bounced john@dead.example')
    const last = world.journal.findLast(({ event }) => event === 'bounced')
    assert.equal(last?.status, '5.4.1')
  })

  it('is never this machine, whatever the DNS says: what listens there trusts it', async (t) => {
    const world = await World.open(t)
    const names = ['127.0.0.1', '127.8.8.8', '0.0.0.0', '::1', '::']
    for (const [index, address] of names.entries()) {
      world.mx.set(`d${index}.example`, { found: [{ preference: 10, exchange: `mx.d${index}.example` }] })
      world.hosts.set(`mx.d${index}.example`, { found: [address] })
      await world.accept(`${index}.1`, to(`d${index}.example`))
    }
    world.hosts.set('127.0.0.1', { found: ['127.0.0.1'] })
    await world.accept('literal.1', to('[127.0.0.1]'))
    assert.equal(world.tried.filter(({ address }) => names.includes(address)).length, 0)
    const refused = world.journal.filter(({ event }) => event === 'bounced')
    assert.deepEqual(new Set(refused.map(({ status }) => status)), new Set(['5.4.6']))
    assert.equal(refused.length, 6)
  })

  it('is waited for when it is better than this server, and its address cannot be looked up', async (t) => {
    const world = await World.open(t)
    world.mx.set('fabrikam.com', {
      found: [
        { preference: 10, exchange: 'first.fabrikam.com' },
        { preference: 20, exchange: 'relay.example.net' },
        { preference: 30, exchange: 'last.fabrikam.com' },
      ],
    })
    world.hosts.set('first.fabrikam.com', { failed: 'ESERVFAIL' })
    world.hosts.set('relay.example.net', { found: ['192.0.2.250'] })
    await world.accept('one.1')
    assert.deepEqual(world.events('one.1'), ['deferred john@fabrikam.com'])
    world.hosts.delete('first.fabrikam.com')
    await world.passUntilDue('one.1')
    assert.deepEqual(
      world.sent.map(({ host }) => host),
      ['first.fabrikam.com'],
    )
  })

  it('is not asked at all its hosts, however many the DNS names', async (t) => {
    const world = await World.open(t)
    const hosts = Array.from({ length: 1000 }, (_, index) => `mx${index}.fabrikam.com`)
    world.mx.set('fabrikam.com', {
      found: hosts.map((exchange, index) => ({ preference: index, exchange })),
    })
    world.hosts.set('mx0.fabrikam.com', {
      found: hosts.map((_, index) => `10.9.${index >> 8}.${index & 255}`),
    })
    world.refuses = (target) => unreachable(target)
    await world.accept('one.1')
    assert.equal(world.tried.length, 20)
    assert.equal(world.tried[0]?.host, 'mx0.fabrikam.com')
  })

  it('is tried at once when an administrator says so', async (t) => {
    const world = await World.open(t)
    world.refuses = (target) => unreachable(target)
    for (const id of ['1.1', '2.1']) await world.accept(id)
    world.refuses = () => null
    const done = await world.queue.control.act('retry', {}, 'root')
    assert.deepEqual(
      done.map((one) => one.done),
      [true, true],
    )
    await world.settled()
    assert.equal(world.sent.length, 2)
  })

  it('fails for good only when every host of it is this server', async (t) => {
    const world = await World.open(t)
    world.mx.set('fabrikam.com', {
      found: [
        { preference: 10, exchange: 'a.fabrikam.com' },
        { preference: 20, exchange: 'b.fabrikam.com' },
      ],
    })
    world.refuses = (target) => {
      if (!target.host.endsWith('fabrikam.com')) return null
      return unreachable(target, target.host.startsWith('b') ? 'loop' : 'unreachable')
    }
    await world.accept('one.1')
    assert.deepEqual(world.events('one.1'), ['deferred john@fabrikam.com'])
    world.refuses = (target) => (target.host.endsWith('fabrikam.com') ? unreachable(target, 'loop') : null)
    await world.passUntilDue('one.1')
    assert.equal(world.events('one.1').at(-1), 'bounced john@fabrikam.com')
    assert.equal(world.journal.at(-2)?.status, '5.4.6')
  })

  it('keeps the mail where the certificate does not hold: nothing is sent', async (t) => {
    const world = await World.open(t)
    world.routes.set('fabrikam.com', {
      via: 'connector',
      connector: { ...CONNECTOR, tlsSettings: 'DomainValidation', tlsDomain: '*.fabrikam.com' },
    })
    world.refuses = (target) => unreachable(target, 'tls')
    await world.accept('one.1')
    assert.deepEqual(world.tried[0]?.policy, {
      level: 'verify-domain',
      domain: '*.fabrikam.com',
      trust: null,
    })
    assert.deepEqual(world.sent, [])
    assert.equal((await world.message('one.1'))?.state.recipients[0]?.said?.status, '4.7.5')
  })
})

describe('a connection', () => {
  it('takes the next message of the same next hop, and is closed when none comes', async (t) => {
    const world = await World.open(t)
    for (const id of ['1.1', '2.1', '3.1']) await world.accept(id)
    assert.deepEqual(
      world.sent.map(({ connection }) => connection),
      [1, 1, 1],
    )
    assert.equal(world.open.size, 1)
    await world.pass(5_000)
    assert.equal(world.open.size, 0)
    await world.accept('4.1')
    assert.equal(world.sent.at(-1)?.connection, 2)
  })

  it('takes only so many messages', async (t) => {
    const world = await World.open(t, (one) => {
      one.settings = { ...one.settings, messagesPerConnection: 2 }
    })
    for (let index = 0; index < 5; index++) await world.accept(`${index}.1`)
    assert.deepEqual(
      world.sent.map(({ connection }) => connection),
      [1, 1, 2, 2, 3],
    )
  })

  it('is never shared under another promise, another identity, or another connector', async (t) => {
    const world = await World.open(t)
    const variants = [
      CONNECTOR,
      { ...CONNECTOR, name: 'Another' },
      { ...CONNECTOR, organization: 'Fabrikam' },
      { ...CONNECTOR, tlsSettings: 'EncryptionOnly' as const },
      { ...CONNECTOR, tlsSettings: 'DomainValidation' as const, tlsDomain: 'a.fabrikam.com' },
      { ...CONNECTOR, tlsSettings: 'DomainValidation' as const, tlsDomain: 'b.fabrikam.com' },
    ]
    for (const [index, connector] of variants.entries()) {
      world.routes.set(`d${index}.example`, { via: 'connector', connector })
      await world.accept(`${index}.1`, to(`d${index}.example`))
    }
    world.identity = () => ({ ...IDENTITY, key: 'another certificate' })
    await world.accept('last.1', to('d0.example'))
    assert.equal(new Set(world.sent.map(({ connection }) => connection)).size, 7)
    assert.equal(new Set(world.sent.map(({ address }) => address)).size, 1)
    // Another domain by the same connector goes over the same.
    world.routes.set('more.example', { via: 'connector', connector: CONNECTOR })
    await world.accept('more.1', to('more.example'))
    assert.equal(world.sent.at(-1)?.connection, 7)
  })

  it('that had ended while it was idle costs the message nothing: it goes over another at once', async (t) => {
    const world = await World.open(t)
    world.ended = (connection) => connection === 1
    await world.accept('1.1')
    await world.accept('2.1')
    assert.deepEqual(
      world.sent.map(({ connection, id }) => [id, connection]),
      [
        ['1.1', 1],
        ['2.1', 2],
      ],
    )
    assert.deepEqual(world.events('2.1'), ['delivered john@fabrikam.com'])
    assert.deepEqual(world.open, new Set([2]))
  })

  it('is tried for again after one too many, though the first is still busy', async (t) => {
    const world = await World.open(t)
    const held = gate()
    world.before = ({ envelope }) => (envelope.id === 'slow.1' ? held.opened : null)
    await world.accept('slow.1')
    world.refuses = (target) => unreachable(target)
    await world.accept('next.1')
    await world.pass(250)
    assert.equal(world.tried.length, 2)
    world.refuses = () => null
    for (let second = 0; second < 31; second++) await world.pass(1_000)
    assert.deepEqual(
      world.sent.map(({ id }) => id),
      ['slow.1', 'next.1'],
    )
    held.open()
    await world.settled()
    assert.deepEqual(await world.ids(), [])
  })

  it('is given up at once for another destination that may have none', async (t) => {
    const world = await World.open(t, (one) => {
      one.settings = { ...one.settings, maxConnections: 1 }
    })
    const held = gate()
    world.before = () => held.opened
    for (const name of ['a', 'b', 'c']) await world.accept(`${name}.1`, to(`${name}.example`))
    assert.equal(world.sent.length, 1)
    held.open()
    await world.settled()
    assert.deepEqual(
      world.sent.map(({ id }) => id),
      ['a.1', 'b.1', 'c.1'],
    )
    assert.equal(world.mostOpen, 1)
  })

  it('is one of as many as are allowed, to one destination and to all', async (t) => {
    const world = await World.open(t, (one) => {
      one.settings = { ...one.settings, maxConnections: 6, maxConnectionsPerDestination: 2, bufferBytes: 1e9 }
    })
    const held = gate()
    const perHost = new Map<string, Set<number>>()
    let most = 0
    world.before = async () => {
      const last = world.sent.at(-1)
      if (last !== undefined) {
        const known = perHost.get(last.host) ?? new Set()
        perHost.set(last.host, known.add(last.connection))
        most = Math.max(most, known.size)
      }
      await held.opened
    }
    for (let index = 0; index < 40; index++) await world.accept(`${index}.1`, to(`d${index % 8}.example`))
    for (let round = 0; round < 4; round++) await world.pass(250)
    assert.equal(world.open.size, 6)
    assert.ok(most <= 2, `${most} to one destination`)
    held.open()
    for (let round = 0; round < 100 && world.sent.length < 40; round++) await world.pass(250)
    assert.equal(world.sent.length, 40)
    assert.ok(world.mostOpen <= 6, `${world.mostOpen} at once`)
    assert.deepEqual(await world.ids(), [])
    await world.pass(5_000)
    assert.equal(world.open.size, 0)
  })
})

describe('a route', () => {
  it('that cannot be looked up is waited for, and counts as no attempt', async (t) => {
    const world = await World.open(t)
    world.routes.set('fabrikam.com', { unknown: true, why: 'the directory does not answer' } as never)
    await world.accept('one.1')
    assert.deepEqual(world.sent, [])
    for (let minute = 0; minute < 3 * 24 * 60; minute += 60) await world.pass(60 * MINUTE)
    const state = (await world.message('one.1'))?.state.recipients[0]
    assert.equal(state?.attempts, 0)
    assert.equal(state.status, 'waiting', 'also after its lifetime')
    assert.match(state.said?.text ?? '', /the directory does not answer/)
    world.routes.delete('fabrikam.com')
    await world.passUntilDue('one.1')
    assert.deepEqual(world.events('one.1').at(-1), 'delivered john@fabrikam.com')
  })

  it('that is none defers with 4.4.4, and bounces in the end', async (t) => {
    const world = await World.open(t)
    world.routes.set('fabrikam.com', { via: 'none' })
    await world.accept('one.1')
    assert.equal((await world.message('one.1'))?.state.recipients[0]?.said?.status, '4.4.4')
    while ((await world.ids()).includes('one.1')) await world.passUntilDue('one.1')
    assert.equal(world.journal.findLast(({ event }) => event === 'bounced')?.status, '5.4.4')
    assert.deepEqual(
      world.tried.filter(({ host }) => host.includes('fabrikam')),
      [],
    )
  })

  it('whose certificate cannot be loaded defers with 4.3.5: nothing is sent without it', async (t) => {
    const world = await World.open(t)
    world.routes.set('fabrikam.com', { via: 'connector', connector: CONNECTOR })
    const text = 'the certificate of "To partners" cannot be loaded'
    world.identity = (connector) =>
      connector === null
        ? IDENTITY
        : { failure: { at: Date.now(), code: 0, status: '4.3.5', text, remote: null } }
    await world.accept('one.1')
    assert.deepEqual(world.tried, [])
    const state = (await world.message('one.1'))?.state.recipients[0]
    assert.equal(state?.said?.status, '4.3.5')
    assert.equal(state.said.text, text)
    world.identity = () => IDENTITY
    await world.passUntilDue('one.1')
    assert.deepEqual(await world.ids(), [])
  })

  it('whose only smart host is where the mail came from fails with 5.4.6', async (t) => {
    const world = await World.open(t)
    world.routes.set('fabrikam.com', { via: 'connector', connector: CONNECTOR })
    world.hosts.set('smart.fabrikam.com', { found: ['10.1.0.7'] })
    await world.accept('one.1')
    assert.deepEqual(
      world.tried.filter(({ address }) => address === '10.1.0.7'),
      [],
    )
    assert.equal(world.journal.findLast(({ event }) => event === 'bounced')?.status, '5.4.6')
    await world.accept('two.1', { peer: '10.1.0.8' })
    assert.equal(world.sentOf('two.1').length, 1)
  })

  it('leaves out the smart host that the mail came from, and takes the other', async (t) => {
    const world = await World.open(t)
    const smartHosts = [
      { host: 'smart.fabrikam.com', port: 25 },
      { host: 'other.fabrikam.com', port: 25 },
    ]
    world.routes.set('fabrikam.com', { via: 'connector', connector: { ...CONNECTOR, smartHosts } })
    world.hosts.set('smart.fabrikam.com', { found: ['10.1.0.7'] })
    for (let index = 0; index < 5; index++) {
      world.random = () => index / 5
      await world.accept(`${index}.1`)
    }
    assert.deepEqual(new Set(world.sent.map(({ host }) => host)), new Set(['other.fabrikam.com']))
  })

  it('to this server itself fails with 5.4.6, whatever way it was found', async (t) => {
    const world = await World.open(t)
    world.hosts.set('mx.loop.example', { found: ['192.0.2.250'] })
    await world.accept('one.1', to('loop.example'))
    assert.equal(world.journal.findLast(({ event }) => event === 'bounced')?.status, '5.4.6')
    assert.deepEqual(
      world.tried.filter(({ host }) => host.includes('loop')),
      [],
    )
  })

  it('by MX fails where there is no domain, a null MX, or no address, and waits where the DNS does not answer', async (t) => {
    const world = await World.open(t)
    world.mx.set('gone.example', { nowhere: 'no-such-name' })
    world.mx.set('null.example', { found: [{ preference: 0, exchange: '' }] })
    world.mx.set('bare.example', { nowhere: 'no-data' })
    world.hosts.set('bare.example', { nowhere: 'no-data' })
    world.mx.set('plain.example', { nowhere: 'no-data' })
    world.mx.set('silent.example', { failed: 'ETIMEOUT' })
    const said = new Map<string, string | undefined>()
    for (const name of ['gone', 'null', 'bare', 'plain', 'silent']) {
      await world.accept(`${name}.1`, to(`${name}.example`))
      const record = world.journal.findLast(({ id }) => id === `${name}.1`)
      said.set(name, `${record?.event} ${record?.status}`)
    }
    assert.deepEqual(Object.fromEntries(said), {
      gone: 'bounced 5.1.2',
      null: 'bounced 5.1.10',
      bare: 'bounced 5.4.4',
      plain: 'delivered 2.0.0',
      silent: 'deferred 4.4.3',
    })
    assert.equal(world.sentOf('plain.1')[0]?.address, addressOf('plain.example'))
  })
})

describe('stopping', () => {
  it('keeps all that is not delivered, and lets transactions under way end', async (t) => {
    const world = await World.open(t, (one) => {
      one.settings = { ...one.settings, maxConnections: 1 }
    })
    const held = gate()
    world.before = () => held.opened
    for (const id of ['1.1', '2.1', '3.1']) await world.accept(id)
    assert.equal(world.sent.length, 1)
    const stopping = world.queue.stop(10_000)
    await world.settled()
    held.open()
    await world.settled()
    await world.pass(20)
    await stopping
    assert.equal(world.sent.length, 1)
    assert.equal(world.open.size, 0)
    world.settings = { ...world.settings, maxConnections: 5 }
    await world.start()
    assert.deepEqual(world.sent.map(({ id }) => id).toSorted(), ['1.1', '2.1', '3.1'])
  })

  it('makes no connection any more, also for what was being routed', async (t) => {
    const world = await World.open(t)
    const held = gate()
    world.identity = async () => {
      await held.opened
      return IDENTITY
    }
    await world.accept('one.1')
    await world.queue.stop(0)
    held.open()
    await world.settled()
    await world.pass(DAY)
    assert.deepEqual(world.tried, [])
    world.identity = () => IDENTITY
    await world.start()
    assert.equal(world.sent.length, 1)
  })

  it('stores a message that comes meanwhile or refuses it, and never forgets it', async (t) => {
    const world = await World.open(t)
    const stopping = world.queue.stop(0)
    const accepted = await world.queue
      .accept(queued('one.1').envelope, Buffer.from('a: b\r\n\r\nc\r\n'))
      .then(
        () => true,
        () => false,
      )
    await stopping
    await world.start()
    assert.equal(world.sentOf('one.1').length, accepted ? 1 : 0)
  })
})
