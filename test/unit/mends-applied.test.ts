/** What Haraka does for nothing, for each reply or message, is left out: system calls are counted. */

import assert from 'node:assert/strict'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os, { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { harakaModules } from '../../src/haraka/mend.ts'
import { applyMends } from '../../src/haraka/mends.ts'
import type { Plugin, Transaction } from '../../src/haraka/types.ts'

const require = createRequire(import.meta.url)
process.env['HARAKA'] = import.meta.dirname
const haraka = harakaModules({
  haraka_require: (name: string) => require(`Haraka/${name}`) as unknown,
} as unknown as Plugin)
applyMends(haraka, { logerror: (message: string) => assert.fail(message) })

interface MessageStream {
  add_line(line: Buffer): void
  add_line_end(done: () => void): void
  destroy(): void
}

const { createTransaction } = require('Haraka/transaction') as {
  createTransaction(this: void, uuid: string, cfg: object): { readonly message_stream: MessageStream }
}

describe('Haraka, mended,', () => {
  it('removes the file of a message only when one was written', async (t) => {
    let removed: (path: string) => void = () => undefined
    const unlink = t.mock.method(fs, 'unlink', (path: string, done: () => void) => {
      fs.rmSync(path, { force: true })
      removed(path)
      done()
    })
    const small = createTransaction('SMALL', {}).message_stream
    small.add_line(Buffer.from('Subject: small\r\n\r\n'))
    small.destroy()
    assert.equal(unlink.mock.callCount(), 0)

    const large = createTransaction('LARGE', {
      main: { spool_after: 10, spool_dir: tmpdir() },
    }).message_stream
    large.add_line(Buffer.from(`${'x'.repeat(100_000)}\r\n`))
    await new Promise<void>((resolve) => {
      large.add_line_end(resolve)
    })
    const gone = new Promise<string>((resolve) => {
      removed = resolve
    })
    large.destroy()
    assert.match(await gone, /LARGE\.eml$/)
  })

  it('asks the kernel for the name of the host once for many replies', () => {
    const name = os.hostname()
    assert.equal(os.hostname(), name)
    assert.doesNotMatch(String(os.hostname), /native code|getHostname/)
  })

  it('looks for results.ini once for many transactions', (t) => {
    const { config } = haraka.netUtils
    const first = config.get('results.ini', { booleans: ['+main.redis_publish'] })
    const exists = t.mock.method(fs, 'existsSync')
    for (let count = 0; count < 100; count += 1) assert.deepEqual(config.get('results.ini'), first)
    assert.equal(exists.mock.callCount(), 0)
  })

  it('takes mail of a plugin that does not ask what became of it, or fails when it is told', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const rejected: unknown[] = []
    const note = (reason: unknown) => rejected.push(reason)
    process.on('unhandledRejection', note)
    try {
      const mail = () => createTransaction('MADE', {}) as unknown as Transaction
      haraka.outbound.send_trans_email(mail())
      const told = new Promise<number>((resolve) => {
        haraka.outbound.send_trans_email(mail(), (code) => {
          resolve(code)
          throw new Error('the plugin is broken')
        })
      })
      // The queue is not open here: that is heard after a while.
      for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
      t.mock.timers.tick(10_000)
      assert.equal(await told, 903)
      for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
      assert.deepEqual(rejected, [])
    } finally {
      process.off('unhandledRejection', note)
    }
  })
})
