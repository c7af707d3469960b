/** Get-OutboundConnector. None is taken yet; each is told why, and what it would mean here. */

import { ancestorsOf, normalizeDomain } from '../text/domain-name.ts'
import type { Meaning } from './imported.ts'
import type { ObjectReader } from './object-reader.ts'

const BETWEEN = /[\s,;]+/

const LATER =
  'outbound connectors come with a later version: set [outbound] smart_host in connectors.ini meanwhile, and keep this export'

/**
 * @param reader one object of Get-OutboundConnector
 * @param own the organisation's domains, normalised
 * @returns that it is not taken, and why
 * @throws Unreadable, ExportRefused
 */
export function interpretOutbound(reader: ObjectReader, own: ReadonlySet<string>): Meaning {
  const name = reader.text('Name') ?? reader.text('Identity') ?? ''
  return { name, aside: whyAside(reader, own), wanted: {} }
}

function whyAside(reader: ObjectReader, own: ReadonlySet<string>): string {
  if (reader.flag('RouteAllMessagesViaOnPremises') === true) {
    return 'RouteAllMessagesViaOnPremises means the other direction: it sends all mail of Exchange Online through your servers; here that would be a loop'
  }
  const recipients = reader.list('RecipientDomains', BETWEEN) ?? []
  if (recipients.includes('*') && leadsToOwnServer(reader, own)) {
    return 'it sends mail for every domain (*) to your own server, which hands it to this one: here that would be a loop'
  }
  return LATER
}

/** OnPremises says so; a smart host in one of the organisation's domains is one of its servers as well. */
function leadsToOwnServer(reader: ObjectReader, own: ReadonlySet<string>): boolean {
  if (reader.text('ConnectorType')?.toLowerCase() === 'onpremises') return true
  const hosts = reader.list('SmartHosts', BETWEEN) ?? []
  return hosts.some((text) => {
    const host = normalizeDomain(text)
    return host !== null && [host, ...ancestorsOf(host)].some((name) => own.has(name))
  })
}
