/** Talking to somebody at a terminal: progress, and a question. */

import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import type { CliContext } from './context.ts'
import { CommandFailed } from './errors.ts'

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
 * @throws CommandFailed when they do not agree, or there is nobody to ask
 */
export async function requireConsent(question: string, { stderr, signal }: CliContext): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new CommandFailed('nothing was changed: there is no terminal to ask on; add --yes')
  }
  const terminal = createInterface({ input: process.stdin, output: stderr })
  try {
    // Ctrl-C and Ctrl-D end the question, and readline would wait for ever.
    const left = once(terminal, 'close').then(() => '')
    const answer = await Promise.race([terminal.question(`${question} [y/N] `, { signal }), left]).catch(
      () => '',
    )
    if (!/^y(?:es)?$/i.test(answer.trim())) throw new CommandFailed('nothing was changed')
  } finally {
    terminal.close()
  }
}
