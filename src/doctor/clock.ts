/**
 * The clock, as far as it can be judged without asking the network: against Redis, which all nodes share, and against
 * what this machine wrote itself. Both may be wrong together: NTP is not asked.
 */

import type { Report } from './finding.ts'

export interface ClockFacts {
  /** Milliseconds that Redis' clock is ahead of ours (below zero: behind), and how exactly that is known. */
  readonly redis: { readonly ahead: number; readonly within: number } | null
  /** Why there is nothing to compare with; '' when there is. */
  readonly why: string
  /** Times that this machine wrote, in milliseconds since 1970. */
  readonly written: readonly { readonly what: string; readonly time: number }[]
}

/** Two machines that are kept by NTP differ by milliseconds. */
const MOST_APART = 2_000
const FAR_APART = 60_000
/** A file system on another machine has a clock of its own. */
const MOST_AHEAD = 60_000

/**
 * @param facts what was seen
 * @param now milliseconds since 1970
 * @param report where findings go
 */
export function checkClock({ redis, why, written }: ClockFacts, now: number, report: Report): void {
  if (redis === null) report('info', 'clock-not-compared', why)
  else {
    const apart = Math.abs(redis.ahead) - redis.within
    if (apart > MOST_APART) {
      const which = redis.ahead > 0 ? 'ahead of' : 'behind'
      const seconds = (Math.abs(redis.ahead) / 1000).toFixed(1)
      report(
        apart > FAR_APART ? 'error' : 'warning',
        'clock-differs',
        `Redis' clock is ${seconds} s ${which} this machine's`,
      )
    }
  }
  for (const { time, what } of written) {
    if (time - now <= MOST_AHEAD) continue
    const ahead = Math.floor((time - now) / 1000)
    report('warning', 'time-in-the-future', `${what} is of a time ${ahead} s from now`)
  }
}
