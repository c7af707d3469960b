#!/usr/bin/env node
/** connectorctl, and what `npm start` runs. The program itself is TypeScript in src/cli/, run as it is by tsx. */

import { ensureDependencies } from './dependencies.js'

ensureDependencies()
await import('tsx')
const { main } = await import('../src/cli/main.ts')
process.exitCode = await main(process.argv.slice(2))
