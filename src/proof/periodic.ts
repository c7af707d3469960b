/**
 * Looks at the proofs of all domains once a day while the smarthost runs. A child process does it, so that mail never waits
 * for the DNS, and whatever happens there ends no server.
 */

import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { join } from 'node:path'
import { readSettings } from '../instance/settings.ts'
import { printable } from '../text/printable.ts'
import { lookFile } from './last-look.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A little less than a day: whoever of a fleet asks first on the next day looks. */
const IF_OLDER = '23h'

/** What `domain verify --all` says once it looked, also when something was lost. */
const LOOKED = 'proofs of domains were looked at: '

/** A child that waits for a Redis that was stopped must not keep others from looking. */
const LONGEST_LOOK = 12 * HOUR

/** What one child may say; the rest is left out. */
const MOST_OUTPUT = 100_000

/** Lines of it that go into the log. */
const MOST_LINES = 25

const ELSEWHERE =
  'proofs of domains were not looked at by this server: run connectorctl domain verify --all daily where the directory may be written (docs/domains.md)'

export interface PeriodicOptions {
  readonly instance: string
  /** The script of connectorctl. */
  readonly connectorctl: string
  /** Writes one line into the log of the server. */
  readonly log: (line: string) => void
}

/**
 * Looks soon when it was never done, else some time after the start; then asks every hour whether a day has passed, but
 * after a failure a day later, so that the log is not filled with it. Nothing is done while `[relay] require_domain_proof`
 * is false.
 * @param options where, and how
 * @returns ends it, and a look that is under way
 */
export function lookDaily({ connectorctl, instance, log }: PeriodicOptions): () => void {
  let child: ChildProcess | null = null
  let timer: NodeJS.Timeout
  const look = (): void => {
    // A chance, so that the nodes of a fleet do not ask at once.
    timer = later(look, HOUR + randomInt(10 * MINUTE))
    if (child !== null || !readSettings(instance).settings.relay.requireDomainProof) return
    child = start(connectorctl, instance, (lines, wasLooked) => {
      child = null
      for (const line of lines) log(line)
      if (wasLooked) return
      log(ELSEWHERE)
      clearTimeout(timer)
      timer = later(look, DAY)
    })
  }
  const looked = existsSync(lookFile(join(instance, 'data')))
  timer = later(look, looked ? randomInt(MINUTE, 30 * MINUTE) : 0)
  const end = (): void => {
    clearTimeout(timer)
    child?.kill()
  }
  process.once('exit', end)
  return () => {
    process.removeListener('exit', end)
    end()
  }
}

function later(work: () => void, milliseconds: number): NodeJS.Timeout {
  return setTimeout(work, milliseconds).unref()
}

function start(
  connectorctl: string,
  instance: string,
  ended: (lines: readonly string[], wasLooked: boolean) => void,
): ChildProcess {
  const words = ['domain', 'verify', '--all', '--if-older', IF_OLDER, '--instance', instance]
  const child = spawn(process.execPath, [connectorctl, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LONGEST_LOOK,
  })
  if (child.pid !== undefined) beNice(child.pid)
  let output = ''
  const collect = (chunk: Buffer): void => {
    if (output.length < MOST_OUTPUT) output += chunk.toString()
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  child.once('error', (error) => {
    ended([printable(error.message)], false)
  })
  child.once('close', (code) => {
    // One that could not be started was told above.
    if (child.pid !== undefined) ended(linesOf(output), code === 0 || output.includes(LOOKED))
  })
  return child
}

function beNice(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW)
  } catch {
    // Where it may not be, it is not.
  }
}

function linesOf(output: string): string[] {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  const shown = lines.slice(0, MOST_LINES).map((line) => printable(line, 1000))
  const more = lines.length - shown.length
  return more > 0 ? [...shown, `and ${more} lines more: connectorctl check names the domains`] : shown
}
