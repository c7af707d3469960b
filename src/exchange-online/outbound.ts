/** Get-OutboundConnector. Some mean something else here than they do there: each of those is told why it is not taken. */

import { isIP } from 'node:net'
import { ancestorsOf, normalizeDomain } from '../text/domain-name.ts'
import { parseRange } from '../text/ip-address.ts'
import { printable } from '../text/printable.ts'
import type { Meaning, Remarks, WantedProperties } from './imported.ts'
import { given } from './imported.ts'
import type { ObjectReader } from './object-reader.ts'
import { BETWEEN_DOMAINS } from './object-reader.ts'

const BETWEEN = /[\s,;]+/

const TYPES = ['OnPremises', 'Partner']
const TLS_SETTINGS = ['EncryptionOnly', 'CertificateValidation', 'DomainValidation']

/** Exchange Online writes the words; what its numbers are is documented nowhere, and a guess could drop a promise. */
const NO_NUMBERS = new Map<string, string>()

/** Properties that change what becomes of mail there and not here. */
const MISSED: readonly (readonly [name: string, told: string])[] = [
  ['SenderRewritingEnabled', 'senders of forwarded mail are not rewritten here'],
  ['CloudServicesMailEnabled', 'internal Exchange headers pass through here as they are'],
]

/**
 * @param reader one object of Get-OutboundConnector
 * @param remarks what is told with it
 * @param own the organisation's domains, normalised
 * @returns what it means here
 * @throws Unreadable, ExportRefused
 */
export function interpretOutbound(reader: ObjectReader, remarks: Remarks, own: ReadonlySet<string>): Meaning {
  const name = nameOf(reader)
  const type = wordOf(reader, 'ConnectorType', TYPES)
  const recipients = reader.list('RecipientDomains', BETWEEN_DOMAINS)
  const hosts = reader.list('SmartHosts', BETWEEN)
  const servers = (hosts ?? []).filter((host) => !isNetwork(host)).map((host) => withoutPrefix(host))
  const connector = { type, recipients: recipients ?? [], hosts: hosts ?? [], servers }
  const aside = whyAside(reader, name, connector, own)
  if (aside !== null) return { name, aside, wanted: {} }
  const tls = tlsOf(reader, remarks)
  const wanted = given({
    name,
    connectorType: type,
    enabled: reader.flag('Enabled'),
    recipientDomains: recipients,
    allAcceptedDomains: reader.flag('AllAcceptedDomains'),
    smartHosts: nextHopsOf(reader, remarks, connector, hosts !== null),
    comment: reader.comment('Comment'),
  })
  remarkOn(reader, wanted, remarks)
  return { name, aside: null, wanted: { ...wanted, ...tls } }
}

function nameOf(reader: ObjectReader): string {
  const name = reader.text('Name') ?? ''
  return name === '' ? (reader.text('Identity') ?? '') : name
}

/** A word of a closed list in its own spelling; another one as it is, for the schema to refuse. */
function wordOf(reader: ObjectReader, name: string, words: readonly string[]): string | null {
  const text = reader.choice(name, NO_NUMBERS)
  return text === null ? null : (words.find((word) => word.toLowerCase() === text.toLowerCase()) ?? text)
}

interface Connector {
  readonly type: string | null
  readonly recipients: readonly string[]
  /** As the export has them. */
  readonly hosts: readonly string[]
  /** Those that are no networks. */
  readonly servers: readonly string[]
}

function whyAside(
  reader: ObjectReader,
  name: string,
  connector: Connector,
  own: ReadonlySet<string>,
): string | null {
  if (name === '') return 'it has no Name'
  return whyNotMeant(reader) ?? whyLoop(reader, connector, own) ?? whyNowhere(reader, connector)
}

/** What takes no mail by itself there would take it here, and what is promised there would not be kept. */
function whyNotMeant(reader: ObjectReader): string | null {
  if (reader.flag('IsTransportRuleScoped') === true) {
    return 'IsTransportRuleScoped: only mail-flow rules of Exchange Online use it, and there are none here; make one for the recipients that the rule is about'
  }
  if (reader.flag('TestMode') === true) return 'TestMode: it takes no real mail there, and would here'
  if (wordOf(reader, 'SmtpDaneMode', ['Mandatory']) === 'Mandatory') {
    return 'SmtpDaneMode is Mandatory, and DANE is not asked for here yet: its mail would go without that promise'
  }
  return null
}

