/** What an exported object means here, before it is compared with what there is. Texts are safe to print. */

import { printable } from '../text/printable.ts'
import type { ExportedObject, Properties } from './decode.ts'
import { ObjectReader, Unreadable } from './object-reader.ts'

export type RecordKind = 'accepted-domain' | 'inbound-connector' | 'outbound-connector'

/** What is told with a record that is taken. */
export interface Remarks {
  /** To be looked at before the record is relied upon. */
  readonly warnings: string[]
  readonly notes: string[]
}

export interface ImportedRecord extends Readonly<Remarks> {
  readonly kind: RecordKind
  /** As the export has it: not safe to print. */
  readonly name: string
  /** Where it stands, safe to print. */
  readonly place: string
  /** Why it is not taken, null when it is. */
  readonly aside: string | null
  /** Those of its properties that mean something here, as `config/organizations.yaml` has them. */
  readonly wanted: WantedProperties
  /** Accepted domains: it was given as `*.contoso.com`. */
  readonly wildcard: boolean
  /** Properties that nothing comes of, as the export writes them. */
  readonly ignored: readonly string[]
}

/** What the export does not say is absent: there it stays as it is here. */
export interface WantedProperties {
  readonly domainName?: string
  readonly domainType?: string
  readonly matchSubDomains?: boolean
  readonly sendingFromDomainDisabled?: boolean
  readonly pendingRemoval?: boolean
  readonly name?: string
  readonly connectorType?: string
  readonly enabled?: boolean
  readonly tlsSenderCertificateName?: string | null
  readonly senderIPAddresses?: readonly string[]
  readonly senderDomains?: readonly string[]
  readonly recipientDomains?: readonly string[]
  readonly allAcceptedDomains?: boolean
  /** Empty where mail goes by MX. */
  readonly smartHosts?: readonly string[]
  readonly tlsSettings?: string | null
  readonly tlsDomain?: string | null
  readonly comment?: string
}

/**
 * @param read properties as they were read, null for those that the export does not have
 * @returns those that it has
 */
export function given(read: {
  readonly [Name in keyof WantedProperties]: WantedProperties[Name] | null
}): WantedProperties {
  return Object.fromEntries(Object.entries(read).filter(([, value]: [string, unknown]) => value !== null))
}

/** What one kind of object comes to. */
export interface Meaning {
  readonly name: string
  readonly aside: string | null
  readonly wanted: WantedProperties
  readonly wildcard?: boolean
}

/**
 * @param kind what the object is
 * @param object it
 * @param interpret reads it; what it throws as Unreadable is why the object is not taken
 * @returns the record
 * @throws ExportRefused when a value was cut off
 */
export function importedFrom(
  kind: RecordKind,
  object: ExportedObject,
  interpret: (reader: ObjectReader, remarks: Remarks) => Meaning,
): ImportedRecord {
  const reader = new ObjectReader(object)
  const remarks: Remarks = { warnings: [], notes: [] }
  const meaning = meaningOf(reader, remarks, interpret)
  const name = meaning.name === '' ? nameIn(object.properties) : meaning.name
  const place = placeOf(object)
  return { kind, place, wildcard: false, ...remarks, ...meaning, name, ignored: reader.unread() }
}

function meaningOf(
  reader: ObjectReader,
  remarks: Remarks,
  interpret: (reader: ObjectReader, remarks: Remarks) => Meaning,
): Meaning {
  try {
    return interpret(reader, remarks)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    return { name: nameIn(reader.object.properties), aside: error.message, wanted: {} }
  }
}

/** @returns a name for an object that may have none, not safe to print */
export function nameIn(properties: Properties): string {
  for (const key of ['domainname', 'name', 'identity']) {
    const value = properties.get(key)?.value
    if (typeof value === 'string' && value !== '') return value
  }
  return '(without a name)'
}

function placeOf({ file, number }: ExportedObject): string {
  return `object ${number} of ${printable(file)}`
}
