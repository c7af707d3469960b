/** Names as bash reads them back: whatever they hold, they are one word, and nothing of them is run. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { OpenQuote } from '../../src/cli/completion/bash-quoting.ts'
import { quoteForBash, unquoteTyped } from '../../src/cli/completion/bash-quoting.ts'
import { hasPrograms } from '../support/programs.ts'

const QUOTES: readonly OpenQuote[] = ['', "'", '"']

/** What bash makes of words, each as it stands on a command line. */
function readByBash(words: readonly string[]): string[] {
  const { stdout, status } = spawnSync('bash', ['--noprofile', '--norc'], {
    input: `printf '%s\\0' ${words.join(' ')}\n`,
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8' },
  })
  assert.equal(status, 0)
  return stdout.toString().split('\0').slice(0, -1)
}

const HOSTILE = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '$(touch /tmp/ran)',
        '`id`',
        '$HOME',
        '${x}',
        "'",
        '"',
        '\\',
        '\\\\',
        '!',
        '!!',
        '~',
        '#',
        '*',
        '?',
        '[a]',
      ),
      fc.constantFrom(
        ' ',
        '\t',
        '\n',
        '\r',
        '\u0007',
        '\u001b[31m',
        '\u202e',
        '\u0085',
        '{a,b}',
        ';',
        '&',
        '|',
        '<',
        '>',
        '(',
        ')',
      ),
      fc.string({ unit: 'grapheme', maxLength: 4 }).map((text) => text.replaceAll('\0', '')),
    ),
    { minLength: 1, maxLength: 8 },
  )
  .map((parts) => parts.join(''))
  .filter((name) => name !== '')

describe('a name on the command line of bash', () => {
  it('is read back as it is, in any quote that was open', (t) => {
    if (!hasPrograms(t, '/usr/bin/bash')) return
    const names = fc.sample(HOSTILE, 700)
    for (const open of QUOTES) {
      const words = names.map((name) => `${open}${quoteForBash(name, open)}${open}`)
      assert.deepEqual(readByBash(words), names)
    }
  })

  it('goes onto the line without control characters', () => {
    fc.assert(
      fc.property(HOSTILE, fc.constantFrom(...QUOTES), (name, open) => {
        assert.doesNotMatch(quoteForBash(name, open), /[\u0000-\u001f\u007f-\u009f\u202e]/)
      }),
    )
  })

  it('that was typed in part is understood as bash does, with the quote that is open', () => {
    const rows: readonly (readonly [raw: string, value: string, open: OpenQuote])[] = [
      ['', '', ''],
      ['Branch', 'Branch', ''],
      [String.raw`Branch\ sc`, 'Branch sc', ''],
      ['"Branch sc', 'Branch sc', '"'],
      ["'Branch sc", 'Branch sc', "'"],
      ['"Bran"ch', 'Branch', ''],
      [`"it's \\"x\\" \\n \\$`, `it's "x" \\n $`, '"'],
      [String.raw`'a\'`, 'a\\', ''],
      ['a\\', 'a', ''],
      ['$(touch /tmp/ran)', '$(touch /tmp/ran)', ''],
    ]
    for (const [raw, value, open] of rows) assert.deepEqual(unquoteTyped(raw), { value, open }, raw)
  })

  it('that was completed is understood when TAB is pressed again', () => {
    const plain = fc.string({ unit: 'grapheme-ascii', maxLength: 20 })
    fc.assert(
      fc.property(plain, fc.constantFrom(...QUOTES), (name, open) => {
        assert.equal(unquoteTyped(`${open}${quoteForBash(name, open)}`).value, name)
      }),
    )
  })
})
