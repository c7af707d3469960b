/** Get-InboundConnector. */

import { printable } from '../text/printable.ts'
import type { AddressMap, MappedAddresses } from './address-map.ts'
import { publicRanges } from './address-map.ts'
import type { Meaning, Remarks, WantedProperties } from './imported.ts'
import { given } from './imported.ts'
import type { ObjectReader } from './object-reader.ts'
import { BETWEEN_DOMAINS } from './object-reader.ts'

const TYPES = ['OnPremises', 'Partner']

/** Exchange Online writes the words; what its numbers are is documented nowhere, and a guess could grant relaying. */
const NO_NUMBERS = new Map<string, string>()

const BETWEEN_ADDRESSES = /[\s,;]+/

const RESTRICTIONS = ['RequireTls', 'RestrictDomainsToCertificate', 'RestrictDomainsToIPAddresses']

/** Properties that change what becomes of mail there and not here. */
const MISSED: readonly (readonly [name: string, told: string])[] = [
  ['AssociatedAcceptedDomains', 'it is limited to some accepted domains there; here it counts for all'],
  ['TreatMessagesAsInternal', 'nothing is marked as internal here'],
  ['CloudServicesMailEnabled', 'internal Exchange headers pass through here as they are'],
  ['TrustedOrganizations', 'there is no trust between tenants here'],
  ['EFSkipLastIP', 'there is no enhanced filtering here'],
  ['EFSkipIPs', 'there is no enhanced filtering here'],
  ['EFUsers', 'there is no enhanced filtering here'],
  ['ScanAndDropRecipients', 'it is reserved for Microsoft'],
]

/**
 * @param reader one object of Get-InboundConnector
 * @param remarks what is told with it
 * @param addresses what stands for which address here
 * @returns what it means here
 * @throws Unreadable, ExportRefused
 */
export function interpretInbound(reader: ObjectReader, remarks: Remarks, addresses: AddressMap): Meaning {
  const name = nameOf(reader)
  // Read whatever becomes of it: an address that was mapped is used then.
  const mapped = addressesOf(reader, remarks, addresses)
  const type = typeOf(reader)
  const aside = whyAside(name, type)
  if (aside !== null) return { name, aside, wanted: {} }
  const certificateName = reader.text('TlsSenderCertificateName')
  const read = given({
    name,
    connectorType: type,
    enabled: reader.flag('Enabled'),
    tlsSenderCertificateName: certificateName,
    senderIPAddresses: mapped?.mapped ?? null,
    senderDomains: type === 'Partner' ? reader.list('SenderDomains', BETWEEN_DOMAINS) : null,
    comment: reader.comment('Comment'),
  })
  const wanted = certificateName === '' ? { ...read, tlsSenderCertificateName: null } : read
  remarkOnAddresses(mapped?.kept ?? [], type ?? '', remarks)
  remarkOn(reader, wanted, remarks)
  return { name, aside: null, wanted }
}

function nameOf(reader: ObjectReader): string {
  const name = reader.text('Name') ?? ''
  return name === '' ? (reader.text('Identity') ?? '') : name
}

function whyAside(name: string, type: string | null): string | null {
  if (name === '') return 'it has no Name'
  if (type !== null) return null
  return 'the export has no ConnectorType, and only OnPremises may relay: export all properties'
}

function typeOf(reader: ObjectReader): string | null {
  const text = reader.choice('ConnectorType', NO_NUMBERS)
  return text === null ? null : (TYPES.find((type) => type.toLowerCase() === text.toLowerCase()) ?? text)
}

function addressesOf(reader: ObjectReader, remarks: Remarks, addresses: AddressMap): MappedAddresses | null {
  const given = reader.list('SenderIPAddresses', BETWEEN_ADDRESSES)
  if (given === null) return null
  const mapped = addresses.apply(given)
  for (const [from, to] of mapped.replaced) {
    remarks.notes.push(`${from} is replaced by ${to.join(', ')} (--map-address)`)
  }
  return mapped
}

function remarkOnAddresses(kept: readonly string[], type: string, { warnings, notes }: Remarks): void {
  const outside = publicRanges(kept)
  const [first] = outside
  if (first === undefined) return
  const what = `${outside.join(', ')} ${outside.length === 1 ? 'is a public address' : 'are public addresses'}`
  if (type === 'Partner') {
    notes.push(
      `${what}: the partner's, which this server sees only where no NAT and no relay stands before it`,
    )
    return
  }
  warnings.push(
    `${what}: Exchange Online saw your NAT; this server will see another address unless there is none between (--map-address ${first}=10.1.2.0/24 says which)`,
  )
}

function remarkOn(reader: ObjectReader, wanted: WantedProperties, { warnings, notes }: Remarks): void {
  if (wanted.enabled === false) notes.push('it is disabled in Exchange Online, and stays so')
  for (const property of ['Enabled', 'TlsSenderCertificateName', 'SenderIPAddresses']) {
    if (reader.has(property)) continue
    warnings.push(`the export has no ${property}: what is here stays, a new connector gets the default`)
  }
  const restrictions = RESTRICTIONS.filter((property) => reader.isSet(property))
  if (wanted.connectorType === 'Partner' && restrictions.length > 0) {
    warnings.push(`not enforced here yet: ${restrictions.join(', ')}`)
  }
  const missed = MISSED.filter(([property]) => reader.isSet(property))
  for (const [property, told] of missed) notes.push(`${printable(property)} is ignored: ${told}`)
}
