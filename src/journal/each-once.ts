/** Lets each line through once where several folders may hold copies of the same journal. */

import type { LineKind } from './line-kind.ts'
import type { JournalLine } from './record.ts'

/** One line, how often it was let through, and how often each folder had it. */
interface Seen<Line> {
  readonly record: Line
  passed: number
  readonly had: number[]
}

/** As many are compared one by one; records of the same millisecond are few. */
const FEW = 16

/**
 * A decision is the same when its transaction's id, its recipient and its time are, a delivery when its event is as well. Two equal ones of one folder are two:
 * a client may name a recipient twice in one millisecond. Copies, whole or in part, have the same keys in the same
 * order, so that only what has the same key is remembered.
 */
export class EachOnce<Line extends JournalLine> {
  readonly #kind: LineKind<Line>
  #key = ''
  #few: Seen<Line>[] = []
  readonly #many = new Map<string, Seen<Line>>()

  /** @param kind which lines are given */
  constructor(kind: LineKind<Line>) {
    this.#kind = kind
  }

  /**
   * @param folder the number of the folder that the record is from
   * @param key never smaller than the one before
   * @param record a record
   * @returns whether no other folder had it already
   */
  isNew(folder: number, key: string, record: Line): boolean {
    if (key !== this.#key) this.#forget(key)
    const seen = this.#find(record)
    const count = (seen.had[folder] ?? 0) + 1
    seen.had[folder] = count
    if (count <= seen.passed) return false
    seen.passed = count
    return true
  }

  #forget(key: string): void {
    this.#key = key
    this.#few = []
    if (this.#many.size > 0) this.#many.clear()
  }

  #find(record: Line): Seen<Line> {
    const { id, time } = record
    const what = this.#kind.what(record)
    const known = this.#few.find(
      ({ record: other }) => other.id === id && other.time === time && this.#kind.what(other) === what,
    )
    if (known !== undefined) return known
    const seen: Seen<Line> = { record, passed: 0, had: [] }
    if (this.#few.length < FEW) {
      this.#few.push(seen)
      return seen
    }
    const identity = JSON.stringify([time, id, what])
    const among = this.#many.get(identity) ?? seen
    this.#many.set(identity, among)
    return among
  }
}
