/** Messages of the DNS, tokens, and SPF records, from friends and from attackers. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { challengeRecord, domainToken, showsToken, tokenOf } from '../../src/dns/domain-token.ts'
import { reverseName } from '../../src/dns/host-records.ts'
import { decodeMessage, encodeQuery } from '../../src/dns/message.ts'
import { canonicalName, decodeName, encodeName, MalformedMessage } from '../../src/dns/name.ts'
import { formatNameServer, parseNameServer } from '../../src/dns/server.ts'
import { expandDomain } from '../../src/dns/spf-macro.ts'
import { isSpf, parseSpf } from '../../src/dns/spf-record.ts'
import { pointing, record, reply, txt, TYPE, wireName } from '../support/dns-liar.ts'

const QUERY = { id: 7, question: Buffer.concat([wireName('x.example'), Buffer.of(0, 16, 0, 1)]) }

describe('a name on the wire', () => {
  const rows: readonly (readonly [name: string, canonical: string | null])[] = [
    ['contoso.example', 'contoso.example'],
    ['CONTOSO.Example.', 'contoso.example'],
    ['_haraka-connectors-challenge.contoso.example', '_haraka-connectors-challenge.contoso.example'],
    ['', ''],
    ['.', ''],
    ['a\\.b.example', 'a\\046b.example'],
    ['a\\046b.example', 'a\\046b.example'],
    ['a b.example', 'a\\032b.example'],
    ['a\\\\.example', 'a\\092.example'],
    ['a..example', null],
    ['.example', null],
    ['a\\', null],
    ['a\\25', null],
    ['a\\999', null],
    ['ü.example', '\\252.example'],
    ['\u0100.example', null],
    ['a'.repeat(63), 'a'.repeat(63)],
    ['a'.repeat(64), null],
    ['a.'.repeat(127), `${'a.'.repeat(126)}a`],
    ['a.'.repeat(128), null],
    ['a'.repeat(1_000_000), null],
  ]
  for (const [name, canonical] of rows) {
    it(`${JSON.stringify(name).slice(0, 50)} is ${canonical === null ? 'none' : `"${canonical.slice(0, 50)}"`}`, () => {
      assert.equal(canonicalName(name), canonical)
    })
  }

  it('comes back as it was sent, whatever octets it holds', () => {
    const label = fc.uint8Array({ minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.array(label, { maxLength: 10 }), (labels) => {
        const bytes = Buffer.concat([
          ...labels.map((octets) => Buffer.concat([Buffer.of(octets.length), octets])),
          Buffer.of(0),
        ])
        const { end, name } = decodeName(bytes, 0, bytes.length)
        assert.equal(end, bytes.length)
        assert.equal(
          encodeName(name)?.toString('latin1').toLowerCase(),
          bytes.toString('latin1').toLowerCase(),
        )
        assert.equal(canonicalName(name), name)
      }),
    )
  })
})

describe('a message', () => {
  it('is read with its records, compressed or not', () => {
    const pointer = Buffer.of(0xc0, 12)
    const message = decodeMessage(
      reply(QUERY, {
        answers: [
          record(pointer, TYPE.TXT, Buffer.from('\u0001a\u0000\u0002bc', 'latin1')),
          record(pointer, TYPE.MX, Buffer.concat([Buffer.of(0, 10), wireName('Mail.Example')])),
          record('x.example', TYPE.A, Buffer.of(192, 0, 2, 1)),
          record('x.example', TYPE.AAAA, Buffer.from('20010db8000000000000000000000001', 'hex')),
          record('x.example', TYPE.AAAA, Buffer.from('00000000000000000000ffffc0000201', 'hex')),
          record('x.example', 46, Buffer.from('a signature')),
        ],
        authorities: [pointing('example', TYPE.NS, 'ns.example')],
      }),
    )
    const name = 'x.example'
    assert.deepEqual(message.answers, [
      { name, type: 'TXT', text: 'abc' },
      { name, type: 'MX', preference: 10, exchange: 'mail.example' },
      { name, type: 'A', address: '192.0.2.1' },
      { name, type: 'AAAA', address: '2001:db8::1' },
      { name, type: 'AAAA', address: '::ffff:192.0.2.1' },
    ])
    assert.deepEqual(message.authorities, [{ name: 'example', type: 'NS', target: 'ns.example' }])
    assert.deepEqual([message.authoritative, message.rcode, message.question?.type], [true, 0, 'TXT'])
  })

  it('is read or refused, whatever octets it holds', () => {
    const whole = reply(QUERY, { answers: [txt('x.example', 'text'), pointing('x.example', 5, 'y.example')] })
    const broken = fc
      .array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
      .map((changes) => {
        const bytes = Buffer.from(whole)
        for (const [at, octet] of changes) bytes[at] = octet
        return bytes
      })
    const any = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
    fc.assert(
      fc.property(fc.oneof(broken, any), (bytes) => {
        try {
          decodeMessage(bytes)
        } catch (error) {
          assert.ok(error instanceof MalformedMessage, String(error))
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('is refused when its names lead through thousands of pointers', () => {
    const start = QUERY.question.length + 12 + 11
    const chain = Buffer.alloc(16_000)
    for (let at = 1; at + 1 < chain.length; at += 2) {
      chain.writeUInt16BE(0xc000 | (at === 1 ? start : start + at - 2), at)
    }
    const last = Buffer.of(0xc0 | ((start + 15_997) >> 8), (start + 15_997) & 0xff)
    const answers = [record('', 99, chain), record(last, TYPE.NS, last)]
    assert.throws(() => decodeMessage(reply(QUERY, { answers })), /leads in circles/)
  })

  it('asks for what was asked', () => {
    const options = { id: 0xabcd, recursion: true, edns: false }
    const bytes = encodeQuery({ name: 'x.example', type: 'TXT' }, options)
    assert.equal(bytes?.toString('hex'), 'abcd010000010000000000000178076578616d706c650000100001')
    assert.equal(encodeQuery({ name: 'x..example', type: 'TXT' }, options), null)
  })
})

describe('a token', () => {
  const subject = {
    installationId: '00112233445566778899aabbccddeeff',
    organization: 'Contoso',
    domain: 'contoso.com',
  }

  it('is the same whenever it is asked for', () => {
    assert.equal(domainToken(subject), domainToken({ ...subject }))
    assert.match(domainToken(subject), /^[a-z2-7]{26}$/)
    // A record that is in somebody's zone must stay good. Worked out with Python's hmac and base64.
    assert.equal(domainToken(subject), 'ript2pg53ufpoivsb3oqjvmhbw')
  })

  it('is the same for a name in other case, and with accents composed otherwise', () => {
    assert.equal(domainToken({ ...subject, organization: 'CONTOSO' }), domainToken(subject))
    assert.equal(
      domainToken({ ...subject, organization: 'Caf\u00e9' }),
      domainToken({ ...subject, organization: 'Cafe\u0301' }),
    )
  })

  it('is another one for another installation, organisation or domain', () => {
    const tokens = [
      subject,
      { ...subject, installationId: '00112233445566778899aabbccddeefe' },
      { ...subject, organization: 'Fabrikam' },
      { ...subject, domain: 'fabrikam.com' },
      // Joined without care these would be one.
      { ...subject, organization: 'Contoso","contoso.com', domain: '' },
      { ...subject, organization: 'Contosoc', domain: 'ontoso.com' },
    ].map((one) => domainToken(one))
    assert.equal(new Set(tokens).size, tokens.length)
  })

  it('is not made for what is no id of an installation', () => {
    for (const installationId of ['', 'x', '0'.repeat(31), '0'.repeat(33), 'G'.repeat(32)]) {
      assert.throws(() => domainToken({ ...subject, installationId }), /32 hexadecimal digits/)
    }
  })

  const token = 'abcdefghijklmnopqrstuvwxyz'
  const { name, value } = challengeRecord('contoso.com', token)
  const rows: readonly (readonly [text: string, found: string | null])[] = [
    [value, token],
    [`  ${value}  `, token],
    [value.toUpperCase(), token],
    [`${value} expiry=never`, token],
    [`${value};`, `${token};`],
    [`"${value}"`, null],
    [`x${value}`, null],
    [`v=spf1 ${value}`, null],
    [value.slice(0, -1), token.slice(0, -1)],
    ['haraka-connectors-verification=', ''],
    ['haraka-connectors-verification', null],
    ['', null],
    [`${' '.repeat(300)}${value}`, null],
  ]
  for (const [text, found] of rows) {
    it(`of ${JSON.stringify(text.trim())} is ${found ?? 'none'}`, () => {
      assert.equal(tokenOf(text), found)
      assert.equal(showsToken(text, token), found === token)
    })
  }

  it('stands below the domain, in one string', () => {
    assert.equal(name, '_haraka-connectors-challenge.contoso.com')
    assert.ok(value.length < 255)
  })
})

describe('a name server', () => {
  const rows: readonly (readonly [text: string, shown: string | null])[] = [
    ['192.0.2.1', '192.0.2.1'],
    [' 192.0.2.1:5353 ', '192.0.2.1:5353'],
    ['192.0.2.1:53', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:5353', '[2001:db8::1]:5353'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['192.0.2.1:0', null],
    ['192.0.2.1:65536', null],
    ['192.0.2.1:', null],
    ['[192.0.2.1]:53', null],
    ['192.0.2', null],
    ['dns.example', null],
    ['', null],
  ]
  for (const [text, shown] of rows) {
    it(`${JSON.stringify(text)} is ${shown ?? 'none'}`, () => {
      const server = parseNameServer(text)
      assert.equal(server === null ? null : formatNameServer(server), shown)
    })
  }
})

describe('the reverse name', () => {
  const rows: readonly (readonly [address: string, name: string])[] = [
    ['192.0.2.1', '1.2.0.192.in-addr.arpa'],
    ['2001:db8::567:89ab', 'b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa'],
  ]
  for (const [address, name] of rows) {
    it(`of ${address} is ${name}`, () => {
      assert.equal(reverseName(address), name)
    })
  }
})

describe('a macro of an SPF record (RFC 7208 section 7.4)', () => {
  const values = {
    sender: 'strong-bad@email.example.com',
    domain: 'email.example.com',
    address: '192.0.2.3',
    helo: 'mail.example.com',
  }
  const rows: readonly (readonly [spec: string, name: string])[] = [
    ['%{s}', 'strong-bad@email.example.com'],
    ['%{o}', 'email.example.com'],
    ['%{d}', 'email.example.com'],
    ['%{d4}', 'email.example.com'],
    ['%{d3}', 'email.example.com'],
    ['%{d2}', 'example.com'],
    ['%{d1}', 'com'],
    ['%{dr}', 'com.example.email'],
    ['%{d2r}', 'example.email'],
    ['%{l}', 'strong-bad'],
    ['%{l-}', 'strong.bad'],
    ['%{lr}', 'strong-bad'],
    ['%{lr-}', 'bad.strong'],
    ['%{l1r-}', 'strong'],
    ['%{h}', 'mail.example.com'],
    ['%{p}.x', 'unknown.x'],
    ['%{S}', 'strong-bad%40email.example.com'],
    ['%%%_%-', '% %20'],
    ['%{ir}.%{v}._spf.%{d2}', '3.2.0.192.in-addr._spf.example.com'],
    ['%{lr-}.lp._spf.%{d2}', 'bad.strong.lp._spf.example.com'],
    ['%{lr-}.lp.%{ir}.%{v}._spf.%{d2}', 'bad.strong.lp.3.2.0.192.in-addr._spf.example.com'],
    ['%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}', '3.2.0.192.in-addr.strong.lp._spf.example.com'],
    ['%{d2}.trusted-domains.example.net', 'example.com.trusted-domains.example.net'],
    ['$&.example', '$&.example'],
    [`${'a'.repeat(60)}.`.repeat(5).concat('example'), `${'a'.repeat(60)}.`.repeat(4).concat('example')],
  ]
  for (const [spec, name] of rows) {
    it(`${spec.slice(0, 50)} is ${name.slice(0, 50)}`, () => {
      assert.equal(expandDomain(spec, values), name)
    })
  }

  it('writes an IPv6 address nibble by nibble', () => {
    assert.equal(
      expandDomain('%{ir}.%{v}._spf.%{d2}', { ...values, address: '2001:db8::cb01' }),
      '1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com',
    )
  })
})

describe('an SPF record', () => {
  const good = [
    'v=spf1',
    'V=SPF1 -ALL',
    'v=spf1  a   mx/30 mx:example.org/30 ~all ',
    'v=spf1 a/24//64 a//64 a:example.org//64 ?all',
    'v=spf1 ip4:192.0.2.0/24 ip4:192.0.2.1 ip6:2001:db8::/32 ip6:::ffff:192.0.2.0/120 -all',
    'v=spf1 exists:%{l1r+}.%{d} -all',
    'v=spf1 include:%{d}._spf.example.com redirect=_spf.example.com',
    'v=spf1 exp=explain._spf.%{d} unknown=anything-%{i} -all',
    'v=spf1 ptr ptr:example.com. -all',
  ]
  for (const text of good) {
    it(`is read: ${text}`, () => {
      assert.ok(isSpf(text))
      assert.ok(!('wrong' in parseSpf(text)), JSON.stringify(parseSpf(text)))
    })
  }

  const wrong: readonly (readonly [text: string, term: string])[] = [
    ['v=spf1 al -all', 'al'],
    ['v=spf1 all:x -all', 'all:x'],
    ['v=spf1 include -all', 'include'],
    ['v=spf1 include: -all', 'include:'],
    ['v=spf1 include:localhost', 'include:localhost'],
    ['v=spf1 include:192.0.2.1', 'include:192.0.2.1'],
    ['v=spf1 ip4:192.0.2.1/33', 'ip4:192.0.2.1/33'],
    ['v=spf1 ip4:2001:db8::1', 'ip4:2001:db8::1'],
    ['v=spf1 ip6:192.0.2.1', 'ip6:192.0.2.1'],
    ['v=spf1 ip4:192.0.2', 'ip4:192.0.2'],
    ['v=spf1 ip4', 'ip4'],
    ['v=spf1 a/33', 'a/33'],
    ['v=spf1 a//129', 'a//129'],
    ['v=spf1 a/024', 'a/024'],
    ['v=spf1 a/24/64', 'a/24/64'],
    ['v=spf1 a:', 'a:'],
    ['v=spf1 exists:%{c}.example.com', 'exists:%{c}.example.com'],
    ['v=spf1 exists:%{d0}.example.com', 'exists:%{d0}.example.com'],
    ['v=spf1 exists:%.example.com', 'exists:%.example.com'],
    ['v=spf1 exists:%{d.example.com', 'exists:%{d.example.com'],
    ['v=spf1 redirect=a.example redirect=b.example', 'redirect=b.example'],
    ['v=spf1 redirect=', 'redirect='],
    ['v=spf1 -', '-'],
    ['v=spf1 +-all', '+-all'],
    ['v=spf1 a\tmx', 'a\tmx'],
    ['v=spf1 a:ü.example', 'a:ü.example'],
  ]
  for (const [text, term] of wrong) {
    it(`is wrong: ${JSON.stringify(text)}`, () => {
      assert.deepEqual(parseSpf(text), { wrong: term })
    })
  }

  it('is no other record', () => {
    for (const text of ['v=spf10', 'v=spf', 'spf1', ' v=spf1', 'v=spf1\t-all', '']) {
      assert.equal(isSpf(text), false, text)
    }
  })

  it('is read or refused, whatever it holds', () => {
    const piece = fc.constantFrom(
      ' ',
      ':',
      '/',
      '//',
      '=',
      '%{',
      '}',
      'd',
      '1',
      'r',
      '.',
      '-',
      'a',
      'mx',
      'ip6',
      'all',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece, { maxLength: 40 }).map((parts) => parts.join('')),
          fc.string(),
        ),
        (terms) => {
          const parsed = parseSpf(`v=spf1 ${terms}`)
          assert.ok('wrong' in parsed || Array.isArray(parsed.directives))
        },
      ),
    )
    assert.ok('wrong' in parseSpf(`v=spf1 ${'a '.repeat(100_000)}`))
  })
})
