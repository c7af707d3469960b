/** The promise of TLS, kept against next hops that break it in every way: no byte of mail before the policy holds. */

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { parseCertificate } from '../../src/certificate/parse.ts'
import { pinOf } from '../../src/certificate/pin.ts'
import type { Connected, Target, TlsPolicy } from '../../src/outbound/types.ts'
import type { ConnectorTrust } from '../../src/policy/types.ts'
import type { Made } from '../support/authority.ts'
import { Authority, CA, LEAF } from '../support/authority.ts'
import type { Connection, NextHopOptions, NextHop } from '../support/hostile-next-hop.ts'
import { CAPABILITIES, DROP, SILENCE, startNextHop } from '../support/hostile-next-hop.ts'
import { connectTrusting, CONTENT, expired, outgoing, shown, targetAt, trustIn } from '../support/outgoing.ts'

const authority = new Authority()
after(() => {
  authority.close()
})

const NAME = 'mail.hop.test'
const root = authority.make({ name: 'Default root', issuer: null, extensions: CA })
const otherRoot = authority.make({ name: 'Other root', issuer: null, extensions: CA })
const leafFor = (name: string, issuer: Made | null): Made =>
  authority.make({ name, issuer, extensions: [...LEAF, `subjectAltName=DNS:${name}`] })
const right = leafFor(NAME, root)
const selfSigned = leafFor(NAME, null)
const otherName = leafFor('mail.else.test', root)
const ofOtherRoot = leafFor(NAME, otherRoot)
const intermediate = authority.make({ name: 'Intermediate', issuer: root, extensions: CA })
const below = leafFor(NAME, intermediate)
const apex = leafFor('hop.test', root)
const byLeaf = leafFor(NAME, right)
const forClients = authority.make({
  name: NAME,
  issuer: root,
  extensions: [
    'basicConstraints=critical,CA:false',
    'extendedKeyUsage=clientAuth',
    `subjectAltName=DNS:${NAME}`,
  ],
})
const wildcard = leafFor('*.hop.test', root)

const connect = connectTrusting([root])
/** For servers that say nothing. */
const impatient = connectTrusting([root], { connect: 1500, reply: 1500 })

const LEVELS = ['opportunistic', 'encrypt', 'verify', 'verify-domain'] as const
type Level = (typeof LEVELS)[number]

/** What becomes of the mail; a status where it fails, with the kind where that is not `tls`. */
type Fate = 'tls' | 'plain' | '4.7.4' | '4.7.5' | '4.7.0' | '4.4.2 unreachable' | '4.5.0 unreachable'

const policyOf = (level: Level, trust: ConnectorTrust | null = null, domain = NAME): TlsPolicy => ({
  level,
  domain: level === 'verify-domain' ? domain : null,
  trust,
})

/** MAIL, RCPT, DATA, AUTH and the content, wherever they are. */
const MAIL_BYTES = /MAIL|RCPT|DATA|AUTH|@|Subject|Hello/i
/** What may be said before the policy holds. */
const BEFORE = /^(?:(?:EHLO smarthost\.test|HELO smarthost\.test|STARTTLS|QUIT)\r\n)*$/

function holdsNoMail({ plain, raw, within }: Connection): void {
  assert.match(plain, BEFORE)
  // What is encrypted is random: only whole commands cannot come by chance.
  assert.doesNotMatch(raw.toString('latin1'), /MAIL FROM|RCPT TO|DATA\r\n|AUTH |Subject:/i)
  assert.match(within, BEFORE)
  assert.doesNotMatch(within, MAIL_BYTES)
}

