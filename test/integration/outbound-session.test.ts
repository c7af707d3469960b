/** A session with a next hop: what becomes of each recipient, whatever the other side says or does. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { after, describe, it } from 'node:test'
import type { ClientIdentity, Outgoing, RecipientResult, Session, Target } from '../../src/outbound/types.ts'
import { Authority, LEAF } from '../support/authority.ts'
import type { Answer, Moment, NextHopOptions, NextHop } from '../support/hostile-next-hop.ts'
import { CAPABILITIES, DROP, SILENCE, startNextHop } from '../support/hostile-next-hop.ts'
import { connectTrusting, CONTENT, NOBODY, outgoing, targetAt } from '../support/outgoing.ts'
import { recipient } from '../support/queued.ts'
import { freePort } from '../support/smarthost.ts'

const authority = new Authority()
after(() => {
  authority.close()
})
const made = authority.make({ name: 'mail.hop.test', issuer: null, extensions: LEAF })
const tls = { cert: made.pem, key: readFileSync(made.keyFile, 'utf8') }

const connect = connectTrusting([])
/** For servers that say nothing. */
const impatient = connectTrusting([], { connect: 1000, reply: 1000 })

const without = (keyword: string): readonly string[] => CAPABILITIES.filter((one) => !one.startsWith(keyword))

type Options = Partial<NextHopOptions>

async function open(
  t: TestContext,
  options: Options = {},
  more: Partial<Target> = {},
  by = connect,
): Promise<{ readonly hop: NextHop; readonly session: Session }> {
  const hop = await startNextHop(t, { tls: null, ...options })
  const connected = await by(targetAt(hop, more))
  assert.ok('session' in connected, JSON.stringify(connected))
  const { session } = connected
  return { hop, session }
}

const three = (): Outgoing =>
  outgoing({ recipients: ['a@hop.test', 'b@hop.test', 'c@hop.test'].map((address) => recipient(address)) })

/** `outcome code status` of each recipient, in the order of the envelope. */
function briefly(results: readonly RecipientResult[]): string[] {
  return results
    .toSorted((left, right) => left.recipient - right.recipient)
    .map(({ outcome, said }) => `${outcome} ${said.code} ${said.status}`)
}

describe('a message', () => {
  it('arrives as it is, with its doubled dots, and the end in a line of its own', async (t) => {
    const { hop, session } = await open(t)
    const { results, reached } = await session.send(outgoing())
    assert.deepEqual(briefly(results), ['delivered 250 2.0.0'])
    assert.equal(reached, true)
    assert.deepEqual(hop.messages[0]?.content, CONTENT)
    assert.equal(results[0]?.said.text, '2.0.0 kept')
    assert.deepEqual(results[0].said.remote, { host: 'mail.hop.test', address: '127.0.0.1', port: hop.port })
    await session.close()
    assert.equal(session.usable, false)
    await hop.allEnded()
    assert.deepEqual(hop.connections[0]?.verbs, ['EHLO', 'MAIL', 'RCPT', 'DATA', 'QUIT'])
  })

  it('of several megabytes arrives octet for octet', async (t) => {
    const { hop, session } = await open(t)
    const line = Buffer.from('..é and seventy more octets of text, so that lines are not all alike\r\n')
    for (const size of [0, 1, 262_142, 262_144, 262_146, 5_000_002]) {
      const content = Buffer.alloc(size, line)
      if (size > 1) content.write('\r\n', size - 2)
      const whole = size === 1 ? Buffer.from('a\r\n') : content
      const { results } = await session.send(outgoing({}, whole))
      assert.equal(results[0]?.outcome, 'delivered')
      assert.ok(hop.messages.at(-1)?.content.equals(whole), String(size))
    }
    await session.close()
  })

  it('from the null sender has an empty path', async (t) => {
    const { hop, session } = await open(t)
    await session.send(outgoing({ sender: '' }))
    await session.close()
    assert.match(hop.messages[0]?.mail ?? '', /^MAIL FROM:<> /)
  })

  it('to 250 recipients goes in transactions of 100', async (t) => {
    const { hop, session } = await open(t)
    const addresses = Array.from({ length: 250 }, (_, index) => `r${index}@hop.test`)
    const { results } = await session.send(outgoing({ recipients: addresses.map((one) => recipient(one)) }))
    await session.close()
    assert.deepEqual(
      results.map((one) => one.recipient),
      addresses.map((_, index) => index),
    )
    assert.deepEqual(
      hop.messages.map(({ rcpt }) => rcpt.length),
      [100, 100, 50],
    )
  })

  it('goes to those of its recipients that are meant, and to no other', async (t) => {
    const { hop, session } = await open(t)
    const { results } = await session.send({ ...three(), recipients: [2, 0] })
    await session.close()
    assert.deepEqual(
      results.map((one) => one.recipient).toSorted((left, right) => left - right),
      [0, 2],
    )
    assert.deepEqual(hop.messages[0]?.rcpt, ['RCPT TO:<c@hop.test>', 'RCPT TO:<a@hop.test>'])
  })
})

