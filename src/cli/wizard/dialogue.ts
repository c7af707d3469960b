/** Questions at a terminal. Ctrl-C and Ctrl-D end the command before anything was changed. */

import type { Interface } from 'node:readline'
import { createInterface } from 'node:readline'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed } from '../errors.ts'

/** One answer that can be chosen. */
export interface Choice<T> {
  readonly value: T
  /** Safe to print. */
  readonly text: string
}

/**
 * @param context where would be asked
 * @returns whether somebody sits there
 */
export function canAsk({ stderr }: CliContext): boolean {
  return process.stdin.isTTY && 'isTTY' in stderr && stderr.isTTY === true
}

export class Dialogue {
  readonly #lines: Interface
  readonly #output: NodeJS.WritableStream
  /** What was typed before it was asked for. */
  readonly #typed: string[] = []
  #waiting: { readonly resolve: (line: string) => void; readonly reject: (error: Error) => void } | null =
    null
  #ended = false
  readonly #interrupted = new AbortController()

  private constructor({ stderr, signal }: CliContext) {
    this.#output = stderr
    this.#lines = createInterface({ input: process.stdin, output: stderr, terminal: true, historySize: 0 })
    this.#lines.on('line', (line) => {
      const waiting = this.#waiting
      this.#waiting = null
      if (waiting === null) this.#typed.push(line)
      else waiting.resolve(line)
    })
    const end = (): void => {
      this.#end()
    }
    // In raw mode Ctrl-C is a key, not a signal.
    this.#lines.on('SIGINT', () => {
      this.#output.write('^C')
      end()
    })
    this.#lines.on('close', end)
    signal.addEventListener('abort', end, { once: true })
  }

  /**
   * @param context where to ask; `canAsk` says whether one can
   * @param use what is asked
   * @returns what `use` returns; the terminal is then as it was
   */
  static async with<T>(context: CliContext, use: (dialogue: Dialogue) => Promise<T>): Promise<T> {
    const dialogue = new Dialogue(context)
    try {
      return await use(dialogue)
    } finally {
      dialogue.#ended = true
      dialogue.#lines.close()
    }
  }

  /** Aborted by Ctrl-C, for what takes long between questions. */
  get signal(): AbortSignal {
    return this.#interrupted.signal
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#output.write('\n')
    this.#interrupted.abort()
    this.#waiting?.reject(stopped())
    this.#waiting = null
  }

  /** Forgets what was typed ahead: what comes next must be read before it is answered. */
  forget(): void {
    this.#typed.length = 0
  }

  /** Lines that are no question; safe to print. */
  say(...lines: readonly string[]): void {
    this.#output.write(`${lines.join('\n')}\n`)
  }

  /**
   * @param question what is asked
   * @param fallback what an empty line means; null asks until there is something
   * @returns what was typed, without spaces around it
   * @throws CommandFailed after Ctrl-C
   */
  async ask(question: string, fallback: string | null = null): Promise<string> {
    for (;;) {
      const hint = fallback === null || fallback === '' ? '' : ` [${printable(fallback, 80)}]`
      const line = (await this.#line(`${question}${hint}: `)).trim()
      if (line !== '') return line
      if (fallback !== null) return fallback
    }
  }

  /**
   * @param question what is asked
   * @param check says what is wrong with an answer, or null; safe to print
   * @param fallback what an empty line means
   * @returns the first answer that nothing is wrong with
   */
  async askUntil(
    question: string,
    check: (answer: string) => string | null | Promise<string | null>,
    fallback: string | null = null,
  ): Promise<string> {
    for (;;) {
      const answer = await this.ask(question, fallback)
      const wrong = await check(answer)
      if (wrong === null) return answer
      this.say(wrong)
    }
  }

  /**
   * @param question what is asked
   * @param choices what can be answered, by its number
   * @param preferred the value that an empty line means
   * @returns the value that was chosen
   */
  async choose<T>(question: string, choices: readonly Choice<T>[], preferred: T): Promise<T> {
    this.say(question, ...choices.map(({ text }, index) => `  ${index + 1}  ${text}`))
    const first = choices.findIndex(({ value }) => value === preferred)
    for (;;) {
      const answer = await this.ask('Number', String(Math.max(0, first) + 1))
      const chosen = /^\d{1,3}$/.test(answer) ? choices[Number(answer) - 1] : undefined
      if (chosen !== undefined) return chosen.value
      this.say(`Type a number from 1 to ${choices.length}.`)
    }
  }

  /**
   * @param question a question that is answered by yes or no
   * @param fallback what an empty line means
   * @returns whether it was yes
   */
  async confirm(question: string, fallback: boolean): Promise<boolean> {
    for (;;) {
      const answer = (await this.#line(`${question} [${fallback ? 'Y/n' : 'y/N'}] `)).trim()
      if (answer === '') return fallback
      if (/^y(?:es)?$/i.test(answer)) return true
      if (/^no?$/i.test(answer)) return false
    }
  }

  async #line(prompt: string): Promise<string> {
    if (this.#ended) throw stopped()
    const typed = this.#typed.shift()
    if (typed !== undefined) {
      this.say(prompt + printable(typed))
      return typed
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#lines.setPrompt(prompt)
      this.#lines.prompt()
    })
  }
}

function stopped(): CommandFailed {
  return new CommandFailed('nothing was changed')
}

/**
 * @param question what is asked
 * @param yes whether --yes was given
 * @param why what is said where nobody can be asked, e.g. `the public MX of contoso.com is not this server`
 * @param context where it is asked
 * @throws CommandFailed when they do not agree, or there is nobody to ask
 */
export async function requireYes(
  question: string,
  yes: boolean,
  why: string,
  context: CliContext,
): Promise<void> {
  if (yes) return
  if (!canAsk(context)) {
    throw new CommandFailed(
      `nothing was changed: ${why === '' ? '' : `${why}; `}there is no terminal to ask on: add --yes`,
    )
  }
  const agreed = await Dialogue.with(context, (dialogue) => dialogue.confirm(question, false))
  if (!agreed) throw stopped()
}
