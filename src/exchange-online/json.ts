/**
 * JSON from outside (RFC 8259), as Maps: a key given twice is refused where `JSON.parse` takes the last one, nesting
 * ends before the stack does, and `__proto__` is a key like any other. PowerShell writes several values one after the
 * other when `ConvertTo-Json` runs once an object.
 */

import { printable } from '../text/printable.ts'

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject

export type JsonObject = ReadonlyMap<string, JsonValue>

/** ConvertTo-Json goes to 100 levels; an export of these cmdlets has four. */
const MOST_LEVELS = 100

/** Values that all files of an import may hold: an empty object of two characters takes a hundred times as much memory. */
export interface Budget {
  values: number
}

const LONGEST_NUMBER = 64

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/

const SPACE = ' \t\r\n'

const LITERALS: readonly (readonly [text: string, value: boolean | null])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
]

/** The text is no JSON. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
  /** Whether it would have been, had it gone on. */
  readonly endsEarly: boolean

  constructor(message: string, endsEarly: boolean) {
    super(message)
    this.endsEarly = endsEarly
  }
}

/**
 * @param text JSON values, one or several
 * @param budget how many there may be; what is read is taken from it
 * @returns them
 * @throws JsonError with line and column
 */
export function parseJson(text: string, budget: Budget): JsonValue[] {
  return new JsonReader(text, budget).values()
}

class JsonReader {
  readonly #text: string
  readonly #budget: Budget
  #at = 0
  #level = 0

  constructor(text: string, budget: Budget) {
    this.#text = text
    this.#budget = budget
  }

  values(): JsonValue[] {
    const values: JsonValue[] = []
    this.#skipSpace()
    while (this.#at < this.#text.length) {
      values.push(this.#value())
      this.#skipSpace()
    }
    return values
  }

  #value(): JsonValue {
    this.#skipSpace()
    this.#budget.values--
    if (this.#budget.values < 0) throw this.#error('holds more values than an import may')
    const next = this.#text[this.#at]
    if (next === '{') return this.#nested(() => this.#object())
    if (next === '[') return this.#nested(() => this.#array())
    if (next === '"') return this.#string()
    for (const [literal, value] of LITERALS) {
      if (!this.#text.startsWith(literal, this.#at)) continue
      this.#at += literal.length
      return value
    }
    return this.#number()
  }

  #nested<T>(read: () => T): T {
    this.#level++
    if (this.#level > MOST_LEVELS) throw this.#error(`is nested deeper than ${MOST_LEVELS} levels`)
    this.#at++
    const value = read()
    this.#level--
    return value
  }

  #object(): JsonObject {
    const members = new Map<string, JsonValue>()
    if (this.#take('}')) return members
    do {
      this.#skipSpace()
      if (this.#text[this.#at] !== '"') throw this.#unexpected()
      const key = this.#string()
      if (members.has(key)) throw this.#error(`has the key "${printable(key, 80)}" twice in one object`)
      if (!this.#take(':')) throw this.#unexpected()
      members.set(key, this.#value())
    } while (this.#take(','))
    if (!this.#take('}')) throw this.#unexpected()
    return members
  }

  #array(): JsonValue[] {
    const items: JsonValue[] = []
    if (this.#take(']')) return items
    do items.push(this.#value())
    while (this.#take(','))
    if (!this.#take(']')) throw this.#unexpected()
    return items
  }

  #string(): string {
    const start = this.#at
    let end = start
    do {
      end = this.#text.indexOf('"', end + 1)
      if (end === -1) {
        this.#at = this.#text.length
        throw this.#unexpected()
      }
    } while (this.#isEscaped(end))
    this.#at = end + 1
    try {
      return JSON.parse(this.#text.slice(start, end + 1)) as string
    } catch {
      this.#at = start
      throw this.#error('has a text that JSON does not allow (a control character, or an unknown escape)')
    }
  }

  /** A quote after an odd number of backslashes belongs to the text. */
  #isEscaped(quote: number): boolean {
    let backslashes = 0
    while (this.#text[quote - 1 - backslashes] === '\\') backslashes++
    return backslashes % 2 === 1
  }

  #number(): number {
    const [text = ''] = NUMBER.exec(this.#text.slice(this.#at, this.#at + LONGEST_NUMBER)) ?? []
    if (text === '' || text.length === LONGEST_NUMBER) throw this.#unexpected()
    this.#at += text.length
    return Number(text)
  }

  #take(character: string): boolean {
    this.#skipSpace()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #skipSpace(): void {
    while (this.#at < this.#text.length && SPACE.includes(this.#text.charAt(this.#at))) this.#at++
  }

  #unexpected(): JsonError {
    const next = this.#text[this.#at]
    if (next === undefined) return this.#error('ends in the middle', true)
    return this.#error(`has "${printable(next)}" where JSON does not allow it`)
  }

  #error(what: string, endsEarly = false): JsonError {
    const before = this.#text.slice(0, this.#at)
    const line = before.split('\n').length
    const column = this.#at - before.lastIndexOf('\n')
    return new JsonError(`${what}, at line ${line}, column ${column}`, endsEarly)
  }
}
