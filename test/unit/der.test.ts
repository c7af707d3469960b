/** DER has one encoding for each value; every other one is refused. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { oidOf, parseDer, stringOf } from '../../src/certificate/der.ts'
import { CertificateFault } from '../../src/certificate/reasons.ts'

const der = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

describe('DER', () => {
  for (const [what, hex] of [
    ['nothing', ''],
    ['a tag without a length', '30'],
    ['an octet behind the element', '0500 00'],
    ['two elements', '0500 0500'],
    ['content that is missing', '0403 0102'],
    ['a length that is cut off', '0482 01'],
    ['a length in more octets than it needs', '048101 00'],
    ['a length with a leading zero', `04820080 ${'00'.repeat(128)}`],
    ['a length of five octets', '0485 0000000001 00'],
    ['an indefinite length', '3080 0500 0000'],
    ['a tag of two octets', '1f81 0000'],
    ['an INTEGER of no octets', '0200'],
    ['an INTEGER with a leading zero too many', '0202 0001'],
    ['a negative INTEGER with a leading octet too many', '0202 ff80'],
    ['a primitive SEQUENCE', '1003 020101'],
    ['a primitive SET', '1103 020101'],
    ['a string in pieces', '2404 0402 0102'],
    ['an element that is longer than the one around it', '3003 0402 01'],
    ['a hundred elements in each other', nested(100)],
  ] as const) {
    it(`is not: ${what}`, () => {
      assert.throws(() => parseDer(der(hex)), CertificateFault)
    })
  }

  it('is read as it stands, with the octets of each part', () => {
    const whole = parseDer(der('3008 020200ff 0402abcd'))
    const [number, octets] = whole.inside ?? []
    assert.equal(number?.octets.toString('hex'), '00ff')
    assert.equal(octets?.encoding.toString('hex'), '0402abcd')
    assert.equal(whole.encoding.length, 10)
  })

  it('holds identifiers with arcs of any size', () => {
    for (const [hex, text] of [
      ['0603 550403', '2.5.4.3'],
      ['0609 2a864886f70d010101', '1.2.840.113549.1.1.1'],
      ['0603 883703', '2.999.3'],
      ['0614 69 83 c8 c0 c0 c0 c0 c0 c0 c0 c0 c0 c0 c0 c0 c0 c0 c0 c0 00', null],
      ['0602 8001', null],
      ['0602 5580', null],
      ['0600', null],
    ] as const) {
      const read = (): string => oidOf(parseDer(der(hex)), 'identifier')
      if (text !== null) assert.equal(read(), text)
      else if (hex.startsWith('0614')) assert.match(read(), /^2\.25\.\d{30,}/)
      else assert.throws(read, CertificateFault)
    }
  })

  it('holds text in the string types of X.520', () => {
    assert.equal(stringOf(parseDer(der('0c03 c3bc41'))), 'üA')
    assert.equal(stringOf(parseDer(der('1e04 00fc0041'))), 'üA')
    assert.equal(stringOf(parseDer(der('1e03 00fc00'))), null)
    assert.equal(stringOf(parseDer(der('1302 4142'))), 'AB')
    assert.equal(stringOf(parseDer(der('0402 4142'))), null)
  })

  it('is nothing that crashes the reader, whatever the octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (octets) => {
        try {
          const element = parseDer(Buffer.from(octets))
          assert.deepEqual(element.encoding, Buffer.from(octets))
        } catch (error) {
          assert.ok(error instanceof CertificateFault)
        }
      }),
      { numRuns: 5000 },
    )
  })
})

function nested(depth: number): string {
  let hex = '0500'
  for (let count = 0; count < depth; count += 1) {
    const length = hex.length / 2
    const size =
      length < 0x80 ? length.toString(16).padStart(2, '0') : `82${length.toString(16).padStart(4, '0')}`
    hex = `30${length >= 0x80 && length < 0x100 ? `81${length.toString(16)}` : size}${hex}`
  }
  return hex
}
