/** Report-only mode of a connector or an organisation, which ends by itself (DESIGN.md, "The rule, exactly"). */

import type { Fields, YamlReader } from './yaml-reader.ts'
import { quoted } from './yaml-reader.ts'

/** A policy that is only reported is no policy: longer than this nobody remembers that it is. */
export const MOST_REPORT_ONLY_DAYS = 90

const DAY = 86_400_000

/** A clock that is before this is wrong, as at the start of a machine that has not heard of the time yet. */
const EARLIEST_CLOCK = Date.parse('2026-11-01T00:00:00Z')

/**
 * @param reader where problems are reported
 * @param fields the fields of an organisation or a connector
 * @returns until when it is in report-only mode, ISO 8601 in UTC; null when it never is, or after a report
 */
export function readReportOnly(reader: YamlReader, fields: Fields): string | null {
  const field = fields.get('reportOnlyUntil')
  if (field === undefined || reader.isNothing(field.value)) return null
  const text = reader.text(field)
  if (text === null) return null
  const until = parseInstant(text)
  if (until === null) {
    const mend = 'write the day on which it ends, e.g. 2027-02-01, or the time: 2027-02-01T06:00:00Z'
    reader.error(field.value, `reportOnlyUntil ${quoted(text)} is no date`, mend)
    return null
  }
  // A day more: whoever writes "in 90 days" does not count hours.
  const latest = new Date(Date.now() + (MOST_REPORT_ONLY_DAYS + 1) * DAY).toISOString()
  if (until > latest && Date.now() >= EARLIEST_CLOCK) {
    const message = `reportOnlyUntil ${quoted(text)} is more than ${MOST_REPORT_ONLY_DAYS} days ahead`
    reader.error(field.value, message, `write ${latest.slice(0, 10)} at the latest`)
    return null
  }
  if (until <= new Date().toISOString()) {
    reader.report(field.key, 'notice', `report-only mode ended on ${until}`, 'the line can go')
  }
  return until
}

/**
 * @param text a day (its beginning in UTC is meant) or a time with its zone, e.g. `2027-02-01`, `2027-02-01T06:00:00Z`
 * @returns it in ISO 8601, UTC, as `Date.toISOString()` writes it; null when it is neither
 */
export function parseInstant(text: string): string | null {
  if (!/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/.test(text)) return null
  const time = Date.parse(text)
  // JavaScript reads 2027-02-30 as 2 March.
  if (Number.isNaN(time) || !daysAgree(text)) return null
  return new Date(time).toISOString()
}

function daysAgree(text: string): boolean {
  const day = text.slice(0, 10)
  const read = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(read.getTime()) && read.toISOString().startsWith(day)
}