describe('recipients of one message', () => {
  const script = {
    RCPT: ({ line }: { readonly line: string }) => {
      if (line.includes('<a@')) return '550 5.1.1 nobody here'
      return line.includes('<b@') ? '452 4.2.2 full' : undefined
    },
  }
  for (const [how, capabilities, pipelined] of [
    ['with PIPELINING', CAPABILITIES, 5],
    ['without PIPELINING', without('PIPELINING'), 1],
  ] as const) {
    it(`have a result each, ${how}`, async (t) => {
      const { hop, session } = await open(t, { script, capabilities })
      const { results } = await session.send(three())
      assert.deepEqual(briefly(results), ['failed 550 5.1.1', 'deferred 452 4.2.2', 'delivered 250 2.0.0'])
      assert.deepEqual(hop.messages[0]?.rcpt, ['RCPT TO:<c@hop.test>'])
      assert.equal(hop.connections[0]?.pipelined, pipelined)
      await session.close()
    })

    it(`are said to have no mailbox only where it was said of them, ${how}`, async (t) => {
      for (const [command, status] of [
        ['MAIL', '5.0.0'],
        ['RCPT', '5.1.1'],
        ['DOT', '5.0.0'],
      ] as const) {
        const { session } = await open(t, { script: { [command]: '550 not today' }, capabilities })
        const { results } = await session.send(three())
        assert.deepEqual(briefly(results), Array(3).fill(`failed 550 ${status}`), command)
        await session.close()
      }
    })

    it(`are all refused and no content is sent, ${how}; the next message goes over the same connection`, async (t) => {
      const { hop, session } = await open(t, {
        capabilities,
        script: { RCPT: ({ count }) => (count <= 3 ? '550 5.1.1 nobody here' : undefined) },
      })
      const { results, reached } = await session.send(three())
      assert.deepEqual(briefly(results), Array(3).fill('failed 550 5.1.1'))
      assert.equal(reached, true)
      assert.equal(session.usable, true)
      const again = await session.send(outgoing())
      assert.deepEqual(briefly(again.results), ['delivered 250 2.0.0'])
      await session.close()
      const got = hop.messages.map(({ content }) => content.toString())
      // A server that answers 354 all the same gets the end at once (RFC 2920 section 3.1).
      assert.deepEqual(got, pipelined === 1 ? [CONTENT.toString()] : ['', CONTENT.toString()])
      assert.equal(hop.connections.length, 1)
    })

    it(`share what DATA and what follows say, ${how}`, async (t) => {
      const { session } = await open(t, {
        capabilities,
        script: {
          DATA: ({ count }) => (count === 1 ? '451 4.3.0 not now' : undefined),
          DOT: ({ count }) => (count === 1 ? '554 5.7.1 spam' : undefined),
        },
      })
      assert.deepEqual(briefly((await session.send(three())).results), Array(3).fill('deferred 451 4.3.0'))
      assert.equal(session.usable, true)
      assert.deepEqual(briefly((await session.send(three())).results), Array(3).fill('failed 554 5.7.1'))
      assert.equal(session.usable, true)
      assert.deepEqual(briefly((await session.send(three())).results), Array(3).fill('delivered 250 2.0.0'))
      await session.close()
    })
  }

  it('hear what MAIL was answered; 552 to SIZE is final', async (t) => {
    const { hop, session } = await open(t, {
      script: { MAIL: '552 5.3.4 too big', RCPT: '503 5.5.1 MAIL first', DATA: '503 5.5.1 MAIL first' },
    })
    assert.deepEqual(briefly((await session.send(three())).results), Array(3).fill('failed 552 5.3.4'))
    assert.equal(session.usable, true)
    await session.close()
    assert.match(
      hop.connections[0]?.plain ?? '',
      new RegExp(`MAIL FROM:<kate@contoso.com> SIZE=${CONTENT.length}\r\n`),
    )
  })

  it('are tried again later where the server wants TLS, which it offers and which fails', async (t) => {
    const script = { MAIL: '530 5.7.0 Must issue a STARTTLS command first', HANDSHAKE: DROP } as const
    const { session } = await open(t, { tls, script, capabilities: [] })
    assert.equal(session.tls, null)
    assert.deepEqual(briefly((await session.send(outgoing())).results), ['deferred 530 5.7.0'])
    await session.close()
    const other = await open(t, { script: { MAIL: '530 5.7.0 Authentication required' }, capabilities: [] })
    assert.deepEqual(briefly((await other.session.send(outgoing())).results), ['failed 530 5.7.0'])
    await other.session.close()
  })

  it('of too many are tried again later, not given up (RFC 5321 section 4.5.3.1.10)', async (t) => {
    const { session } = await open(t, {
      script: { RCPT: ({ count }) => (count > 1 ? '552 5.5.3 too many recipients' : undefined) },
    })
    assert.deepEqual(briefly((await session.send(three())).results), [
      'delivered 250 2.0.0',
      'deferred 552 5.5.3',
      'deferred 552 5.5.3',
    ])
    await session.close()
  })
})

