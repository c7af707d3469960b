/** What a hostile or broken name server sends proves nothing, disproves nothing, and holds nobody up. */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { challengeName, challengeRecord } from '../../src/dns/domain-token.ts'
import type { FailureReason } from '../../src/dns/lookup.ts'
import type { ProofResult, ProveOptions } from '../../src/dns/prove.ts'
import { evidenceOf, proveDomain } from '../../src/dns/prove.ts'
import type { Liar, LiarReplies, Lie } from '../support/dns-liar.ts'
import {
  a,
  FLAGS,
  pointing,
  RCODE,
  record,
  reply,
  startLiar,
  txt,
  TYPE,
  wireName,
} from '../support/dns-liar.ts'
import { NSD, startNsd } from '../support/nsd.ts'
import { hasPrograms } from '../support/programs.ts'

const DOMAIN = 'contoso.example'
const NAME = challengeName(DOMAIN)
const TOKEN = 'abcdefghijklmnopqrstuvwxyz'
const { value: VALUE } = challengeRecord(DOMAIN, TOKEN)
const PROOF = txt(NAME, VALUE)

/** Where a wait for nothing is what is tested. */
const SHORT = { timeoutMilliseconds: 1000, tries: 1 }
/** Longer than any answer takes on a busy machine. */
const LONG = { timeoutMilliseconds: 30_000, deadlineMilliseconds: 60_000 }

interface Told {
  readonly result: ProofResult
  readonly liar: Liar
}

/** A domain whose one name server lies; that this is the server, a true one says. */
async function told(t: TestContext, lie: Lie, options: ProveOptions = LONG, tcp = true): Promise<Told> {
  const zone = ['@ NS ns1', 'ns1 A 127.0.0.2']
  const view = await startNsd(t, { [DOMAIN]: zone })
  const liar = await startLiar(t, lie, { address: '127.0.0.2', port: view.port, tcp })
  const result = await proveDomain(DOMAIN, TOKEN, {
    bootstrap: [view],
    authoritativePort: view.port,
    ...options,
  })
  return { result, liar }
}

function reasons({ failures }: ProofResult): FailureReason[] {
  return failures.map(({ why }) => why)
}

/** What is told, and then the true answer: nobody has to wait for a timeout to see that the lie did not count. */
function thenRefused(lie: Lie): Lie {
  return (query, replies) => {
    lie(query, replies)
    replies.send(reply(query, { rcode: RCODE.REFUSED }))
  }
}

/** The first answer is cut short; over TCP comes what is told. */
function overTcp(lie: (query: Parameters<Lie>[0], replies: LiarReplies) => void): Lie {
  return (query, replies) => {
    if (query.transport === 'tcp') lie(query, replies)
    // Cut short, but with the token in it.
    else replies.send(reply(query, { flags: FLAGS.QR | FLAGS.AA | FLAGS.TC, answers: [PROOF] }))
  }
}

