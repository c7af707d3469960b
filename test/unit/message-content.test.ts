/** What goes out of a message is what came in. With Haraka's own transaction, which takes the lines apart. */

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, it } from 'node:test'
import { contentOf } from '../../src/haraka/message-content.ts'
import { watchMessage } from '../../src/haraka/message-watch.ts'
import type { Transaction } from '../../src/haraka/types.ts'

const require = createRequire(import.meta.url)
const { createTransaction } = require('Haraka/transaction') as {
  createTransaction(
    this: void,
    uuid: string,
    cfg: object,
  ): Transaction & { readonly header_lines: string[]; end_data(done: () => void): void }
}

const RECEIVED = 'Received: by smtp.contoso.com\r\n\tid 1\r\n'

/** @returns what goes out of a message of these lines */
async function through(lines: readonly string[], limits = {}): Promise<string> {
  const transaction = createTransaction('ONE', limits)
  transaction.header_lines.push(RECEIVED.replaceAll('\r\n', '\n'))
  watchMessage(transaction)
  for (const line of lines) transaction.add_data(Buffer.from(`${line}\r\n`, 'latin1'))
  await new Promise<void>((resolve) => {
    transaction.end_data(resolve)
  })
  const content = await contentOf(transaction)
  return content.toString('latin1')
}

function many(count: number, line: (index: number) => string): string[] {
  return Array.from({ length: count }, (_, index) => line(index))
}

function joined(lines: readonly string[]): string {
  return lines.map((line) => `${line}\r\n`).join('')
}

describe('a message without an empty line', () => {
  it('keeps all of its text, however long it is', async () => {
    const text = many(5000, (index) => `line ${index} caf\xe9`)
    assert.equal(await through(text), `${RECEIVED}\r\n${joined(text)}`)
    assert.equal(await through(['Subject: log', ...text]), `${RECEIVED}Subject: log\r\n\r\n${joined(text)}`)
  })

  it('keeps text that looks like fields, beyond those that Haraka keeps', async () => {
    const lines = many(3000, (index) => `12:00:01 event ${index}`)
    const sent = await through(lines)
    for (const line of lines) assert.ok(sent.includes(`${line}\r\n`), line)
  })

  it('keeps doubled dots, and is empty where there is nothing but a header', async () => {
    assert.equal(await through(['Subject: x', '..', '..a']), `${RECEIVED}Subject: x\r\n\r\n..\r\n..a\r\n`)
    assert.equal(await through(['Subject: x']), `${RECEIVED}Subject: x\r\n\r\n`)
  })
})

describe('a message with a header', () => {
  it('goes out as it came in, with more lines of it than Haraka keeps', async () => {
    const header = many(1500, (index) => `X-${index}: caf\xe9`)
    const body = many(1500, (index) => `line ${index} \xff`)
    const lines = [...header, '', ...body]
    assert.equal(await through(lines), `${RECEIVED}${joined(lines)}`)
  })
})
