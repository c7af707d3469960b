/** What CPU a server uses, with all that it starts. */

import { readdirSync, readFileSync } from 'node:fs'

/** proc(5): a clock tick is 10 ms on every Linux that Node runs on. */
const TICK_MILLISECONDS = 10

interface Process {
  readonly parent: number
  /** Its own, and that of its children that have ended: Postfix's come and go. */
  readonly ticks: number
}

/**
 * @param root a process
 * @returns milliseconds of CPU that it and everything below it has used so far, also what has ended meanwhile
 */
export function cpuOf(root: number): number {
  const processes = new Map<number, Process>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const fields = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .map(Number)
      const [, parent = 0] = fields
      // utime, stime, cutime and cstime of proc(5).
      const ticks = fields.slice(11, 15).reduce((sum, one) => sum + one, 0)
      processes.set(Number(name), { parent, ticks })
    } catch {
      // It has ended meanwhile.
    }
  }
  const isBelow = (pid: number): boolean => {
    for (let at = pid; at > 1; at = processes.get(at)?.parent ?? 0) if (at === root) return true
    return false
  }
  let ticks = 0
  for (const [pid, { ticks: own }] of processes) if (isBelow(pid)) ticks += own
  return ticks * TICK_MILLISECONDS
}
