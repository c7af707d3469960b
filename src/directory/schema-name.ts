/** Names of organisations and connectors. */

import { printable } from '../text/printable.ts'
import { nameKey } from './model.ts'
import type { Fields, YamlNode, YamlReader } from './yaml-reader.ts'
import { quoted } from './yaml-reader.ts'

/** Exchange's own limit for the name of a connector. */
const LONGEST_NAME = 64

/** The names that are taken, by `nameKey`, with the line where each stands. */
export type NamesTaken = Map<string, { readonly name: string; readonly line: number }>

/**
 * A name: present, not too long, without control characters, and unique without regard to case.
 * @param reader where problems are reported
 * @param fields the fields of what is named
 * @param owner the node of what is named
 * @param what what it is called in problems, e.g. `an organisation`
 * @param taken the names before this one; the new one is added
 * @returns the name, or null after a report
 */
export function readName(
  reader: YamlReader,
  fields: Fields,
  owner: YamlNode,
  what: string,
  taken: NamesTaken,
): string | null {
  const field = fields.get('name')
  if (field === undefined) {
    reader.error(owner, `${what} needs a name`, 'add name: and a name of your choice')
    return null
  }
  const name = reader.text(field)
  if (name === null) return null
  const unfit = whyUnfit(name)
  if (unfit !== null) {
    reader.error(field.value, `the name ${quoted(name)} of ${what} ${unfit}`, 'choose another name')
    return null
  }
  const before = taken.get(nameKey(name))
  if (before !== undefined) {
    const how = before.name === name ? '' : ` as ${quoted(before.name)} (names differ without regard to case)`
    reader.error(
      field.value,
      `the name ${quoted(name)} of ${what} is taken in line ${before.line}${how}`,
      'choose another name',
    )
    return null
  }
  taken.set(nameKey(name), { name, line: reader.lineOf(field.value) })
  return name
}

function whyUnfit(name: string): string | null {
  if (name.length > LONGEST_NAME) return `is longer than ${LONGEST_NAME} characters`
  if (printable(name, 6 * LONGEST_NAME) !== name) return 'holds control characters'
  return name.trim() === name ? null : 'begins or ends with a space'
}
