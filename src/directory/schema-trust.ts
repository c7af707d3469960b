/** Whom one connector trusts: CAs and pins of its own, in place of the default ones (DESIGN.md, rule 2). */

import { createHash } from 'node:crypto'
import { parsePin } from '../certificate/pin.ts'
import type { ConnectorTrust } from '../policy/types.ts'
import type { Problem } from './model.ts'
import type { Fields, YamlNode, YamlReader } from './yaml-reader.ts'
import { quoted } from './yaml-reader.ts'

/**
 * Reads a file of CAs.
 * @param name as the administrator wrote it: a path relative to config/, or the PEM text itself
 * @returns its PEM text, or what is wrong with it, as the end of a sentence
 */
export type ReadAuthorities = (name: string) => { readonly pem: string } | { readonly wrong: string }

/** Said of CAs and pins that would count for nothing. */
export type IdleTrust = Pick<Problem, 'severity' | 'message' | 'mend'>

/**
 * @param reader where problems are reported
 * @param fields the connector's fields
 * @param readAuthorities reads a file that is named there
 * @param idle what to say where nothing of it would count; null where it does
 * @returns the connector's own trust, or null where it has none
 */
export function readTrust(
  reader: YamlReader,
  fields: Fields,
  readAuthorities: ReadAuthorities,
  idle: IdleTrust | null,
): ConnectorTrust | null {
  const authorities = fields.get('trustedCertificateAuthorities')
  const pins = fields.get('certificatePins')
  const given = [authorities, pins].filter((field) => field !== undefined && !reader.isNothing(field.value))
  const [first] = given
  if (first === undefined) return null
  const certificateAuthorities = (reader.items(authorities) ?? []).flatMap(
    (item) => readAuthority(reader, item, readAuthorities) ?? [],
  )
  const certificatePins = (reader.items(pins) ?? []).flatMap((item) => readPin(reader, item) ?? [])
  if (idle !== null) reader.report(first.key, idle.severity, idle.message, idle.mend)
  if (given.every((field) => reader.items(field)?.length === 0)) {
    const mend = 'name a file or a pin, or remove the key'
    reader.report(first.key, 'warning', 'an empty list trusts nobody of its own: the default CAs count', mend)
    return null
  }
  const hash = createHash('sha256')
  for (const part of [...certificateAuthorities, ...certificatePins]) hash.update(`${part.length} ${part}`)
  return { key: hash.digest('hex'), certificateAuthorities, certificatePins }
}

function readAuthority(reader: YamlReader, node: YamlNode, readAuthorities: ReadAuthorities): string | null {
  const name = reader.itemText(node, 'a file in trustedCertificateAuthorities')
  if (name === null) return null
  const read = readAuthorities(name)
  if ('pem' in read) return read.pem
  const mend = 'name a PEM file under config/, e.g. contoso/ca.pem'
  reader.error(node, `${quoted(name)} in trustedCertificateAuthorities ${read.wrong}`, mend)
  return null
}

function readPin(reader: YamlReader, node: YamlNode): string | null {
  const text = reader.itemText(node, 'a pin in certificatePins')
  if (text === null) return null
  const pin = parsePin(text)
  if (pin === null) {
    const mend = 'write what connectorctl certificate inspect prints as pin'
    reader.error(node, `${quoted(text)} in certificatePins is no SHA-256 in base64 or hex`, mend)
  }
  return pin
}
