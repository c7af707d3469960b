/** Get-AcceptedDomain, of Exchange Online and of Exchange Server. */

import { normalizeDomain } from '../text/domain-name.ts'
import { printable } from '../text/printable.ts'
import { isPublicSuffix } from '../text/public-suffix.ts'
import type { Meaning, Remarks } from './imported.ts'
import { given } from './imported.ts'
import type { ObjectReader } from './object-reader.ts'

/** Without -EnumsAsStrings (exchange.md section 2). */
const TYPES_BY_NUMBER = new Map([
  ['0', 'Authoritative'],
  ['1', 'ExternalRelay'],
  ['2', 'InternalRelay'],
])

const TYPES = [...TYPES_BY_NUMBER.values()]

/** What a tenant is born with, worldwide and in the national clouds. */
const MICROSOFTS = /(?:^|\.)(?:onmicrosoft\.(?:com|us|de)|(?:partner\.)?onmschina\.cn)$/

/** Properties that change what becomes of mail there and not here. */
const MISSED: readonly (readonly [name: string, told: string])[] = [
  ['SendingToDomainDisabled', 'mail to it is blocked in Exchange Online; here it is taken and passed on'],
  [
    'OutboundOnly',
    "OutboundOnly has no effect here: the domain counts as sender's and as recipient's domain",
  ],
]

/**
 * @param reader one object of Get-AcceptedDomain
 * @param remarks what is told with it
 * @returns what it means here
 * @throws Unreadable, ExportRefused
 */
export function interpretDomain(reader: ObjectReader, remarks: Remarks): Meaning {
  const name = reader.text('DomainName') ?? ''
  const wildcard = name.startsWith('*.')
  const domainName = wildcard ? name.slice(2) : name
  reader.told('Name')
  const aside = whyAside(reader, name, normalizeDomain(domainName))
  if (aside !== null) return { name, aside, wanted: {} }
  const below = reader.flag('MatchSubDomains')
  const wanted = given({
    domainName,
    domainType: typeOf(reader, remarks),
    matchSubDomains: wildcard ? true : below,
    sendingFromDomainDisabled: reader.flag('SendingFromDomainDisabled'),
    pendingRemoval: reader.flag('PendingRemoval'),
  })
  if (wildcard) {
    const taken = printable(domainName, 80)
    remarks.notes.push(`taken as ${taken} with matchSubDomains, which covers it and all below it`)
  }
  if (wanted.pendingRemoval === true) {
    remarks.warnings.push('it is pending removal: it is no good for relaying, mail to it is still taken')
  }
  if (wanted.sendingFromDomainDisabled === true) {
    remarks.notes.push('sending from it is disabled in Exchange Online, and stays so')
  }
  for (const [property, told] of MISSED) if (reader.isSet(property)) remarks.warnings.push(told)
  return { name, aside: null, wanted, wildcard }
}

function whyAside(reader: ObjectReader, name: string, domain: string | null): string | null {
  if (name === '') return 'it has no DomainName'
  if (name === '*') return 'it stands for every domain: that is an open relay; list your domains one by one'
  if (domain !== null && name.startsWith('*.') && isPublicSuffix(domain)) {
    return `strangers register below ${domain}: that is an open relay; list your domains one by one`
  }
  if (reader.flag('InitialDomain') === true || (domain !== null && MICROSOFTS.test(domain))) {
    return "it stays Microsoft's: mail for it goes there, and no server of yours sends from it"
  }
  if (reader.flag('PendingCompletion') === true) {
    return 'it is pending completion: its owner has not proven it to Microsoft yet; import again when that is done'
  }
  return null
}

function typeOf(reader: ObjectReader, remarks: Remarks): string | null {
  const text = reader.choice('DomainType', TYPES_BY_NUMBER)
  const domainType = TYPES.find((type) => type.toLowerCase() === text?.toLowerCase()) ?? text
  if (domainType !== 'ExternalRelay') return domainType
  remarks.notes.push('ExternalRelay is taken as InternalRelay: the difference is of Exchange Server only')
  return 'InternalRelay'
}
