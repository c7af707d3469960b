/** How long a reply of Redis is waited for. */

/**
 * A worker that was busy for a while (a burst of handshakes) finds its timers due and the reply unread: it is read
 * before the time counts, else every such burst would look as if Redis were away.
 * @param reply the reply of a command
 * @param milliseconds how long it may take
 * @returns the reply
 * @throws when it does not come in time
 */
export function within<T>(reply: Promise<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      reject(new Error('Command timed out'))
    }
    // Sockets are read before immediates run; the second round is for what comes in more than one piece.
    const timer = setTimeout(() => setImmediate(() => setImmediate(giveUp)), milliseconds)
    reply.then(resolve, reject).finally(() => {
      clearTimeout(timer)
    })
  })
}
