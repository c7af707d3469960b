#!/usr/bin/env node
/** `npm run demo`. The demonstration itself is TypeScript in src/demo/. */

import { ensureDependencies } from './dependencies.js'

ensureDependencies()
await import('tsx')
const { demo } = await import('../src/demo/main.ts')
try {
  process.exitCode = await demo(process.stdout)
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
