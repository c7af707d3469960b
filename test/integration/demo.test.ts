/** `npm run demo` as a visitor runs it. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ROOT } from '../support/smarthost.ts'

describe('npm run demo', () => {
  it('plays every case of the KB, shows what arrived, and leaves nothing behind', async () => {
    const mine = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('connectors-demo-'))
    const before = mine()
    const child = spawn(process.execPath, [join(ROOT, 'bin', 'demo.js')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
    const [code] = (await once(child, 'close')) as [number]
    assert.equal(code, 0, text)
    for (const reason of [
      'sender-domain-accepted',
      'certificate-domain-accepted',
      'null-sender',
      'sender-domain-not-accepted',
      'no-certificate',
      'certificate-not-verified',
      'certificate-domain-not-accepted',
    ]) {
      assert.match(text, new RegExp(`${reason} +as expected`))
    }
    assert.match(text, /the sink +from <> to <kate@tailspintoys\.com>/)
    assert.match(text, /(\d+) of \1 as expected\./)
    assert.doesNotMatch(text, /NOT EXPECTED/)
    assert.deepEqual(mine(), before)
  })
})
