/** strace(1) on a running server: what it asks of the kernel, and answers that only a failing disk gives. */

import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { hasPrograms } from './programs.ts'
import { atEnd } from './smarthost.ts'

export const STRACE = '/usr/bin/strace'

/**
 * @param t the test; it is skipped where strace is missing or processes may not be traced
 * @returns whether it can be used
 * @throws in CI, where it must work
 */
export function canTrace(t: TestContext): boolean {
  if (!hasPrograms(t, STRACE)) return false
  const { error, status, stderr } = spawnSync(STRACE, ['-o', '/dev/null', '/bin/true'], { encoding: 'utf8' })
  if (status === 0) return true
  const what = `SKIPPED: processes may not be traced here: ${error?.message ?? stderr.trim()}`
  if (process.env['CI'] === 'true') throw new Error(what)
  t.diagnostic(what)
  process.stderr.write(`${t.name}: ${what}\n`)
  t.skip(what)
  return false
}

export class Trace {
  readonly #child: ChildProcess
  readonly #file: string

  private constructor(child: ChildProcess, file: string) {
    this.#child = child
    this.#file = file
  }

  /**
   * Attaches to the threads of a process that do its work on files, and waits until it has. Its first thread is left
   * alone: what goes over sockets is said there.
   * @param t the test
   * @param pid of the process
   * @param file where the calls are written
   * @param args of strace, e.g. `-e`, `inject=fsync:error=EIO`
   */
  static async attach(t: TestContext, pid: number, file: string, ...args: string[]): Promise<Trace> {
    const threads = readdirSync(`/proc/${pid}/task`).filter((thread) => thread !== String(pid))
    const child = spawn(STRACE, ['-p', threads.join(','), '-o', file, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const trace = new Trace(child, file)
    atEnd(t, () => trace.detach())
    let said = ''
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (said.split(' attached').length > threads.length) resolve()
      })
      child.once('exit', () => {
        reject(new Error(`strace ended: ${said}`))
      })
    })
    return trace
  }

  /** Lets go of it: from then on all calls are what they are. @returns what was written */
  async detach(): Promise<string> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit')
      this.#child.kill('SIGINT')
      await ended
    }
    return existsSync(this.#file) ? readFileSync(this.#file, 'latin1') : ''
  }
}

/** A system call that has ended. */
export interface SystemCall {
  readonly name: string
  /** What stands between its name and its end, as strace shows it. */
  readonly text: string
  readonly result: string
  /** In which line of the log it began, and in which it ended: whatever it promises holds from then on. */
  readonly begin: number
  readonly end: number
}

/**
 * @param log what strace -f wrote
 * @returns the calls, by their ends
 */
export function callsIn(log: string): SystemCall[] {
  const calls: SystemCall[] = []
  const begun = new Map<string, { readonly text: string; readonly begin: number }>()
  for (const [line, whole] of log.split('\n').entries()) {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(whole) ?? []
    const [, start] = /^(\w+\(.*) <unfinished \.\.\.>$/.exec(rest) ?? []
    if (start !== undefined) {
      begun.set(thread, { text: start, begin: line })
      continue
    }
    const [, resumed] = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest) ?? []
    const before = resumed === undefined ? undefined : begun.get(thread)
    const { begin, text } = before ?? { text: '', begin: line }
    const [, name, given, result] = /^(\w+)\((.*)\) += (.*)$/.exec(text + (resumed ?? rest)) ?? []
    if (name === undefined || given === undefined || result === undefined) continue
    calls.push({ name, text: given, result, begin, end: line })
  }
  return calls
}
