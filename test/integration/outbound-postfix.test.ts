/** A real server as the next hop: Postfix, with each kind of TLS that it can have. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import { join } from 'node:path'
import type { ClientIdentity, Envelope, Target, TlsPolicy } from '../../src/outbound/types.ts'
import type { Made } from '../support/authority.ts'
import { Authority, CA, LEAF } from '../support/authority.ts'
import { connectTrusting, CONTENT, expired, NOBODY, outgoing, shown, targetAt } from '../support/outgoing.ts'
import { startPostfix } from '../support/postfix.ts'
import { hasPrograms } from '../support/programs.ts'
import { recipient } from '../support/queued.ts'

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

const connect = connectTrusting([root])

const policies: readonly TlsPolicy[] = [
  { level: 'opportunistic', domain: null, trust: null },
  { level: 'encrypt', domain: null, trust: null },
  { level: 'verify', domain: null, trust: null },
  { level: 'verify-domain', domain: NAME, trust: null },
]

type Fate = 'plain' | 'tls' | 'tls 4.7.4' | 'tls 4.7.5' | 'unreachable 4.7.1' | 'deferred 530'

interface Row {
  readonly what: string
  readonly lines: readonly string[]
  readonly identity?: ClientIdentity
  /** In the order of `policies`. */
  readonly fates: readonly [Fate, Fate, Fate, Fate]
}

const own = authority.make({
  name: 'smarthost.test',
  issuer: root,
  extensions: ['basicConstraints=critical,CA:false', 'extendedKeyUsage=clientAuth'],
})
const ours: ClientIdentity = { key: 'own', certificate: shown(own), credentials: null }

const showing = ({ file, keyFile }: Pick<Made, 'file' | 'keyFile'>): string[] => [
  `smtpd_tls_cert_file = ${file}`,
  `smtpd_tls_key_file = ${keyFile}`,
]
const only = (made: Pick<Made, 'file' | 'keyFile'>): string[] => [
  'smtpd_tls_security_level = encrypt',
  ...showing(made),
]
const wantingOurs = [...only(right), 'smtpd_tls_req_ccert = yes', `smtpd_tls_CAfile = ${root.file}`]

const old = { file: join(authority.folder, 'expired.pem'), keyFile: right.keyFile }
writeFileSync(old.file, expired(right, root))

const ALL = ['tls', 'tls', 'tls', 'tls'] as const
const UNPROVEN = ['tls', 'tls', 'tls 4.7.5', 'tls 4.7.5'] as const

const ROWS: readonly Row[] = [
  {
    what: 'without TLS',
    lines: ['smtpd_tls_security_level = none'],
    fates: ['plain', 'tls 4.7.4', 'tls 4.7.4', 'tls 4.7.4'],
  },
  {
    what: 'with TLS for who wants it',
    lines: ['smtpd_tls_security_level = may', ...showing(right)],
    fates: ALL,
  },
  { what: 'with TLS only', lines: only(right), fates: ALL },
  {
    what: 'with TLS 1.2 only',
    lines: [...only(right), 'smtpd_tls_mandatory_protocols = TLSv1.2'],
    fates: ALL,
  },
  { what: 'under a certificate of its own', lines: only(leafFor(NAME, null)), fates: UNPROVEN },
  { what: 'under a certificate that expired', lines: only(old), fates: UNPROVEN },
  { what: 'under a certificate of another CA', lines: only(leafFor(NAME, otherRoot)), fates: UNPROVEN },
  {
    what: 'under a certificate for another name',
    lines: only(leafFor('mail.else.test', root)),
    fates: ['tls', 'tls', 'tls', 'tls 4.7.5'],
  },
  { what: 'that wants a certificate of ours, which we have', lines: wantingOurs, identity: ours, fates: ALL },
  {
    // It says 421 4.7.1 within TLS.
    what: 'that wants a certificate of ours, which we have not',
    lines: wantingOurs,
    fates: ['unreachable 4.7.1', 'unreachable 4.7.1', 'unreachable 4.7.1', 'unreachable 4.7.1'],
  },
  {
    what: 'whose TLS never works, and that takes nothing without',
    lines: [
      ...only(right),
      'smtpd_tls_mandatory_ciphers = high',
      'tls_high_cipherlist = PSK',
      'smtpd_tls_mandatory_protocols = TLSv1.2',
    ],
    fates: ['deferred 530', 'tls 4.7.4', 'tls 4.7.4', 'tls 4.7.4'],
  },
]

const at = (port: number, more: Partial<Target> = {}): Target => targetAt({ host: '127.0.0.1', port }, more)

const isSent = (fate: Fate): boolean => fate === 'tls' || fate === 'plain'

