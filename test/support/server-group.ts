/** A smarthost as a process group of its own, so that all of it can be killed at one moment. */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Instance } from './smarthost.ts'
import { atEnd, ROOT } from './smarthost.ts'

const CONNECTORCTL = join(ROOT, 'bin', 'connectorctl.js')

const START_MILLISECONDS = 120_000

const GREETING_MILLISECONDS = 10_000

export class ServerGroup {
  readonly instance: Instance
  readonly #log: string
  readonly #command: readonly string[]
  #child: ChildProcess | null = null

  /**
   * @param t the test
   * @param instance what is started
   * @param before a program and its arguments that run it, e.g. `env`
   */
  constructor(t: TestContext, instance: Instance, before: readonly string[] = []) {
    this.instance = instance
    this.#log = join(instance.folder, '..', 'server.log')
    this.#command = [...before, process.execPath, CONNECTORCTL, 'start', '--instance', instance.folder]
    atEnd(t, () => this.kill())
  }

  /** Starts it and does not wait. */
  spawn(): void {
    const log = openSync(this.#log, 'a')
    const [program = '', ...args] = this.#command
    this.#child = spawn(program, args, { stdio: ['ignore', log, log], detached: true })
    closeSync(log)
  }

  async start(): Promise<void> {
    this.spawn()
    await this.listening()
  }

  /** Of the first process. */
  get pid(): number {
    return this.#child?.pid ?? 0
  }

  get hasEnded(): boolean {
    return this.#child === null || this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Everything it printed in all its lives. */
  output(): string {
    return readFileSync(this.#log, 'utf8')
  }

  /** Resolves when it greets; rejects when it ends before. */
  async listening(): Promise<void> {
    const end = Date.now() + START_MILLISECONDS
    while (Date.now() < end && !this.hasEnded) {
      if (await greets(this.instance)) return
      await pause(10)
    }
    throw new Error(`the smarthost does not listen:\n${this.output().slice(-3000)}`)
  }

  /** kill -9 to every process of it, and waits until the first has gone. */
  async kill(): Promise<void> {
    if (this.#child === null || this.hasEnded) return
    const ended = once(this.#child, 'exit')
    process.kill(-this.pid, 'SIGKILL')
    await ended
  }

  /** SIGTERM, and its exit code. */
  async stop(): Promise<number | null> {
    if (this.#child === null) return null
    if (!this.hasEnded) {
      const ended = once(this.#child, 'exit')
      this.#child.kill('SIGTERM')
      await ended
    }
    return this.#child.exitCode
  }

  /** @returns its worker processes that run now */
  workers(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => {
        try {
          const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
          const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
          const isWorker = readFileSync(`/proc/${name}/cmdline`, 'latin1').includes('worker.js')
          return Number(parent) === this.pid && isWorker ? [Number(name)] : []
        } catch {
          // It has ended meanwhile.
          return []
        }
      })
  }
}

async function greets({ host, smtp }: Instance): Promise<boolean> {
  const socket = connect(smtp, host)
  // One that was given to a worker which is killed at that moment is never greeted.
  socket.setTimeout(GREETING_MILLISECONDS, () => socket.destroy(new Error('no greeting')))
  const greeting = await once(socket, 'data').then(
    ([data]) => String(data),
    () => '',
  )
  socket.destroy()
  return greeting.startsWith('220')
}

/** @returns paths of all regular files below the queue folder, relative to it */
export function filesInQueue({ folder }: { readonly folder: string }): string[] {
  const walk = (path: string, name: string): string[] =>
    readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
      const own = name === '' ? entry.name : `${name}/${entry.name}`
      if (entry.isDirectory()) return walk(join(path, entry.name), own)
      return entry.isFile() ? [own] : []
    })
  return walk(join(folder, 'queue'), '').toSorted()
}
