/** A real interactive shell on a terminal of its own, and somebody who types. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { atEnd, ROOT, temporaryFolder } from './smarthost.ts'

/** Longer than anything that is waited for; nothing waits for it but a failure. */
const PATIENCE_MILLISECONDS = 20_000

export interface Typist {
  /** The folder that the shell is in. */
  readonly folder: string
  /**
   * Types a line, with TAB in it, and the Enter key.
   * @returns the words that `connectorctl` was called with
   */
  readonly enter: (line: string) => Promise<readonly string[]>
  /** Types a line, waits for something on the screen, and takes the line back. */
  readonly see: (line: string, what: RegExp) => Promise<string>
}

/**
 * Starts a shell in an empty folder. `connectorctl` there completes as the real one does, and otherwise does nothing.
 * @param t the test
 * @param shell which one
 * @param files files in that folder
 * @param setup lines of the shell that come first
 */
export async function startTyping(
  t: TestContext,
  shell: 'bash' | 'zsh',
  files: Readonly<Record<string, string>>,
  setup: readonly string[],
): Promise<Typist> {
  const folder = await temporaryFolder(t)
  const programs = join(folder, 'programs')
  await mkdir(programs)
  const script = join(programs, 'connectorctl')
  const real = join(ROOT, 'bin', 'connectorctl.js')
  await writeFile(
    script,
    [
      '#!/bin/sh',
      `case $1 in completion | __complete) exec '${process.execPath}' '${real}' "$@" ;; esac`,
      `exec '${process.execPath}' -e 'process.stdout.write("@" + "@" + Buffer.from(JSON.stringify(process.argv.slice(1))).toString("hex") + "@" + "@\\n")' -- "$@"`,
      '',
    ].join('\n'),
  )
  await chmod(script, 0o755)
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  const command = shell === 'bash' ? 'bash --noprofile --norc -i' : 'zsh -f -i'
  const child = spawn('/usr/bin/script', ['-qfc', command, '/dev/null'], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      ...process.env,
      PATH: `${programs}:${process.env['PATH'] ?? ''}`,
      HOME: folder,
      TERM: 'dumb',
      HISTFILE: '',
      LC_ALL: 'C.UTF-8',
    },
  })
  atEnd(t, async () => {
    if (child.exitCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'close')
  })
  const screen = new Screen(child.stdout)
  for (const line of [...setup, `echo set''up-is-done`]) child.stdin.write(`${line}\n`)
  await screen.see(/setup-is-done/)
  return {
    folder,
    enter: async (line) => {
      child.stdin.write(`${line}\n`)
      const [, hex = ''] = await screen.see(/@@([0-9a-f]+)@@/)
      return JSON.parse(Buffer.from(hex, 'hex').toString()) as string[]
    },
    see: async (line, what) => {
      child.stdin.write(line)
      const [seen] = await screen.see(what)
      // Ctrl-U is bash's and zsh's for "take the line back".
      child.stdin.write('\u0015')
      return seen
    },
  }
}

class Screen {
  readonly #output: Readable
  #shown = ''

  constructor(output: Readable) {
    this.#output = output
    output.on('data', (chunk: Buffer) => {
      this.#shown += chunk.toString()
    })
  }

  /** Waits until it is there; what comes before it is not looked at again. */
  async see(what: RegExp): Promise<RegExpExecArray> {
    const signal = AbortSignal.timeout(PATIENCE_MILLISECONDS)
    for (;;) {
      const found = what.exec(this.#shown)
      if (found !== null) {
        this.#shown = this.#shown.slice(found.index + found[0].length)
        return found
      }
      try {
        await once(this.#output, 'data', { signal })
      } catch (error) {
        throw new Error(`${what.source} was not seen in:\n${this.#shown}`, { cause: error })
      }
    }
  }
}