describe('one connection', () => {
  it('takes several messages, with RSET only where a transaction was left', async (t) => {
    const { hop, session } = await open(t, {
      script: {
        MAIL: ({ count }) => (count === 2 ? '450 4.7.1 later' : undefined),
        RCPT: ({ count }) => (count === 2 ? '503 5.5.1 no' : undefined),
        DATA: ({ count }) => (count === 2 ? '503 5.5.1 no' : undefined),
      },
    })
    const outcomes: string[] = []
    for (let count = 0; count < 4; count++)
      outcomes.push(...briefly((await session.send(outgoing())).results))
    assert.deepEqual(outcomes, [
      'delivered 250 2.0.0',
      'deferred 450 4.7.1',
      'delivered 250 2.0.0',
      'delivered 250 2.0.0',
    ])
    await session.close()
    const transaction = ['MAIL', 'RCPT', 'DATA']
    assert.deepEqual(hop.connections[0]?.verbs, [
      'EHLO',
      ...transaction,
      ...transaction,
      'RSET',
      ...transaction,
      ...transaction,
      'QUIT',
    ])
  })

  it('that had gone while idle says so, and nothing was sent', async (t) => {
    const { hop, session } = await open(t)
    await session.send(outgoing())
    await hop.dropAll()
    const { results, reached } = await session.send(outgoing())
    assert.equal(reached, false)
    assert.deepEqual(briefly(results), ['deferred 0 4.4.2'])
    assert.equal(session.usable, false)
    assert.equal(hop.messages.length, 1)
    await session.close()
  })

  for (const [text, expected] of [
    ['421 4.4.2 idle for too long', 'deferred 421 4.4.2'],
    ['250 2.0.0 what nobody asked for', 'deferred 0 4.5.0'],
  ] as const) {
    it(`over which came ${text} while idle is not used again, and nothing was sent`, async (t) => {
      const { hop, session } = await open(t)
      await session.send(outgoing())
      hop.sayToAll(text)
      // It closes the connection when it has heard that.
      await hop.allEnded()
      assert.equal(session.usable, false)
      const { results, reached } = await session.send(outgoing())
      assert.deepEqual([briefly(results), reached], [[expected], false])
      assert.deepEqual(hop.connections[0]?.verbs, ['EHLO', 'MAIL', 'RCPT', 'DATA'])
      await session.close()
    })
  }

  it('that answers 421 to the next MAIL was not reached', async (t) => {
    const { session } = await open(t, {
      script: { MAIL: ({ count }) => (count > 1 ? '421 4.4.2 idle for too long' : undefined) },
    })
    await session.send(outgoing())
    const { results, reached } = await session.send(outgoing())
    assert.equal(reached, false)
    assert.deepEqual(briefly(results), ['deferred 421 4.4.2'])
    assert.equal(session.usable, false)
    await session.close()
  })

  it('that does not take RSET is not used again', async (t) => {
    const { session } = await open(t, {
      script: { RCPT: '550 5.1.1 no', RSET: '502 5.5.1 what?' },
      capabilities: [],
    })
    await session.send(outgoing())
    const { results, reached } = await session.send(outgoing())
    assert.deepEqual([briefly(results), reached, session.usable], [['deferred 0 4.5.0'], false, false])
    await session.close()
  })

  it('is closed at once when nobody answers QUIT', async (t) => {
    const { hop, session } = await open(t, { script: { QUIT: SILENCE } })
    const start = Date.now()
    await session.close()
    await hop.allEnded()
    assert.ok(Date.now() - start < 5000)
  })
})

