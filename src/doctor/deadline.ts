/** A bound on everything that doctor waits for. */

/** It took too long. */
export class TooLate extends Error {
  override readonly name = 'TooLate'
}

/**
 * @param milliseconds how long is waited
 * @param work what is waited for; its signal is aborted when the time is up, or `outer` is
 * @param outer ends it earlier
 * @returns what the work returns
 * @throws TooLate when it did not end in time; whatever it does afterwards is passed over
 */
export async function inTime<T>(
  milliseconds: number,
  work: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  const controller = new AbortController()
  const end = (): void => {
    controller.abort(new TooLate(`it took longer than ${milliseconds / 1000} s`))
  }
  const late = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => {
      reject(new TooLate(`it took longer than ${milliseconds / 1000} s`))
    })
  })
  late.catch(() => undefined)
  const timer = setTimeout(end, milliseconds)
  if (outer?.aborted === true) end()
  outer?.addEventListener('abort', end, { once: true })
  try {
    const working = work(controller.signal)
    // When it is late nobody waits for it any more.
    working.catch(() => undefined)
    return await Promise.race([working, late])
  } finally {
    clearTimeout(timer)
    outer?.removeEventListener('abort', end)
    // What is still waited for is let go.
    controller.abort()
  }
}
