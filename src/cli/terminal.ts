/** Talking to somebody at a terminal: progress, and a question. */

import { createInterface } from 'node:readline/promises'
import type { CliContext } from './context.ts'

const BAR = 30

/** A line that is drawn over and over; nothing where nobody watches. */
export class Progress {
  readonly #stream: NodeJS.WritableStream | null
  #drawn = ''

  /** @param context whose stderr is drawn on */
  constructor({ stderr }: CliContext) {
    this.#stream = 'isTTY' in stderr && stderr.isTTY === true ? stderr : null
  }

  /** @param share from 0 to 1 */
  show(what: string, share: number): void {
    if (this.#stream === null) return
    const full = Math.round(Math.min(1, share) * BAR)
    const line = `\r${what} [${'#'.repeat(full)}${'.'.repeat(BAR - full)}] ${Math.floor(share * 100)} %`
    if (line === this.#drawn) return
    this.#drawn = line
    this.#stream.write(line)
  }

  done(): void {
    if (this.#stream !== null && this.#drawn !== '')
      this.#stream.write(`\r${' '.repeat(this.#drawn.length)}\r`)
    this.#drawn = ''
  }
}

/**
 * @param question what is asked; "y" and "yes" agree
 * @param context where it is asked
 * @returns whether they agreed; null where there is nobody to ask
 */
export async function agreed(question: string, { stderr, signal }: CliContext): Promise<boolean | null> {
  if (!process.stdin.isTTY) return null
  const terminal = createInterface({ input: process.stdin, output: stderr })
  try {
    return /^y(?:es)?$/i.test((await terminal.question(`${question} [y/N] `, { signal })).trim())
  } finally {
    terminal.close()
  }
}
