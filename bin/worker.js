/** One worker of cluster mode: forked by the master, which `connectorctl start` runs. */

import { createRequire } from 'node:module'

await import('tsx')
const { runWorker } = createRequire(import.meta.url)('../src/haraka/host.ts')
runWorker(process.env.HARAKA)
