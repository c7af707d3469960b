/**
 * Whole answers that one worker remembers: the same servers ask the same again and again, and to put an answer together
 * from remembered records is most of the work of a warm decision. An answer counts for one state of the directory only,
 * and no longer than the oldest of its records. Bounded in bytes, as if it held its records alone.
 */

import { LRUCache } from 'lru-cache'
import type { Answer, Question } from '../directory.ts'
import type { Header } from './header.ts'

interface KnownAnswer {
  readonly answer: Answer
  readonly header: Header
  readonly until: number
  readonly bytes: number
}

/** The entry itself, its key apart. */
const OVERHEAD_BYTES = 500

export class Answers {
  readonly #known: LRUCache<string, KnownAnswer>

  /** @param maxBytes what the answers may take, about */
  constructor(maxBytes: number) {
    this.#known = new LRUCache({ maxSize: maxBytes, sizeCalculation: ({ bytes }) => bytes })
  }

  /**
   * @param question what is asked
   * @param header the header in force
   * @param now milliseconds of the clock that `until` is of
   * @returns the answer, when it was put together from this very state and is not too old
   */
  get(question: Question, header: Header, now: number): Answer | undefined {
    const known = this.#known.get(keyOf(question))
    return known !== undefined && known.header === header && now < known.until ? known.answer : undefined
  }

  /** @param records the bytes of its records */
  set(question: Question, answer: Answer, header: Header, until: number, records: number): void {
    const key = keyOf(question)
    this.#known.set(key, { answer, header, until, bytes: OVERHEAD_BYTES + key.length + records })
  }
}

/** Names are normalised and not empty, so that line breaks keep them apart, and an empty line the lists. */
function keyOf({ presentedNames, address, domains, outboundOf = [] }: Question): string {
  const lists = [presentedNames, domains, outboundOf.map((name) => JSON.stringify(name))]
  return `${address ?? ''}\n${lists.map((list) => list.join('\n')).join('\n\n')}`
}
