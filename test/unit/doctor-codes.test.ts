/** The closed list of findings, docs/doctor.md and the tests say the same. UPDATE=1 writes the document's list anew. */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { FINDING_CODES } from '../../src/doctor/codes.ts'
import { ROOT } from '../support/smarthost.ts'

const DOCUMENT = join(ROOT, 'docs', 'doctor.md')
const BEGIN = '<!-- prettier-ignore-start -->\n\n'
const END = '\n<!-- prettier-ignore-end -->\n'

/** Each group under a heading, in the order of the list. */
function listed(): string {
  const groups = new Set(FINDING_CODES.map(({ group }) => group))
  const sections = [...groups].map((group) => {
    const lines = FINDING_CODES.filter((text) => text.group === group).map(
      ({ code, evidence, meaning, remedy }) =>
        `- \`${code}\`: ${meaning}\n  - Evidence: ${evidence}.\n  - Remedy: ${remedy}`,
    )
    return `### ${group}\n\n${lines.map((line) => line.replaceAll('*', String.raw`\*`)).join('\n')}\n`
  })
  return sections.join('\n')
}

function filesOf(...folder: string[]): string[] {
  return readdirSync(join(ROOT, ...folder)).map((name) => join(ROOT, ...folder, name))
}

describe('the findings of doctor', () => {
  it('are all in docs/doctor.md, with their evidence and remedy, and no others', () => {
    const text = readFileSync(DOCUMENT, 'utf8')
    assert.ok(text.includes(BEGIN))
    const expected = `${text.slice(0, text.indexOf(BEGIN) + BEGIN.length)}${listed()}${END}`
    if (process.env['UPDATE'] === '1') writeFileSync(DOCUMENT, expected)
    assert.equal(readFileSync(DOCUMENT, 'utf8'), expected)
  })

  it('have each a code of their own, in kebab-case', () => {
    const codes = FINDING_CODES.map(({ code }) => code)
    assert.equal(new Set(codes).size, codes.length)
    for (const code of codes) assert.match(code, /^[a-z]+(?:-[a-z]+)+$/)
  })

  it('are all reported by a check, and tried by a test', () => {
    const sources = filesOf('src', 'doctor').filter((name) => !name.includes('codes'))
    const tests = [...filesOf('test', 'unit'), ...filesOf('test', 'integration')].filter(
      (name) => name.includes('/doctor') && !name.endsWith('doctor-codes.test.ts'),
    )
    const textOf = (names: readonly string[]): string =>
      names.map((name) => readFileSync(name, 'utf8')).join('\n')
    const [source, tried] = [textOf(sources), textOf(tests)]
    for (const { code } of FINDING_CODES) {
      assert.ok(source.includes(`'${code}'`), `${code} is never reported`)
      assert.ok(tried.includes(`'${code}'`), `${code} is in no test`)
    }
  })
})
