/** Reads the properties of one exported object, in all the forms that PowerShell gives to the same value. */

import { printable } from '../text/printable.ts'
import type { ExportedObject } from './decode.ts'
import { MEND_CUT_OFF } from './decode.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { ExportRefused, HOW_TO_EXPORT } from './refused.ts'

/**
 * What stands in place of a value that was too deep for ConvertTo-Json, or that Export-Csv has no cell for: the name of
 * its type, or `@{Name=Value}`.
 */
const CUT_OFF =
  /^@\{.*\}$|^(?:System|Microsoft\.Exchange|Deserialized)\.[\w.+]+(?:`\d+)?\[.*\]$|^(?:Deserialized\.)?System\.(?:Object|String|Array|Collections\.[\w.]+|Management\.Automation\.PS\w+)$/s

/** What an object may hold the value under; `Value` names an enum, `value` is its number, or the list that was wrapped. */
const INSIDE = ['Value', 'Address', 'Expression', 'Domain', 'SmtpDomain', 'value']

/** `smtp:*;1` ends in its cost: that semicolon does not part two domains. */
export const BETWEEN_DOMAINS = /[\s,]+|;(?!\d{1,4}(?:[\s,;]|$))/

/** The REST service writes the type of a property beside it: `Enabled@data.type`, `@odata.type`. */
const ANNOTATION = /@(?:odata|data)\./i

/** The value of a property cannot be read: why, as the end of a sentence that begins with its name. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable'
}

export class ObjectReader {
  readonly object: ExportedObject
  /** Properties that were read, in lower case. */
  readonly #read = new Set<string>()

  constructor(object: ExportedObject) {
    this.object = object
  }

  /** @returns whether the export has the property, whatever its value */
  has(name: string): boolean {
    return this.object.properties.has(name.toLowerCase())
  }

  /** @returns whether a property says something: more than null, false, nothing and 0 */
  isSet(name: string): boolean {
    return isSomething(this.object.properties.get(name.toLowerCase())?.value ?? null)
  }

  /** @returns the names of the properties that were not read, as the export writes them */
  unread(): string[] {
    const all = [...this.object.properties.values()].map(({ name }) => name)
    return all.filter((name) => !ANNOTATION.test(name) && !this.#read.has(name.toLowerCase()))
  }

  /**
   * @returns a text without spaces around it, '' for none; null when the export does not have the property
   * @throws Unreadable, ExportRefused when the value was cut off
   */
  text(name: string): string | null {
    const value = this.#value(name)
    return value === undefined ? null : this.#textOf(name, value)
  }

  /**
   * @returns free text as it is, null for none and where the export does not have it; what cannot be read is none
   */
  comment(name: string): string | null {
    const value = this.#value(name)
    return typeof value === 'string' && value.trim() !== '' ? value : null
  }

  /**
   * @returns true or false, also from the words that a table has; null when the export does not have the property
   * @throws Unreadable, ExportRefused when the value was cut off
   */
  flag(name: string): boolean | null {
    const value = this.#value(name)
    if (value === undefined || value === null) return null
    if (typeof value === 'boolean') return value
    const text = this.#textOf(name, value)
    if (/^true$/i.test(text)) return true
    if (/^false$/i.test(text)) return false
    throw new Unreadable(`${name} "${printable(text, 80)}" is neither true nor false`)
  }

  /**
   * @param name a property of an enumerated type
   * @param numbers the documented names of its numbers
   * @returns a name, of whatever case; null when the export does not have the property
   * @throws Unreadable, ExportRefused when the value was cut off
   */
  choice(name: string, numbers: ReadonlyMap<string, string>): string | null {
    const text = this.text(name)
    if (text === null || text === '') return null
    if (!/^\d+$/.test(text)) return text
    const known = numbers.get(text)
    if (known !== undefined) return known
    throw new Unreadable(`${name} is a number, ${text}: export it again with ConvertTo-Json -EnumsAsStrings`)
  }

  /**
   * A list may have been joined by hand for a table, or be one value that PowerShell unwrapped.
   * @param name a property
   * @param between what stands between values that were joined
   * @returns its values; null when the export does not have the property
   * @throws Unreadable, ExportRefused when a value was cut off
   */
  list(name: string, between: RegExp): string[] | null {
    const value = this.#value(name)
    if (value === undefined) return null
    const wrapped = value instanceof Map ? (value as JsonObject).get('value') : undefined
    const items = Array.isArray(wrapped) ? wrapped : Array.isArray(value) ? value : null
    if (items !== null) return (items as readonly JsonValue[]).map((item) => this.#textOf(name, item))
    return this.#textOf(name, value)
      .split(between)
      .filter((item) => item !== '')
  }

  /** Marks a property as one that is told in another way, so that it is not named as ignored. */
  told(name: string): void {
    this.#read.add(name.toLowerCase())
  }

  /** undefined when the export does not have it. */
  #value(name: string): JsonValue | undefined {
    this.told(name)
    return this.object.properties.get(name.toLowerCase())?.value
  }

  #textOf(name: string, value: JsonValue): string {
    const text = plain(value)
    if (text === null) throw new Unreadable(`${name} is no text`)
    if (!CUT_OFF.test(text)) return text
    const { file, number } = this.object
    const shown = printable(text, 80)
    throw new ExportRefused(
      file,
      `has "${shown}" in place of ${name}, at object ${number}: the value is lost`,
      `${MEND_CUT_OFF}: ${HOW_TO_EXPORT}; Export-Csv writes no lists`,
    )
  }
}

/** The text of a value, '' for null; null when it is none. */
function plain(value: JsonValue): string | null {
  if (value === null) return ''
  if (typeof value === 'string') return value.trim()
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return value instanceof Map ? plainInside(value as JsonObject) : null
}

/** SmtpDomainWithSubdomains has its wildcard beside the domain; the others have their text under one of a few names. */
function plainInside(object: JsonObject): string | null {
  if (object.get('IsStar') === true) return '*'
  for (const key of INSIDE) {
    const value = object.get(key)
    if (value === undefined || value === null) continue
    const text = plain(value)
    const below = key !== 'Address' && object.get('IncludeSubDomains') === true
    return text !== null && below ? `*.${text}` : text
  }
  return null
}

function isSomething(value: JsonValue): boolean {
  if (value === null || value === false || value === 0) return false
  if (typeof value === 'string') return !/^(?:false|0|none)?$/i.test(value.trim())
  const list = value instanceof Map ? (value as JsonObject).get('value') : value
  return Array.isArray(list) ? list.length > 0 : true
}
