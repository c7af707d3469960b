/** Lines of the log go out together, in order, and none is lost when the process ends. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { gatherOutput } from '../../src/haraka/log-output.ts'

describe('the log', () => {
  it('is written once for the lines of one turn, and a terminal is left alone', async () => {
    for (const isTTY of [false, true]) {
      const written: string[] = []
      const stream = { isTTY, write: (text: string) => written.push(text) > 0 }
      gatherOutput(stream as unknown as NodeJS.WriteStream)
      stream.write('one\n')
      stream.write('two\n')
      await new Promise((resolve) => setImmediate(resolve))
      assert.deepEqual(written, isTTY ? ['one\n', 'two\n'] : ['one\ntwo\n'])
    }
  })

  for (const end of ['process.exit(3)', 'throw new Error("boom")', '']) {
    it(`is whole after ${end === '' ? 'the end of the script' : end}`, () => {
      const script = `
        const { gatherOutput } = await import('./src/haraka/log-output.ts')
        gatherOutput(process.stdout)
        for (let line = 0; line < 20000; line += 1) process.stdout.write('line ' + line + '\\n')
        ${end}`
      const flags = ['--import', 'tsx', '--input-type=module', '-e', script]
      const { stdout } = spawnSync(process.execPath, flags, { encoding: 'utf8', maxBuffer: 1e7 })
      const lines = stdout.trimEnd().split('\n')
      assert.equal(lines.length, 20_000)
      assert.equal(lines.at(-1), 'line 19999')
    })
  }
})
