/** Lets each decision through once where several folders may hold copies of the same journal. */

import type { JournalRecord } from './record.ts'

/** One decision, how often it was let through, and how often each folder had it. */
interface Seen {
  readonly record: JournalRecord
  passed: number
  readonly had: number[]
}

/** As many are compared one by one; records of the same millisecond are few. */
const FEW = 16

/**
 * A decision is the same when its transaction's id, its recipient and its time are. Two equal ones of one folder are two:
 * a client may name a recipient twice in one millisecond. Copies, whole or in part, have the same keys in the same
 * order, so that only what has the same key is remembered.
 */
export class EachOnce {
  #key = ''
  #few: Seen[] = []
  readonly #many = new Map<string, Seen>()

  /**
   * @param folder the number of the folder that the record is from
   * @param key never smaller than the one before
   * @param record a record
   * @returns whether no other folder had it already
   */
  isNew(folder: number, key: string, record: JournalRecord): boolean {
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

  #find(record: JournalRecord): Seen {
    const { id, recipient, time } = record
    const known = this.#few.find(
      ({ record: other }) => other.id === id && other.recipient === recipient && other.time === time,
    )
    if (known !== undefined) return known
    const seen: Seen = { record, passed: 0, had: [] }
    if (this.#few.length < FEW) {
      this.#few.push(seen)
      return seen
    }
    const identity = JSON.stringify([time, id, recipient])
    const among = this.#many.get(identity) ?? seen
    this.#many.set(identity, among)
    return among
  }
}
