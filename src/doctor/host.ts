/** The process: as whom it runs, and on what. */

import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Report } from './finding.ts'

export interface HostFacts {
  /** e.g. `20.20.2`. */
  readonly node: string
  /** `user` of smtp.ini. */
  readonly user: string | null
  /** Who owns data/, which the server made or was given; null when there is none yet. */
  readonly dataOwner: number | null
  /** The user of doctor itself; null where there is no such thing. */
  readonly uid: number | null
}

/** https://github.com/nodejs/release: the day on which each release line ends. */
const END_OF_LIFE: ReadonlyMap<number, string> = new Map([
  [18, '2025-04-30'],
  [20, '2026-04-30'],
  [22, '2027-04-30'],
  [24, '2028-04-30'],
])

/**
 * @param instance the instance's folder
 * @param user `user` of smtp.ini
 * @returns the facts
 */
export function hostFacts(instance: string, user: string | null): HostFacts {
  const data = statSync(join(instance, 'data'), { throwIfNoEntry: false })
  return {
    node: process.versions.node,
    user,
    dataOwner: data?.uid ?? null,
    uid: process.getuid?.() ?? null,
  }
}

/**
 * @param facts what was seen
 * @param now ISO 8601 in UTC
 * @param report where findings go
 */
export function checkHost({ dataOwner, node, uid, user }: HostFacts, now: string, report: Report): void {
  const end = END_OF_LIFE.get(Number.parseInt(node, 10))
  if (end !== undefined && end < now) report('info', 'node-end-of-life', `Node ${node}: since ${end}`)
  // A service manager may start it as somebody else: then data/ is his.
  if (uid === 0 && user === null && dataOwner === 0) {
    report('warning', 'runs-as-root', 'config/smtp.ini names no user, and data/ belongs to root')
  }
}
