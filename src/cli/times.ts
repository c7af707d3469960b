/** Times as they are typed. */

import { parseDuration } from '../text/duration.ts'
import { printable } from '../text/printable.ts'
import { UsageError } from './errors.ts'

const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/

/**
 * @param text what --since says: how long ago, or a day or time with its zone
 * @param earliest milliseconds since 1970: what lies before is no time
 * @returns the time
 * @throws UsageError
 */
export function sinceOf(text: string, earliest = Number.NEGATIVE_INFINITY): Date {
  const duration = parseDuration(text)
  // Of so long ago there are no records, and not always a date.
  const ago = duration === null ? Number.NaN : Date.now() - duration
  const time = TIME.test(text) ? Date.parse(text) : ago >= 0 ? ago : Number.NaN
  if (time >= earliest) return new Date(time)
  throw new UsageError(
    `--since "${printable(text)}" is no time: give 90s, 15m, 1h, 7d or 2026-11-24T02:00:00Z`,
  )
}
