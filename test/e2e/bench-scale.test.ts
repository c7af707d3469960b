/** The benchmarks of the directory in Redis run, also short; what must hold on any machine is asserted, times are not. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { it } from 'node:test'
import { History } from '../../bench/soak-history.ts'
import { organizationsFor, readRead, writeRead } from '../../bench/soak-world.ts'
import type { Read } from '../../bench/soak-world.ts'
import { hasPrograms } from '../support/programs.ts'
import { REDIS_SERVER } from '../support/redis.ts'
import type { Finished } from '../support/smarthost.ts'
import { ROOT, run } from '../support/smarthost.ts'

const bench = (what: string): Promise<Finished> =>
  run('env', 'PROOF=short', process.execPath, join(ROOT, 'bin', 'bench.js'), what)

it(
  'bench scale: as many Redis commands at every size, and a second apply changes nothing',
  { timeout: 300_000 },
  async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const { code, stderr, stdout } = await bench('scale')
    assert.equal(code, 0, stdout + stderr)
    const times = (pattern: RegExp): number => [...stdout.matchAll(pattern)].length
    assert.equal(times(/it said: nothing to change$/gm), 3)
    assert.equal(times(/it said: sound: 101 organisations, (?:101|1001|5001) accepted domains/g), 3)
    assert.equal(times(/^ +cold, .*; Redis commands: mget 2$/gm), 3)
    assert.equal(times(/^ +warm, .*; Redis commands: none$/gm), 3)
    assert.match(stdout, /Redis commands a message: 0\.000 against 0\.000/)
    assert.match(stdout, /Redis commands a message: 2\.000 against 2\.000/)
    assert.match(stdout, /Redis commands for each of these MAIL: 1\.000 and 1\.000/)
  },
)

it(
  'bench soak: workers that change and decide at once never contradict the audit stream',
  { timeout: 300_000 },
  async (t) => {
    if (!hasPrograms(t, REDIS_SERVER)) return
    const { code, stderr, stdout } = await bench('soak')
    assert.equal(code, 0, stdout + stderr)
    assert.match(stdout, /contradictions of the audit stream \(beyond 1000 ms\): 0$/m)
    assert.match(stdout, /directory verify: 0 faults; audit stream: 0 faults/)
    const [, decisions = 0, writes = 0] =
      /decisions: (\d+),[^]*writes: (\d+),/.exec(stdout)?.map(Number) ?? []
    assert.ok(decisions > 100 && writes > 4, stdout)
  },
)

it('the soak would see an answer that is too old', () => {
  const after = JSON.stringify({ v: 1 })
  const fixed = { revision: '1-1', who: 'a', command: 'soak' }
  const history = new History(1, [
    {
      ...fixed,
      id: '10000-0',
      organization: 'w0-a',
      record: 'accepted-domain moving0.example',
      before: '',
      after,
    },
    {
      ...fixed,
      id: '20000-0',
      organization: 'w0-a',
      record: 'accepted-domain moving0.example',
      before: after,
      after: '',
    },
    {
      ...fixed,
      id: '20000-1',
      organization: 'w0-b',
      record: 'accepted-domain moving0.example',
      before: '',
      after,
    },
    {
      ...fixed,
      id: '30000-0',
      organization: 'w0-a',
      record: 'accepted-domain contested.example',
      before: '',
      after,
    },
    {
      ...fixed,
      id: '30001-0',
      organization: 'w0-b',
      record: 'accepted-domain contested.example',
      before: '',
      after,
    },
  ])
  assert.equal(history.faults.length, 1)
  const relayed = { owner: 0, connector: true, outcome: 'relay' } as const
  const read = (asked: number, seen: Read['seen']): number =>
    history.staleness(readRead(writeRead({ subject: 0, asked, answered: asked + 3, away: false, seen })))
  assert.equal(read(15_000, relayed), 0)
  assert.equal(read(19_999, relayed), 0)
  assert.equal(read(20_900, relayed), 900)
  assert.equal(read(22_000, relayed), 2000)
  assert.equal(read(22_000, { owner: 1, connector: true, outcome: 'deny' }), 0)
  assert.equal(read(15_000, { owner: 1, connector: true, outcome: 'deny' }), Infinity)
  assert.equal(read(22_000, { owner: null, connector: null, outcome: 'defer' }), 0)
  assert.equal(read(22_000, { owner: 2, connector: true, outcome: 'deny' }), Infinity)
  assert.equal(
    organizationsFor(0, { owner: 1, connector: false, flip: true }, true)[1]?.acceptedDomains.length,
    2,
  )
})
