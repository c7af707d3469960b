/**
 * What Export-Csv writes: RFC 4180, with comma, semicolon (`-UseCulture`) or tab, in Windows PowerShell with a `#TYPE`
 * line before the header.
 */

import type { Budget } from './json.ts'

/** The text is no table. */
export class CsvError extends Error {
  override readonly name = 'CsvError'
}

export interface CsvTable {
  readonly header: readonly string[]
  /** As many values each as the header has names. */
  readonly rows: readonly (readonly string[])[]
}

/** A name of a column is no longer. */
const LONGEST_NAME = 1024

/**
 * @param text a table whose first row names its columns
 * @param budget how many values there may be; what is read is taken from it
 * @returns it
 * @throws CsvError with the line
 */
export function parseCsv(text: string, budget: Budget): CsvTable {
  // Excel's "sep=;" says which delimiter there is; the header shows it all the same.
  const body = text.replace(/^#TYPE[^\n]*\n/, '').replace(/^sep=[^\n]*\n/i, '')
  const linesBefore = text.slice(0, text.length - body.length).split('\n').length - 1
  const [first, ...rows] = new CsvReader(body, budget, linesBefore + 1).rows()
  const header = first?.values ?? []
  for (const { values, line } of rows) {
    if (values.length === header.length) continue
    throw new CsvError(`has ${values.length} values in line ${line}, and ${header.length} columns`)
  }
  return { header, rows: rows.map(({ values }) => values) }
}

interface Row {
  readonly values: readonly string[]
  readonly line: number
}

/** Whatever stands after the first name. */
function delimiterOf(text: string): string {
  const [, next] = /^(?:"[^"]*"|[^,;\t\r\n"]*)([,;\t])/.exec(text.slice(0, LONGEST_NAME)) ?? []
  return next ?? ','
}

class CsvReader {
  readonly #text: string
  readonly #delimiter: string
  readonly #budget: Budget
  #at = 0
  #line: number

  constructor(text: string, budget: Budget, line: number) {
    this.#text = text
    this.#delimiter = delimiterOf(text)
    this.#budget = budget
    this.#line = line
  }

  rows(): Row[] {
    const rows: Row[] = []
    while (this.#at < this.#text.length) {
      const row = this.#row()
      // An empty line is no row.
      if (row.values.length > 1 || row.values[0] !== '') rows.push(row)
    }
    return rows
  }

  #row(): Row {
    const line = this.#line
    const values = [this.#value()]
    while (this.#text[this.#at] === this.#delimiter) {
      this.#at++
      values.push(this.#value())
    }
    if (this.#text[this.#at] === '\r') this.#at++
    if (this.#at < this.#text.length && this.#text[this.#at] !== '\n') {
      throw new CsvError(`has more after a closing quote in line ${this.#line}`)
    }
    this.#at++
    this.#line++
    return { values, line }
  }

  #value(): string {
    this.#budget.values--
    if (this.#budget.values < 0) throw new CsvError('holds more values than an import may')
    return this.#text[this.#at] === '"' ? this.#quoted() : this.#bare()
  }

  #quoted(): string {
    const parts: string[] = []
    for (;;) {
      const end = this.#text.indexOf('"', this.#at + 1)
      if (end === -1) throw new CsvError(`ends inside the quotes that open in line ${this.#line}`)
      parts.push(this.#text.slice(this.#at + 1, end))
      this.#at = end + 1
      // Two quotes are one.
      if (this.#text[this.#at] !== '"') break
      parts.push('"')
    }
    const value = parts.join('')
    this.#line += value.split('\n').length - 1
    return value
  }

  #bare(): string {
    const start = this.#at
    while (this.#at < this.#text.length) {
      const next = this.#text.charAt(this.#at)
      if (next === '\n' || next === this.#delimiter || this.#isLineEnd(next)) break
      this.#at++
    }
    return this.#text.slice(start, this.#at)
  }

  #isLineEnd(next: string): boolean {
    return next === '\r' && (this.#text[this.#at + 1] === '\n' || this.#at + 1 === this.#text.length)
  }
}
