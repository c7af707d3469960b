/** When mail is tried again, and until when (RFC 5321 section 4.5.4.1): pure. */

import type { Envelope } from '../types.ts'
import type { DeliverySettings } from './settings-type.ts'

/** Intervals vary by this part of themselves, so that what failed together is not tried together. */
const JITTER = 0.2

/** A destination that does not answer is left alone so long at first, and twice as long each time. */
const FIRST_PAUSE = 30_000
const LONGEST_PAUSE = 1_800_000
const MOST_DOUBLINGS = 10

/** A fact that could not be looked up is asked for again so soon. */
const UNKNOWN_PAUSE = 60_000

/**
 * @param milliseconds an interval
 * @param random from 0 to 1
 * @returns it, up to a fifth shorter or longer
 */
function jittered(milliseconds: number, random: () => number): number {
  return Math.round(milliseconds * (1 - JITTER + 2 * JITTER * random()))
}

/**
 * @param attempts that were made, this one included
 * @param settings the intervals
 * @param random from 0 to 1
 * @returns how long until the next
 */
export function retryDelay(
  attempts: number,
  { retryIntervals }: Pick<DeliverySettings, 'retryIntervals'>,
  random: () => number,
): number {
  const index = Math.min(Math.max(1, attempts), retryIntervals.length) - 1
  return jittered(retryIntervals[index] ?? UNKNOWN_PAUSE, random)
}

/**
 * @param failures of a destination in a row
 * @param settings the shortest interval bounds the first pause
 * @param random from 0 to 1
 * @returns how long it is left alone
 */
export function pauseOf(
  failures: number,
  { retryIntervals }: Pick<DeliverySettings, 'retryIntervals'>,
  random: () => number,
): number {
  const first = Math.min(FIRST_PAUSE, retryIntervals[0] ?? FIRST_PAUSE)
  const longest = Math.min(LONGEST_PAUSE, retryIntervals.at(-1) ?? LONGEST_PAUSE)
  return jittered(Math.min(longest, first * 2 ** Math.min(failures - 1, MOST_DOUBLINGS)), random)
}

/** @returns how long until a look-up is tried again that failed */
export function unknownDelay(
  { retryIntervals }: Pick<DeliverySettings, 'retryIntervals'>,
  random: () => number,
): number {
  return jittered(Math.min(UNKNOWN_PAUSE, retryIntervals[0] ?? UNKNOWN_PAUSE), random)
}

/**
 * @param envelope of a message
 * @param settings the lifetimes
 * @returns until when it is tried, in milliseconds since 1970
 */
export function expiresAt(
  { receivedAt, reportOn }: Pick<Envelope, 'receivedAt' | 'reportOn'>,
  { lifetime, reportLifetime }: Pick<DeliverySettings, 'lifetime' | 'reportLifetime'>,
): number {
  return receivedAt + (reportOn === null ? lifetime : reportLifetime)
}