describe('an answer that nobody asked for', () => {
  const forged: readonly (readonly [what: string, lie: Lie])[] = [
    ['another number', (query, { send }) => send(reply(query, { id: query.id ^ 1, answers: [PROOF] }))],
    ['no answer but a query', (query, { send }) => send(reply(query, { flags: FLAGS.AA, answers: [PROOF] }))],
    ['a NOTIFY', (query, { send }) => send(reply(query, { flags: 0xa400, answers: [PROOF] }))],
    ['no question', (query, { send }) => send(reply(query, { question: null, answers: [PROOF] }))],
    [
      'a question about another name',
      (query, { send }) =>
        send(
          reply(query, {
            question: Buffer.concat([wireName('x.example'), Buffer.of(0, 16, 0, 1)]),
            answers: [PROOF],
          }),
        ),
    ],
    [
      'a question of another type',
      (query, { send }) =>
        send(
          reply(query, {
            question: Buffer.concat([wireName(NAME), Buffer.of(0, 5, 0, 1)]),
            answers: [PROOF],
          }),
        ),
    ],
    [
      'a question of another class',
      (query, { send }) =>
        send(
          reply(query, {
            question: Buffer.concat([wireName(NAME), Buffer.of(0, 16, 0, 3)]),
            answers: [PROOF],
          }),
        ),
    ],
  ]
  for (const [what, lie] of forged) {
    it(`proves nothing, with ${what}`, async (t) => {
      if (!hasPrograms(t, NSD)) return
      const { result } = await told(t, thenRefused(lie))
      assert.equal(result.kind, 'could-not-ask')
      assert.equal(evidenceOf(result), 'unknown')
      assert.deepEqual(reasons(result), ['refused'])
    })
  }

  it('is named when nothing else came', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const { result } = await told(t, (query, { send }) => send(reply(query, { id: query.id ^ 1 })), SHORT)
    assert.deepEqual(reasons(result), ['garbled'])
    assert.match(result.failures[0]?.detail ?? '', /does not answer the question \(passed over: 1\)/)
  })

  it('proves nothing from another port', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const { result } = await told(t, (query, { send, sendFromElsewhere }) => {
      sendFromElsewhere(reply(query, { answers: [PROOF] }), () => {
        send(reply(query, { rcode: RCODE.REFUSED }))
      })
    })
    assert.deepEqual(reasons(result), ['refused'])
  })

  it('does not stand in the way of the true one', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const { result } = await told(t, (query, { send }) => {
      send(reply(query, { id: query.id ^ 1 }))
      send(Buffer.from('garbage'))
      send(reply(query, { answers: [PROOF] }))
    })
    assert.equal(result.kind, 'proven')
  })

  it('is given up on when hundreds come: somebody is guessing', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const { result } = await told(t, (query, { send }) => {
      for (let guess = 1; guess <= 300; guess += 1) send(reply(query, { id: (query.id + guess) & 0xffff }))
      send(reply(query, { answers: [PROOF] }))
    })
    assert.deepEqual(reasons(result), ['garbled'])
    assert.match(result.failures[0]?.detail ?? '', /more than 100 answers/)
  })
})

describe('a name server that cannot or will not answer', () => {
  it('is one that could not be asked when it is silent', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const { result, liar } = await told(t, () => undefined, { ...SHORT, tries: 2 })
    assert.equal(result.kind, 'could-not-ask')
    assert.deepEqual(reasons(result), ['timeout'])
    assert.equal(liar.queries.length, 2)
    assert.equal(new Set(liar.queries.map(({ id }) => id)).size, 2, 'each try has a number of its own')
  })

  it('is asked again when the first answer is lost', async (t) => {
    if (!hasPrograms(t, NSD)) return
    let asked = 0
    const lossy: Lie = (query, { send }) => {
      asked += 1
      if (asked > 1) send(reply(query, { answers: [PROOF] }))
    }
    const { result } = await told(t, lossy, { timeoutMilliseconds: 500, tries: 20 })
    assert.equal(result.kind, 'proven')
  })

  const codes: readonly (readonly [rcode: keyof typeof RCODE, why: FailureReason])[] = [
    ['SERVFAIL', 'servfail'],
    ['REFUSED', 'refused'],
    ['NOTIMP', 'error-code'],
    ['FORMERR', 'error-code'],
  ]
  for (const [rcode, why] of codes) {
    it(`is one that could not be asked when it says ${rcode}, whatever it adds`, async (t) => {
      if (!hasPrograms(t, NSD)) return
      const { result } = await told(t, (query, { send }) =>
        send(reply(query, { rcode: RCODE[rcode], answers: [PROOF] })),
      )
      assert.equal(result.kind, 'could-not-ask')
      assert.deepEqual(reasons(result), [why])
    })
  }

  it('is understood when it leaves the question out of its refusal', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const { result } = await told(t, (query, { send }) =>
      send(reply(query, { rcode: RCODE.REFUSED, question: null })),
    )
    assert.deepEqual(reasons(result), ['refused'])
  })

  it('is asked without EDNS when it does not know that', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const { result, liar } = await told(t, (query, { send }) =>
      send(query.edns ? reply(query, { rcode: RCODE.FORMERR }) : reply(query, { answers: [PROOF] })),
    )
    assert.equal(result.kind, 'proven')
    assert.deepEqual(
      liar.queries.map(({ edns, recursionDesired }) => [edns, recursionDesired]),
      [
        [true, false],
        [false, false],
      ],
    )
  })

  it('proves nothing when it is not authoritative: what it says is from a cache', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const { result } = await told(t, (query, { send }) =>
      send(reply(query, { flags: FLAGS.QR | FLAGS.RA, answers: [PROOF] })),
    )
    assert.equal(result.kind, 'could-not-ask')
    assert.deepEqual(reasons(result), ['lame'])
  })

  it('disproves nothing when it is not authoritative', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const { result } = await told(t, (query, { send }) =>
      send(reply(query, { flags: FLAGS.QR, rcode: RCODE.NXDOMAIN })),
    )
    assert.equal(evidenceOf(result), 'unknown')
  })
})

