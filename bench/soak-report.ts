/** What the soak and its workers say to each other, and times counted in buckets: a million of them take no room. */

export interface WorkerOptions {
  readonly worker: number
  readonly workers: number
  readonly port: number
  readonly prefix: string
  /** For its files: its reads, and the revision it saw. */
  readonly folder: string
  /** Milliseconds between its writes, about. */
  readonly writeEach: number
}

export interface WorkerReport {
  readonly reads: number
  readonly writes: number
  /** Attempts to take the contested domain while somebody else had it. */
  readonly refused: number
  /** How many decisions took how long, in buckets of microseconds. */
  readonly latencies: readonly number[]
  /** Errors and warnings that its directory logged. */
  readonly complaints: readonly string[]
}

/** Buckets for each doubling. */
const EACH_DOUBLING = 4

/** @returns the bucket of a time */
export function bucketOf(time: number): number {
  return time <= 1 ? 0 : Math.ceil(EACH_DOUBLING * Math.log2(time))
}

/**
 * @param buckets how many times there are in each bucket
 * @param share e.g. 0.99
 * @returns the time below which so much of them lies, up to a fifth too much; 0 when there are none
 */
export function bucketQuantile(buckets: readonly (number | null | undefined)[], share: number): number {
  const all = buckets.reduce<number>((sum, count) => sum + (count ?? 0), 0)
  let left = all * share
  if (all === 0) return 0
  for (const [bucket, count] of buckets.entries()) {
    left -= count ?? 0
    if (left <= 0) return 2 ** (bucket / EACH_DOUBLING)
  }
  return 0
}
