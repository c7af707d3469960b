/** What the world sees of a domain and of a host: MX, PTR and SPF, asked at a real name server. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { reverseLookup } from '../../src/dns/host-records.ts'
import { publicMx } from '../../src/dns/public-mx.ts'
import type { SpfQuestion, SpfResult } from '../../src/dns/spf.ts'
import { checkSpf } from '../../src/dns/spf.ts'
import { FLAGS, pointing, RCODE, record, reply, startLiar, txt, TYPE, wireName } from '../support/dns-liar.ts'
import { NSD, startNsd } from '../support/nsd.ts'
import { hasPrograms } from '../support/programs.ts'
import { freePort } from '../support/smarthost.ts'

const SERVERS = ['@ NS ns1', 'ns1 A 127.0.0.1']
const DOMAIN = 'contoso.example'

describe('the public MX of a domain', () => {
  const cases: readonly (readonly [what: string, records: readonly string[], expected: unknown])[] = [
    [
      'is named in the order in which the world tries it',
      [
        '@ MX 20 b',
        '@ MX 10 MAIL',
        '@ MX 20 a',
        'mail A 192.0.2.1',
        'mail AAAA 2001:db8::1',
        'b A 192.0.2.2',
      ],
      {
        kind: 'mx',
        count: 3,
        exchanges: [
          { preference: 10, host: 'mail.contoso.example', addresses: ['192.0.2.1', '2001:db8::1'] },
          { preference: 20, host: 'a.contoso.example', addresses: [] },
          { preference: 20, host: 'b.contoso.example', addresses: ['192.0.2.2'] },
        ],
      },
    ],
    ['is none when the domain takes no mail', ['@ MX 0 .'], { kind: 'null-mx' }],
    [
      'is what is named beside the null MX',
      ['@ MX 0 .', '@ MX 10 mail', 'mail A 192.0.2.1'],
      {
        kind: 'mx',
        count: 1,
        exchanges: [{ preference: 10, host: 'mail.contoso.example', addresses: ['192.0.2.1'] }],
      },
    ],
    ['is the domain itself without an MX', ['@ A 192.0.2.1'], { kind: 'implicit', addresses: ['192.0.2.1'] }],
    [
      'is the domain itself without an MX, with IPv6 alone',
      ['@ AAAA 2001:db8::1'],
      { kind: 'implicit', addresses: ['2001:db8::1'] },
    ],
    ['is nowhere without an MX and an address', [], { kind: 'none' }],
  ]
  for (const [what, records, expected] of cases) {
    it(what, async (t) => {
      if (!hasPrograms(t, NSD)) return
      const nsd = await startNsd(t, { [DOMAIN]: [...SERVERS, ...records] })
      assert.deepEqual(await publicMx(DOMAIN, { resolver: nsd }), expected)
    })
  }

  it('is counted, and named in part, when there are hundreds', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const records = Array.from({ length: 300 }, (_, index) => `@ MX ${index} mx${index}`)
    const nsd = await startNsd(t, { [DOMAIN]: [...SERVERS, ...records] })
    const found = await publicMx(DOMAIN, { resolver: nsd })
    assert.ok(found.kind === 'mx')
    assert.deepEqual([found.count, found.exchanges.length], [300, 20])
  })

  it('is found behind a CNAME', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const records = ['sales CNAME other', 'other MX 5 mail', 'mail A 192.0.2.9']
    const nsd = await startNsd(t, { [DOMAIN]: [...SERVERS, ...records] })
    const found = await publicMx(`sales.${DOMAIN}`, { resolver: nsd })
    assert.ok(found.kind === 'mx')
    assert.deepEqual(found.exchanges[0]?.addresses, ['192.0.2.9'])
  })

  it('is of no domain when there is none', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const nsd = await startNsd(t, { example: SERVERS })
    assert.deepEqual(await publicMx(DOMAIN, { resolver: nsd }), { kind: 'no-such-domain' })
  })

  it('is not known, rather than missing, when nobody answers', async () => {
    const resolver = { address: '127.0.0.1', port: await freePort() }
    const found = await publicMx(DOMAIN, { resolver })
    assert.ok(found.kind === 'could-not-ask')
    assert.deepEqual(
      found.failures.map(({ why }) => why),
      ['unreachable'],
    )
  })

  it('is not known when the MX is not there and the addresses cannot be asked', async (t) => {
    const liar = await startLiar(t, (query, { send }) =>
      send(reply(query, { rcode: query.type === TYPE.MX ? RCODE.NOERROR : RCODE.SERVFAIL })),
    )
    assert.equal((await publicMx(DOMAIN, { resolver: liar })).kind, 'could-not-ask')
  })

  it('is shown with hosts whose addresses are not known', async (t) => {
    const mx = record(DOMAIN, TYPE.MX, Buffer.concat([Buffer.of(0, 10), wireName('mail.example')]))
    const liar = await startLiar(t, (query, { send }) =>
      send(query.type === TYPE.MX ? reply(query, { answers: [mx] }) : reply(query, { rcode: RCODE.REFUSED })),
    )
    assert.deepEqual(await publicMx(DOMAIN, { resolver: liar }), {
      kind: 'mx',
      count: 1,
      exchanges: [{ preference: 10, host: 'mail.example', addresses: null }],
    })
  })
})

describe('the name of an address', () => {
  const ZONES = {
    '2.0.192.in-addr.arpa': [
      '@ NS ns1.contoso.example.',
      '1 PTR mail.contoso.example.',
      '2 PTR mail.contoso.example.',
      '3 PTR nowhere.contoso.example.',
      '5 PTR other.contoso.example.',
      '5 PTR five.contoso.example.',
      '6 CNAME 6.0-15',
      '6.0-15 PTR six.contoso.example.',
    ],
    '8.b.d.0.1.0.0.2.ip6.arpa': [
      '@ NS ns1.contoso.example.',
      '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR mail.contoso.example.',
    ],
    [DOMAIN]: [
      ...SERVERS,
      'mail A 192.0.2.1',
      'mail AAAA 2001:db8::1',
      'five A 192.0.2.5',
      'other A 192.0.2.9',
      'six A 192.0.2.6',
    ],
  }
  const cases: readonly (readonly [what: string, address: string, kind: string, hosts: readonly string[]])[] =
    [
      ['is confirmed when it leads back', '192.0.2.1', 'confirmed', ['mail.contoso.example']],
      ['is confirmed for IPv6', '2001:db8::1', 'confirmed', ['mail.contoso.example']],
      ['is confirmed by one of several', '192.0.2.5', 'confirmed', ['five.contoso.example']],
      [
        'is confirmed behind the CNAME of a part of a network',
        '192.0.2.6',
        'confirmed',
        ['six.contoso.example'],
      ],
      ['is not confirmed when it leads elsewhere', '192.0.2.2', 'unconfirmed', []],
      ['is not confirmed when it leads nowhere', '192.0.2.3', 'unconfirmed', []],
      ['is missing', '192.0.2.4', 'none', []],
    ]
  for (const [what, address, kind, hosts] of cases) {
    it(what, async (t) => {
      if (!hasPrograms(t, NSD)) return
      const nsd = await startNsd(t, ZONES)
      const found = await reverseLookup(address, { resolver: nsd })
      assert.equal(found.kind, kind)
      assert.deepEqual(found.kind === 'confirmed' ? found.hosts : [], hosts)
    })
  }

  it('is not known, rather than unconfirmed, when the way back cannot be asked', async (t) => {
    const liar = await startLiar(t, (query, { send }) =>
      send(
        query.type === TYPE.PTR
          ? reply(query, { answers: [pointing(query.name, TYPE.PTR, 'mail.example')] })
          : reply(query, { rcode: RCODE.SERVFAIL }),
      ),
    )
    assert.equal((await reverseLookup('192.0.2.1', { resolver: liar })).kind, 'could-not-ask')
  })
})

/** RFC 7208 appendix A. */
const APPENDIX_A = {
  'example.com': [
    ...SERVERS,
    '@ MX 10 mail-a',
    '@ MX 20 mail-b',
    '@ A 192.0.2.10',
    '@ A 192.0.2.11',
    'amy A 192.0.2.65',
    'bob A 192.0.2.66',
    'mail-a A 192.0.2.129',
    'mail-b A 192.0.2.130',
    'www CNAME @',
    // Beside the appendix, for the cases below.
    'six AAAA 2001:db8::1',
    'pass TXT "v=spf1 +all"',
    'deny TXT "v=spf1 -all"',
    'soft TXT "v=spf1 ~all"',
    'none TXT "something else"',
    'two TXT "v=spf1 +all"',
    'two TXT "v=spf1 -all"',
    'wrong TXT "v=spf1 +al"',
    'loop TXT "v=spf1 include:loop.example.com -all"',
    'circle TXT "v=spf1 redirect=circle.example.com"',
    'split TXT "v=spf1 ip4:192." "0.2.77 -all"',
    'mary.mobile-users._spf A 127.0.0.2',
    'mobile-users._spf TXT "v=spf1 exists:%{l1r+}.%{d}"',
    'joel.remote-users._spf A 127.0.0.2',
    'remote-users._spf TXT "v=spf1 exists:%{ir}.%{l1r+}.%{d}"',
    '15.15.168.192.joel.remote-users._spf A 127.0.0.2',
    ...Array.from({ length: 11 }, (_, index) => `many MX ${index} mail-a`).map((line, index) =>
      line.replace('mail-a', `m${index}`),
    ),
    ...Array.from({ length: 11 }, (_, index) => `m${index} A 192.0.2.200`),
  ],
  'example.org': [...SERVERS, '@ MX 10 mail-c', 'mail-c A 192.0.2.140'],
  '2.0.192.in-addr.arpa': [
    '@ NS ns1.example.com.',
    '10 PTR example.com.',
    '11 PTR example.com.',
    '65 PTR amy.example.com.',
    '66 PTR bob.example.com.',
    '129 PTR mail-a.example.com.',
    '130 PTR mail-b.example.com.',
    '140 PTR mail-c.example.org.',
  ],
  '0.0.10.in-addr.arpa': ['@ NS ns1.example.com.', '4 PTR bob.example.com.'],
}

