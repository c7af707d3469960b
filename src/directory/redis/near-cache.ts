/**
 * What one worker remembers of the directory: what is there, and what is not. Bounded in bytes, so that it does not
 * grow with the directory nor with what strangers ask for.
 */

import { LRUCache } from 'lru-cache'
import type { AcceptedDomain, OutboundConnector } from '../../policy/types.ts'
import type { IndexEntry } from './records.ts'

/** What stands under one key. */
export type Stored =
  | { readonly kind: 'domain'; readonly record: AcceptedDomain | null }
  | { readonly kind: 'index'; readonly entry: IndexEntry | null }
  | { readonly kind: 'outbound'; readonly connectors: readonly OutboundConnector[] }
  | {
      readonly kind: 'unreadable'
      readonly key: string
      /** What was looked for. */
      readonly of: 'domain' | 'index' | 'outbound'
      readonly why: string
    }

export interface Remembered {
  readonly stored: Stored
  /** When it was asked for, in milliseconds of a clock that never goes back. */
  readonly readAt: number
  /** What it takes, about. */
  readonly bytes: number
}

/** A Map's entry, the list's links and the record's object, measured; the text of a record counts beside it. */
const OVERHEAD_BYTES = 400

/** A record as objects takes about three times the room of its text. */
const BYTES_PER_CHARACTER = 3

export class NearCache {
  readonly #cache: LRUCache<string, Remembered>

  /** @param maxBytes what the records may take, about */
  constructor(maxBytes: number) {
    this.#cache = new LRUCache({ maxSize: maxBytes, sizeCalculation: ({ bytes }) => bytes })
  }

  get(key: string): Remembered | undefined {
    return this.#cache.get(key)
  }

  /** @returns what is remembered under the key, as `get`, but it counts as no use of it */
  peek(key: string): Remembered | undefined {
    return this.#cache.peek(key)
  }

  /** @param characters the length of the record's text, 0 for nothing */
  set(key: string, stored: Stored, readAt: number, characters: number): void {
    const bytes = OVERHEAD_BYTES + key.length + characters * BYTES_PER_CHARACTER
    this.#cache.set(key, { stored, readAt, bytes })
  }

  drop(keys: Iterable<string>): void {
    for (const key of keys) this.#cache.delete(key)
  }

  clear(): void {
    this.#cache.clear()
  }

  get size(): number {
    return this.#cache.size
  }
}
