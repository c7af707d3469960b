/** Hostile text in scripts and settings: PowerShell, Postfix, Exim and a shell read back what was written, and nothing else. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  commentText,
  eximString,
  postfixValue,
  powershellString,
  shellWord,
  UnquotableText,
} from '../../src/client-setup/quoting.ts'
import { printable } from '../../src/text/printable.ts'
import { EXIM } from '../support/exim.ts'
import { tokenize, valueOf } from '../support/powershell.ts'
import { hasPrograms } from '../support/programs.ts'
import { temporaryFolder } from '../support/smarthost.ts'

const HOSTILE = [
  "'; Remove-Item C:\\ -Recurse; '",
  '\u2019; Remove-Item C:\\ -Recurse; \u2018',
  '\u201e$(Remove-Item C:\\)\u201d',
  '$(reboot) `reboot` ${run{/bin/reboot}} $data_directory $$ \\$x \\\\',
  '"; begin acl "',
  'a\\',
  "it's",
  "''",
  '#>',
  '\u0152\u2026', // whose UTF-8 holds apostrophes of code page 1252
  '\u{1f4e7} M\u00fcller & S\u00f6hne',
  '!history !! %PATH% ~ * ? [a] {a,b} <x> | & ; =ls',
  '-rf',
]
const TOO_MUCH = ['a\nb', 'a\rb', 'a\0b', 'a\u2028b', 'a\u202eb', '\ud800', '\u0085', 'x'.repeat(9000)]

const text = fc.oneof(
  fc.constantFrom(...HOSTILE),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom(...`'"\`$\\(){}#;|&<> \u2018\u2019\u201a\u201b\u201c\u00e9ax`.split('')),
    maxLength: 30,
  }),
)
const oneLine = text.filter((candidate) => printable(candidate, 10_000) === candidate)

/** Where a language has no form for it, it is refused. */
function quoted(quote: (text: string) => string, candidate: string): string | null {
  try {
    return quote(candidate)
  } catch (error) {
    assert.ok(error instanceof UnquotableText, String(error))
    return null
  }
}

function samples(): string[] {
  return [...HOSTILE, ...fc.sample(oneLine, 400)]
}

describe('the reader of PowerShell that these tests have', () => {
  it('knows strings, what is expanded in them, comments, groups and what is not closed', () => {
    const said = (script: string): unknown[] =>
      tokenize(script).map((token) => ('text' in token ? token.text : token.kind))
    assert.deepEqual(said("'it''s'"), ["it's"])
    assert.deepEqual(said('\u2018a\u2019; b'), ['a', 'end', 'b'])
    assert.deepEqual(said("'a\u2019\u2019b'"), ['a\u2019b'])
    assert.deepEqual(said('"a`"b""c"'), ['a"b"c'])
    assert.deepEqual(said("x # it's\ny"), ['x', 'end', 'y'])
    assert.deepEqual(said('a `\n b'), ['a', 'b'])
    assert.deepEqual(said("('a' + 'b') | c"), ['group', 'end', 'c'])
    for (const open of ["'a", "''a'", '"a', '(a', 'a)', '{ ( }', '"$(a"'])
      assert.throws(() => tokenize(open), open)
  })
})

describe('a text in a script of PowerShell', () => {
  it('is one expression of ASCII that says exactly it, whatever it is', () => {
    fc.assert(
      fc.property(oneLine, (candidate) => {
        const written = powershellString(candidate)
        assert.match(written, /^[ -~]*$/)
        assert.equal(valueOf(tokenize(written)), candidate)
      }),
      { numRuns: 3000 },
    )
  })
})