describe('the SPF record of a domain', () => {
  type Row = readonly [record: string, address: string, kind: SpfResult['kind'], more?: Partial<SpfQuestion>]
  const rows: readonly Row[] = [
    // A.1
    ['v=spf1 +all', '203.0.113.1', 'pass'],
    ['v=spf1 a -all', '192.0.2.10', 'pass'],
    ['v=spf1 a -all', '192.0.2.11', 'pass'],
    ['v=spf1 a -all', '192.0.2.12', 'fail'],
    ['v=spf1 a:example.org -all', '192.0.2.10', 'fail'],
    ['v=spf1 mx -all', '192.0.2.129', 'pass'],
    ['v=spf1 mx -all', '192.0.2.130', 'pass'],
    ['v=spf1 mx -all', '192.0.2.10', 'fail'],
    ['v=spf1 mx:example.org -all', '192.0.2.140', 'pass'],
    ['v=spf1 mx mx:example.org -all', '192.0.2.140', 'pass'],
    ['v=spf1 mx/30 mx:example.org/30 -all', '192.0.2.131', 'pass'],
    ['v=spf1 mx/30 mx:example.org/30 -all', '192.0.2.143', 'pass'],
    ['v=spf1 mx/30 mx:example.org/30 -all', '192.0.2.132', 'fail'],
    ['v=spf1 ptr:example.com -all', '192.0.2.65', 'pass'],
    ['v=spf1 ptr:example.com -all', '192.0.2.140', 'fail'],
    ['v=spf1 ptr:example.com -all', '10.0.0.4', 'fail'],
    ['v=spf1 ip4:192.0.2.128/28 -all', '192.0.2.65', 'fail'],
    ['v=spf1 ip4:192.0.2.128/28 -all', '192.0.2.129', 'pass'],
    // A.3
    ['v=spf1 mx include:mobile-users._spf.%{d} -all', '203.0.113.1', 'pass', { sender: 'mary@example.com' }],
    ['v=spf1 mx include:mobile-users._spf.%{d} -all', '203.0.113.1', 'fail', { sender: 'fred@example.com' }],
    ['v=spf1 include:remote-users._spf.%{d} -all', '192.168.15.15', 'pass', { sender: 'joel@example.com' }],
    ['v=spf1 include:remote-users._spf.%{d} -all', '192.168.15.16', 'fail', { sender: 'joel@example.com' }],
    // IPv6
    ['v=spf1 a:six.example.com -all', '2001:db8::1', 'pass'],
    ['v=spf1 a:six.example.com//64 -all', '2001:db8::2', 'pass'],
    ['v=spf1 a:six.example.com/8//65 -all', '2001:db8:0:0:8000::', 'fail'],
    ['v=spf1 ip6:2001:db8::/32 -all', '2001:db8:1::9', 'pass'],
    ['v=spf1 ip6::: ip4:0.0.0.0/0 -all', '2001:db8::1', 'fail'],
    ['v=spf1 ip6:::/0 -all', '192.0.2.1', 'fail'],
    // What include makes of each result (section 5.2), and redirect (section 6.1)
    ['v=spf1 include:pass.example.com -all', '203.0.113.1', 'pass'],
    ['v=spf1 -include:pass.example.com +all', '203.0.113.1', 'fail'],
    ['v=spf1 include:deny.example.com ?all', '203.0.113.1', 'neutral'],
    ['v=spf1 include:soft.example.com -all', '203.0.113.1', 'fail'],
    ['v=spf1 include:none.example.com -all', '203.0.113.1', 'permerror'],
    ['v=spf1 include:wrong.example.com -all', '203.0.113.1', 'permerror'],
    ['v=spf1 include:nowhere.example.com -all', '203.0.113.1', 'permerror'],
    ['v=spf1 redirect=soft.example.com', '203.0.113.1', 'softfail'],
    ['v=spf1 redirect=soft.example.com +all', '203.0.113.1', 'pass'],
    ['v=spf1 redirect=none.example.com', '203.0.113.1', 'permerror'],
    ['v=spf1 include:split.example.com -all', '192.0.2.77', 'pass'],
    ['v=spf1 a:www.example.com -all', '192.0.2.10', 'pass'],
    // Nothing matches (section 4.7)
    ['v=spf1 mx', '203.0.113.1', 'neutral'],
    ['v=spf1', '203.0.113.1', 'neutral'],
    ['v=spf1 ~all', '203.0.113.1', 'softfail'],
    // Wrong records, also behind what matches (section 4.6)
    ['v=spf1 +all al', '203.0.113.1', 'permerror'],
    // Limits (section 4.6.4)
    ['v=spf1 include:loop.example.com', '203.0.113.1', 'permerror'],
    ['v=spf1 redirect=circle.example.com', '203.0.113.1', 'permerror'],
    ['v=spf1 a a a a a a a a a a -all', '203.0.113.1', 'fail'],
    ['v=spf1 a a a a a a a a a a a -all', '203.0.113.1', 'permerror'],
    ['v=spf1 a:x1.example.com a:x2.example.com -all', '203.0.113.1', 'fail'],
    ['v=spf1 a:x1.example.com a:x2.example.com a:x3.example.com -all', '203.0.113.1', 'permerror'],
    ['v=spf1 mx:many.example.com -all', '192.0.2.200', 'permerror'],
    [`v=spf1 exists:%{d}.${'a'.repeat(64)}.example -all`, '203.0.113.1', 'fail'],
    [`v=spf1 ${'ip4:192.0.2.1 '.repeat(200)}+all`, '203.0.113.1', 'pass'],
  ]
  it('says whether an address may send for it (RFC 7208 appendix A and more)', async (t) => {
    if (!hasPrograms(t, NSD)) return
    // A zone like example.com for each record: one server knows them all.
    const zones = rows.map(([text], index): [string, string[]] => {
      const strings = text.match(/.{1,250}/g)?.map((part) => `"${part}"`) ?? []
      return [`r${index}.example`, [...APPENDIX_A['example.com'], `@ TXT ${strings.join(' ')}`]]
    })
    const nsd = await startNsd(t, { ...APPENDIX_A, ...Object.fromEntries(zones) })
    for (const [index, [text, address, kind, more]] of rows.entries()) {
      const found = await checkSpf({ address, domain: `r${index}.example`, ...more }, { resolver: nsd })
      const shown = JSON.stringify(found).slice(0, 300)
      assert.equal(found.kind, kind, `${text.slice(0, 80)} for ${address}: ${shown}`)
    }
  })

  const named: readonly (readonly [domain: string, expected: Partial<SpfResult>])[] = [
    ['deny.example.com', { kind: 'fail', record: 'v=spf1 -all', term: '-all' }],
    ['none.example.com', { kind: 'none' }],
    ['nowhere.example.com', { kind: 'none' }],
    ['two.example.com', { kind: 'permerror', detail: 'two.example.com has 2 SPF records' }],
    ['wrong.example.com', { kind: 'permerror', detail: 'the record of wrong.example.com is wrong at +al' }],
    [
      'circle.example.com',
      { kind: 'permerror', detail: 'it needs more than 10 lookups (RFC 7208 section 4.6.4)' },
    ],
  ]
  for (const [domain, expected] of named) {
    it(`says what decided: ${domain}`, async (t) => {
      if (!hasPrograms(t, NSD)) return
      const nsd = await startNsd(t, APPENDIX_A)
      assert.deepEqual(await checkSpf({ address: '192.0.2.1', domain }, { resolver: nsd }), expected)
    })
  }

  it('is not known, rather than missing, when it or what it includes cannot be asked', async (t) => {
    const liar = await startLiar(t, (query, { send }) =>
      send(
        query.name === DOMAIN
          ? reply(query, { answers: [txt(DOMAIN, 'v=spf1 include:other.example -all')] })
          : reply(query, { rcode: RCODE.SERVFAIL }),
      ),
    )
    for (const domain of [DOMAIN, 'other.example']) {
      const found = await checkSpf({ address: '192.0.2.1', domain }, { resolver: liar })
      assert.ok(found.kind === 'temperror')
      assert.deepEqual(
        found.failures.map(({ why }) => why),
        ['servfail'],
      )
    }
  })

  it('asks a bounded number of questions, whatever a hostile record holds', async (t) => {
    // Each include names ten more.
    const liar = await startLiar(t, (query, { send }) => {
      const includes = Array.from({ length: 10 }, (_, index) => `include:x${index}.${query.name}`.slice(-240))
      const parts = `v=spf1 ${includes.join(' ')} +all`.match(/.{1,250}/g) ?? []
      send(reply(query, { flags: FLAGS.QR | FLAGS.RA, answers: [txt(query.name, ...parts)] }))
    })
    const found = await checkSpf({ address: '192.0.2.1', domain: DOMAIN }, { resolver: liar })
    assert.equal(found.kind, 'permerror')
    assert.equal(liar.queries.length, 11)
  })
})