describe('421 in the middle', () => {
  for (const [moment, capabilities] of [
    ['RCPT', CAPABILITIES],
    ['DATA', CAPABILITIES],
    ['DOT', CAPABILITIES],
    ['RCPT', []],
    ['DATA', []],
    ['DOT', []],
  ] as const) {
    it(`at ${moment} ${capabilities.length > 0 ? 'with' : 'without'} PIPELINING defers everybody and ends the connection`, async (t) => {
      const { hop, session } = await open(t, { script: { [moment]: '421 4.3.2 going down' }, capabilities })
      const { results } = await session.send(three())
      assert.deepEqual(briefly(results), Array(3).fill('deferred 421 4.3.2'))
      assert.equal(session.usable, false)
      await session.close()
      await hop.allEnded()
    })
  }
})

describe('421 to one recipient', () => {
  for (const capabilities of [CAPABILITIES, []]) {
    it(`${capabilities.length > 0 ? 'with' : 'without'} PIPELINING defers those before and behind it, but for who was refused`, async (t) => {
      const { session } = await open(t, {
        script: {
          RCPT: ({ line }) => {
            if (line.includes('<a@')) return '550 5.1.1 nobody here'
            return line.includes('<c@') ? '421 4.3.2 going down' : undefined
          },
        },
        capabilities,
      })
      const four = ['a', 'b', 'c', 'd'].map((name) => recipient(`${name}@hop.test`))
      const { results } = await session.send(outgoing({ recipients: four }))
      const deferred = 'deferred 421 4.3.2'
      assert.deepEqual(briefly(results), ['failed 550 5.1.1', deferred, deferred, deferred])
      assert.equal(session.usable, false)
      await session.close()
    })
  }
})

describe('a drop', () => {
  for (const moment of ['MAIL', 'RCPT', 'DATA', 'PART', 'DOT'] as const) {
    for (const capabilities of [CAPABILITIES, without('PIPELINING')]) {
      it(`at ${moment} ${capabilities === CAPABILITIES ? 'with' : 'without'} PIPELINING defers everybody`, async (t) => {
        const { session } = await open(t, { script: { [moment]: DROP }, capabilities })
        const { results, reached } = await session.send(three())
        assert.deepEqual(briefly(results), Array(3).fill('deferred 0 4.4.2'))
        // Before the server said anything nothing has happened; from then on it may have.
        assert.equal(reached, moment !== 'MAIL')
        assert.equal(session.usable, false)
        await session.close()
      })
    }
  }

  it('in the middle of a large content defers it', async (t) => {
    const { session } = await open(t, { script: { PART: ({ count }) => (count > 5 ? DROP : undefined) } })
    const { results } = await session.send(outgoing({}, Buffer.alloc(20_000_000, 'a line\r\n')))
    assert.deepEqual(briefly(results), ['deferred 0 4.4.2'])
    await session.close()
  })

  it('after a refusal of a recipient leaves that refusal as it is', async (t) => {
    const { session } = await open(t, {
      script: { RCPT: ({ count }) => (count === 1 ? '550 5.1.1 nobody' : DROP) },
      capabilities: without('PIPELINING'),
    })
    const { results } = await session.send(three())
    assert.deepEqual(briefly(results), ['failed 550 5.1.1', 'deferred 0 4.4.2', 'deferred 0 4.4.2'])
    await session.close()
  })
})

describe('a reply in the middle of the content', () => {
  for (const [text, expected] of [
    ['552 5.3.4 too big', 'failed 552 5.3.4'],
    ['451 4.3.0 disk full', 'deferred 451 4.3.0'],
    // It cannot have taken what it has not got.
    ['250 2.0.0 enough', 'deferred 250 4.5.0'],
  ] as const) {
    it(`${text}: ${expected}`, async (t) => {
      const { hop, session } = await open(t, {
        script: { PART: ({ count }) => (count === 3 ? text : undefined) },
      })
      const { results } = await session.send(outgoing({}, Buffer.alloc(20_000_000, 'a line\r\n')))
      assert.deepEqual(briefly(results), [expected])
      assert.equal(session.usable, false)
      await session.close()
      await hop.allEnded()
    })
  }
})

describe('silence', () => {
  for (const moment of ['MAIL', 'RCPT', 'DATA'] as const) {
    it(`at ${moment} defers everybody after the time for a reply`, async (t) => {
      const { hop, session } = await open(
        t,
        { script: { [moment]: SILENCE }, capabilities: [] },
        {},
        impatient,
      )
      const { results, reached } = await session.send(three())
      assert.deepEqual(briefly(results), Array(3).fill('deferred 0 4.4.2'))
      assert.match(results[0]?.said.text ?? '', /within 1 seconds?$/)
      assert.equal(reached, true)
      await session.close()
      await hop.allEnded()
    })
  }

  it('after the content is waited for ten minutes (RFC 5321 section 4.5.3.2.6)', async (t) => {
    let arrived = (): void => undefined
    const arriving = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const { session } = await open(t, {
      script: {
        DOT: () => {
          arrived()
          return SILENCE
        },
      },
    })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let done = false
    const sending = session.send(outgoing()).finally(() => {
      done = true
    })
    await arriving
    t.mock.timers.tick(599_000)
    await new Promise(setImmediate)
    assert.equal(done, false)
    t.mock.timers.tick(1000)
    assert.deepEqual(briefly((await sending).results), ['deferred 0 4.4.2'])
    await session.close()
  })
})

