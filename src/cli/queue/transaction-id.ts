/** Ids of messages, as people find them. */

/**
 * @param text the id alone, or what stands around it in a reply, a bounce or the log: `[no-tls 4F2A….1]`,
 *   `Message Queued (4F2A….1)`
 * @returns the id
 */
export function transactionId(text: string): string {
  const within = /\[\S+ (\S+)\]/.exec(text)?.[1] ?? /\(([0-9A-Fa-f-]{36}(?:\.\d+)*)\)/.exec(text)?.[1]
  return within ?? text.replaceAll(/[[\]()<>\s]/g, '')
}

/**
 * A connection's id stands for all of its messages, and one with more at its end for the message.
 * @param id a message's
 * @param asked what was asked for
 * @returns whether it is meant
 */
export function isMeant(id: string, asked: string): boolean {
  return id === asked || id.startsWith(`${asked}.`) || asked.startsWith(`${id}.`)
}