/** Connects, sends one message where that is possible, and says what became of it. */
async function fateOf(hop: NextHop, target: Target, by = connect): Promise<Fate> {
  const connected: Connected = await by(target)
  if ('failure' in connected) {
    const { kind, said } = connected.failure
    assert.equal(said.remote?.host, target.host)
    assert.match(said.text, /^[ -~]{1,500}$/)
    // Every socket is closed: nothing can come after this.
    await hop.allEnded()
    assert.deepEqual(hop.messages, [])
    for (const connection of hop.connections) holdsNoMail(connection)
    return (kind === 'tls' ? said.status : `${said.status} ${kind}`) as Fate
  }
  const { session } = connected
  const { results, reached } = await session.send(outgoing())
  await session.close()
  await hop.allEnded()
  assert.deepEqual([results.map(({ outcome }) => outcome), reached], [['delivered'], true])
  assert.equal(hop.messages.length, 1)
  const [message] = hop.messages
  assert.ok(message)
  assert.deepEqual(message.content, CONTENT)
  assert.equal(message.secure, session.tls !== null)
  const last = hop.connections[message.connection]
  assert.equal(last?.tlsVersion ?? null, session.tls?.version ?? null)
  for (const connection of hop.connections) {
    if (connection !== last) holdsNoMail(connection)
    else if (message.secure) {
      assert.match(connection.plain, BEFORE)
      assert.match(connection.within, /^EHLO /)
    }
  }
  return message.secure ? 'tls' : 'plain'
}

interface Row {
  readonly what: string
  readonly hop: NextHopOptions
  /** In the order of LEVELS. */
  readonly fates: readonly [Fate, Fate, Fate, Fate]
  /** Connections that an opportunistic client makes; 1 when not given. */
  readonly connections?: number
}

const ok = { tls: shown(right) }
const ALL = ['tls', 'tls', 'tls', 'tls'] as const
/** No TLS to be had. */
const NO_TLS = ['plain', '4.7.4', '4.7.4', '4.7.4'] as const
/** A certificate that proves nothing. */
const UNPROVEN = ['tls', 'tls', '4.7.5', '4.7.5'] as const
const GONE = ['4.4.2 unreachable', '4.4.2 unreachable', '4.4.2 unreachable', '4.4.2 unreachable'] as const
const GO_ON = '220 2.0.0 go on\r\n'
const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const

