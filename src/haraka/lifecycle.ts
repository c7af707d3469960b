/** Stopping without losing anything: no 250 stays unsaid, no transaction is cut off while it may still end. */

import DSN from 'haraka-dsn'
import type { Connection, OutboundModule, ServerModule } from './types.ts'

const CONNECTIONS = new Set<Connection>()

/** @param connection one that began */
export function trackConnection(connection: Connection): void {
  CONNECTIONS.add(connection)
}

/** @param connection one that ended */
export function untrackConnection(connection: Connection): void {
  CONNECTIONS.delete(connection)
}

/**
 * Stops listening, tells idle clients 421, and waits for open transactions and deliveries.
 * @param haraka the running Haraka
 * @param graceMilliseconds how long an open transaction may still take
 */
export async function stopGracefully(
  haraka: { readonly server: ServerModule; readonly outbound: OutboundModule },
  graceMilliseconds: number,
): Promise<void> {
  const deadline = Date.now() + graceMilliseconds
  haraka.server.stopListeners()
  haraka.outbound.temp_fail_queue.shutdown()
  while (Date.now() < deadline) {
    for (const connection of CONNECTIONS) {
      if (connection.transaction === null) sayGoodbye(connection)
    }
    if (CONNECTIONS.size === 0 && deliveriesUnderWay(haraka.outbound) === 0) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** RFC 5321 section 3.8: 421 before the connection is closed. */
function sayGoodbye(connection: Connection): void {
  connection.respond(421, DSN.create(421, 'The server is shutting down', 3, 2), () => {
    connection.disconnect()
  })
}

/** Haraka counts them as `in progress/waiting/deferred`. */
function deliveriesUnderWay(outbound: OutboundModule): number {
  return Number.parseInt(outbound.get_stats(), 10)
}
