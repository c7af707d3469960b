/** Servers and clients of Debian that tests use: missing in CI is a failure, elsewhere a loud skip. */

import { existsSync } from 'node:fs'
import type { TestContext } from 'node:test'

/**
 * @param t the test that needs them
 * @param paths the programs
 * @returns whether they are there; when not, the test is skipped
 * @throws in CI, where .ci/run installs them
 */
export function hasPrograms(t: TestContext, ...paths: string[]): boolean {
  const missing = paths.filter((path) => !existsSync(path))
  if (process.getuid?.() !== 0) missing.push('root')
  if (missing.length === 0) return true
  const what = `SKIPPED: ${missing.join(', ')} missing (.ci/run installs it)`
  if (process.env['CI'] === 'true') throw new Error(what)
  t.diagnostic(what)
  process.stderr.write(`${t.name}: ${what}\n`)
  t.skip(what)
  return false
}
