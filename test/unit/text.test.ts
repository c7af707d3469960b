/** Names and addresses as the rule compares them, from friends and from attackers. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { matchesCertificateName, normalizePresentedName } from '../../src/text/certificate-name.ts'
import { ancestorsOf, normalizeDomain } from '../../src/text/domain-name.ts'
import { addressBytes, normalizeAddress, parseRange } from '../../src/text/ip-address.ts'
import { printable } from '../../src/text/printable.ts'
import { isPublicSuffix } from '../../src/text/public-suffix.ts'
import { didYouMean } from '../../src/text/suggest.ts'

describe('a domain name', () => {
  const rows: readonly (readonly [text: string, expected: string | null])[] = [
    ['contoso.com', 'contoso.com'],
    ['CONTOSO.Com', 'contoso.com'],
    ['contoso.com.', 'contoso.com'],
    ['contoso.com..', null],
    ['.contoso.com', null],
    ['contoso..com', null],
    ['', null],
    ['.', null],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['BÜCHER.example', 'xn--bcher-kva.example'],
    ['bu\u0308cher.example', 'xn--bcher-kva.example'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
    ['xn--zz--.example', null],
    ['faß.de', 'xn--fa-hia.de'],
    ['contoso。com', 'contoso.com'],
    ['ｃontoso.com', 'contoso.com'],
    ['сontoso.com', 'xn--ontoso-hrf.com'],
    ['contoso.com\u0000.evil.example', null],
    ['contoso.com\r\n', null],
    ['contoso .com', null],
    ['contoso\u200b.com', null],
    ['con\u00adtoso.com', null],
    ['contoso%2ecom', null],
    ['contoso_1.com', null],
    ['-contoso.com', null],
    ['contoso-.com', null],
    ['192.0.2.1', null],
    ['0x7f.1', null],
    ['1.2.3', null],
    ['[192.0.2.1]', null],
    ['contoso.com:25', null],
    ['kate@contoso.com', null],
    ['*.contoso.com', null],
    ['localhost', 'localhost'],
    [`${'a'.repeat(63)}.com`, `${'a'.repeat(63)}.com`],
    [`${'a'.repeat(64)}.com`, null],
    [`${'a.'.repeat(126)}b`, `${'a.'.repeat(126)}b`],
    [`${'a.'.repeat(127)}b`, null],
    ['ü'.repeat(100_000), null],
  ]
  for (const [text, expected] of rows) {
    it(`${JSON.stringify(text).slice(0, 60)} is ${expected === null ? 'none' : expected.slice(0, 60)}`, () => {
      assert.equal(normalizeDomain(text), expected)
    })
  }

  it('comes out the same when it is normalised again, whatever went in', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.domain()), (text) => {
        const name = normalizeDomain(text)
        if (name === null) return
        assert.equal(normalizeDomain(name), name)
        assert.match(name, /^[a-z0-9.-]{1,253}$/)
        assert.equal(normalizeDomain(`${name}.`), name)
      }),
      { numRuns: 5000 },
    )
  })

  it('has the names above it, the nearest first', () => {
    assert.deepEqual(ancestorsOf('a.mail.contoso.com'), ['mail.contoso.com', 'contoso.com', 'com'])
    assert.deepEqual(ancestorsOf('com'), [])
  })
})

describe('a name in a certificate', () => {
  const rows: readonly (readonly [text: string, expected: string | null])[] = [
    ['mail.contoso.com', 'mail.contoso.com'],
    ['MAIL.contoso.com', 'mail.contoso.com'],
    ['*.contoso.com', '*.contoso.com'],
    ['*', null],
    ['*.', null],
    ['*.com', null],
    ['com', null],
    ['*.co.uk', null],
    ['co.uk', null],
    ['*.azurewebsites.net', null],
    ['mailserver', null],
    ['m*.contoso.com', null],
    ['*mail.contoso.com', null],
    ['mail.*.contoso.com', null],
    ['*.*.contoso.com', null],
    ['192.0.2.1', null],
    ['kate@contoso.com', null],
    ['mail.contoso.com\u0000.evil.example', null],
    ['CN=mail.contoso.com', null],
    ['mail.contoso.com, mail.fabrikam.com', null],
  ]
  for (const [text, expected] of rows) {
    it(`${JSON.stringify(text)} is ${expected ?? 'none'}`, () => {
      assert.equal(normalizePresentedName(text), expected)
    })
  }

  const matches: readonly (readonly [connector: string, presented: string, expected: boolean])[] = [
    ['*.contoso.com', 'mail.contoso.com', true],
    ['*.contoso.com', 'a.b.contoso.com', true],
    ['*.contoso.com', 'contoso.com', true],
    ['*.contoso.com', '*.contoso.com', true],
    ['*.contoso.com', '*.mail.contoso.com', true],
    ['*.contoso.com', 'evilcontoso.com', false],
    ['*.contoso.com', '*.evilcontoso.com', false],
    ['*.contoso.com', 'contoso.com.evil.example', false],
    ['*.mail.contoso.com', 'contoso.com', false],
    ['mail.contoso.com', 'mail.contoso.com', true],
    ['mail.contoso.com', '*.contoso.com', true],
    ['mail.contoso.com', 'contoso.com', false],
    ['mail.contoso.com', 'a.mail.contoso.com', false],
    ['a.mail.contoso.com', '*.contoso.com', false],
    ['contoso.com', '*.contoso.com', false],
  ]
  for (const [connector, presented, expected] of matches) {
    it(`a connector for ${connector} ${expected ? 'recognises' : 'does not recognise'} ${presented}`, () => {
      assert.equal(matchesCertificateName(connector, presented), expected)
    })
  }
})

describe('a public suffix', () => {
  for (const name of ['com', 'co.uk', 'azurewebsites.net', 'localhost', 'ck', 'kawasaki.jp']) {
    it(`${name} is one`, () => {
      assert.ok(isPublicSuffix(name))
    })
  }
  for (const name of [
    'contoso.com',
    'contoso.co.uk',
    'x.azurewebsites.net',
    'contoso.invalid',
    'a.b.example',
  ]) {
    it(`${name} is none`, () => {
      assert.ok(!isPublicSuffix(name))
    })
  }
})

describe('an address', () => {
  const rows: readonly (readonly [text: string, expected: string | null])[] = [
    ['10.1.0.7', '10.1.0.7'],
    ['010.1.0.7', null],
    ['10.1.7', null],
    ['0x0a010007', null],
    ['2001:DB8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:10.1.0.7', '10.1.0.7'],
    ['::ffff:a01:7', '10.1.0.7'],
    ['::10.1.0.7', '::a01:7'],
    ['fe80::1%eth0', null],
    ['[2001:db8::1]', null],
    ['10.1.0.7:25', null],
    ['10.1.0.7 ', null],
    ['10.1.0.7\n', null],
    ['', null],
    ['1'.repeat(1000), null],
  ]
  for (const [text, expected] of rows) {
    it(`${JSON.stringify(text).slice(0, 40)} is ${expected ?? 'none'}`, () => {
      assert.equal(normalizeAddress(text), expected)
    })
  }

  const ranges: readonly (readonly [text: string, expected: string | null])[] = [
    ['10.1.0.0/24', '10.1.0.0/24'],
    ['10.1.0.7', '10.1.0.7/32'],
    ['10.1.0.7/24', '10.1.0.0/24'],
    ['10.1.0.0/0', '0.0.0.0/0'],
    ['10.1.0.0/33', null],
    ['10.1.0.0/024', null],
    ['10.1.0.0/', null],
    ['10.1.0.0/-1', null],
    ['10.1.0.0/255.255.255.0', null],
    ['10.1.0.0/24/24', null],
    ['10.1.0.1-10.1.0.9', null],
    ['2001:db8:1::/48', '2001:db8:1::/48'],
    ['2001:db8:1::7/48', '2001:db8:1::/48'],
    ['::ffff:10.1.0.0/120', '10.1.0.0/24'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
    ['::/0', '::/0'],
    ['*', null],
  ]
  for (const [text, expected] of ranges) {
    it(`the range ${text} is ${expected ?? 'none'}`, () => {
      assert.equal(parseRange(text)?.range ?? null, expected)
    })
  }

  it('keeps its value in canonical form, IPv4 and IPv6', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const address = normalizeAddress(text)
        assert.ok(address !== null)
        assert.equal(normalizeAddress(address), address)
        assert.deepEqual(addressBytes(address), addressBytes(text))
      }),
      { numRuns: 3000 },
    )
  })
})

describe('text from the network', () => {
  it('is shown without control characters, line breaks, bidi controls and lone surrogates', () => {
    assert.equal(printable('a\r\nb\u001b[31m\u202ec\ud800'), 'a\\x0d\\x0ab\\x1b[31m\\u202ec\\ud800')
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 600 }),
        fc.integer({ min: 8, max: 300 }),
        (text, most) => {
          const shown = printable(text, most)
          assert.ok(shown.length <= most)
          assert.doesNotMatch(shown, /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/)
          assert.doesNotThrow(() => encodeURIComponent(shown))
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('is cut with an ellipsis, never inside an escape', () => {
    assert.equal(printable('abcdefghij', 8), 'abcdefg…')
    assert.equal(printable('abcde\u0007\u0007', 8), 'abcde…')
  })
})

describe('"did you mean"', () => {
  const known = ['tlsSenderCertificateName', 'senderIPAddresses', 'enabled', 'name']
  for (const [typed, expected] of [
    ['tlsSenderCertficateName', 'tlsSenderCertificateName'],
    ['TLSSENDERCERTIFICATENAME', 'tlsSenderCertificateName'],
    ['enabeld', 'enabled'],
    ['senderIpAddress', 'senderIPAddresses'],
    ['zzz', null],
    ['', null],
    ['x'.repeat(100_000), null],
  ] as const) {
    it(`${typed.slice(0, 30)} is ${expected ?? 'nothing known'}`, () => {
      assert.equal(didYouMean(typed, known), expected)
    })
  }
})
