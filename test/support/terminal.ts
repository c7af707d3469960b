/** A person at a terminal: a pseudo-terminal of util-linux' `script`, in which connectorctl asks and the test types. */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { atEnd, ROOT } from './smarthost.ts'

export const SCRIPT = '/usr/bin/script'

export const CTRL_C = '\u0003'
export const CTRL_D = '\u0004'

/** Longer than any question takes to come on a busy machine; nothing waits for it but a failure. */
const PATIENCE_MILLISECONDS = 60_000

/** What a terminal would obey, not show. */
const SEQUENCES = /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b[()][0-9A-B]|\r/g

export class Terminal {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #text = ''
  #raw = ''
  /** Up to where a test has looked. */
  #seen = 0
  #wake: (() => void)[] = []

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#raw += chunk.toString('utf8')
      this.#text = this.#raw.replaceAll(SEQUENCES, '')
      this.#tell()
    })
    this.#ended = once(child, 'close').then(() => {
      this.#tell()
    })
  }

  /** Runs connectorctl in a terminal of its own; it is ended with the test. */
  static start(t: TestContext, ...args: string[]): Terminal {
    return Terminal.startWith(t, {}, ...args)
  }

  /** The same, with more in its environment. */
  static startWith(
    t: TestContext,
    environment: Readonly<Record<string, string>>,
    ...args: string[]
  ): Terminal {
    const words = [process.execPath, join(ROOT, 'bin', 'connectorctl.js'), ...args]
    const command = words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ')
    // script runs it with $SHELL; -e hands over its exit code.
    const child = spawn(
      SCRIPT,
      ['--quiet', '--return', '--flush', '--command', `exec ${command}`, '/dev/null'],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { ...process.env, SHELL: '/bin/sh', TERM: 'xterm', ...environment },
      },
    )
    const terminal = new Terminal(child)
    atEnd(t, async () => {
      // Without its terminal the command gets SIGHUP.
      child.kill('SIGTERM')
      await terminal.#ended
    })
    return terminal
  }

  #tell(): void {
    const waiting = this.#wake
    this.#wake = []
    for (const wake of waiting) wake()
  }

  /** All that the terminal got so far, with what it would obey. */
  get raw(): string {
    return this.#raw
  }

  /** All that was shown so far. */
  get text(): string {
    return this.#text
  }

  /** Waits until what comes after the last look matches; what was shown up to there. */
  async shows(pattern: RegExp): Promise<string> {
    const timer = setTimeout(() => this.#child.kill('SIGTERM'), PATIENCE_MILLISECONDS)
    try {
      for (;;) {
        const match = pattern.exec(this.#text.slice(this.#seen))
        if (match !== null) {
          const end = this.#seen + match.index + match[0].length
          const shown = this.#text.slice(this.#seen, end)
          this.#seen = end
          return shown
        }
        if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
          throw new Error(`ended before it showed ${String(pattern)}:\n${this.#text}`)
        }
        await new Promise<void>((resolve) => {
          this.#wake.push(resolve)
        })
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Types as it is, without Enter. */
  press(keys: string): void {
    this.#child.stdin?.write(keys)
  }

  /** Waits for a question, and answers it. */
  async answer(question: RegExp, text: string): Promise<void> {
    await this.shows(question)
    this.press(`${text}\r`)
  }

  /** Waits for the end: the exit code. */
  async end(): Promise<number | null> {
    await this.#ended
    return this.#child.exitCode
  }
}
