/** From the bytes of an export to the objects in it, whatever wrote it: PowerShell 5.1 or 7, JSON or CSV. */

import { printable } from '../text/printable.ts'
import { CsvError, parseCsv } from './csv.ts'
import type { Budget, JsonObject, JsonValue } from './json.ts'
import { JsonError, parseJson } from './json.ts'
import { ExportRefused, HOW_TO_EXPORT } from './refused.ts'
import { kindOfText } from './text-kind.ts'

/** One object of an export. */
export interface ExportedObject {
  readonly file: string
  /** Counted from 1. */
  readonly number: number
  readonly properties: Properties
}

/** Properties by their name in lower case: PowerShell tells no case apart. */
export type Properties = ReadonlyMap<string, { readonly name: string; readonly value: JsonValue }>

/** Columns of which a table of connectors or domains has one. */
const NAMES = ['name', 'domainname', 'identity']

const CUT_OFF = 'was cut off by ConvertTo-Json'

/** What to do about an export that ConvertTo-Json cut off. */
export const MEND_CUT_OFF = 'export it again with ConvertTo-Json -Depth 4'

/**
 * @param file its name in messages
 * @param bytes its content
 * @param budget how many values it may hold; what is read is taken from it
 * @returns the objects in it, at least one
 * @throws ExportRefused when it is no export of objects, is damaged, or is empty
 */
export function readExport(file: string, bytes: Buffer, budget: Budget): ExportedObject[] {
  const text = decode(file, bytes)
  const objects = objectsIn(file, text, budget)
  if (objects.length === 0) {
    throw new ExportRefused(
      file,
      'holds no object: the cmdlet found none',
      'is it the right organisation, and may the account see its connectors? leave the file out if there really are none',
    )
  }
  return objects
}

/** By its byte order mark; without one it is UTF-8, as PowerShell 7 writes it. */
function decode(file: string, bytes: Buffer): string {
  const [encoding, name] = encodingOf(bytes)
  let text: string
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    throw new ExportRefused(file, `is no ${name} text`, 'export it again with Set-Content -Encoding utf8')
  }
  if (!text.includes('\0')) return text
  throw new ExportRefused(
    file,
    'is no text, or text in UTF-16 without its byte order mark',
    `write it so: ${HOW_TO_EXPORT}`,
  )
}

function encodingOf(bytes: Buffer): readonly [encoding: string, name: string] {
  const mark = bytes.toString('latin1', 0, 2)
  if (mark === '\xff\xfe') return ['utf-16le', 'UTF-16']
  return mark === '\xfe\xff' ? ['utf-16be', 'UTF-16'] : ['utf-8', 'UTF-8']
}

function objectsIn(file: string, text: string, budget: Budget): ExportedObject[] {
  const trimmed = text.trimStart()
  if (trimmed === '') return []
  if (/^[[{]|^null\s*$/.test(trimmed)) return objectsInJson(file, trimmed, budget)
  const otherwise = kindOfText(trimmed)
  if (otherwise !== null) throw new ExportRefused(file, otherwise.what, otherwise.mend)
  return objectsInCsv(file, trimmed, budget)
}

function objectsInJson(file: string, text: string, budget: Budget): ExportedObject[] {
  return valuesIn(file, text, budget).map((value, index) => {
    const number = index + 1
    if (value instanceof Map) return { file, number, properties: propertiesOf(file, number, value) }
    // -Depth 0 writes the objects of a list as "@{Name=…}".
    const what = typeof value === 'string' ? CUT_OFF : 'is no object'
    const mend = typeof value === 'string' ? MEND_CUT_OFF : `write it so: ${HOW_TO_EXPORT}`
    throw new ExportRefused(file, `object ${number} ${what}`, mend)
  })
}

/** One object, a list of them, several values one after the other; null is what an empty pipeline gives. */
function valuesIn(file: string, text: string, budget: Budget): JsonValue[] {
  try {
    const values = parseJson(text, budget).flatMap((value) => contentOf(file, value))
    return values.length === 1 && values[0] === null ? [] : values
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    const mend = error.endsEarly
      ? 'the export was interrupted, or copied in part: export it again'
      : `write it so: ${HOW_TO_EXPORT}`
    throw new ExportRefused(file, `cannot be read as JSON: it ${error.message}`, mend)
  }
}

/** Windows PowerShell wraps a list that it was given whole: `{"value": […], "Count": 2}`; so does the REST service. */
function contentOf(file: string, value: JsonValue): readonly JsonValue[] {
  if (Array.isArray(value)) return value as readonly JsonValue[]
  if (!(value instanceof Map)) return [value]
  const inside = (value as JsonObject).get('value')
  if (!Array.isArray(inside)) return [value]
  if (value.has('@odata.nextLink')) {
    throw new ExportRefused(file, 'is the first page of an answer', `write it so: ${HOW_TO_EXPORT}`)
  }
  return inside as readonly JsonValue[]
}

function objectsInCsv(file: string, text: string, budget: Budget): ExportedObject[] {
  try {
    const { header, rows } = parseCsv(text, budget)
    if (!header.some((name) => NAMES.includes(name.toLowerCase()))) throw new CsvError('has no column Name')
    return rows.map((values, index) => {
      // Export-Csv writes nothing for null.
      const cells = header.map((name, column): readonly [string, JsonValue] => [name, values[column] || null])
      return { file, number: index + 1, properties: propertiesOf(file, index + 1, cells) }
    })
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw new ExportRefused(
      file,
      `is neither JSON nor CSV: as CSV it ${error.message}`,
      `write it so: ${HOW_TO_EXPORT}`,
    )
  }
}

function propertiesOf(
  file: string,
  number: number,
  members: Iterable<readonly [string, JsonValue]>,
): Properties {
  const properties = new Map<string, { name: string; value: JsonValue }>()
  for (const [name, value] of members) {
    const key = name.toLowerCase()
    if (properties.has(key)) {
      throw new ExportRefused(file, `object ${number} has the property ${printable(name, 80)} twice`, '')
    }
    properties.set(key, { name, value })
  }
  return properties
}
