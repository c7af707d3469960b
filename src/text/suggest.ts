/** "Did you mean": the candidate that a mistyped word was meant to be. */

/** Longer words are no typing mistake, and the distance costs time in the square of the length. */
const LONGEST_WORD = 64

/**
 * @param word what was typed
 * @param candidates what would have been right
 * @returns the nearest candidate without regard to case, when at most a third of the word is wrong (Damerau-Levenshtein
 *   distance, optimal string alignment), or null
 */
export function didYouMean(word: string, candidates: Iterable<string>): string | null {
  if (word.length === 0 || word.length > LONGEST_WORD) return null
  const typed = word.toLowerCase()
  let best: string | null = null
  let bestDistance = Math.max(1, Math.floor(typed.length / 3)) + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - typed.length) >= bestDistance) continue
    const distance = distanceBetween(typed, candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

function distanceBetween(left: string, right: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      current.push(cellOf(left, right, { row, column, beforeLast, last, current }))
    }
    beforeLast = last
    last = current
  }
  return last[right.length] ?? 0
}

interface Cell {
  readonly row: number
  readonly column: number
  readonly beforeLast: readonly number[]
  readonly last: readonly number[]
  readonly current: readonly number[]
}

function cellOf(left: string, right: string, { row, column, beforeLast, last, current }: Cell): number {
  const same = left[row - 1] === right[column - 1]
  const swapped =
    row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
  return Math.min(
    at(last, column) + 1,
    at(current, column - 1) + 1,
    at(last, column - 1) + (same ? 0 : 1),
    swapped ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
  )
}

function at(cells: readonly number[], index: number): number {
  return cells[index] ?? Number.POSITIVE_INFINITY
}
