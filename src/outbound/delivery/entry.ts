/** A message in the memory of the process that has it. */

import type { Content, QueuedMessage } from '../types.ts'

export interface Entry {
  message: QueuedMessage
  /** Until it was tried once, and only as long as there is room. */
  content: Content | null
  /** Parts of it that are being tried; it is left alone until all of them have ended. */
  groups: number
  /** Those of them that only wait for a connection: somebody may still hold the message, or drop it. */
  waiting: number
  /** Goes up when somebody does something with it: parts that waited then are not sent any more. */
  turn: number
  /** What is being written about it, one after the other. */
  work: Promise<void>
  /** When it is tried next; an older time in the heap counts for nothing. */
  due: number
}
