/**
 * `npm test`, `npm run test:unit`, `npm run proof`. node's own test runner, given every file by name: under tsx on
 * Node 20 a folder or a glob finds nothing and exits 0. So the run also fails when a file ran no test.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureDependencies, ROOT } from './dependencies.js'

const SUITES = ['unit', 'integration', 'e2e']

ensureDependencies()
const [wanted = 'all'] = process.argv.slice(2)
const suites = wanted === 'all' || wanted === 'proof' ? SUITES : [wanted]
if (!suites.every((suite) => SUITES.includes(suite))) {
  process.stderr.write(`usage: node bin/test.js [${SUITES.join(' | ')} | proof]\n`)
  process.exit(2)
}

const files = suites.flatMap((suite) =>
  readdirSync(join(ROOT, 'test', suite))
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => join('test', suite, name)),
)
const folder = mkdtempSync(join(tmpdir(), 'connectors-test-'))
const counts = join(folder, 'counts.json')
const { status } = spawnSync(
  process.execPath,
  [
    '--import',
    'tsx',
    '--test',
    '--test-concurrency=2',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${join(ROOT, 'bin', 'count-reporter.js')}`,
    `--test-reporter-destination=${counts}`,
    ...files,
  ],
  { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...(wanted === 'proof' ? { PROOF: 'whole' } : {}) } },
)

const ran = JSON.parse(readFileSync(counts, 'utf8'))
rmSync(folder, { recursive: true, force: true })
const silent = files.filter((file) => !(ran[join(ROOT, file)] > 0))
process.stdout.write(`${files.length} test files, ${files.length - silent.length} of them ran tests\n`)
if (silent.length > 0) process.stdout.write(`no test ran in: ${silent.join(', ')}\n`)
process.exit(silent.length > 0 || files.length === 0 ? 1 : (status ?? 1))
