/** What is due first: a binary heap, since fifty thousand messages may wait for their time. */

interface Timed {
  /** Milliseconds since 1970. */
  readonly at: number
}

export class DueHeap<Item extends Timed> {
  readonly #items: Item[] = []

  get size(): number {
    return this.#items.length
  }

  /** The one that is due first. */
  get first(): Item | undefined {
    return this.#items[0]
  }

  /** @param item one more */
  add(item: Item): void {
    this.#items.push(item)
    let index = this.#items.length - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.#isBefore(index, parent)) break
      this.#swap(index, parent)
      index = parent
    }
  }

  /** @returns the one that is due first, which is taken away */
  take(): Item | undefined {
    const first = this.#items[0]
    const last = this.#items.pop()
    if (last === undefined || first === last) return first
    this.#items[0] = last
    this.#sink()
    return first
  }

  #sink(): void {
    let index = 0
    for (;;) {
      let least = index
      const left = 2 * index + 1
      if (this.#isBefore(left, least)) least = left
      if (this.#isBefore(left + 1, least)) least = left + 1
      if (least === index) return
      this.#swap(index, least)
      index = least
    }
  }

  #isBefore(left: number, right: number): boolean {
    const [one, other] = [this.#items[left], this.#items[right]]
    return one !== undefined && other !== undefined && one.at < other.at
  }

  #swap(left: number, right: number): void {
    const [one, other] = [this.#items[left], this.#items[right]]
    if (one === undefined || other === undefined) return
    this.#items[left] = other
    this.#items[right] = one
  }
}
