#!/usr/bin/env node
/** Writes docs/reference/ from the program; with --check it says whether that is current (exit code 1 when not). */

import { join } from 'node:path'
import { ensureDependencies, ROOT } from './dependencies.js'

ensureDependencies()
await import('tsx')
const { whatIsNotCurrent, writeReference } = await import('../src/reference/main.ts')
const folder = join(ROOT, 'docs', 'reference')
const args = process.argv.slice(2)
if (args.length > 1 || (args.length === 1 && args[0] !== '--check')) {
  process.stderr.write('usage: node bin/reference.js [--check]\n')
  process.exitCode = 2
} else if (args.length === 0) {
  process.stdout.write(`written: docs/reference/ (${writeReference(folder).join(', ')})\n`)
} else {
  const found = whatIsNotCurrent(folder)
  process.stdout.write(
    `${found.length === 0 ? 'docs/reference is current' : `${found.join('\n')}\nwrite it anew with: node bin/reference.js`}\n`,
  )
  if (found.length > 0) process.exitCode = 1
}
