/**
 * In cluster mode Haraka respawns a worker whatever it died of: with a port in use, for ever. A worker that dies
 * before any worker has listened will not be helped by another try.
 */

import cluster from 'node:cluster'
import type { Plugin } from './types.ts'

/**
 * Call it in the master, before Haraka forks: the listener here must come before Haraka's own.
 * @param plugin whose log is used
 */
export function guardCluster(plugin: Plugin): void {
  let listened = false
  cluster.once('listening', () => {
    listened = true
  })
  cluster.on('exit', (_worker, code, signal) => {
    if (listened || (code === 0 && !signal)) return
    plugin.logcrit(
      'a worker ended before it could listen (its error stands above): see listen in config/smtp.ini, and whether another server has the port',
    )
    process.exit(1)
  })
}
