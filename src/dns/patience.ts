/** How long something in the DNS is waited for: each question, and all of them together. */

import { setMaxListeners } from 'node:events'

/** What may be set; a caller leaves it out. */
export interface PatienceOptions {
  /** For one answer of one server; a question over UDP is put `tries` times. Default 2000. */
  readonly timeoutMilliseconds?: number
  /** Default 2. */
  readonly tries?: number
  /** For everything together. Default 20,000. */
  readonly deadlineMilliseconds?: number
  /** Gives up at once. */
  readonly signal?: AbortSignal
}

export interface Patience {
  readonly timeoutMilliseconds: number
  readonly tries: number
  /** Aborted when the time for everything is up, or the caller gave up. */
  readonly signal: AbortSignal
}

const TIMEOUT_MILLISECONDS = 2000
const TRIES = 2
const DEADLINE_MILLISECONDS = 20_000

/**
 * @param options how long to wait
 * @param work what is waited for; it ends soon after its signal is aborted
 * @returns what the work returns
 * @throws the reason of the caller's signal when that was aborted
 */
export async function withPatience<T>(
  options: PatienceOptions,
  work: (patience: Patience) => Promise<T>,
): Promise<T> {
  const { signal: caller } = options
  caller?.throwIfAborted()
  const controller = new AbortController()
  // Each server that is asked listens.
  setMaxListeners(0, controller.signal)
  const end = (): void => {
    controller.abort()
  }
  const timer = setTimeout(end, options.deadlineMilliseconds ?? DEADLINE_MILLISECONDS)
  caller?.addEventListener('abort', end, { once: true })
  try {
    const result = await work({
      timeoutMilliseconds: options.timeoutMilliseconds ?? TIMEOUT_MILLISECONDS,
      tries: options.tries ?? TRIES,
      signal: controller.signal,
    })
    caller?.throwIfAborted()
    return result
  } finally {
    clearTimeout(timer)
    caller?.removeEventListener('abort', end)
  }
}