const ROWS: readonly Row[] = [
  { what: 'is right', hop: ok, fates: ALL },
  { what: 'is right, with TLS 1.2', hop: { tls: { ...ok.tls, maxVersion: 'TLSv1.2' } }, fates: ALL },

  { what: 'offers no STARTTLS', hop: { tls: null }, fates: NO_TLS },
  {
    what: 'answers STARTTLS with 454',
    hop: { ...ok, script: { STARTTLS: '454 4.7.0 not now' } },
    fates: NO_TLS,
  },
  {
    what: 'answers STARTTLS with 502',
    hop: { ...ok, script: { STARTTLS: '502 5.5.1 what?' } },
    fates: NO_TLS,
  },
  {
    what: 'answers STARTTLS with 250',
    hop: { ...ok, script: { STARTTLS: Buffer.from('250 2.0.0 fine\r\n') } },
    fates: NO_TLS,
  },
  {
    what: 'drops after STARTTLS',
    hop: { ...ok, script: { STARTTLS: DROP } },
    fates: NO_TLS,
    connections: 2,
  },
  {
    what: 'says nothing to STARTTLS',
    hop: { ...ok, script: { STARTTLS: SILENCE } },
    fates: NO_TLS,
    connections: 2,
  },
  {
    what: 'says 421 to STARTTLS',
    hop: { ...ok, script: { STARTTLS: '421 4.3.2 going down' } },
    fates: NO_TLS,
    connections: 2,
  },
  {
    what: 'offers STARTTLS only in a reply that it does not end',
    hop: { ...ok, script: { EHLO: Buffer.from('250-hop.test\r\n250-STARTTLS\r\n') } },
    fates: GONE,
  },
  {
    what: 'offers STARTTLSX, and STARTTLS in its name and in a word behind',
    hop: { tls: null, name: 'STARTTLS', capabilities: ['STARTTLSX', 'XSTARTTLS', 'SIZE STARTTLS'] },
    fates: NO_TLS,
  },
  {
    what: 'lost its STARTTLS on the way (a middlebox made it XXXXXXXA)',
    hop: { tls: null, capabilities: ['XXXXXXXA', '8BITMIME'] },
    fates: NO_TLS,
  },
  {
    what: 'takes HELO only',
    hop: { ...ok, script: { EHLO: '502 5.5.1 what?' } },
    fates: NO_TLS,
  },

  // CVE-2011-0411, CVE-2021-38084: what comes behind the 220 in plain text never counts as said within TLS.
  {
    what: 'sends replies in plain text behind its 220',
    hop: { ...ok, script: { STARTTLS: Buffer.from(`${GO_ON}250-hop.test\r\n250 SIZE 1\r\n`) } },
    fates: ['plain', '4.7.0', '4.7.0', '4.7.0'],
    connections: 2,
  },
  {
    what: 'sends half a line in plain text behind its 220',
    hop: { ...ok, script: { STARTTLS: Buffer.from(`${GO_ON}250-`) } },
    fates: ['plain', '4.7.0', '4.7.0', '4.7.0'],
    connections: 2,
  },
  {
    what: 'answers STARTTLS before it is asked',
    hop: {
      ...ok,
      script: {
        EHLO: ({ secure }) => (secure ? undefined : Buffer.from(`250-hop.test\r\n250 STARTTLS\r\n${GO_ON}`)),
      },
    },
    fates: ['4.5.0 unreachable', '4.5.0 unreachable', '4.5.0 unreachable', '4.5.0 unreachable'],
  },
  {
    what: 'sends its EHLO reply with the banner',
    hop: { ...ok, script: { CONNECT: Buffer.from('220 hop.test\r\n250 hop.test\r\n') } },
    fates: ['4.5.0 unreachable', '4.5.0 unreachable', '4.5.0 unreachable', '4.5.0 unreachable'],
  },

  {
    what: 'drops at the ClientHello',
    hop: { ...ok, script: { HANDSHAKE: DROP } },
    fates: NO_TLS,
    connections: 2,
  },
  {
    what: 'answers the ClientHello in plain text',
    hop: { ...ok, script: { HANDSHAKE: '454 4.7.0 on second thoughts' } },
    fates: NO_TLS,
    connections: 2,
  },
  {
    what: 'answers the ClientHello with an alert',
    hop: { ...ok, script: { HANDSHAKE: Buffer.from('15030300020228', 'hex') } },
    fates: NO_TLS,
    connections: 2,
  },
  {
    what: 'says nothing to the ClientHello',
    hop: { ...ok, script: { HANDSHAKE: SILENCE } },
    fates: NO_TLS,
    connections: 2,
  },
  { what: 'knows TLS 1.0 only', hop: { tls: { ...ok.tls, ...old } }, fates: NO_TLS, connections: 2 },
  {
    what: 'knows ciphers without encryption only',
    hop: { tls: { ...ok.tls, maxVersion: 'TLSv1.2', ciphers: 'eNULL:@SECLEVEL=0' } },
    fates: NO_TLS,
    connections: 2,
  },
  {
    what: 'knows ciphers without a certificate only',
    hop: { tls: { maxVersion: 'TLSv1.2', ciphers: 'aNULL:@SECLEVEL=0' } },
    fates: NO_TLS,
    connections: 2,
  },

  { what: 'shows a certificate of its own', hop: { tls: shown(selfSigned) }, fates: UNPROVEN },
  {
    what: 'shows a certificate that expired',
    hop: { tls: shown(right, expired(right, root)) },
    fates: UNPROVEN,
  },
  { what: 'shows a certificate of another CA', hop: { tls: shown(ofOtherRoot) }, fates: UNPROVEN },
  {
    what: 'sends the other CA with the certificate',
    hop: { tls: shown(ofOtherRoot, ofOtherRoot.pem + otherRoot.pem) },
    fates: UNPROVEN,
  },
  { what: 'shows a certificate for clients', hop: { tls: shown(forClients) }, fates: UNPROVEN },
  {
    what: 'shows a certificate that a leaf issued',
    hop: { tls: shown(byLeaf, byLeaf.pem + right.pem) },
    fates: UNPROVEN,
  },
  {
    what: 'shows a certificate for another name',
    hop: { tls: shown(otherName) },
    fates: ['tls', 'tls', 'tls', '4.7.5'],
  },
  { what: 'shows a certificate for *.hop.test', hop: { tls: shown(wildcard) }, fates: ALL },
  {
    what: 'asks for a certificate',
    hop: { tls: { ...ok.tls, requestCert: true } },
    fates: ALL,
  },
  {
    what: 'ends TLS 1.2 without a certificate of ours',
    hop: { tls: { ...ok.tls, maxVersion: 'TLSv1.2', requestCert: true, strict: true } },
    fates: NO_TLS,
    connections: 2,
  },
  {
    what: 'ends TLS 1.3 without a certificate of ours',
    hop: { tls: { ...ok.tls, requestCert: true, strict: true } },
    fates: ['plain', GONE[1], GONE[2], GONE[3]],
    connections: 2,
  },
  {
    what: 'drops at EHLO within TLS',
    hop: { ...ok, script: { EHLO: ({ secure }) => (secure ? DROP : undefined) } },
    fates: ['plain', GONE[1], GONE[2], GONE[3]],
    connections: 2,
  },

  {
    what: 'takes HELO only within TLS',
    hop: { ...ok, script: { EHLO: ({ secure }) => (secure ? '502 5.5.1 what?' : undefined) } },
    fates: ALL,
  },
  { what: 'sends an intermediate CA', hop: { tls: shown(below, below.pem + intermediate.pem) }, fates: ALL },
  { what: 'forgets to send the intermediate CA', hop: { tls: shown(below) }, fates: UNPROVEN },
  {
    what: 'sends more than it has to, in any order',
    hop: {
      tls: shown(below, [below, otherRoot, root, ofOtherRoot, intermediate].map(({ pem }) => pem).join('')),
    },
    fates: ALL,
  },

  { what: 'drops at once', hop: { ...ok, script: { CONNECT: DROP } }, fates: GONE },
  { what: 'says nothing', hop: { ...ok, script: { CONNECT: SILENCE } }, fates: GONE },
  { what: 'drops at EHLO', hop: { ...ok, script: { EHLO: DROP } }, fates: GONE },
]

