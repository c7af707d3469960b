/** A bad line to Redis: a TCP proxy that delays, dribbles, swallows, breaks off in the middle, and is good again. */

import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { atEnd } from './smarthost.ts'

/** What the line does to answers. */
export type Line =
  | { readonly kind: 'good' }
  /** Every answer comes so many milliseconds late, in order. */
  | { readonly kind: 'late'; readonly milliseconds: number }
  /** Every answer comes a byte at a time. */
  | { readonly kind: 'dribbling' }
  /** Takes everything, connections too, and passes nothing on, in neither direction. */
  | { readonly kind: 'swallowing' }
  /** Half of an answer comes; then the connection is closed, or hangs. */
  | { readonly kind: 'halving'; readonly ending: 'close' | 'hang' }

export interface SlowLink {
  readonly port: number
  /** From now on. What was swallowed arrives when the line is another one. */
  become(line: Line): void
  /** Closes every connection. */
  cut(): void
  /** What clients tried since this was called last: how many connections, and which commands, e.g. `mget`. */
  tried(): { readonly connections: number; readonly commands: readonly string[] }
}

const COMMAND = /\*\d+\r\n\$\d+\r\n([a-z]+)\r\n/gi

/**
 * @param t the test
 * @param port where Redis listens on loopback
 * @returns a good line to it
 */
export async function startSlowLink(t: TestContext, port: number): Promise<SlowLink> {
  let line: Line = { kind: 'good' }
  let wake = (): void => undefined
  let changed = Promise.resolve()
  let commands: string[] = []
  let connections = 0
  const clients = new Set<Socket>()
  const servers = new Set<Socket>()

  const waitForOther = async (kind: Line['kind']): Promise<void> => {
    while (line.kind === kind) await changed
  }

  const answer = async (client: Socket, bytes: Buffer, arrived: number): Promise<void> => {
    if (line.kind === 'swallowing') await waitForOther('swallowing')
    if (line.kind === 'late') {
      await delay(Math.max(0, arrived + line.milliseconds - performance.now()))
      client.write(bytes)
    } else if (line.kind === 'dribbling') {
      for (const byte of bytes) {
        client.write(Buffer.of(byte))
        await turn()
      }
    } else if (line.kind === 'halving') {
      client.write(bytes.subarray(0, bytes.length / 2))
      if (line.ending === 'hang') await waitForOther('halving')
      client.destroy()
    } else client.write(bytes)
  }

  const proxy = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const server = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    connections++
    clients.add(client)
    servers.add(server)
    // One chunk after the other: none overtakes another one that waits.
    let asking = Promise.resolve()
    let answering = Promise.resolve()
    client.on('data', (bytes: Buffer) => {
      for (const [, name = ''] of bytes.toString('latin1').matchAll(COMMAND))
        commands.push(name.toLowerCase())
      asking = asking.then(async () => {
        await waitForOther('swallowing')
        server.write(bytes)
      })
    })
    client.on('end', () => {
      asking = asking.then(async () => {
        await waitForOther('swallowing')
        server.end()
      })
    })
    server.on('data', (bytes: Buffer) => {
      const arrived = performance.now()
      answering = answering.then(() => answer(client, bytes, arrived))
    })
    server.on('end', () => {
      answering = answering.then(() => void client.end())
    })
    for (const [one, other, kept] of [
      [client, server, clients],
      [server, client, servers],
    ] as const) {
      one.on('error', () => undefined)
      one.on('close', () => {
        kept.delete(one)
        // A line that swallows lets nobody know that the other end is gone.
        if (line.kind !== 'swallowing') other.destroy()
      })
    }
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')

  const become = (next: Line): void => {
    line = next
    wake()
    changed = new Promise((resolve) => {
      wake = resolve
    })
  }
  const cut = (): void => {
    for (const socket of [...clients, ...servers]) socket.destroy()
  }
  become(line)
  atEnd(t, async () => {
    become({ kind: 'good' })
    proxy.close()
    cut()
    await once(proxy, 'close')
  })
  return {
    port: (proxy.address() as AddressInfo).port,
    become,
    cut,
    tried: () => {
      const all = { connections, commands }
      connections = 0
      commands = []
      return all
    },
  }
}
