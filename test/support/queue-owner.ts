/**
 * A process that has a part of a queue: `queue-owner.ts FOLDER OWNER`, or with `cluster` at the end a master whose worker
 * has it. Says the worker's pid when it answers.
 */

import cluster from 'node:cluster'
import { serveControl } from '../../src/outbound/control/serve.ts'
import { MemoryControl, queued } from './queued.ts'

const [queue = '', owner = '', how = ''] = process.argv.slice(2)

if (how === 'cluster' && cluster.isPrimary) {
  cluster.fork()
} else {
  const control = new MemoryControl(owner, [queued(`${owner}.1`), queued(`${owner}.2`)])
  await serveControl({
    queue,
    owner,
    control,
    log: { warn: (message) => process.stderr.write(`${message}\n`) },
  })
  process.stdout.write(`${process.pid}\n`)
}