async function fateOf(target: Target, sender: string): Promise<string> {
  const connected = await connect(target)
  if ('failure' in connected) return `${connected.failure.kind} ${connected.failure.said.status}`
  const { session } = connected
  const { results } = await session.send(outgoing({ sender, recipients: [recipient('kate@hop.test')] }))
  await session.close()
  const [result] = results
  if (result?.outcome !== 'delivered') return `${result?.outcome ?? ''} ${result?.said.code ?? ''}`
  return session.tls === null ? 'plain' : 'tls'
}

describe('Postfix as the next hop', () => {
  it('gets mail under the promise that holds, and hears of none before', async (t) => {
    if (!hasPrograms(t, '/usr/sbin/postfix')) return
    const listeners = ROWS.map(({ lines }, row) => [...lines, `syslog_name = row${row}`])
    const { delivered, loggedTimes, ports } = await startPostfix(t, {
      main: [`myhostname = ${NAME}`, 'smtpd_tls_loglevel = 1'],
      mailboxOf: 'hop.test',
      listeners,
    })
    const sent: string[] = []
    for (const [row, { fates, identity = NOBODY, what }] of ROWS.entries()) {
      await t.test(`${what}: ${fates.join(', ')}`, async () => {
        const got: string[] = []
        for (const [index, policy] of policies.entries()) {
          const sender = `row${row}.${policy.level}@contoso.com`
          got.push(await fateOf(at(ports[row] ?? 0, { policy, identity }), sender))
          if (isSent(fates[index] ?? 'plain')) sent.push(sender)
        }
        assert.deepEqual(got, fates)
        // Postfix counts the commands of a connection at its end.
        const again = fates[0] === 'deferred 530' ? 1 : 0
        const ends = await loggedTimes(
          new RegExp(`row${row}/smtpd.* disconnect from`),
          policies.length + again,
        )
        const mails = ends.filter((line) => / (?:mail|rcpt|data|auth)=/.test(line))
        assert.equal(mails.length, fates.filter((fate) => isSent(fate) || fate === 'deferred 530').length)
      })
    }
    await loggedTimes(/virtual\[.*status=sent/, sent.length)
    const messages = await delivered()
    const senders = messages.map((text) => /^Return-Path: <(.*)>$/m.exec(text)?.[1] ?? '')
    assert.deepEqual(senders.toSorted(), sent.toSorted())
    // The doubled dot is one again.
    for (const text of messages) assert.match(text, /\nSubject: Offer\n(?:.+\n)*\nHello\n\.dot\n$/)
  })

  it('says of each recipient, of the size and of several messages what it thinks', async (t) => {
    if (!hasPrograms(t, '/usr/sbin/postfix')) return
    const { delivered, loggedTimes, port } = await startPostfix(t, {
      main: [
        `myhostname = ${NAME}`,
        'message_size_limit = 100000',
        'smtpd_recipient_restrictions = check_recipient_access inline:{ {full@hop.test = 452 4.2.2 full} {gone@hop.test = 550 5.1.1 gone} }, reject_unauth_destination',
      ],
      mailboxOf: 'hop.test',
    })
    const connected = await connect(at(port))
    assert.ok('session' in connected)
    const { session } = connected
    const to = (...names: string[]): Partial<Envelope> => ({
      recipients: names.map((name) => recipient(`${name}@hop.test`)),
    })
    const told = async (envelope: Partial<Envelope>, content = CONTENT): Promise<string[]> => {
      const { results } = await session.send(outgoing(envelope, content))
      return results
        .toSorted((left, right) => left.recipient - right.recipient)
        .map(({ outcome, said }) => `${outcome} ${said.code} ${said.status}`)
    }
    assert.deepEqual(await told(to('kate', 'full', 'gone', 'john')), [
      'delivered 250 2.0.0',
      'deferred 452 4.2.2',
      'failed 550 5.1.1',
      'delivered 250 2.0.0',
    ])
    assert.deepEqual(await told(to('gone', 'full')), ['failed 550 5.1.1', 'deferred 452 4.2.2'])
    assert.deepEqual(await told(to('kate'), Buffer.alloc(200_000, 'a line\r\n')), ['failed 552 5.3.4'])
    assert.deepEqual(await told({ recipients: [recipient('jörg@hop.test')], smtpUtf8: true }), [
      'delivered 250 2.0.0',
    ])
    assert.equal(session.usable, true)
    await session.close()
    const [end = ''] = await loggedTimes(/smtpd\[.* disconnect from/, 1)
    assert.match(end, / ehlo=1 mail=3\/4 rcpt=3\/8 data=2\/4 rset=2 quit=1 /)
    await loggedTimes(/virtual\[.*status=sent/, 3)
    assert.equal((await delivered()).length, 3)
  })
})
