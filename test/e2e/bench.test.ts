/** The benchmark runs, also short: what it measures is for people to judge. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { hasPrograms } from '../support/programs.ts'

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

it(
  'npm run bench -- outbound measures three servers from their clients to their next hops',
  { timeout: 300_000 },
  (t: TestContext) => {
    if (!hasPrograms(t, '/usr/sbin/postfix', '/usr/sbin/smtp-sink')) return
    const { status, stderr, stdout } = spawnSync(
      process.execPath,
      [join(ROOT, 'bin', 'bench.js'), 'outbound'],
      {
        encoding: 'utf8',
        env: { ...process.env, PROOF: 'short' },
      },
    )
    assert.equal(status, 0, stdout + stderr)
    assert.match(
      stdout,
      /1 MiB, 100 destinations\n +delivered a second: ours \d+; ours, two workers \d+; bare Haraka \d+; Postfix \d+/,
    )
    assert.match(stdout, /CPU a message, in milliseconds: ours \d/)
  },
)
