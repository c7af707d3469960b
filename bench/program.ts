/** connectorctl as an administrator runs it, with its time and its memory. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'

const CONNECTORCTL = join(fileURLToPath(new URL('..', import.meta.url)), 'bin', 'connectorctl.js')

export interface Ran {
  readonly seconds: number
  /** The most memory that it had at once, in MiB. */
  readonly peak: number
  /** The end of what it printed. */
  readonly stdout: string
}

/** What is kept of the output. */
const MOST_CHARACTERS = 10_000

/**
 * @param args of connectorctl
 * @param output a file for its output, where that is wanted
 * @returns what it took
 * @throws with what it said when it failed
 */
export async function runConnectorctl(args: readonly string[], output?: string): Promise<Ran> {
  const begin = performance.now()
  const child = spawn(process.execPath, [CONNECTORCTL, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, memoryOf(child.pid ?? 0, 'VmHWM'))
  }, 20)
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-MOST_CHARACTERS)
  })
  const ended = once(child, 'close')
  if (output === undefined) {
    child.stdout.on('data', (chunk: Buffer) => {
      stdout = (stdout + chunk.toString()).slice(-MOST_CHARACTERS)
    })
  } else await pipeline(child.stdout, createWriteStream(output))
  await ended
  clearInterval(timer)
  const seconds = (performance.now() - begin) / 1000
  if (child.exitCode !== 0) throw new Error(`connectorctl ${args.join(' ')} failed:\n${stdout}${stderr}`)
  return { seconds, peak, stdout }
}

/**
 * @param pid a process
 * @param what VmRSS: what it has in memory now; VmHWM: the most that it had
 * @returns MiB, 0 when it has ended
 */
export function memoryOf(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(new RegExp(`^${what}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}
