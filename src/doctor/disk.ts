/** Room on the disks of an instance. */

import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Report } from './finding.ts'

/** One file system, with the folders of the instance on it. */
export interface DiskFacts {
  readonly folders: readonly string[]
  /** Bytes that the server may still write. */
  readonly bytes: number
  /** Null where files are not counted (btrfs). */
  readonly inodes: number | null
}

const MIB = 1024 * 1024

const LEAST_BYTES = { error: 100 * MIB, warning: 1024 * MIB }
const LEAST_INODES = { error: 1_000, warning: 10_000 }

const FOLDERS = ['config', 'queue', 'data'] as const

/**
 * @param instance the instance's folder
 * @param queue the queue's folder
 * @returns each file system once
 */
export async function diskFacts(instance: string, queue: string): Promise<DiskFacts[]> {
  const disks = new Map<number, DiskFacts>()
  for (const name of FOLDERS) {
    const path = name === 'queue' ? queue : join(instance, name)
    const found = await stat(path).catch(() => null)
    if (found === null) continue
    const { bavail, bsize, ffree, files } = await statfs(path)
    const before = disks.get(found.dev)
    disks.set(found.dev, {
      folders: [...(before?.folders ?? []), `${name}/`],
      bytes: bavail * bsize,
      inodes: files === 0 ? null : ffree,
    })
  }
  return [...disks.values()]
}

/**
 * @param disks what was seen
 * @param report where findings go
 */
export function checkDisks(disks: readonly DiskFacts[], report: Report): void {
  for (const { bytes, folders, inodes } of disks) {
    const where = folders.join(', ')
    const room = severityOf(bytes, LEAST_BYTES)
    if (room !== null) report(room, 'disk-full', `${where}: ${Math.floor(bytes / MIB)} MiB left`)
    const names = inodes === null ? null : severityOf(inodes, LEAST_INODES)
    if (names !== null) report(names, 'inodes-exhausted', `${where}: ${inodes ?? 0} inodes left`)
  }
}

function severityOf(left: number, least: typeof LEAST_BYTES): 'error' | 'warning' | null {
  if (left < least.error) return 'error'
  return left < least.warning ? 'warning' : null
}
