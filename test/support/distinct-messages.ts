/** Messages that are all different and can be recognised, whole or torn, wherever they arrive. */

import { createHash } from 'node:crypto'
import { Random } from './random.ts'

/** The first field of each message: from here on nobody may change a byte. */
export const ID_FIELD = 'X-Test-Id'

export interface DistinctMessage {
  readonly id: string
  /** Of the content, in base64. */
  readonly sha256: string
  readonly bytes: number
  /** As it is sent after 354, dots stuffed, with the final dot. */
  readonly wire: Buffer
}

const POOL_BYTES = 400 * 1024

/** Lines of all kinds: dots at the beginning, bytes beyond ASCII, empty ones, the longest that RFC 5321 allows. */
export class DistinctMessages {
  readonly #random: Random
  readonly #raw: Buffer
  readonly #wire: Buffer
  /** Where each line begins in both. */
  readonly #lines: { readonly raw: number; readonly wire: number }[] = []
  readonly #run: string
  #count = 0

  /** @param seed a whole number; @param run sets the ids apart from those of another maker */
  constructor(seed: number, run = 'm') {
    this.#random = new Random(seed)
    this.#run = run
    const [raw, wire]: [Buffer[], Buffer[]] = [[], []]
    let [rawLength, wireLength] = [0, 0]
    while (rawLength < POOL_BYTES) {
      const line = this.#line()
      const stuffed = line[0] === 0x2e ? Buffer.concat([Buffer.from('.'), line]) : line
      this.#lines.push({ raw: rawLength, wire: wireLength })
      raw.push(line)
      wire.push(stuffed)
      rawLength += line.length
      wireLength += stuffed.length
    }
    this.#raw = Buffer.concat(raw)
    this.#wire = Buffer.concat(wire)
  }

  #line(): Buffer {
    const length = this.#random.chance(0.02) ? 998 : this.#random.between(0, 76)
    const bytes = Array.from({ length }, () =>
      this.#random.chance(0.05) ? this.#random.between(0xa0, 0xff) : this.#random.between(0x20, 0x7e),
    )
    if (length > 0 && this.#random.chance(0.1)) bytes[0] = 0x2e
    return Buffer.from([...bytes, 0x0d, 0x0a])
  }

  /**
   * @param bytes about how large its body is to be
   * @returns the next one
   */
  make(bytes: number): DistinctMessage {
    this.#count += 1
    const id = `${this.#run}-${this.#count}`
    const header = Buffer.from(
      [
        `${ID_FIELD}: ${id}`,
        'From: kate@contoso.com',
        'To: undisclosed-recipients:;',
        'Date: Tue, 24 Nov 2026 02:00:00 +0000',
        `Message-ID: <${id}@contoso.com>`,
        `Subject: ${id}`,
        '',
        '',
      ].join('\r\n'),
    )
    const count = Math.max(1, Math.round((bytes / this.#raw.length) * this.#lines.length))
    const first = this.#random.between(0, Math.max(0, this.#lines.length - count - 1))
    const [from, to] = [this.#lines[first], this.#lines[first + count]]
    const raw = this.#raw.subarray(from?.raw, to?.raw)
    const content = Buffer.concat([header, raw])
    const wire = Buffer.concat([header, this.#wire.subarray(from?.wire, to?.wire), Buffer.from('.\r\n')])
    const sha256 = createHash('sha256').update(content).digest('base64')
    return { id, sha256, bytes: content.length, wire }
  }
}