describe('an answer that holds the token where it does not count', () => {
  const elsewhere: readonly (readonly [
    what: string,
    answers: readonly Buffer[],
    authorities: readonly Buffer[],
  ])[] = [
    ['at another name', [txt(`other.${DOMAIN}`, VALUE)], []],
    ['at a name with a dot inside a label', [record(dotInside(), TYPE.TXT, textData(VALUE))], []],
    ['in another section', [], [PROOF]],
    ['in a record of another class', [inClass(PROOF, 3)], []],
    ['in a record of another type', [record(NAME, 99, textData(VALUE))], []],
    ['cut by a NUL', [txt(NAME, `${VALUE.slice(0, -1)}\0${VALUE.slice(-1)}`)], []],
  ]
  for (const [what, answers, authorities] of elsewhere) {
    it(`proves nothing: ${what}`, async (t) => {
      if (!hasPrograms(t, NSD)) return
      const { result } = await told(t, (query, { send }) =>
        send(query.name === NAME ? reply(query, { answers, authorities }) : reply(query)),
      )
      assert.match(result.kind, /^(?:missing|wrong-token)$/)
    })
  }

  it('proves nothing behind a CNAME for which that server is not asked', async (t) => {
    if (!hasPrograms(t, NSD)) return
    // The target is in its own zone, and there it shows nothing.
    const target = `target.${DOMAIN}`
    const { result } = await told(t, (query, { send }) =>
      send(
        query.name === NAME
          ? reply(query, { answers: [pointing(NAME, TYPE.CNAME, target), txt(target, VALUE)] })
          : reply(query, { rcode: RCODE.NXDOMAIN }),
      ),
    )
    assert.equal(result.kind, 'missing')
  })
})

