/**
 * In a fresh clone nothing is installed yet: `npm start`, `npm run demo`, `npm test` install what the lock file names
 * before they load anything else. Plain JavaScript of Node's own modules, since there is nothing else yet. In an
 * installed package there is no lock file beside it, and npm has done this already.
 */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** Installs the dependencies when they are missing; ends the process with exit code 1 when that fails. */
export function ensureDependencies() {
  const lock = join(ROOT, 'package-lock.json')
  // npm writes this file last: a folder without it is an installation that was cut off.
  const done = join(ROOT, 'node_modules', '.package-lock.json')
  if (!existsSync(lock) || existsSync(done)) return
  process.stderr.write('Installing dependencies (npm ci), once ...\n')
  const result = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (result.status === 0) return
  process.stderr.write(
    `connectors: npm ci failed${result.error ? ` (${result.error.message})` : ''}: is npm installed, and can it reach its registry?\n`,
  )
  process.exit(1)
}
