/** Replies of a next hop, however they arrive. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Reply } from '../../src/outbound/smtp/reply.ts'
import { BadReply, ReplyParser } from '../../src/outbound/smtp/reply.ts'

function heard(...chunks: string[]): { codes: number[]; failed: boolean } {
  const parser = new ReplyParser()
  const replies: Reply[] = []
  try {
    for (const chunk of chunks)
      for (const reply of parser.push(Buffer.from(chunk, 'latin1'))) replies.push(reply)
    return { codes: replies.map(({ code }) => code), failed: false }
  } catch (error) {
    assert.ok(error instanceof BadReply)
    return { codes: replies.map(({ code }) => code), failed: true }
  }
}

describe('a reply', () => {
  it('is the same however it is cut', () => {
    assert.deepEqual(heard('250-one\r\n250 two\r\n354 go\r\n'), { codes: [250, 354], failed: false })
    assert.deepEqual(heard('25', '0-one\r', '\n250 two\r\n35', '4 go\n'), {
      codes: [250, 354],
      failed: false,
    })
  })

  it('counts when it was whole, whatever comes after it: a message that was taken is not sent again', () => {
    assert.deepEqual(heard('250 2.0.0 taken\r\n\r\n'), { codes: [250], failed: true })
    assert.deepEqual(heard('250 2.0.0 taken\r\nHTTP/1.1 400\r\n'), { codes: [250], failed: true })
    assert.deepEqual(heard(`250 2.0.0 taken\r\n${'x'.repeat(5000)}`), { codes: [250], failed: true })
  })

  it('ends the connection when it is none, or too long', () => {
    for (const bad of ['hello\r\n', '999 x\r\n', '250-a\r\n251 b\r\n', '25\r\n', `250 ${'x'.repeat(5000)}`])
      assert.deepEqual(heard(bad), { codes: [], failed: true }, bad.slice(0, 20))
    assert.equal(heard('250-x\r\n'.repeat(100_000)).failed, true)
  })
})