/** What no client can make sense of. The texts stand for a reply, or come in front of it. */
const NONSENSE: readonly (readonly [string, Answer])[] = [
  ['no code', 'hello'],
  ['an empty line', ''],
  ['four digits', '2500 ok'],
  ['a code of two digits', '25 ok'],
  ['a code below 200', '150 wait'],
  ['a code above 599', '650 ok'],
  ['a code of 999', '999 ok'],
  ['digits of another script', Buffer.from('٢٥٠ ok\r\n')],
  ['mixed codes', '250-one\r\n550 two'],
  ['mixed codes, the other way', '550-one\r\n250 two'],
  ['NULs', Buffer.from(`${'\0'.repeat(100)}\r\n`)],
  ['8-bit', Buffer.from(`${'é'.repeat(100)}\r\n`, 'latin1')],
  ['a line that never ends', { endless: Buffer.alloc(65_536, 'a') }],
  ['a reply that never ends', { endless: Buffer.from('250-and\r\n'.repeat(1000)) }],
  ['a reply that never ends, of empty lines', { endless: Buffer.from('250-\r\n'.repeat(1000)) }],
  ['a reply that trickles', { trickling: Buffer.from('250-and\r\n') }],
  ['a line that trickles', { trickling: Buffer.from('2') }],
  ['replies that never end', { endless: Buffer.from('250 ok\r\n'.repeat(1000)) }],
  ['a TLS record', Buffer.from('16030100a5010000a10d0a', 'hex')],
  ['a half reply, and silence', Buffer.from('250-ok\r\n250')],
]

const PRINTABLE = /^[^\p{C}]{1,500}$/u

const SLOW = /half|trickles/

describe('nonsense', () => {
  const tried: readonly Moment[] = ['CONNECT', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'DOT', 'RSET', 'QUIT']
  for (const [what, answer] of NONSENSE) {
    it(`${what}: at every place it ends in a result, and nothing is delivered`, async (t) => {
      for (const moment of tried) {
        // Ten minutes are given for the rest of this one.
        if (moment === 'DOT' && SLOW.test(what)) continue
        const hop = await startNextHop(t, { tls: null, script: { [moment]: answer } })
        const before = process.memoryUsage()
        const connected = await impatient(targetAt(hop))
        if ('failure' in connected) {
          assert.ok(moment === 'CONNECT' || moment === 'EHLO', moment)
          const { kind, said } = connected.failure
          assert.equal(kind, 'unreachable', `${moment} ${said.text}`)
          assert.match(said.status, /^4\./)
          assert.match(said.text, PRINTABLE)
        } else {
          const { session } = connected
          const { results } = await session.send(three())
          // Who says 250 for ever has said it to the content too.
          const isDelivered =
            moment === 'RSET' || moment === 'QUIT' || (moment === 'DOT' && what === 'replies that never end')
          assert.deepEqual(
            results.map(({ outcome }) => outcome),
            Array(3).fill(isDelivered ? 'delivered' : 'deferred'),
            moment,
          )
          for (const { said } of results) assert.match(said.text, PRINTABLE)
          await session.close()
        }
        await hop.allEnded()
        const { arrayBuffers, heapUsed } = process.memoryUsage()
        assert.ok(arrayBuffers + heapUsed - before.arrayBuffers - before.heapUsed < 100_000_000)
      }
    })
  }

  it('bare LF ends a line, as most servers take it', async (t) => {
    const { session } = await open(t, { script: { RCPT: Buffer.from('250-fine\n250 2.1.5 ok\n') } })
    assert.deepEqual(briefly((await session.send(three())).results), Array(3).fill('delivered 250 2.0.0'))
    await session.close()
  })

  it('what a server says is shown in one printable line of at most 500 characters', async (t) => {
    const { session } = await open(t, {
      script: {
        RCPT: Buffer.from(`550-5.1.1 \u001b[31mred\u0000\u202e\r\n550 5.1.1 ${'x'.repeat(3000)}\r\n`),
      },
    })
    const [result] = (await session.send(outgoing())).results
    assert.equal(result?.outcome, 'failed')
    assert.doesNotMatch(result.said.text, /\p{C}/u)
    assert.ok(result.said.text.length <= 500)
    await session.close()
  })

  it('replies that come before their commands end the connection', async (t) => {
    const { hop, session } = await open(t, {
      script: { MAIL: Buffer.from('250 ok\r\n250 ok\r\n354 go on\r\n250 kept\r\n') },
      capabilities: without('PIPELINING'),
    })
    const { results } = await session.send(outgoing())
    assert.deepEqual(briefly(results), ['deferred 0 4.5.0'])
    await session.close()
    await hop.allEnded()
    assert.deepEqual(hop.connections[0]?.verbs, ['EHLO', 'MAIL'])
  })

  it('a reply to the content that comes before the content is none', async (t) => {
    const { hop, session } = await open(t, { script: { DATA: Buffer.from('354 go on\r\n250 kept\r\n') } })
    const { results } = await session.send(outgoing())
    assert.equal(results[0]?.outcome, 'deferred')
    await session.close()
    await hop.allEnded()
  })

  it('a reply beside the last one ends the connection, not the delivery', async (t) => {
    const { session } = await open(t, {
      script: { DOT: Buffer.from('250 2.0.0 kept\r\n250 2.0.0 kept\r\n') },
    })
    assert.deepEqual(briefly((await session.send(outgoing())).results), ['delivered 250 2.0.0'])
    assert.equal(session.usable, false)
    await session.close()
  })
})

