/**
 * A next hop that can be made to lie: SMTP with STARTTLS on a loopback port, which answers by script and keeps every
 * byte that it got, before TLS and within it.
 */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { Peer } from './hostile-peer.ts'
import type { Answer, Connection, Message, Moment, NextHopOptions } from './hostile-script.ts'
import { atEnd } from './smarthost.ts'

export type { Answer, Connection, Moment, NextHopOptions } from './hostile-script.ts'
export { CAPABILITIES, DROP, SILENCE } from './hostile-script.ts'

export interface NextHop {
  readonly host: string
  readonly port: number
  readonly connections: readonly Connection[]
  readonly messages: readonly Message[]
  /** Resolves when the clients have ended all connections, so that nothing more can come. */
  allEnded(): Promise<void>
  /** Says something that nobody asked for, over all connections that are open. */
  sayToAll(answer: Answer): void
  /** Ends connections that are open, from this side. */
  dropAll(): Promise<void>
}

/** @returns the server, listening; it ends with the test */
export async function startNextHop(t: TestContext, options: NextHopOptions): Promise<NextHop> {
  const connections: Peer[] = []
  const messages: Message[] = []
  const counts = new Map<Moment, number>()
  const scripted = (moment: Moment, line: string, secure: boolean): Answer | undefined => {
    const count = (counts.get(moment) ?? 0) + 1
    counts.set(moment, count)
    const script = options.script?.[moment]
    return typeof script === 'function' ? script({ line, count, secure }) : script
  }
  const server = createServer({ noDelay: true }, (socket) => {
    const number = connections.length
    connections.push(
      new Peer(socket, options, scripted, (message) => {
        messages.push({ ...message, connection: number })
      }),
    )
  })
  const host = options.host ?? '127.0.0.1'
  server.listen(0, host)
  await once(server, 'listening')
  const allEnded = async (): Promise<void> => {
    for (const { ended } of connections) await ended
  }
  const dropAll = async (): Promise<void> => {
    for (const connection of connections) connection.drop()
    await allEnded()
  }
  atEnd(t, async () => {
    server.close()
    await dropAll()
  })
  const sayToAll = (answer: Answer): void => {
    for (const connection of connections) if (connection.open) connection.say(answer)
  }
  return {
    sayToAll,
    host,
    port: (server.address() as AddressInfo).port,
    connections,
    messages,
    allEnded,
    dropAll,
  }
}
