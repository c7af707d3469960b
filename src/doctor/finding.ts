/** What doctor says: findings of one form, bounded in number and safe to print. */

import { printable } from '../text/printable.ts'
import type { FindingCode } from './codes.ts'
import { textOf } from './codes.ts'
import type { FindingGroup } from './finding-text.ts'

/** error: mail is lost, refused or let through that should not be. warning: look at it. info: good to know. */
export type FindingSeverity = 'error' | 'warning' | 'info'

/** One thing that was found. All texts are safe to print. */
export interface Finding {
  readonly severity: FindingSeverity
  readonly code: FindingCode
  /** What was seen, and where. */
  readonly evidence: string
  /** What to do about it. */
  readonly remedy: string
}

/** The worst first. */
export const SEVERITIES: readonly FindingSeverity[] = ['error', 'warning', 'info']

/** Of one code and severity so many are told one by one; 100,000 of the same kind help nobody. */
export const MOST_OF_A_KIND = 25

const LONGEST = 700

/** What more there is of one kind. */
interface Rest {
  readonly severity: FindingSeverity
  readonly code: FindingCode
  count: number
}

export class Findings {
  readonly #list: Finding[] = []
  readonly #counts = new Map<string, number>()
  readonly #rest = new Map<string, Rest>()
  readonly #looked = new Set<FindingGroup>()

  /**
   * @param severity how bad it is
   * @param code which of the closed list
   * @param evidence what was seen; may hold text from outside
   * @param remedy what to do; the one that belongs to the code when not given
   */
  add(severity: FindingSeverity, code: FindingCode, evidence: string, remedy = textOf(code).remedy): void {
    const kind = `${severity} ${code}`
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    if (count <= MOST_OF_A_KIND) {
      this.#list.push({
        severity,
        code,
        evidence: printable(evidence, LONGEST),
        remedy: printable(remedy, LONGEST),
      })
      return
    }
    const rest = this.#rest.get(kind)
    if (rest === undefined) this.#rest.set(kind, { severity, code, count: 1 })
    else rest.count += 1
  }

  /** @param group what was looked at, to the end */
  looked(group: FindingGroup): void {
    this.#looked.add(group)
  }

  /** @returns all of them, the worst first, otherwise in the order in which they were found */
  list(): Finding[] {
    const more = [...this.#rest.values()].map(({ severity, code, count }): Finding => ({
      severity,
      code,
      evidence: `${count} more of this kind`,
      remedy: textOf(code).remedy,
    }))
    const all = [...this.#list, ...more]
    return SEVERITIES.flatMap((severity) => all.filter((finding) => finding.severity === severity))
  }

  /** @returns what was looked at without an error or a warning */
  fine(): FindingGroup[] {
    const bad = new Set(
      this.#list.filter(({ severity }) => severity !== 'info').map(({ code }) => textOf(code).group),
    )
    return [...this.#looked].filter((group) => !bad.has(group))
  }
}

/** What a group of checks reports with. */
export type Report = Findings['add']