describe('what the next hop offers', () => {
  const dsn = {
    ret: 'HDRS',
    envid: 'QQ314159',
    recipients: [
      recipient('a@hop.test', { notify: ['SUCCESS', 'DELAY'], orcpt: 'rfc822;A+2Bb@hop.test' }),
      recipient('b@hop.test', { notify: [] }),
      recipient('c@hop.test'),
    ],
  } as const

  it('DSN: RET, ENVID, NOTIFY and ORCPT are passed on, and its duty with them', async (t) => {
    const { hop, session } = await open(t)
    const { results } = await session.send(outgoing(dsn))
    await session.close()
    assert.match(hop.messages[0]?.mail ?? '', / RET=HDRS ENVID=QQ314159$/)
    assert.deepEqual(hop.messages[0]?.rcpt, [
      'RCPT TO:<a@hop.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;A+2Bb@hop.test',
      'RCPT TO:<b@hop.test> NOTIFY=NEVER',
      'RCPT TO:<c@hop.test>',
    ])
    assert.deepEqual(
      results.map(({ dsnPassedOn }) => dsnPassedOn),
      [true, true, true],
    )
  })

  it('no DSN: none of them is passed on, and its duty stays here', async (t) => {
    const { hop, session } = await open(t, { capabilities: without('DSN') })
    const { results } = await session.send(outgoing(dsn))
    await session.close()
    assert.equal(hop.messages[0]?.mail, `MAIL FROM:<kate@contoso.com> SIZE=${CONTENT.length}`)
    assert.deepEqual(
      hop.messages[0].rcpt,
      dsn.recipients.map(({ address }) => `RCPT TO:<${address}>`),
    )
    assert.deepEqual(
      results.map(({ dsnPassedOn }) => dsnPassedOn),
      [false, false, false],
    )
  })

  it('8BITMIME: BODY is passed on, and only then', async (t) => {
    for (const [capabilities, body, expected] of [
      [CAPABILITIES, '8BITMIME', true],
      [CAPABILITIES, null, false],
      [without('8BITMIME'), '8BITMIME', false],
    ] as const) {
      const { hop, session } = await open(t, { capabilities })
      await session.send(outgoing({ body }))
      await session.close()
      assert.equal(/ BODY=8BITMIME( |$)/.test(hop.messages[0]?.mail ?? ''), expected)
    }
  })

  it('SIZE: the octets of the content are announced, and only then', async (t) => {
    const { hop, session } = await open(t, { capabilities: without('SIZE') })
    await session.send(outgoing())
    await session.close()
    assert.equal(hop.messages[0]?.mail, 'MAIL FROM:<kate@contoso.com>')
  })

  const utf8 = { smtpUtf8: true, recipients: [recipient('jörg@hop.test')] }
  it('SMTPUTF8: an internationalised address goes out as it is', async (t) => {
    const { hop, session } = await open(t)
    assert.deepEqual(briefly((await session.send(outgoing(utf8))).results), ['delivered 250 2.0.0'])
    await session.close()
    assert.match(hop.messages[0]?.mail ?? '', / SMTPUTF8( |$)/)
    assert.equal(Buffer.from(hop.messages[0]?.rcpt[0] ?? '', 'latin1').toString(), 'RCPT TO:<jörg@hop.test>')
  })

  it('no SMTPUTF8: a message that needs it fails with 5.6.7, and one that does not goes', async (t) => {
    const { hop, session } = await open(t, { capabilities: without('SMTPUTF8') })
    const header = Buffer.from('Subject: Grüße\r\n\r\nHello\r\n')
    assert.deepEqual(briefly((await session.send(outgoing(utf8))).results), ['failed 0 5.6.7'])
    assert.deepEqual(
      briefly((await session.send(outgoing({ smtpUtf8: true, sender: 'jörg@contoso.com' }))).results),
      ['failed 0 5.6.7'],
    )
    assert.deepEqual(briefly((await session.send(outgoing({ smtpUtf8: true }, header))).results), [
      'failed 0 5.6.7',
    ])
    assert.equal(session.usable, true)
    assert.deepEqual(briefly((await session.send(outgoing({ smtpUtf8: true }))).results), [
      'delivered 250 2.0.0',
    ])
    await session.close()
    assert.deepEqual(hop.connections[0]?.verbs, ['EHLO', 'MAIL', 'RCPT', 'DATA', 'QUIT'])
  })

  it('no SMTPUTF8: recipients whose addresses are ASCII get what needs it for others only', async (t) => {
    const { hop, session } = await open(t, { capabilities: without('SMTPUTF8') })
    const recipients = [recipient('a@hop.test'), recipient('jörg@hop.test'), recipient('b@hop.test')]
    const { results } = await session.send(outgoing({ smtpUtf8: true, recipients }))
    await session.close()
    assert.deepEqual(results.map(({ outcome, recipient: index }) => `${index} ${outcome}`).toSorted(), [
      '0 delivered',
      '1 failed',
      '2 delivered',
    ])
    assert.deepEqual(hop.messages[0]?.rcpt, ['RCPT TO:<a@hop.test>', 'RCPT TO:<b@hop.test>'])
  })

  it('keywords count in any case', async (t) => {
    const { hop, session } = await open(t, { capabilities: ['size', 'Pipelining', 'dsn'] })
    await session.send(outgoing({ ret: 'FULL' }))
    await session.close()
    assert.equal(hop.messages[0]?.mail, `MAIL FROM:<kate@contoso.com> SIZE=${CONTENT.length} RET=FULL`)
    assert.equal(hop.connections[0]?.pipelined, 3)
  })

  it('HELO only: the message goes without any of them', async (t) => {
    const { hop, session } = await open(t, { script: { EHLO: '500 what?' } })
    assert.deepEqual(
      briefly((await session.send(outgoing(dsn))).results),
      Array(3).fill('delivered 250 2.0.0'),
    )
    await session.close()
    assert.equal(hop.messages[0]?.mail, 'MAIL FROM:<kate@contoso.com>')
    assert.deepEqual(hop.connections[0]?.verbs, [
      'EHLO',
      'HELO',
      'MAIL',
      'RCPT',
      'RCPT',
      'RCPT',
      'DATA',
      'QUIT',
    ])
  })
})

