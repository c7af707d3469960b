/** `npm run check`: format, lint, types and dead code, each with the tool that STYLE names; the first failure ends it. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ensureDependencies, ROOT } from './dependencies.js'

ensureDependencies()
const CHECKS = [
  ['prettier', '--check', '--log-level=warn', '.'],
  ['oxlint', '--type-aware', '--deny-warnings'],
  ['tsc', '--noEmit'],
  ['knip'],
]
for (const [tool, ...args] of CHECKS) {
  process.stdout.write(`${tool} ${args.join(' ')}\n`)
  const { status } = spawnSync(join(ROOT, 'node_modules', '.bin', tool), args, {
    cwd: ROOT,
    stdio: 'inherit',
  })
  if (status !== 0) {
    process.stdout.write(`${tool} found something to mend\n`)
    process.exit(1)
  }
}
process.stdout.write('check: nothing found\n')
