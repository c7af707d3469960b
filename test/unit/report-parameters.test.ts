/** What a client asks for with NOTIFY, ORCPT, RET, ENVID, BODY and SMTPUTF8, and what it is refused for. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  decodeOrcpt,
  parseDsnMailParameters,
  parseDsnRcptParameters,
} from '../../src/outbound/report/parameters.ts'
import { decodeUnitext, decodeXtext, toSevenBit } from '../../src/outbound/report/xtext.ts'

type Given = readonly (readonly [string, string | null])[]

const NO_MAIL = { ret: null, envid: null, smtpUtf8: false, body: null }
const NO_RCPT = { notify: null, orcpt: null }

describe('parameters of MAIL', () => {
  const taken: readonly (readonly [Given, object])[] = [
    [[], NO_MAIL],
    [[['SIZE', '1000']], NO_MAIL],
    [[['AUTH', '<>']], NO_MAIL],
    [[['RET', 'FULL']], { ...NO_MAIL, ret: 'FULL' }],
    [[['RET', 'hdrs']], { ...NO_MAIL, ret: 'HDRS' }],
    [[['ENVID', 'QQ314159']], { ...NO_MAIL, envid: 'QQ314159' }],
    [[['ENVID', 'a+20b+2B+3D']], { ...NO_MAIL, envid: 'a+20b+2B+3D' }],
    [[['ENVID', 'x'.repeat(100)]], { ...NO_MAIL, envid: 'x'.repeat(100) }],
    [[['BODY', '7bit']], { ...NO_MAIL, body: '7BIT' }],
    [[['body', '8BITMIME']], { ...NO_MAIL, body: '8BITMIME' }],
    [[['SMTPUTF8', null]], { ...NO_MAIL, smtpUtf8: true }],
  ]
  for (const [given, parsed] of taken) {
    it(`takes ${JSON.stringify(given).slice(0, 60)}`, () => {
      assert.deepEqual(parseDsnMailParameters(given), parsed)
    })
  }

  const refused: readonly (readonly [Given, RegExp])[] = [
    [[['RET', 'BODY']], /RET is FULL or HDRS/],
    [[['RET', null]], /RET is FULL or HDRS/],
    [[['RET', '']], /RET is/],
    [
      [
        ['RET', 'FULL'],
        ['ret', 'FULL'],
      ],
      /RET is given twice/,
    ],
    [[['ENVID', null]], /ENVID needs a value/],
    [[['ENVID', '']], /ENVID needs a value/],
    [[['ENVID', 'x'.repeat(101)]], /longer than 100/],
    [[['ENVID', 'a b']], /xtext/],
    [[['ENVID', 'a=b']], /xtext/],
    [[['ENVID', 'a+2b']], /xtext/],
    [[['ENVID', 'a+2']], /xtext/],
    [[['ENVID', 'a+0D+0ASubject:+20x']], /xtext/],
    [[['ENVID', 'a+00']], /xtext/],
    [[['ENVID', 'a+E9']], /xtext/],
    [[['ENVID', 'é']], /xtext/],
    [[['ENVID', 'a\r\nb']], /xtext/],
    [[['BODY', null]], /BODY is 7BIT or 8BITMIME/],
    [[['BODY', 'BINARYMIME']], /BODY is 7BIT or 8BITMIME/],
    [[['SMTPUTF8', 'yes']], /SMTPUTF8 takes no value/],
    [
      [
        ['SMTPUTF8', null],
        ['SMTPUTF8', null],
      ],
      /given twice/,
    ],
  ]
  for (const [given, text] of refused) {
    it(`refuses ${JSON.stringify(given).slice(0, 60)} with 501 5.5.4`, () =>
      assertRefused(parseDsnMailParameters(given), text))
  }
})

describe('parameters of RCPT', () => {
  const taken: readonly (readonly [Given, object])[] = [
    [[], NO_RCPT],
    [[['X-OTHER', 'y']], NO_RCPT],
    [[['NOTIFY', 'NEVER']], { ...NO_RCPT, notify: [] }],
    [[['NOTIFY', 'never']], { ...NO_RCPT, notify: [] }],
    [[['NOTIFY', 'SUCCESS,FAILURE,DELAY']], { ...NO_RCPT, notify: ['SUCCESS', 'FAILURE', 'DELAY'] }],
    [[['NOTIFY', 'delay,Failure']], { ...NO_RCPT, notify: ['FAILURE', 'DELAY'] }],
    [[['NOTIFY', 'DELAY,DELAY']], { ...NO_RCPT, notify: ['DELAY'] }],
    [[['ORCPT', 'rfc822;Bob@Example.COM']], { ...NO_RCPT, orcpt: 'rfc822;Bob@Example.COM' }],
    [[['ORCPT', 'rfc822;bob+2Bx@example.com']], { ...NO_RCPT, orcpt: 'rfc822;bob+2Bx@example.com' }],
    [[['ORCPT', 'X400;/C=US'.replace('=', '+3D')]], { ...NO_RCPT, orcpt: 'X400;/C+3DUS' }],
    [[['ORCPT', 'utf-8;josé@example.com']], { ...NO_RCPT, orcpt: String.raw`utf-8;jos\x{E9}@example.com` }],
    [
      [['ORCPT', String.raw`UTF-8;\x{4E2D}@example.com`]],
      { ...NO_RCPT, orcpt: String.raw`UTF-8;\x{4E2D}@example.com` },
    ],
    [[['ORCPT', `rfc822;${'x'.repeat(493)}`]], { ...NO_RCPT, orcpt: `rfc822;${'x'.repeat(493)}` }],
  ]
  for (const [given, parsed] of taken) {
    it(`takes ${JSON.stringify(given).slice(0, 60)}`, () => {
      assert.deepEqual(parseDsnRcptParameters(given), parsed)
    })
  }

  const refused: readonly (readonly [Given, RegExp])[] = [
    [[['NOTIFY', null]], /NOTIFY is NEVER, or/],
    [[['NOTIFY', '']], /NOTIFY is NEVER, or/],
    [[['NOTIFY', 'NEVER,FAILURE']], /stands alone/],
    [[['NOTIFY', 'FAILURE,NEVER']], /stands alone/],
    [[['NOTIFY', 'NEVER,NEVER']], /stands alone/],
    [[['NOTIFY', 'FAILURE,']], /NOTIFY is NEVER, or/],
    [[['NOTIFY', 'FAILURE, DELAY']], /NOTIFY is NEVER, or/],
    [[['NOTIFY', '__proto__']], /NOTIFY is NEVER, or/],
    [
      [
        ['NOTIFY', 'NEVER'],
        ['NOTIFY', 'NEVER'],
      ],
      /given twice/,
    ],
    [[['ORCPT', null]], /ORCPT needs a value/],
    [[['ORCPT', 'bob@example.com']], /address type/],
    [[['ORCPT', ';bob@example.com']], /address type/],
    [[['ORCPT', 'rfc822;']], /address type/],
    [[['ORCPT', 'rfc 822;bob@example.com']], /address type/],
    [[['ORCPT', 'rfc822;bob+0D+0A@example.com']], /address type/],
    [[['ORCPT', 'rfc822;bob=x@example.com']], /address type/],
    [[['ORCPT', 'rfc822;josé@example.com']], /address type/],
    [[['ORCPT', 'utf-8;bob+x@example.com']], /address type/],
    [[['ORCPT', String.raw`utf-8;bob\x{D800}@example.com`]], /address type/],
    [[['ORCPT', String.raw`utf-8;bob\x{110000}@example.com`]], /address type/],
    [[['ORCPT', String.raw`utf-8;bob\x{0A}@example.com`]], /address type/],
    [[['ORCPT', String.raw`utf-8;bob\x{2028}@example.com`]], /address type/],
    [[['ORCPT', `rfc822;${'x'.repeat(494)}`]], /longer than 500/],
  ]
  for (const [given, text] of refused) {
    it(`refuses ${JSON.stringify(given).slice(0, 60)} with 501 5.5.4`, () =>
      assertRefused(parseDsnRcptParameters(given), text))
  }

  it('never throws, and what it takes can be written into a report and into the next RCPT', () => {
    const value = fc.option(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 30 }),
        fc
          .tuple(fc.constantFrom('rfc822', 'utf-8', 'x'), fc.string({ unit: 'binary', maxLength: 40 }))
          .map(([type, text]) => `${type};${text}`),
        fc
          .tuple(fc.constantFrom('rfc822;', 'utf-8;'), fc.string({ maxLength: 40 }))
          .map(
            ([type, text]) =>
              type +
              text.replaceAll(/[^!-~]|[+=\\]/g, (c) => (type === 'utf-8;' ? `\\x{${hex(c)}}` : `+${hex(c)}`)),
          ),
      ),
    )
    fc.assert(
      fc.property(value, (orcpt) => {
        const parsed = parseDsnRcptParameters([['ORCPT', orcpt]])
        if ('reply' in parsed) return
        assert.match(parsed.orcpt ?? '', /^[!-~]+$/)
        const decoded = decodeOrcpt(parsed.orcpt ?? '')
        assert.match(decoded?.address ?? '', /^[^\p{Cc}\p{Cs}]+$/u)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('xtext', () => {
  it('gives back what was encoded', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 50 }), (text) => {
        const encoded = text.replaceAll(/[^!-~]|[+=]/g, (character) => `+${hex(character)}`)
        assert.equal(decodeXtext(encoded), text)
      }),
    )
  })

  it('gives an address back from its 7-bit form', () => {
    const address = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
      .filter((text) => !/[ +=\\]/.test(text))
    fc.assert(
      fc.property(address, (text) => {
        assert.match(toSevenBit(text), /^[!-~]+$/)
        assert.equal(decodeUnitext(toSevenBit(text)), text)
        assert.equal(decodeUnitext(text), text)
      }),
    )
  })
})

function hex(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, '0')
}

function assertRefused(parsed: object, text: RegExp): void {
  assert.ok('reply' in parsed)
  const { reply } = parsed as { reply: { code: number; status: string; text: string } }
  assert.deepEqual([reply.code, reply.status], [501, '5.5.4'])
  assert.match(reply.text, text)
  assert.match(reply.text, /^[ -~]{1,400}$/)
}
