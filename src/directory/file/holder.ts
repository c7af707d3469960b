/** Which process a lock or a half-written file belongs to, and whether that process is gone for certain. */

import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/**
 * Where process numbers of this process mean something: this host since it was booted, and its namespace of processes
 * (namespaces(7)); a number from another container says nothing here.
 */
const PLACE = createHash('sha256').update(JSON.stringify(placeOf())).digest('hex').slice(0, 16)

function placeOf(): string[] {
  if (process.platform !== 'linux') return [hostname()]
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')
    return [hostname(), boot, readlinkSync('/proc/self/ns/pid')]
  } catch {
    // Without /proc nobody can tell: others see the age only.
    return [randomBytes(16).toString('hex')]
  }
}

/** @returns this process, as it stands in locks and names of files: digits, a point, 16 hexadecimal digits */
export function holderHere(): string {
  return `${process.pid}.${PLACE}`
}

/**
 * @param holder what `holderHere` returned in some process, or anything else
 * @returns whether that process is no more; false where that cannot be known from here
 */
export function isGone(holder: string): boolean {
  const [pid = '', place] = holder.split('.')
  if (place !== PLACE || !/^[1-9]\d{0,9}$/.test(pid)) return false
  try {
    process.kill(Number(pid), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
