/** What `connectorctl domain verify` keeps with an accepted domain. */

import type { DomainProof } from '../policy/types.ts'
import { ancestorsOf, normalizeDomain } from '../text/domain-name.ts'
import { parseInstant } from './schema-report-only.ts'
import type { Field, Fields, YamlReader } from './yaml-reader.ts'
import { quoted } from './yaml-reader.ts'

const KNOWN = ['token', 'domain', 'provenAt', 'lostAt', 'countsUntil']

const MEND = 'leave it as connectorctl domain verify wrote it, or remove proof and run that again'

/**
 * @param reader where problems are reported
 * @param field the field `proof`
 * @param domainName the accepted domain: only a record under it or above it proves it
 * @returns the proof; null when there is none, or after a report
 */
export function readProof(
  reader: YamlReader,
  field: Field | undefined,
  domainName: string | null,
): DomainProof | null {
  if (field === undefined || reader.isNothing(field.value)) return null
  const fields = reader.fields(field.value, 'proof', KNOWN)
  if (fields === null) return null
  const proof = {
    token: readText(reader, fields, 'token', (text) => (/^[0-9A-Za-z=_-]{1,200}$/.test(text) ? text : null)),
    domain: readText(reader, fields, 'domain', normalizeDomain),
    provenAt: readText(reader, fields, 'provenAt', parseInstant),
    lostAt: readText(reader, fields, 'lostAt', parseInstant),
    countsUntil: readText(reader, fields, 'countsUntil', parseInstant),
  }
  if (proof.domain !== null && domainName !== null && !proves(proof.domain, domainName)) {
    reader.error(field.value, `a record of ${proof.domain} proves nothing about ${domainName}`, MEND)
    return null
  }
  if (proof.provenAt !== null && (proof.token === null || proof.domain === null)) {
    reader.error(field.value, 'provenAt of a proof says nothing without its token and its domain', MEND)
    return null
  }
  return Object.values(proof).every((value) => value === null) ? null : proof
}

function proves(domain: string, domainName: string): boolean {
  return domain === domainName || ancestorsOf(domainName).includes(domain)
}

function readText(
  reader: YamlReader,
  fields: Fields,
  name: string,
  read: (text: string) => string | null,
): string | null {
  const field = fields.get(name)
  if (field === undefined || reader.isNothing(field.value)) return null
  const text = reader.text(field)
  if (text === null) return null
  const value = read(text)
  if (value === null) reader.error(field.value, `${name} ${quoted(text)} of a proof cannot be read`, MEND)
  return value
}
