/** Lists for people, aligned; and for scripts, as one JSON array or JSON lines. */

import { once } from 'node:events'
import { printable } from '../../text/printable.ts'

/** Rows that decide how wide the columns are; what is longer in a later one is not cut. */
const MEASURED_ROWS = 1000

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/gu
const WITHOUT_WIDTH = /\p{M}/gu

/** How many columns of a terminal a text takes, about. */
function widthOf(text: string): number {
  const bare = text.replaceAll(WITHOUT_WIDTH, '')
  return Array.from(bare).length + (bare.match(WIDE)?.length ?? 0)
}

/**
 * @param stream where it is written
 * @returns whether colours may be used there (https://no-color.org/)
 */
export function hasColors(stream: NodeJS.WritableStream): boolean {
  return 'isTTY' in stream && stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === ''
}

/**
 * @param headers the columns' names
 * @param rows cells from the directory; they are made safe here
 * @param stream where it is written
 * @returns how many rows there were
 */
export async function writeTable(
  headers: readonly string[],
  rows: AsyncIterable<readonly string[]>,
  stream: NodeJS.WritableStream,
): Promise<number> {
  const held: (readonly string[])[] = []
  let widths: readonly number[] | null = null
  let count = 0
  const write = async (text: string): Promise<void> => {
    if (!stream.write(text)) await once(stream, 'drain')
  }
  const begin = async (): Promise<void> => {
    widths = headers.map((header, index) =>
      Math.max(...[header, ...held.map((row) => row[index] ?? '')].map(widthOf)),
    )
    const line = aligned(headers, widths)
    await write(`${hasColors(stream) ? `\u001b[1m${line}\u001b[0m` : line}\n`)
    for (const row of held) await write(`${aligned(row, widths)}\n`)
    held.length = 0
  }
  for await (const cells of rows) {
    count++
    const row = cells.map((cell) => printable(cell, 100))
    if (widths !== null) await write(`${aligned(row, widths)}\n`)
    else if (held.push(row) === MEASURED_ROWS) await begin()
  }
  if (widths === null && held.length > 0) await begin()
  return count
}

function aligned(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, index) => cell + ' '.repeat(Math.max(0, (widths[index] ?? 0) - widthOf(cell))))
    .join('  ')
    .trimEnd()
}

/**
 * @param records what the array holds
 * @param stream where it is written
 */
export async function writeJsonArray(
  records: AsyncIterable<object>,
  stream: NodeJS.WritableStream,
): Promise<void> {
  let begun = false
  for await (const record of records) {
    if (!stream.write(`${begun ? ',\n' : '['}${JSON.stringify(record)}`)) await once(stream, 'drain')
    begun = true
  }
  stream.write(begun ? ']\n' : '[]\n')
}

/**
 * For what may be long or end early: each line stands for itself.
 * @param records one a line
 * @param stream where it is written
 */
export async function writeJsonLines(
  records: AsyncIterable<object>,
  stream: NodeJS.WritableStream,
): Promise<void> {
  for await (const record of records) {
    if (!stream.write(`${JSON.stringify(record)}\n`)) await once(stream, 'drain')
  }
}

/** @returns what `map` makes of each item */
export async function* mapped<T, U>(items: AsyncIterable<T>, map: (item: T) => U): AsyncGenerator<U> {
  for await (const item of items) yield map(item)
}