function whyLoop(
  reader: ObjectReader,
  { recipients, servers, type }: Connector,
  own: ReadonlySet<string>,
): string | null {
  if (reader.flag('RouteAllMessagesViaOnPremises') === true) {
    return 'RouteAllMessagesViaOnPremises means the other direction: it sends all mail of Exchange Online through your servers; here that would be a loop'
  }
  if (type === null) {
    return 'the export has no ConnectorType, and whether it leads to your own servers is not known: export all properties'
  }
  const leadsHome = type === 'OnPremises' || servers.some((host) => isOwn(host, own))
  return recipients.includes('*') && leadsHome
    ? 'it sends mail for every domain (*) to your own server, which hands it to this one: here that would be a loop'
    : null
}

/** A smart host in one of the organisation's domains is one of its servers. */
function isOwn(text: string, own: ReadonlySet<string>): boolean {
  const host = normalizeDomain(text)
  return host !== null && [host, ...ancestorsOf(host)].some((name) => own.has(name))
}

function whyNowhere(reader: ObjectReader, { hosts, servers }: Connector): string | null {
  const byMx = reader.flag('UseMXRecord')
  if (byMx === true) return null
  if (hosts.length > 0 && servers.length === 0) {
    return `its SmartHosts are networks, not servers: ${printable(hosts.join(', '), 200)}; mail goes to one server, never to a network`
  }
  // Without a word about it mail would go by MX here.
  if (byMx === false && servers.length === 0) {
    return 'UseMXRecord is false, and the export has no SmartHosts: its mail has nowhere to go'
  }
  return null
}

/** Microsoft's own pages have a range as an example. */
function isNetwork(text: string): boolean {
  const range = text.includes('/') ? parseRange(text) : null
  return range !== null && !isHost(range.range)
}

function isHost(range: string): boolean {
  return range.endsWith(range.includes(':') ? '/128' : '/32')
}

/** An address that is written as a range of one. */
function withoutPrefix(text: string): string {
  const address = text.slice(0, Math.max(0, text.indexOf('/')))
  return isIP(address) === 0 ? text : address
}

/** Empty for the MX; null where the export says nothing of it. */
function nextHopsOf(
  reader: ObjectReader,
  { notes, warnings }: Remarks,
  { hosts, servers }: Connector,
  isGiven: boolean,
): readonly string[] | null {
  const said = printable(hosts.join(', '), 200)
  if (reader.flag('UseMXRecord') === true) {
    if (hosts.length > 0) notes.push(`SmartHosts are ignored, as they are there with UseMXRecord: ${said}`)
    return []
  }
  const networks = hosts.filter((host) => isNetwork(host))
  if (networks.length > 0) {
    warnings.push(
      `networks in SmartHosts are left out, as mail goes to one server: ${printable(networks.join(', '), 200)}`,
    )
  }
  return isGiven ? servers : null
}

/** Absent where the export says nothing of it, null for none. */
function tlsOf(
  reader: ObjectReader,
  { notes }: Remarks,
): Pick<WantedProperties, 'tlsSettings' | 'tlsDomain'> {
  const tlsSettings = wordOf(reader, 'TlsSettings', TLS_SETTINGS)
  const domain = reader.text('TlsDomain')
  const isLookedAt = tlsSettings === 'DomainValidation' || !reader.has('TlsSettings')
  if (!isLookedAt && domain !== null && domain !== '') {
    notes.push(
      `TlsDomain ${printable(domain, 80)} is left out: it is looked at with TlsSettings DomainValidation only`,
    )
  }
  return {
    ...(reader.has('TlsSettings') ? { tlsSettings } : {}),
    ...(domain === null && isLookedAt ? {} : { tlsDomain: isLookedAt && domain !== '' ? domain : null }),
  }
}

/** What a new connector gets where the export does not say it. */
const DEFAULTS: readonly (readonly [property: string, fallback: string])[] = [
  ['Enabled', 'true'],
  ['TlsSettings', 'TLS where it is offered, else plain text'],
  ['SmartHosts', 'the MX of the recipient'],
]

function remarkOn(reader: ObjectReader, wanted: WantedProperties, { notes, warnings }: Remarks): void {
  if (wanted.enabled === false) notes.push('it is disabled in Exchange Online, and stays so')
  for (const [property, fallback] of DEFAULTS) {
    if (reader.has(property) || (property === 'SmartHosts' && reader.flag('UseMXRecord') === true)) continue
    warnings.push(
      `the export has no ${property}: what is here stays, a new connector gets the default, ${fallback}`,
    )
  }
  for (const [property, told] of MISSED) {
    if (reader.isSet(property)) notes.push(`${property} is ignored: ${told}`)
  }
}