describe('an answer that is cut short', () => {
  it('proves nothing when there is no TCP', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const { result } = await told(
      t,
      overTcp(() => undefined),
      LONG,
      false,
    )
    assert.equal(result.kind, 'could-not-ask')
    assert.deepEqual(reasons(result), ['truncated'])
    assert.match(result.failures[0]?.detail ?? '', /over TCP: .*ECONNREFUSED/)
  })

  const broken: readonly (readonly [what: string, lie: Lie])[] = [
    ['closes at once', (_, { close }) => close()],
    ['sends half of it', (query, { sendRaw }) => sendRaw(halfOf(reply(query, { answers: [PROOF] })))],
    ['sends half of the length', (_, { sendRaw }) => sendRaw(Buffer.of(0))],
    ['says nothing', () => undefined],
    ['sends garbage', (_, { send }) => send(Buffer.from('HTTP/1.1 400 Bad Request'))],
    ['sends nothing of a length', (_, { send }) => send(Buffer.alloc(0))],
    [
      'answers another number',
      (query, { send }) => send(reply(query, { id: query.id ^ 1, answers: [PROOF] })),
    ],
    [
      'cuts it short again',
      (query, { send }) => send(reply(query, { flags: FLAGS.QR | FLAGS.AA | FLAGS.TC, answers: [PROOF] })),
    ],
  ]
  for (const [what, lie] of broken) {
    it(`proves nothing when the server ${what} over TCP`, async (t) => {
      if (!hasPrograms(t, NSD)) return
      const { result } = await told(t, overTcp(lie), SHORT)
      assert.equal(result.kind, 'could-not-ask')
      assert.deepEqual(reasons(result), ['truncated'])
    })
  }

  it('is read over TCP, octet by octet', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const { result } = await told(
      t,
      overTcp((query, { sendRaw }) => {
        const message = reply(query, { answers: [PROOF] })
        for (const octet of [message.length >> 8, message.length & 0xff, ...message])
          sendRaw(Buffer.of(octet))
      }),
    )
    assert.equal(result.kind, 'proven')
  })

  it('is read over TCP, with a record of 64 KiB, and shown cut short', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const strings = Array.from({ length: 254 }, () => 'y'.repeat(255))
    const { result } = await told(
      t,
      overTcp((query, { send }) =>
        send(reply(query, { answers: query.name === NAME ? [txt(NAME, ...strings)] : [] })),
      ),
    )
    assert.ok(result.kind === 'missing')
    assert.deepEqual(result.seen, ['y'.repeat(255)])
  })
})

describe('garbage', () => {
  const header = { counts: [1, 0, 0] as const }
  const pieces: readonly (readonly [what: string, bytes: (query: Parameters<Lie>[0]) => Buffer])[] = [
    ['nothing', () => Buffer.alloc(0)],
    ['a header alone', (query) => reply(query).subarray(0, 12)],
    ['half a question', (query) => reply(query).subarray(0, 20)],
    ['65,535 promised records', (query) => reply(query, { counts: [65_535, 65_535, 65_535] })],
    ['a name that leads to itself', (query) => tailed(reply(query, header), nameAt(query, 0))],
    ['a name that leads forward', (query) => tailed(reply(query, header), nameAt(query, 9))],
    ['a name that leads beyond the end', (query) => tailed(reply(query, header), Buffer.of(0xff, 0xff))],
    ['a name of a reserved kind', (query) => tailed(reply(query, header), Buffer.of(0x80, 1, 0))],
    [
      'a name of 300 octets',
      (query) => tailed(reply(query, header), wireName('a.'.repeat(150).slice(0, -1))),
    ],
    ['a record that ends beyond the end', (query) => reply(query, { answers: [PROOF] }).subarray(0, -1)],
    [
      'a text that ends beyond its record',
      (query) => reply(query, { answers: [record(NAME, TYPE.TXT, Buffer.of(200, 1, 2))] }),
    ],
    [
      'an address of three octets',
      (query) => reply(query, { answers: [PROOF, record(NAME, TYPE.A, Buffer.of(1, 2, 3))] }),
    ],
    [
      'a CNAME that ends before its record',
      (query) => reply(query, { answers: [record(NAME, TYPE.CNAME, Buffer.of(1, 97, 0, 0))] }),
    ],
  ]
  for (const [what, bytes] of pieces) {
    it(`proves and disproves nothing: ${what}`, async (t) => {
      if (!hasPrograms(t, NSD)) return
      const { result } = await told(
        t,
        thenRefused((query, { send }) => send(bytes(query))),
      )
      assert.equal(result.kind, 'could-not-ask')
      assert.deepEqual(reasons(result), ['refused'])
    })
  }
})

