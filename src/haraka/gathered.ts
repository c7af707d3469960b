/** Bytes that come in pieces, kept in few buffers: a line of a message is copied once, and no object is kept for it. */

const FIRST = 8 * 1024
const LARGEST = 1024 * 1024

export class Gathered {
  readonly #full: Buffer[] = []
  #current: Buffer = Buffer.alloc(0)
  #used = 0
  #length = 0

  /** How many bytes there are. */
  get length(): number {
    return this.#length
  }

  /** @param piece the next bytes; a string is UTF-8 */
  add(piece: Buffer | string): void {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
    this.#length += bytes.length
    let from = 0
    while (from < bytes.length) {
      if (this.#used === this.#current.length) this.#grow()
      const copied = bytes.copy(this.#current, this.#used, from)
      this.#used += copied
      from += copied
    }
  }

  /** @returns all of it, in pieces that belong to this; nothing may be added afterwards */
  pieces(): Buffer[] {
    return [...this.#full, this.#current.subarray(0, this.#used)]
  }

  #grow(): void {
    if (this.#used > 0) this.#full.push(this.#current)
    this.#current = Buffer.allocUnsafeSlow(Math.min(LARGEST, Math.max(FIRST, this.#length)))
    this.#used = 0
  }
}
