/** Which cmdlet an exported object came from, told by its properties: files have any name, and may be mixed. */

import { normalizeDomain } from '../text/domain-name.ts'
import { printable } from '../text/printable.ts'
import type { AddressMap } from './address-map.ts'
import type { ExportedObject, Properties } from './decode.ts'
import { interpretDomain } from './domain.ts'
import type { ImportedRecord, RecordKind } from './imported.ts'
import { importedFrom, nameIn } from './imported.ts'
import { interpretInbound } from './inbound.ts'
import { interpretOutbound } from './outbound.ts'
import { ExportRefused, HOW_TO_EXPORT } from './refused.ts'

/** Properties that only one kind has; one of them tells it, those of two tell that the object is none. */
const TELLING: readonly (readonly [kind: RecordKind, properties: readonly string[]])[] = [
  ['accepted-domain', ['domainname']],
  [
    'inbound-connector',
    [
      'senderdomains',
      'senderipaddresses',
      'tlssendercertificatename',
      'restrictdomainstocertificate',
      'restrictdomainstoipaddresses',
      'treatmessagesasinternal',
    ],
  ],
  [
    'outbound-connector',
    [
      'recipientdomains',
      'smarthosts',
      'usemxrecord',
      'tlssettings',
      'allaccepteddomains',
      'routeallmessagesviaonpremises',
      'istransportrulescoped',
    ],
  ],
]

/** What else people export: a property that it has, what it is, what to do. */
const OTHERS: readonly (readonly [property: string, what: string, mend: string])[] = [
  [
    'classid2e4f51ef21dd47e99d3c952918aff9cd',
    'is what Format-Table or Format-List made of an object',
    'export it without them',
  ],
  [
    'addressspaces',
    'is a Send connector of Exchange Server',
    'export Get-OutboundConnector of Exchange Online instead',
  ],
  [
    'remoteipranges',
    'is a Receive connector of Exchange Server',
    'export Get-InboundConnector of Exchange Online instead',
  ],
]

const MOST_NAMES_SHOWN = 6

/**
 * @param objects what the files hold
 * @param addresses what stands for which address here
 * @param registered domains that the organisation has here already
 * @returns a record each, in the same order
 * @throws ExportRefused when an object is of no kind that there is, or a value in it was cut off
 */
export function interpret(
  objects: readonly ExportedObject[],
  addresses: AddressMap,
  registered: readonly string[],
): ImportedRecord[] {
  const kinds = objects.map((object) => ({ object, kind: kindOf(object) }))
  const domains = kinds
    .filter(({ kind }) => kind === 'accepted-domain')
    .map(({ object }) => [object, importedFrom('accepted-domain', object, interpretDomain)] as const)
  const byObject = new Map(domains)
  const named = domains.flatMap(([, { wanted }]) => normalizeDomain(wanted.domainName ?? '') ?? [])
  const own = new Set([...registered, ...named])
  return kinds.map(
    ({ object, kind }) =>
      byObject.get(object) ??
      importedFrom(kind, object, (reader, remarks) =>
        kind === 'inbound-connector'
          ? interpretInbound(reader, remarks, addresses)
          : interpretOutbound(reader, remarks, own),
      ),
  )
}

function kindOf({ file, number, properties }: ExportedObject): RecordKind {
  const other = OTHERS.find(([property]) => properties.has(property))
  if (other !== undefined) throw new ExportRefused(file, `object ${number} ${other[1]}`, other[2])
  const told = TELLING.filter(([, telling]) => telling.some((property) => properties.has(property)))
  const [first, second] = told
  if (first !== undefined && second === undefined) return first[0]
  const what =
    first === undefined
      ? 'is no inbound connector, accepted domain or outbound connector'
      : 'is several things at once'
  throw new ExportRefused(
    file,
    `object ${number} ("${printable(nameIn(properties), 80)}") ${what}: it has ${shownNames(properties)}`,
    `write it so: ${HOW_TO_EXPORT}`,
  )
}

function shownNames(properties: Properties): string {
  if (properties.size === 0) return 'no properties'
  const names = [...properties.values()].map(({ name }) => printable(name, 40))
  const more = names.length > MOST_NAMES_SHOWN ? ', ...' : ''
  return `the properties ${names.slice(0, MOST_NAMES_SHOWN).join(', ')}${more}`
}