describe('CNAME records without an end', () => {
  const chains: readonly (readonly [what: string, next: (name: string) => string])[] = [
    ['to themselves', (name) => name],
    ['in a circle of two', (name) => (name === NAME ? `x.${DOMAIN}` : NAME)],
    ['to ever new names', (name) => `x${Number(/^x(\d+)/.exec(name)?.[1] ?? 0) + 1}.${DOMAIN}`],
  ]
  for (const [what, next] of chains) {
    it(`end soon, ${what}`, async (t) => {
      if (!hasPrograms(t, NSD)) return
      const { liar, result } = await told(t, (query, { send }) =>
        send(reply(query, { answers: [pointing(query.name, TYPE.CNAME, next(query.name))] })),
      )
      assert.equal(result.kind, 'could-not-ask')
      assert.deepEqual(reasons(result), ['alias-chain'])
      assert.ok(liar.queries.length <= 10, `${liar.queries.length} questions`)
    })

    it(`end soon at a resolver, ${what}`, async (t) => {
      const liar = await startLiar(t, (query, { send }) =>
        send(
          reply(query, {
            flags: FLAGS.QR | FLAGS.RA,
            answers: [pointing(query.name, TYPE.CNAME, next(query.name))],
          }),
        ),
      )
      const result = await proveDomain(DOMAIN, TOKEN, { ...LONG, resolver: liar })
      assert.equal(result.kind, 'could-not-ask')
      assert.deepEqual(reasons(result), ['alias-chain'])
      assert.ok(liar.queries.length <= 10, `${liar.queries.length} questions`)
    })
  }

  it('end soon when each of many servers names another one', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const names = Array.from({ length: 13 }, (_, index) => `ns${index}`)
    const lines = names.flatMap((name) => [`@ NS ${name}`, `${name} A 127.0.0.2`])
    const view = await startNsd(t, { [DOMAIN]: lines })
    let count = 0
    const liar = await startLiar(
      t,
      (query, { send }) => {
        count += 1
        send(reply(query, { answers: [pointing(query.name, TYPE.CNAME, `x${count}.${DOMAIN}`)] }))
      },
      { address: '127.0.0.2', port: view.port },
    )
    const ask = { bootstrap: [view], authoritativePort: view.port, ...LONG }
    const result = await proveDomain(DOMAIN, TOKEN, ask)
    assert.equal(result.kind, 'could-not-ask')
    assert.deepEqual(new Set(reasons(result)), new Set(['alias-chain']))
    assert.ok(liar.queries.length <= 24 * 13, `${liar.queries.length} questions`)
  })
})

describe('name servers that are named', () => {
  it('are asked a few of, however many there are', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const names = Array.from({ length: 60 }, (_, index) => `ns${index}`)
    const lines = names.flatMap((name) => [
      `@ NS ${name}`,
      ...Array.from({ length: 9 }, (_, index) => `${name} A 127.0.0.${2 + index}`),
    ])
    const view = await startNsd(t, { [DOMAIN]: lines })
    const liars = await Promise.all(
      Array.from({ length: 9 }, (_, index) =>
        startLiar(t, (query, { send }) => send(reply(query, { answers: [PROOF] })), {
          address: `127.0.0.${2 + index}`,
          port: view.port,
          tcp: false,
        }),
      ),
    )
    const ask = { bootstrap: [view], authoritativePort: view.port, ...LONG }
    const result = await proveDomain(DOMAIN, TOKEN, ask)
    assert.equal(result.kind, 'proven')
    assert.equal(liars.flatMap(({ queries }) => queries).length, 26)
  })

  it('are not followed in circles', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const { liar, result } = await told(t, (query, { send }) =>
      send(
        reply(query, {
          flags: FLAGS.QR,
          authorities: [pointing(NAME, TYPE.NS, `ns1.${DOMAIN}`), a(`ns1.${DOMAIN}`, '127.0.0.2')],
        }),
      ),
    )
    assert.equal(result.kind, 'could-not-ask')
    assert.deepEqual(reasons(result), ['lame'])
    assert.equal(liar.queries.length, 2)
  })

  it('are not looked for above the zone, or beside it', async (t) => {
    if (!hasPrograms(t, NSD)) return
    for (const zone of ['example', 'other.example', '', DOMAIN]) {
      const { liar, result } = await told(t, (query, { send }) =>
        send(reply(query, { flags: FLAGS.QR, authorities: [pointing(zone, TYPE.NS, `ns1.${DOMAIN}`)] })),
      )
      assert.deepEqual(reasons(result), ['lame'], zone)
      assert.equal(liar.queries.length, 1)
    }
  })
})

