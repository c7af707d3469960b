/** The body of a message in blocks: the same octets reach the message, and nothing special about a line is passed over. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import constants from 'haraka-constants'
import { endOfPlainLines, takeBody } from '../../src/haraka/mend-body.ts'
import type { Transaction } from '../../src/haraka/types.ts'

const LONGEST = 20
const MAX = { bytes: 0, data_line_length: LONGEST }
const { DATA } = constants.connection.state

interface Body {
  readonly connection: Parameters<typeof takeBody>[0]
  readonly lines: Buffer[]
}

function body(data: string, given: Partial<Transaction> = {}): Body {
  const lines: Buffer[] = []
  const transaction = {
    found_hb_sep: true,
    parse_body: false,
    discard_data: false,
    data_bytes: 0,
    message_stream: { add_line: (line: Buffer) => lines.push(line) },
    ...given,
  } as unknown as Transaction
  return { connection: { state: DATA, current_data: Buffer.from(data, 'latin1'), transaction }, lines }
}

describe('a body in blocks', () => {
  it('is cut before the first line that is special, and after the last that is whole', () => {
    const rows: readonly (readonly [rest: string, what: string])[] = [
      ['.\r\n', 'the end of the message'],
      ['a\n', 'a bare LF'],
      ['a\rb\r\n', 'a bare CR'],
      ['\r\r\n', 'a CR before CRLF'],
      ['a\0\r\n', 'a NUL'],
      [`${'x'.repeat(LONGEST - 1)}\r\n`, 'a line that is too long'],
      ['--part\r\n', 'what may be a MIME boundary'],
      ['half', 'a line that is not whole'],
      ['half\r', 'half a CRLF'],
      ['', 'nothing'],
    ]
    for (const [rest, what] of rows) {
      for (const plain of ['', 'one\r\n', 'one\r\n\r\n..two\r\n-x\r\n']) {
        const end = endOfPlainLines(Buffer.from(plain + rest, 'latin1'), LONGEST)
        assert.equal(end, plain.length, `${what} after ${JSON.stringify(plain)}`)
      }
    }
  })

  it('holds a line of just the length that Haraka lets pass', () => {
    const line = `${'x'.repeat(LONGEST - 2)}\r\n`
    assert.equal(endOfPlainLines(Buffer.from(line), LONGEST), line.length)
  })

  it('never holds part of a line, anything special, or an octet that did not come', () => {
    const piece = fc.constantFrom('\r\n', '\r', '\n', '.', '--', '\0', 'a', 'bc', 'x'.repeat(15), '.\r\n')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const data = pieces.join('')
        const { connection, lines } = body(data)
        takeBody(connection, MAX)
        const taken = Buffer.concat(lines).toString('latin1')
        assert.equal(taken + (connection.current_data ?? '').toString('latin1'), data)
        assert.equal(connection.transaction?.data_bytes, taken.length)
        for (const line of taken.split(/(?<=\n)/).filter((text) => text !== '')) {
          assert.match(line, /^(?!\.\r\n|--)[^\r\n\0]*\r\n$/)
          assert.ok(line.length <= LONGEST)
        }
      }),
    )
  })

  it("is left to Haraka in the header, where a plugin wants its parts, and beyond the limit of a message's size", () => {
    const text = 'one\r\ntwo\r\n'
    const rows: readonly (readonly [Partial<Transaction>, number])[] = [
      [{ found_hb_sep: false }, 0],
      [{ parse_body: true }, 0],
      [{ discard_data: true }, 0],
      [{ data_bytes: 95 }, 100],
    ]
    for (const [given, bytes] of rows) {
      const { connection, lines } = body(text, given)
      takeBody(connection, { ...MAX, bytes })
      assert.deepEqual(lines, [])
      assert.equal(connection.current_data?.toString(), text)
    }
    const { connection, lines } = body(text)
    takeBody({ ...connection, state: DATA + 1 }, MAX)
    assert.deepEqual(lines, [])
  })
})
