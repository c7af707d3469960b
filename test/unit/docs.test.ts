/** The documents say what the program does. UPDATE=1 writes the list of reasons anew. */

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { CERTIFICATE_REASONS } from '../../src/certificate/reasons.ts'
import { MENDS } from '../../src/haraka/mends.ts'
import { REASONS } from '../../src/policy/reasons.ts'
import { ROOT } from '../support/smarthost.ts'

const DOCUMENTS = [
  'deploy/README.md',
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
]
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8')

/** A list in a document is the one that is made from the program. */
function assertListed(name: string, lines: readonly string[]): void {
  const text = read(name)
  const [begin, end] = ['<!-- prettier-ignore-start -->\n\n', '\n<!-- prettier-ignore-end -->\n']
  assert.ok(text.includes(begin))
  const expected = `${text.slice(0, text.indexOf(begin) + begin.length)}${lines.join('\n')}\n${end}`
  if (process.env['UPDATE'] === '1') writeFileSync(join(ROOT, name), expected)
  assert.equal(read(name), expected)
}

describe('the documents', () => {
  it('list every reason of a decision, as the program has it', () => {
    assertListed(
      'docs/rule.md',
      REASONS.map(
        ({ code, outcome, sentence, advice }) =>
          `- \`${code}\` (${outcome}): ${sentence}${advice === '' ? '' : ` *${advice.replaceAll('*', '\\*')}*`}`,
      ),
    )
  })

  it('list every reason why a certificate does not count', () => {
    assertListed(
      'docs/certificates.md',
      Object.entries(CERTIFICATE_REASONS).map(([code, sentence]) => `- \`${code}\`: ${sentence}`),
    )
  })

  it('name no file that is not there', () => {
    for (const name of DOCUMENTS) {
      for (const [, target = ''] of read(name).matchAll(/\]\((?!https?:)([^)#]+)/g)) {
        assert.ok(existsSync(join(ROOT, dirname(name), target)), `${name}: ${target}`)
      }
    }
  })

  it('name every upstream issue of a mend', () => {
    const text = read('docs/operations.md')
    for (const { upstream } of MENDS)
      if (upstream.startsWith('haraka/')) assert.ok(text.includes(upstream), upstream)
  })
})
