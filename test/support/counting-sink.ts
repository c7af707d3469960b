/**
 * A next hop that keeps account of everything that arrives, fails on purpose, and can be killed and started again: a
 * process of its own (`counting-sink-process.ts`), whose record is a file.
 */

import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { atEnd } from './smarthost.ts'

export interface SinkListener {
  readonly host: string
  readonly port: number
  /** silent: takes connections and never says anything. close: takes and closes them. `serve` when not given. */
  readonly mode?: 'serve' | 'silent' | 'close'
}

export interface SinkOptions {
  /** What it writes. */
  readonly file: string
  readonly listen: readonly SinkListener[]
  /** How often it fails, from 0 to 1: in each of half a dozen places of a transaction. */
  readonly faults: number
  readonly seed: number
}

interface Line {
  /** Unique over restarts. */
  readonly connection: string
  /** Which of `listen`. */
  readonly listener: number
  readonly at: number
}

/** A message whose final dot has come. */
export interface SinkMessage extends Line {
  readonly kind: 'message'
  /** '' when it has none: then it is torn. */
  readonly id: string
  /** In base64, from the field of the id on: what servers add comes before it. */
  readonly sha256: string
  readonly bytes: number
  readonly to: readonly string[]
  /** Which transaction of the connection, from 1. */
  readonly transaction: number
  /** Which MAIL of the process, from 1. */
  readonly mail: number
  /** ok: answered 250. refused: 452. cut: the connection was closed without an answer. */
  readonly answer: 'ok' | 'refused' | 'cut'
}

export type SinkLine =
  | SinkMessage
  | ({ readonly kind: 'begin' } & Line)
  /** `quit`: the client said QUIT before. */
  | ({ readonly kind: 'end'; readonly quit: boolean } & Line)

const PROGRAM = fileURLToPath(new URL('counting-sink-process.ts', import.meta.url))

export class CountingSink {
  /** Everything in its file that was read so far. */
  readonly lines: SinkLine[] = []
  #options: SinkOptions
  #child: ChildProcess | null = null
  #offset = 0
  #rest = ''

  private constructor(options: SinkOptions) {
    this.#options = options
  }

  static async start(t: TestContext, options: SinkOptions): Promise<CountingSink> {
    const sink = new CountingSink(options)
    atEnd(t, () => sink.kill())
    await sink.restart()
    return sink
  }

  /** Kills it where it runs, and starts it. */
  async restart(): Promise<void> {
    await this.kill()
    this.#options = { ...this.#options, seed: this.#options.seed + 1 }
    const child = fork(PROGRAM, [JSON.stringify(this.#options)], { execArgv: ['--import', 'tsx'] })
    this.#child = child
    await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => {
        throw new Error('the sink does not start')
      }),
    ])
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  /** From now on, also after a restart. */
  fail(faults: number): void {
    this.#options = { ...this.#options, faults }
    this.#child?.send(faults)
  }

  /** Reads what has come to its file meanwhile. @returns the new lines */
  read(): readonly SinkLine[] {
    const file = openSync(this.#options.file, 'r')
    const before = this.lines.length
    const buffer = Buffer.alloc(1 << 20)
    try {
      for (;;) {
        const length = readSync(file, buffer, 0, buffer.length, this.#offset)
        if (length === 0) break
        this.#offset += length
        const lines = `${this.#rest}${buffer.toString('latin1', 0, length)}`.split('\n')
        this.#rest = lines.pop() ?? ''
        for (const line of lines) this.lines.push(JSON.parse(line) as SinkLine)
      }
    } finally {
      closeSync(file)
    }
    return this.lines.slice(before)
  }

  /** @returns all messages so far whose final dot came */
  messages(): SinkMessage[] {
    this.read()
    return this.lines.filter((line): line is SinkMessage => line.kind === 'message')
  }
}