describe('a next hop that', () => {
  for (const { connections = 1, fates, hop: options, what } of ROWS) {
    for (const [index, level] of LEVELS.entries()) {
      it(`${what}: ${level} gives ${fates[index] ?? ''}`, async (t) => {
        const hop = await startNextHop(t, options)
        const by = what.startsWith('says nothing') || what.endsWith('does not end') ? impatient : connect
        assert.equal(await fateOf(hop, targetAt(hop, { policy: policyOf(level) }), by), fates[index])
        assert.equal(hop.connections.length, level === 'opportunistic' ? connections : 1)
      })
    }
  }
})

describe('whom a connector trusts', () => {
  const key = 'ab'.repeat(32)
  const pin = ({ der }: Made): string => pinOf(parseCertificate(der))
  for (const [what, tls, trust, fate] of [
    ['the default CAs, with no CA of its own', right, null, 'tls'],
    ['its own CA', ofOtherRoot, trustIn([otherRoot], []), 'tls'],
    ['its own CA, not the default ones too', right, trustIn([otherRoot], []), '4.7.5'],
    ['both of its CAs', right, trustIn([otherRoot, root], []), 'tls'],
    ['a pinned key, whoever issued the certificate', selfSigned, trustIn([], [pin(selfSigned)]), 'tls'],
    ['no other key than the pinned one', right, trustIn([], [key]), '4.7.5'],
    [
      'a pinned key beside a CA that did not issue it',
      selfSigned,
      trustIn([otherRoot], [pin(selfSigned)]),
      'tls',
    ],
    ['no pinned key of the CA', right, trustIn([], [pin(root)]), '4.7.5'],
  ] as const) {
    for (const level of ['verify', 'verify-domain'] as const) {
      it(`${what}: ${level} gives ${fate}`, async (t) => {
        const hop = await startNextHop(t, { tls: shown(tls) })
        assert.equal(await fateOf(hop, targetAt(hop, { policy: policyOf(level, trust) })), fate)
      })
    }
  }

  it('a pin is not asked for where only encryption is', async (t) => {
    const hop = await startNextHop(t, { tls: shown(right) })
    assert.equal(await fateOf(hop, targetAt(hop, { policy: policyOf('encrypt', trustIn([], [key])) })), 'tls')
  })

  it('a pinned key that proves another name does not prove the domain', async (t) => {
    const hop = await startNextHop(t, { tls: shown(otherName) })
    const policy = policyOf('verify-domain', trustIn([], [pin(otherName)]))
    assert.equal(await fateOf(hop, targetAt(hop, { policy })), '4.7.5')
  })
})

