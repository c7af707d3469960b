/** Where the mail of `bench outbound` goes: Postfix's smtp-sink, one process an address. */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../test/support/smarthost.ts'

const SMTP_SINK = '/usr/sbin/smtp-sink'

/** How many addresses beside the smart host, each the next hop of a domain of its own. */
export const DESTINATIONS = 100

interface Counted {
  /** Connections that have ended. */
  sessions: number
  messages: number
}

/** The smart host at `127.0.0.1`, and the destinations at `127.77.0.1` and on, all at the same port. */
export class OutboundSinks {
  readonly port: number
  readonly #children: ChildProcess[] = []
  readonly #counted: Counted[] = []
  #changed: () => void = () => undefined

  private constructor(port: number) {
    this.port = port
  }

  static async start(): Promise<OutboundSinks> {
    const sinks = new OutboundSinks(await freePort())
    for (const address of ['127.0.0.1', ...destinations()]) sinks.#run(address)
    for (const address of ['127.0.0.1', ...destinations()]) await answers(address, sinks.port)
    return sinks
  }

  #run(address: string): void {
    // -c prints its counters whenever one has changed; as root it wants to be somebody else.
    const args = ['-u', 'nobody', '-m', '1000', '-c', `${address}:${this.port}`, '1000']
    const child = spawn(SMTP_SINK, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const counted: Counted = { sessions: 0, messages: 0 }
    let rest = ''
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = `${rest}${chunk.toString()}`.split('\r')
      rest = lines.pop() ?? ''
      const match = /sess=(\d+)\s+quit=\d+\s+mesg=(\d+)/.exec(lines.at(-1) ?? '')
      if (match === null) return
      counted.sessions = Number(match[1])
      counted.messages = Number(match[2])
      this.#changed()
    })
    this.#children.push(child)
    this.#counted.push(counted)
  }

  /** @returns messages that have arrived so far */
  messages(): number {
    return this.#counted.reduce((sum, { messages }) => sum + messages, 0)
  }

  /** @returns connections that were opened so far: those that have ended, and those that are open */
  connections(): number {
    const ended = this.#counted.reduce((sum, { sessions }) => sum + sessions, 0)
    const port = this.port.toString(16).toUpperCase().padStart(4, '0')
    // proc(5): local address, remote address, state; 01 is ESTABLISHED, 08 CLOSE_WAIT, which smtp-sink has yet to notice.
    const open = readFileSync('/proc/net/tcp', 'latin1').matchAll(
      new RegExp(`^ *\\d+: [0-9A-F]{8}:${port} [0-9A-F:]{13} 0[18] `, 'gm'),
    )
    return ended + [...open].length
  }

  /**
   * @param messages how many are waited for, of all
   * @param milliseconds without one more until that is a failure
   * @returns when the last one came, by `performance.now()`
   */
  async arrived(messages: number, milliseconds = 60_000): Promise<number> {
    let last = performance.now()
    while (this.messages() < messages) {
      const timeout = new AbortController()
      await Promise.race([
        new Promise<void>((resolve) => {
          this.#changed = resolve
        }),
        pause(milliseconds, null, { signal: timeout.signal }).then(() => {
          throw new Error(`nothing arrives any more: ${this.messages()} of ${messages}`)
        }),
      ])
      timeout.abort()
      last = performance.now()
    }
    return last
  }

  async stop(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
}

/** @returns their addresses; the domain of the nth is `destinationDomain(n)` */
export function destinations(): string[] {
  return Array.from({ length: DESTINATIONS }, (_, index) => `127.77.0.${index + 1}`)
}

/** @returns e.g. `d7.example` */
export function destinationDomain(index: number): string {
  return `d${index}.example`
}

async function answers(host: string, port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const socket = connect(port, host)
    const isUp = await once(socket, 'data').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (isUp) return
    await pause(50)
  }
  throw new Error(`smtp-sink does not answer at ${host}:${port}`)
}
