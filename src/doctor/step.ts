/** One group of checks: what goes wrong in it is a finding of its own, and ends no other. */

import { messageOf } from '../text/message-of.ts'
import { inTime, TooLate } from './deadline.ts'
import type { Findings } from './finding.ts'
import type { FindingGroup } from './finding-text.ts'

export interface Step {
  readonly group: FindingGroup
  /** How long it may take. */
  readonly milliseconds: number
  /** Ends it earlier. */
  readonly signal: AbortSignal
}

/**
 * @param findings where it is told that it failed, or was done
 * @param step which group, and how long it may take
 * @param work gathers facts and judges them; its signal is aborted when the time is up
 * @returns what the work returns; null when it failed or was late
 */
export async function examineGroup<T>(
  findings: Findings,
  { group, milliseconds, signal }: Step,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | null> {
  try {
    const result = await inTime(milliseconds, work, signal)
    findings.looked(group)
    return result
  } catch (error) {
    if (error instanceof TooLate) findings.add('warning', 'check-late', `${group}: ${error.message}`)
    else findings.add('error', 'check-failed', `${group}: ${messageOf(error)}`)
    return null
  }
}
