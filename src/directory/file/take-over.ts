/** Takes a change over into a text that is laid out in its own way. */

import { diffArrays } from 'diff'

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
  const places = placesOf(old, written)
  const parts = diffArrays(old, now, { maxEditLength: MOST_DIFFERENT })
  if (places === null || parts === undefined) return null
  const lines: string[] = []
  let [at, line] = [0, 0]
  for (const { added, removed, value } of parts) {
    if (added) {
      lines.push(...value)
      continue
    }
    for (const shared of value) {
      const place = places[line++]
      if (place === undefined || place === null) {
        // An empty line that only the program would put there is nobody's.
        if (!removed && bare(shared) !== '') lines.push(shared)
        continue
      }
      // Lines that the program would leave out stay where they are.
      lines.push(...written.slice(at, removed ? place : place + 1))
      at = place + 1
    }
  }
  lines.push(...written.slice(at))
  return lines.join('\n')
}

/** For each line of the program's layout, where it was written; null for one that was written otherwise. */
function placesOf(old: readonly string[], written: readonly string[]): (number | null)[] | null {
  const parts = diffArrays(
    old.map((line) => bare(line)),
    written.map((line) => bare(line)),
    { maxEditLength: MOST_DIFFERENT },
  )
  if (parts === undefined) return null
  const places: (number | null)[] = []
  let place = 0
  for (const { added, count, removed } of parts) {
    for (let index = 0; index < count; index++) {
      if (!added) places.push(removed ? null : place)
      if (!removed) place++
    }
  }
  return places
}

function bare(line: string): string {
  return line.replaceAll(/\s/g, '')
}
