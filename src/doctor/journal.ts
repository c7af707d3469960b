/** Which journals were read, and what is wrong with them. */

import type { Report } from './finding.ts'
import type { UsageFacts } from './usage-facts.ts'

/**
 * @param usage what was read
 * @param report where findings go
 */
export function checkJournal({ coverage, since }: UsageFacts, report: Report): void {
  for (const { completeSince, damaged, directory, latest, records } of coverage) {
    const covered =
      completeSince === null
        ? 'it holds no decision at all'
        : `nothing is missing since ${completeSince}, and the last is of ${latest ?? ''}`
    report('info', 'journal-coverage', `${directory}: ${records} decisions since ${since}; ${covered}`)
    if (damaged > 0) report('warning', 'journal-damaged', `${directory}: ${damaged} lines`)
  }
}