describe('the domain that a certificate proves', () => {
  for (const [domain, made, fate] of [
    [NAME, right, 'tls'],
    ['*.hop.test', right, 'tls'],
    ['*.hop.test', wildcard, 'tls'],
    ['*.hop.test', apex, 'tls'],
    ['hop.test', right, '4.7.5'],
    ['*.mail.hop.test', wildcard, '4.7.5'],
    ['*.else.test', right, '4.7.5'],
    ['op.test', right, '4.7.5'],
    ['*.op.test', right, '4.7.5'],
    ['mail.else.test', otherName, 'tls'],
    ['a.mail.hop.test', wildcard, '4.7.5'],
  ] as const) {
    it(`${domain} asked of ${made.name} gives ${fate}, whatever the host is called`, async (t) => {
      const hop = await startNextHop(t, { tls: shown(made) })
      const policy = policyOf('verify-domain', null, domain)
      assert.equal(await fateOf(hop, targetAt(hop, { host: 'smtp.anything.test', policy })), fate)
    })
  }
})

describe('the name that TLS asks for (SNI)', () => {
  for (const [host, expected] of [
    [NAME, NAME],
    ['127.0.0.1', null],
    ['::1', null],
  ] as const) {
    it(`${host} sends ${expected ?? 'none'}`, async (t) => {
      const hop = await startNextHop(t, ok)
      await fateOf(hop, targetAt(hop, { host, policy: policyOf('encrypt') }))
      assert.equal(hop.connections[0]?.serverName, expected)
    })
  }
})

describe('what a next hop says before TLS', () => {
  it('counts for nothing within it: neither SIZE nor DSN nor AUTH', async (t) => {
    const hop = await startNextHop(t, { ...ok, before: CAPABILITIES, capabilities: [] })
    const connected = await connect(targetAt(hop, { policy: policyOf('verify') }))
    assert.ok('session' in connected)
    const message = outgoing({ ret: 'HDRS', envid: 'abc', body: '8BITMIME' })
    const { results } = await connected.session.send(message)
    await connected.session.close()
    assert.equal(results[0]?.outcome, 'delivered')
    assert.equal(results[0].dsnPassedOn, false)
    assert.equal(hop.messages[0]?.mail, 'MAIL FROM:<kate@contoso.com>')
    assert.equal(hop.connections[0]?.pipelined, 1)
  })

  it('does not lower what it offers within it', async (t) => {
    const hop = await startNextHop(t, { ...ok, before: [], capabilities: CAPABILITIES })
    const connected = await connect(targetAt(hop, { policy: policyOf('verify') }))
    assert.ok('session' in connected)
    await connected.session.send(outgoing())
    await connected.session.close()
    assert.match(hop.messages[0]?.mail ?? '', /SIZE=/)
  })
})

describe('a certificate of this server', () => {
  const own = authority.make({
    name: 'smarthost.test',
    issuer: root,
    extensions: ['basicConstraints=critical,CA:false', 'extendedKeyUsage=clientAuth'],
  })
  const identity = { key: 'own', certificate: shown(own), credentials: null }
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`is shown to a next hop that asks for one with ${maxVersion}, and else not`, async (t) => {
      const asking = await startNextHop(t, {
        tls: { ...ok.tls, maxVersion, requestCert: true, strict: true },
      })
      assert.equal(await fateOf(asking, targetAt(asking, { policy: policyOf('verify'), identity })), 'tls')
      assert.equal(asking.connections[0]?.clientName, 'smarthost.test')
      const not = await startNextHop(t, { tls: { ...ok.tls, maxVersion } })
      assert.equal(await fateOf(not, targetAt(not, { policy: policyOf('verify'), identity })), 'tls')
      assert.equal(not.connections[0]?.clientName, null)
    })
  }
})

describe('what a session says of its TLS', () => {
  for (const [level, tls, verified] of [
    ['opportunistic', right, null],
    ['encrypt', selfSigned, null],
    ['verify', right, true],
    ['verify-domain', right, true],
  ] as const) {
    it(`${level} with ${tls.name} of ${tls === right ? 'a CA' : 'its own'}: verified is ${String(verified)}`, async (t) => {
      const hop = await startNextHop(t, { tls: shown(tls) })
      const connected = await connect(targetAt(hop, { policy: policyOf(level) }))
      assert.ok('session' in connected)
      await connected.session.close()
      const { tls: facts } = connected.session
      assert.equal(facts?.version, 'TLSv1.3')
      assert.match(facts.cipher, /^TLS_/)
      assert.equal(facts.verified, verified)
    })
  }
})
