/** Takes a change over into a text that is laid out in its own way. */

import { diffArrays } from 'diff'
import { Indentation } from './indentation.ts'

/** Lines that may differ; more are a new text. */
const MOST_DIFFERENT = 4_000

/**
 * @param text as a person wrote it
 * @param before the same, as a program lays it out
 * @param after the same with a change, as the program lays it out
 * @returns the text with the change: lines that `before` and `after` share stand as they were written; null when too much
 *   is different
 */
export function takeOver(text: string, before: string, after: string): string | null {
  const [written, old, now] = [text.split('\n'), before.split('\n'), after.split('\n')]
  const hunks = hunksOf(old, written)
  const change = changeOf(old, now)
  if (hunks === null || change === null) return null
  const result = new Result(old, written, change)
  for (const hunk of hunks) result.add(hunk)
  return result.text()
}

class Result {
  readonly #old: readonly string[]
  readonly #written: readonly string[]
  readonly #change: Change
  readonly #indentation = new Indentation()
  readonly #lines: string[] = []
  #next = 0

  constructor(old: readonly string[], written: readonly string[], change: Change) {
    this.#old = old
    this.#written = written
    this.#change = change
  }

  add(hunk: Hunk): void {
    this.#insert(hunk.from)
    if (!hunk.isSame && !isTouched(hunk, this.#change)) {
      this.#keep(hunk)
      return
    }
    for (let at = hunk.from; at < hunk.to; at++) {
      if (at > hunk.from) this.#insert(at)
      if (this.#change.removed.has(at)) continue
      if (hunk.isSame) this.#take(at, hunk.place + at - hunk.from)
      // The person and the change have both touched these lines: the program's lines have the person's comments.
      else this.#push(this.#old[at])
    }
  }

  /** Lines that the program would leave out stay where they are; what only it would put there is nobody's. */
  #keep({ from, place, placeEnd, to }: Hunk): void {
    const [line = '', first = ''] = [this.#old[from], this.#written[place]]
    if (to > from && bare(first).startsWith(bare(line))) this.#indentation.learn(line, first)
    for (const own of this.#written.slice(place, placeEnd)) this.#lines.push(own)
  }

  text(): string {
    this.#insert(this.#old.length)
    return this.#lines.join('\n')
  }

  #insert(at: number): void {
    // Where written lines stand between two of the program's, the new ones come before them, and once.
    if (at < this.#next) return
    this.#next = at + 1
    for (const line of this.#change.inserted.get(at) ?? []) this.#push(line)
  }

  #push(line = ''): void {
    this.#lines.push(this.#indentation.shifted(line))
  }

  #take(at: number, place: number): void {
    const own = this.#written[place] ?? ''
    this.#indentation.learn(this.#old[at] ?? '', own)
    this.#lines.push(own)
  }
}

/** Lines of the program's layout (`from` to `to`), and the written ones in their place. */
interface Hunk {
  readonly from: number
  to: number
  readonly place: number
  placeEnd: number
  /** Line by line the same, but for white space. */
  readonly isSame: boolean
}

function hunksOf(old: readonly string[], written: readonly string[]): Hunk[] | null {
  const parts = diffArrays(
    old.map((line) => bare(line)),
    written.map((line) => bare(line)),
    { maxEditLength: MOST_DIFFERENT },
  )
  if (parts === undefined) return null
  const hunks: Hunk[] = []
  let [from, place] = [0, 0]
  for (const { added, count, removed } of parts) {
    const isSame = !added && !removed
    let hunk = hunks.at(-1)
    if (hunk === undefined || isSame || hunk.isSame) {
      hunk = { from, to: from, place, placeEnd: place, isSame }
      hunks.push(hunk)
    }
    if (!added) from += count
    if (!removed) place += count
    hunk.to = from
    hunk.placeEnd = place
  }
  return hunks
}

interface Change {
  /** Indexes of old lines. */
  readonly removed: ReadonlySet<number>
  /** New lines, by the index of the old line that they stand before. */
  readonly inserted: ReadonlyMap<number, readonly string[]>
}

function changeOf(old: readonly string[], now: readonly string[]): Change | null {
  const parts = diffArrays([...old], [...now], { maxEditLength: MOST_DIFFERENT })
  if (parts === undefined) return null
  const removed = new Set<number>()
  const inserted = new Map<number, readonly string[]>()
  let at = 0
  for (const part of parts) {
    if (part.added) {
      inserted.set(at, [...(inserted.get(at) ?? []), ...part.value])
      continue
    }
    if (part.removed) for (let index = at; index < at + part.count; index++) removed.add(index)
    at += part.count
  }
  return { removed, inserted }
}

function isTouched({ from, to }: Hunk, { inserted, removed }: Change): boolean {
  for (let at = from; at < to; at++) if (removed.has(at) || (at > from && inserted.has(at))) return true
  return false
}

function bare(line: string): string {
  return line.replaceAll(/\s/g, '')
}
