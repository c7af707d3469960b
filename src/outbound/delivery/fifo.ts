/** First in, first out, in constant time: `shift` of an array copies all of it. */

export class Fifo<Item> {
  #front: Item[] = []
  #back: Item[] = []
  #taken = 0

  get length(): number {
    return this.#front.length - this.#taken + this.#back.length
  }

  /** @param item the last */
  push(item: Item): void {
    this.#back.push(item)
  }

  /** @param item the first again */
  unshift(item: Item): void {
    this.#front = [item, ...this.#front.slice(this.#taken)]
    this.#taken = 0
  }

  /** @returns the first, which is taken away */
  shift(): Item | undefined {
    if (this.#taken === this.#front.length) {
      this.#front = this.#back
      this.#back = []
      this.#taken = 0
    }
    const item = this.#front[this.#taken]
    if (this.#taken < this.#front.length) this.#taken += 1
    return item
  }

  /** @returns all of them, in order, which are taken away */
  drain(): Item[] {
    const all = [...this.#front.slice(this.#taken), ...this.#back]
    this.#front = []
    this.#back = []
    this.#taken = 0
    return all
  }
}