describe('any text in a comment', () => {
  it('stays in its line and in ASCII', () => {
    fc.assert(
      fc.property(fc.oneof(text, fc.constantFrom(...TOO_MUCH)), (candidate) => {
        assert.match(commentText(candidate), /^[ -~]*$/)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('text that no language has a form for', () => {
  it('is refused, not altered', () => {
    for (const quote of [powershellString, postfixValue, eximString, shellWord]) {
      for (const candidate of TOO_MUCH)
        assert.equal(quoted(quote, candidate), null, JSON.stringify(candidate))
    }
    for (const candidate of ['', ' a', 'a ']) assert.equal(quoted(postfixValue, candidate), null)
    assert.equal(quoted(eximString, ''), null)
  })
})

describe('a path in the lines for Postfix', () => {
  it('is what Postfix itself reads', async (t) => {
    if (!hasPrograms(t, '/usr/sbin/postconf')) return
    const folder = await temporaryFolder(t)
    const written = samples().flatMap((value) => {
      const line = quoted(postfixValue, value)
      return line === null ? [] : [{ value, line }]
    })
    const names = written.map((_, index) => `try_${index}`)
    writeFileSync(
      join(folder, 'main.cf'),
      [
        'compatibility_level = 3.6',
        ...written.map(({ line }, index) => `try_${index} = ${line}`),
        // A name that nothing refers to would be taken for a mistake.
        `mynetworks = ${names.map((name) => `$${name}`).join(' ')}`,
        '',
      ].join('\n'),
    )
    writeFileSync(join(folder, 'master.cf'), '')
    const { stdout, stderr } = spawnSync('/usr/sbin/postconf', ['-c', folder, '-xh', ...names])
    assert.ok(written.length > 200)
    // postconf shows one space for several; Postfix keeps them.
    const shown = (value: string): string => value.replaceAll(/ +/g, ' ')
    const read = stdout.toString().split('\n').slice(0, -1)
    assert.equal(read.length, written.length, stderr.toString())
    for (const [index, { value }] of written.entries()) assert.equal(read[index], shown(value))
  })
})

describe('a path in the lines for Exim', () => {
  it('is what Exim itself reads and expands', async (t) => {
    if (!hasPrograms(t, EXIM)) return
    const folder = await temporaryFolder(t)
    const written = samples().flatMap((value) => {
      const line = quoted(eximString, value)
      return line === null ? [] : [{ value, line }]
    })
    const config = join(folder, 'exim.conf')
    const transports = written.map(
      ({ line }, index) => `t${index}:\n  driver = smtp\n  tls_certificate = ${line}\n`,
    )
    writeFileSync(
      config,
      `keep_environment =\nspool_directory = ${folder}\nlog_file_path = ${folder}/%s\nbegin transports\n${transports.join('')}`,
    )
    const exim = (args: readonly string[], input: string): string => {
      const { stdout, stderr, status } = spawnSync(EXIM, ['-C', config, ...args], { input })
      assert.equal(status, 0, stderr.toString())
      return stdout.toString()
    }
    const read = exim(['-bP', 'transports'], '')
      .split('\n')
      .flatMap((line) =>
        line.startsWith('tls_certificate = ') ? [line.slice('tls_certificate = '.length)] : [],
      )
    assert.equal(read.length, written.length)
    assert.ok(written.length > 200)
    // The markers keep spaces at both ends.
    const expanded = exim(['-be'], read.map((value) => `from:${value}:to\n`).join(''))
    for (const [index, { value }] of written.entries()) {
      assert.equal(expanded.split('\n')[index], `> from:${value}:to`)
    }
  })
})

describe('a word in a command of a shell', () => {
  it('is that word, in bash, and in dash as well where it is ASCII', () => {
    const values = samples()
    const ascii = values.filter((value) => /^[ -~]*$/.test(value))
    assert.ok(ascii.length > 100)
    for (const [shell, words] of [
      ['bash', values],
      ['dash', ascii],
    ] as const) {
      const command = `printf '%s\\n' ${words.map(shellWord).join(' ')}`
      assert.match(command, /^[ -~]*$/)
      const { stdout } = spawnSync(shell, ['-c', command], {
        env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      })
      assert.deepEqual(stdout.toString().split('\n').slice(0, -1), words)
    }
  })
})
