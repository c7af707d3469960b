/** What was thrown, in words. */

/**
 * @param thrown anything that was caught
 * @returns the message of an error, the text of anything else; not made safe to print
 */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
