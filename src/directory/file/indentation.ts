/** How deep lines stand in a text that is indented in its own way, beside how deep a program would write them. */

/** The program's indentation, of a list's items too: `- ` is two. */
const STEP = 2

export class Indentation {
  /** The written depth of each depth of the program's that is open at this line. */
  readonly #depths = new Map<number, number>()

  /**
   * @param line a line as the program writes it
   * @param written the same as a person wrote it
   */
  learn(line: string | undefined, written: string | undefined): void {
    if (line === undefined || written === undefined || isNoEntry(line) || isNoEntry(written)) return
    const depth = depthOf(line)
    for (const known of this.#depths.keys()) if (known > depth) this.#depths.delete(known)
    this.#depths.set(depth, depthOf(written))
    const dash = /^ *- +(?=\S)/.exec(written)?.[0]
    if (dash !== undefined && /^ *- /.test(line)) this.#depths.set(depth + STEP, dash.length)
  }

  /**
   * @param line a line as the program writes it, at this place
   * @returns the line as deep as its neighbours are written
   */
  shifted(line: string): string {
    if (line.trim() === '') return line
    const depth = depthOf(line)
    const above = Math.max(...[...this.#depths.keys()].filter((known) => known <= depth), 0)
    const shifted = `${' '.repeat((this.#depths.get(above) ?? above) + depth - above)}${line.slice(depth)}`
    this.learn(line, shifted)
    return shifted
  }
}

function isNoEntry(line: string): boolean {
  return /^\s*(?:#|$)/.test(line)
}

function depthOf(line: string): number {
  return line.length - line.trimStart().length
}
