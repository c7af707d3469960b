/** The benchmark runs, also short: what it measures is for people to judge. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

it('npm run bench measures certificates and both servers, and prints ratios', { timeout: 300_000 }, () => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [join(ROOT, 'bin', 'bench.js')], {
    encoding: 'utf8',
    env: { ...process.env, PROOF: 'short' },
  })
  assert.equal(status, 0, stdout + stderr)
  assert.match(stdout, /rsa: second time \d/)
  assert.match(stdout, /hostile chains/)
  for (const unit of ['session', 'recipient', 'message']) {
    assert.match(stdout, new RegExp(`CPU a ${unit}: +\\d+\\.\\d\\d \\(`))
  }
  const wrong = spawnSync(process.execPath, [join(ROOT, 'bin', 'bench.js'), 'nothing'], { encoding: 'utf8' })
  assert.equal(wrong.status, 2)
})