describe('the time for all of it', () => {
  it('ends a look-up whose servers are silent', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const { result } = await told(t, () => undefined, {
      timeoutMilliseconds: 3_600_000,
      deadlineMilliseconds: 1000,
    })
    assert.equal(result.kind, 'could-not-ask')
    assert.match(result.failures[0]?.detail ?? '', /before the time was up/)
  })

  it('ends a look-up that the caller gives up', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const controller = new AbortController()
    const reason = new Error('Ctrl-C')
    await assert.rejects(
      told(
        t,
        () => {
          controller.abort(reason)
        },
        { timeoutMilliseconds: 3_600_000, signal: controller.signal },
      ),
      reason,
    )
    await assert.rejects(proveDomain(DOMAIN, TOKEN, { signal: controller.signal }), reason)
  })
})

describe('a resolver', () => {
  it('disproves nothing when it neither asks others nor knows the zone', async (t) => {
    const liar = await startLiar(t, (query, { send }) => send(reply(query, { flags: FLAGS.QR })))
    const result = await proveDomain(DOMAIN, TOKEN, { ...LONG, resolver: liar })
    assert.equal(result.kind, 'could-not-ask')
    assert.deepEqual(reasons(result), ['lame'])
  })

  it('is passed over for the next one where it fails', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const dead = await startLiar(t, (query, { send }) => send(reply(query, { rcode: RCODE.SERVFAIL })))
    const view = await startNsd(t, { [DOMAIN]: ['@ NS ns1', 'ns1 A 127.0.0.1', `${NAME}. TXT "${VALUE}"`] })
    const ask = { bootstrap: [dead, view], authoritativePort: view.port, ...LONG }
    assert.equal((await proveDomain(DOMAIN, TOKEN, ask)).kind, 'proven')
  })

  it('that knows no zone at all says nothing about a domain', async (t) => {
    const nothing = await startLiar(t, (query, { send }) =>
      send(reply(query, { flags: FLAGS.QR | FLAGS.RA, rcode: RCODE.NXDOMAIN })),
    )
    const result = await proveDomain(DOMAIN, TOKEN, { ...LONG, bootstrap: [nothing] })
    assert.equal(result.kind, 'could-not-ask')
    assert.deepEqual(reasons(result), ['lame'])
  })
})

function textData(text: string): Buffer {
  return Buffer.concat([Buffer.of(text.length), Buffer.from(text)])
}

/** The challenge name as one label and `example`: it reads the same where dots are not told apart. */
function dotInside(): Buffer {
  const label = NAME.slice(0, -'.example'.length)
  return Buffer.concat([Buffer.of(label.length), Buffer.from(label), wireName('example')])
}

function inClass(bytes: Buffer, code: number): Buffer {
  const changed = Buffer.from(bytes)
  changed.writeUInt16BE(code, wireName(NAME).length + 2)
  return changed
}

function halfOf(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message.subarray(0, message.length / 2)])
}

function tailed(message: Buffer, name: Buffer): Buffer {
  return Buffer.concat([message, name, Buffer.of(0, 16, 0, 1, 0, 0, 0, 60, 0, 0)])
}

/** A pointer to so many octets behind itself. */
function nameAt(query: Parameters<Lie>[0], behind: number): Buffer {
  const at = reply(query).length + behind
  return Buffer.of(0xc0 | (at >> 8), at & 0xff)
}
