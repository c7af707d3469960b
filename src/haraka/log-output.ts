/**
 * Haraka writes each line of its log by a system call of its own, in the middle of what it does. Here the lines of one
 * turn of the event loop go out together.
 */

/** So much is never kept back. */
const MOST_CHARACTERS = 65_536

/**
 * @param stream standard output; a terminal is left alone
 * @param stream.isTTY whether it is one
 */
export function gatherOutput(stream: NodeJS.WriteStream): void {
  if (stream.isTTY) return
  const write = stream.write.bind(stream)
  let pending = ''
  let scheduled = false
  const flush = (): void => {
    const text = pending
    pending = ''
    scheduled = false
    if (text !== '') write(text)
  }
  const gather = (chunk: unknown, ...more: unknown[]): boolean => {
    if (typeof chunk !== 'string' || more.length > 0) {
      flush()
      return (write as (...args: unknown[]) => boolean)(chunk, ...more)
    }
    pending += chunk
    if (pending.length > MOST_CHARACTERS) flush()
    else if (!scheduled) {
      scheduled = true
      setImmediate(flush)
    }
    return true
  }
  stream.write = gather
  // Also when the process ends by an error that nobody caught.
  process.on('exit', flush)
}
