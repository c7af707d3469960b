/** The earliest of many: a binary heap of what has a key. */

interface Keyed {
  readonly key: string
  /** Decides between equal keys; no two have the same. */
  readonly order: number
}

export class CursorHeap<Item extends Keyed> {
  readonly #items: Item[] = []

  /** The one with the smallest key, and of several the smallest order. */
  get first(): Item | undefined {
    return this.#items[0]
  }

  /** All of them, in no order. */
  get items(): readonly Item[] {
    return this.#items
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

  /** Puts the first where it belongs, after its key has grown. */
  moveFirst(): void {
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      const right = left + 1
      let least = index
      if (this.#isBefore(left, least)) least = left
      if (this.#isBefore(right, least)) least = right
      if (least === index) return
      this.#swap(index, least)
      index = least
    }
  }

  /** Takes the first away. */
  removeFirst(): void {
    const last = this.#items.pop()
    if (last === undefined || this.#items.length === 0) return
    this.#items[0] = last
    this.moveFirst()
  }

  #isBefore(left: number, right: number): boolean {
    const [one, other] = [this.#items[left], this.#items[right]]
    if (one === undefined || other === undefined) return false
    return one.key === other.key ? one.order < other.order : one.key < other.key
  }

  #swap(left: number, right: number): void {
    const [one, other] = [this.#items[left], this.#items[right]]
    if (one === undefined || other === undefined) return
    this.#items[left] = other
    this.#items[right] = one
  }
}