describe('an address that would be a command', () => {
  for (const address of ['a@hop.test>\r\nDATA\r\n', 'a\n@hop.test', 'a\0@hop.test'] as const) {
    it(`${JSON.stringify(address)} is not sent`, async (t) => {
      const { hop, session } = await open(t)
      for (const envelope of [{ recipients: [recipient(address)] }, { sender: address }]) {
        assert.deepEqual(briefly((await session.send(outgoing(envelope))).results), ['failed 0 5.1.3'])
      }
      await session.close()
      assert.deepEqual(hop.connections[0]?.verbs, ['EHLO', 'QUIT'])
    })
  }
})

describe('no session', () => {
  async function failure(t: TestContext, options: Options, more: Partial<Target> = {}): Promise<string> {
    const hop = await startNextHop(t, { tls: null, ...options })
    const connected = await connect(targetAt(hop, more))
    assert.ok('failure' in connected)
    await hop.allEnded()
    assert.doesNotMatch(hop.connections[0]?.plain ?? '', /MAIL|RCPT|DATA|AUTH/)
    const { kind, said } = connected.failure
    return `${kind} ${said.code} ${said.status}`
  }

  it('where nobody listens', async () => {
    const connected = await connect(targetAt({ host: '127.0.0.1', port: await freePort() }))
    assert.ok('failure' in connected)
    assert.deepEqual([connected.failure.kind, connected.failure.said.status], ['unreachable', '4.4.1'])
  })

  it('with a banner of 421 or 554', async (t) => {
    assert.equal(
      await failure(t, { script: { CONNECT: '421 4.3.2 too many connections' } }),
      'unreachable 421 4.3.2',
    )
    assert.equal(await failure(t, { script: { CONNECT: '554 5.7.1 not from you' } }), 'refused 554 5.7.1')
  })

  it('where EHLO and HELO are refused', async (t) => {
    assert.equal(
      await failure(t, { script: { EHLO: '550 5.7.1 bad name', HELO: '550 5.7.1 bad name' } }),
      'refused 550 5.7.1',
    )
    assert.equal(await failure(t, { script: { EHLO: '451 4.3.0 not now' } }), 'unreachable 451 4.3.0')
  })

  it('with ourselves, where that is a loop', async (t) => {
    const name = 'SMARTHOST.test'
    assert.equal(await failure(t, { name }, { refuseOwnName: true }), 'loop 0 5.4.6')
    assert.equal(await failure(t, { name: `${name} Hello there` }, { refuseOwnName: true }), 'loop 0 5.4.6')
    const { session } = await open(t, { name }, { refuseOwnName: false })
    await session.close()
  })

  it('with ourselves, unless only somebody before TLS said so, where TLS was promised', async (t) => {
    const script = {
      EHLO: ({ secure }: { readonly secure: boolean }) =>
        secure ? undefined : '250-smarthost.test\r\n250 STARTTLS',
    }
    const policy = { level: 'encrypt', domain: null, trust: null } as const
    const { session } = await open(t, { tls, script }, { refuseOwnName: true, policy })
    await session.close()
    const name = 'smarthost.test'
    assert.equal(await failure(t, { tls, name }, { refuseOwnName: true, policy }), 'loop 0 5.4.6')
  })
})

