/** Stopping without losing anything: no 250 stays unsaid, no transaction is cut off while it may still end. */

import { setTimeout as delay } from 'node:timers/promises'
import DSN from 'haraka-dsn'
import { closeOutbound } from './outbound.ts'
import type { Connection, ServerModule } from './types.ts'

export interface StopTimes {
  /** How long mail is still taken while the health checks of proxies already hear 421. */
  readonly drainMilliseconds: number
  /** How long open transactions and deliveries may take after that. */
  readonly graceMilliseconds: number
}

const CONNECTIONS = new Set<Connection>()

/** How often it is looked whether everything has ended. */
const LOOK_MILLISECONDS = 50

/** Messages that are being written to the queue: they end in 250 or 451, and somebody waits for it. */
let queueing = 0

let stopping = false

/** @param connection one that began */
export function trackConnection(connection: Connection): void {
  CONNECTIONS.add(connection)
}

/** @param connection one that ended */
export function untrackConnection(connection: Connection): void {
  CONNECTIONS.delete(connection)
}

/**
 * @param writing what writes a message to the queue
 * @returns what it returns; the process does not stop before
 */
export async function whileQueueing<T>(writing: Promise<T>): Promise<T> {
  queueing++
  try {
    return await writing
  } finally {
    queueing--
  }
}

/** @returns whether a stop was asked for: health checks hear it first */
export function isStopping(): boolean {
  return stopping
}

/** RFC 5321 section 3.8: the reply that a server which shuts down gives. */
export function goodbye(): ReturnType<typeof DSN.create> {
  return DSN.create(421, 'The server is shutting down', 3, 2)
}

/**
 * Lets the proxies find out, stops listening, tells idle clients 421, and waits for open transactions and deliveries.
 * @param server the running Haraka's
 * @param times how long each may take
 */
export async function stopGracefully(
  server: ServerModule,
  { drainMilliseconds, graceMilliseconds }: StopTimes,
): Promise<void> {
  stopping = true
  await delay(drainMilliseconds)
  const deadline = Date.now() + graceMilliseconds
  server.stopListeners()
  while (Date.now() < deadline && CONNECTIONS.size > 0) {
    for (const connection of CONNECTIONS) {
      if (connection.transaction === null) sayGoodbye(connection)
    }
    await delay(LOOK_MILLISECONDS)
  }
  // Whoever still dawdles in a transaction sends again, elsewhere; what is being written is answered first.
  for (let quiet = 0; CONNECTIONS.size > 0 && quiet < 2; quiet = queueing > 0 ? 0 : quiet + 1) {
    await delay(LOOK_MILLISECONDS)
  }
  for (const connection of CONNECTIONS) sayGoodbye(connection)
  await closeOutbound(Math.max(0, deadline - Date.now()))
  await delay(LOOK_MILLISECONDS)
}

function sayGoodbye(connection: Connection): void {
  connection.respond(421, goodbye(), () => {
    connection.disconnect()
  })
}
