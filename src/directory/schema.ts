/** `config/organizations.yaml`: read and validated as a whole, every problem at once with line, column and mend. */

import type { Organization, Problem } from './model.ts'
import { formatProblem } from './model.ts'
import type { Places } from './schema-across.ts'
import { checkAcrossOrganizations } from './schema-across.ts'
import { readConnector } from './schema-connector.ts'
import { readDomain } from './schema-domain.ts'
import type { NamesTaken } from './schema-name.ts'
import { readOutboundConnector } from './schema-outbound.ts'
import { warnOfSameRecipients } from './schema-recipient-domains.ts'
import { readReportOnly } from './schema-report-only.ts'
import { readName } from './schema-name.ts'
import type { ReadAuthorities } from './schema-trust.ts'
import type { Fields, YamlNode } from './yaml-reader.ts'
import { YamlReader } from './yaml-reader.ts'

export interface ParsedOrganizations {
  /** To be used only when there are no errors. */
  readonly organizations: readonly Organization[]
  readonly errors: readonly Problem[]
  /** Warnings and notices. */
  readonly warnings: readonly Problem[]
}

const ORGANIZATION_PROPERTIES = [
  'name',
  'acceptedDomains',
  'inboundConnectors',
  'outboundConnectors',
  'reportOnlyUntil',
  'comment',
]

const EXAMPLE = 'write "organizations: []" for none; connectorctl init DIR --demo writes an example'

/**
 * @param text the text of the file
 * @param file its name, as it shall stand in problems
 * @param readAuthorities reads a file of CAs that a connector names
 * @returns the organisations, and everything that is wrong with them in the order of the text; never throws
 */
export function parseOrganizations(
  text: string,
  file: string,
  readAuthorities: ReadAuthorities,
): ParsedOrganizations {
  const reader = new YamlReader(text, file)
  const places: Places = { domains: new Map(), connectors: new Map(), outbound: new Map() }
  const organizations = reader.readable ? readRoot(reader, places, readAuthorities) : []
  checkAcrossOrganizations(reader, organizations, places)
  // A list that several aliases stand for is read several times, and is wrong once.
  const distinct = new Map(reader.problems.map((problem) => [formatProblem(problem), problem]))
  const sorted = [...distinct.values()].toSorted(
    (left, right) => left.line - right.line || left.column - right.column,
  )
  return {
    organizations,
    errors: sorted.filter(({ severity }) => severity === 'error'),
    warnings: sorted.filter(({ severity }) => severity !== 'error'),
  }
}

function readRoot(reader: YamlReader, places: Places, readAuthorities: ReadAuthorities): Organization[] {
  if (reader.isNothing(reader.root)) {
    reader.error(null, 'the file is empty', EXAMPLE)
    return []
  }
  const fields = reader.fields(reader.root, 'the file', ['organizations'])
  if (fields === null) return []
  const field = fields.get('organizations')
  if (field === undefined) {
    reader.error(reader.root, 'there is no key "organizations"', EXAMPLE)
    return []
  }
  const items = reader.items(field)
  if (items?.length === 0) {
    reader.report(
      field.key,
      'warning',
      'there are no organisations: nobody may relay, and no mail is taken',
      'connectorctl init DIR --demo writes an example',
    )
  }
  const taken: NamesTaken = new Map()
  return (items ?? []).flatMap((item) => readOrganization(reader, item, places, taken, readAuthorities) ?? [])
}

function readOrganization(
  reader: YamlReader,
  node: YamlNode,
  places: Places,
  taken: NamesTaken,
  readAuthorities: ReadAuthorities,
): Organization | null {
  const fields = reader.fields(node, 'an organisation', ORGANIZATION_PROPERTIES)
  if (fields === null) return null
  const name = readName(reader, fields, node, 'an organisation', taken)
  // Without a usable name the rest is read all the same: every error at once.
  const owner = name ?? ''
  const acceptedDomains = readList(reader, fields, 'acceptedDomains', places.domains, (item) =>
    readDomain(reader, item, owner),
  )
  const reportOnlyUntil = readReportOnly(reader, fields)
  const names: NamesTaken = new Map()
  const inboundConnectors = readList(reader, fields, 'inboundConnectors', places.connectors, (item) =>
    readConnector(reader, item, { name: owner, reportOnlyUntil }, names, readAuthorities),
  )
  const outboundNames: NamesTaken = new Map()
  const outboundConnectors = readList(reader, fields, 'outboundConnectors', places.outbound, (item) =>
    readOutboundConnector(reader, item, owner, outboundNames, readAuthorities),
  )
  warnOfSameRecipients(reader, outboundConnectors, places.outbound)
  const comment = reader.comment(fields)
  if (name === null) return null
  return { name, comment, reportOnlyUntil, acceptedDomains, inboundConnectors, outboundConnectors }
}

function readList<T>(
  reader: YamlReader,
  fields: Fields,
  name: string,
  places: Map<T, YamlNode>,
  read: (item: YamlNode) => T | null,
): T[] {
  return (reader.items(fields.get(name)) ?? []).flatMap((item) => {
    const record = read(item)
    if (record === null) return []
    places.set(record, item)
    return record
  })
}