describe('signing in', () => {
  const credentials = { user: 'smarthost@contoso.com', password: 'pässword\u00a31' }
  const identity: ClientIdentity = { ...NOBODY, key: 'user', credentials }
  const auth = { mechanisms: ['PLAIN'], ...credentials }
  const encrypt: Partial<Target> = { identity, policy: { level: 'encrypt', domain: null, trust: null } }

  async function outcome(
    t: TestContext,
    options: Options,
    more: Partial<Target> = encrypt,
    by = connect,
  ): Promise<string> {
    const hop = await startNextHop(t, { tls, auth, ...options })
    const connected = await by(targetAt(hop, more))
    if ('session' in connected) {
      await connected.session.send(outgoing())
      await connected.session.close()
    }
    await hop.allEnded()
    for (const { plain } of hop.connections) assert.doesNotMatch(plain, /AUTH|[+/\w]{16}=/)
    if ('failure' in connected) {
      assert.deepEqual(hop.messages, [])
      const { kind, said } = connected.failure
      assert.doesNotMatch(JSON.stringify(said), /pässword/)
      return `${kind} ${said.code} ${said.status}`
    }
    assert.equal(hop.messages.length, 1)
    return `as ${hop.connections.at(-1)?.user ?? 'nobody'}`
  }

  for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5'] as const) {
    it(`works with ${mechanism}, and is refused with another password`, async (t) => {
      const mechanisms = ['XOAUTH2', mechanism]
      assert.equal(await outcome(t, { auth: { ...auth, mechanisms } }), `as ${credentials.user}`)
      const others = { ...auth, mechanisms, password: 'other' }
      assert.equal(await outcome(t, { auth: others }), 'auth 535 4.7.8')
    })
  }

  it('where AUTH is not offered, or no way that is known', async (t) => {
    assert.equal(await outcome(t, { auth: { ...auth, mechanisms: [] } }), 'auth 0 4.7.4')
    assert.equal(await outcome(t, { auth: { ...auth, mechanisms: ['GSSAPI', 'NTLM'] } }), 'auth 0 4.7.4')
  })

  it('never before TLS, also where it is offered there', async (t) => {
    assert.equal(await outcome(t, { authBefore: true }), `as ${credentials.user}`)
    const opportunistic = { identity }
    assert.equal(await outcome(t, { tls: null, authBefore: true }, opportunistic), 'auth 0 4.7.0')
    const script = { HANDSHAKE: DROP } as const
    assert.equal(await outcome(t, { script, authBefore: true }, opportunistic), 'auth 0 4.7.0')
  })

  for (const [what, answer] of [
    ['a challenge without end', '334 AAAA'],
    ['a drop', DROP],
    ['silence', SILENCE],
    ['nonsense', 'hello'],
    ['421', '421 4.3.2 bye'],
    ['250', '250 ok'],
  ] as [string, Answer][]) {
    for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5'] as const) {
      it(`ends without a session after ${what} to AUTH ${mechanism}`, async (t) => {
        const options = { auth: { ...auth, mechanisms: [mechanism] }, script: { AUTH: answer } } as const
        assert.match(
          await outcome(t, options, encrypt, answer === SILENCE ? impatient : connect),
          /^(auth|unreachable) \d+ 4\./,
        )
      })
    }
  }
})
