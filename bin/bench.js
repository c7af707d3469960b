/** `npm run bench`. The benchmark itself is TypeScript in bench/. */

import { ensureDependencies } from './dependencies.js'

ensureDependencies()
await import('tsx')
await import('../bench/main.ts')
