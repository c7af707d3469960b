/** Which time the journals that were read really cover: figures a day are of that time, and of no other. */

import type { JournalCoverage, JournalGap } from '../journal/coverage.ts'
import { gapsOf } from '../journal/coverage.ts'

const DAY = 86_400_000

export interface CoveredPeriod {
  /** What was asked for, ISO 8601 in UTC. */
  readonly since: string
  readonly until: string
  /** What every journal that holds anything covers; null where there is no such time. */
  readonly covered: { readonly from: string; readonly to: string; readonly days: number } | null
  readonly gaps: readonly JournalGap[]
}

/**
 * @param nodes what each folder had to say
 * @param own the folder that the instance itself writes: it goes on until now
 * @param since from when on it was asked for
 * @param until up to when
 * @returns the time that is covered
 */
export function coveredPeriod(
  nodes: readonly JournalCoverage[],
  own: string,
  since: Date,
  until: Date,
): CoveredPeriod {
  const gaps = gapsOf(nodes, own, since, until)
  const limit = (kind: JournalGap['kind']): string[] =>
    gaps.flatMap((gap) => (gap.kind === kind ? [gap.time] : [])).toSorted()
  const from = limit('before').at(-1) ?? since.toISOString()
  const to = limit('after').at(0) ?? until.toISOString()
  const known = nodes.some(({ completeSince }) => completeSince !== null) && from < to
  // Of less than a day nothing is said of a day.
  const days = Math.max(1, (Date.parse(to) - Date.parse(from)) / DAY)
  return {
    since: since.toISOString(),
    until: until.toISOString(),
    covered: known ? { from, to, days } : null,
    gaps,
  }
}
