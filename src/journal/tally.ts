/** How many decisions there were, with what outcome, when the last one was, and from where they came. */

import type { Outcome } from '../policy/types.ts'
import { later } from './coverage.ts'
import type { JournalRecord } from './record.ts'

const MOST_ADDRESSES = 10

/** Decisions, one for each recipient. */
export interface Usage {
  readonly decisions: number
  readonly outcomes: ReadonlyMap<Outcome, number>
  /** Time of the last one, as records have it; null when there is none. */
  readonly last: string | null
  /** The first few addresses that it came from. */
  readonly addresses: readonly string[]
  readonly moreAddresses: boolean
}

/** Counts decisions one by one. */
export class Tally implements Usage {
  decisions = 0
  last: string | null = null
  moreAddresses = false
  readonly outcomes = new Map<Outcome, number>()
  readonly #addresses = new Set<string>()

  get addresses(): readonly string[] {
    return [...this.#addresses]
  }

  add({ outcome, peer, time }: JournalRecord): void {
    this.decisions += 1
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1)
    this.last = later(this.last, time)
    this.#addAddress(peer.address)
  }

  /** Takes what another one counted. */
  addAll(other: Usage): void {
    this.decisions += other.decisions
    for (const [outcome, count] of other.outcomes) {
      this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + count)
    }
    if (other.last !== null) this.last = later(this.last, other.last)
    for (const address of other.addresses) this.#addAddress(address)
    this.moreAddresses ||= other.moreAddresses
  }

  #addAddress(address: string): void {
    if (this.#addresses.has(address)) return
    if (this.#addresses.size < MOST_ADDRESSES) this.#addresses.add(address)
    else this.moreAddresses = true
  }
}
