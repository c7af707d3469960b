/** One record for people, property by property, and for scripts. */

import { formatName } from '../../certificate/general-name.ts'
import { parseCertificate } from '../../certificate/parse.ts'
import { certificatesIn } from '../../certificate/pem.ts'
import type { Written } from '../../directory/as-written.ts'
import type { ConfiguredConnector, ConfiguredOutboundConnector, Organization } from '../../directory/model.ts'
import { isProven } from '../../policy/proof.ts'
import type { AcceptedDomain } from '../../policy/types.ts'
import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import { formatSmartHost } from '../../text/smart-host.ts'
import { hasColors } from './table.ts'

const LONGEST_VALUE = 2000

/**
 * @param connector an inbound connector
 * @returns it for --json: every property, CAs as PEM
 */
export function connectorJson(connector: ConfiguredConnector): object {
  const { organization, name, connectorType, enabled, tlsSenderCertificateName, trust } = connector
  const { allowWideAddresses, comment, reportOnlyUntil = null, senderDomains, senderIPAddresses } = connector
  return {
    organization,
    name,
    connectorType,
    enabled,
    tlsSenderCertificateName,
    senderIPAddresses,
    senderDomains,
    trustedCertificateAuthorities: trust?.certificateAuthorities ?? [],
    certificatePins: trust?.certificatePins ?? [],
    allowWideAddresses,
    reportOnlyUntil,
    comment,
  }
}

/**
 * @param connector an outbound connector
 * @returns it for --json: every property, CAs as PEM, smart hosts as they are written
 */
export function outboundConnectorJson({ trust, smartHosts, ...rest }: ConfiguredOutboundConnector): object {
  const { comment, ...properties } = rest
  return {
    ...properties,
    smartHosts: smartHosts.map((smartHost) => formatSmartHost(smartHost)),
    trustedCertificateAuthorities: trust?.certificateAuthorities ?? [],
    certificatePins: trust?.certificatePins ?? [],
    comment,
  }
}

/**
 * @param domain an accepted domain
 * @returns it for --json: every property
 */
export function domainJson({ proof = null, ...domain }: AcceptedDomain): object {
  return { ...domain, proof }
}

/**
 * @param organization an organisation
 * @returns it for --json: every property, with its records
 */
export function organizationJson(organization: Organization): object {
  const {
    acceptedDomains,
    comment,
    inboundConnectors,
    name,
    outboundConnectors,
    reportOnlyUntil = null,
  } = organization
  return {
    name,
    comment,
    reportOnlyUntil,
    acceptedDomains: acceptedDomains.map((domain) => domainJson(domain)),
    inboundConnectors: inboundConnectors.map((connector) => connectorJson(connector)),
    outboundConnectors: outboundConnectors.map((connector) => outboundConnectorJson(connector)),
  }
}

/**
 * @param until the end of report-only mode, or null
 * @returns it with what that means now
 */
export function reportOnlyText(until: string | null | undefined): string {
  if (until === null || until === undefined) return 'none'
  return until > new Date().toISOString() ? `${until} (in force)` : `${until} (over)`
}

/** What is shown of a record: a property, and how it is. */
export type ShownProperty = readonly [property: string, value: string]

/**
 * @param connector an inbound connector
 * @returns its properties
 */
export function connectorProperties(connector: ConfiguredConnector): ShownProperty[] {
  const { trust } = connector
  const authorities = (trust?.certificateAuthorities ?? []).map((pem) => authorityText(pem))
  const inherited = connector.organizationReportOnlyUntil ?? null
  return [
    ['connectorType', connector.connectorType],
    ['enabled', String(connector.enabled)],
    ['tlsSenderCertificateName', connector.tlsSenderCertificateName ?? 'none'],
    ['senderIPAddresses', listText(connector.senderIPAddresses)],
    ...partnerProperties(connector),
    ['trustedCertificateAuthorities', authorities.length === 0 ? 'none of its own' : authorities.join('; ')],
    ['certificatePins', listText(trust?.certificatePins ?? [])],
    ['allowWideAddresses', String(connector.allowWideAddresses)],
    ['reportOnlyUntil', reportOnlyText(connector.reportOnlyUntil)],
    ...(inherited === null ? [] : [['of its organisation', reportOnlyText(inherited)] as const]),
    ['comment', connector.comment ?? 'none'],
  ]
}

function partnerProperties({ connectorType, senderDomains }: ConfiguredConnector): ShownProperty[] {
  return connectorType === 'Partner' ? [['senderDomains', listText(senderDomains)]] : []
}

/**
 * @param pem the CAs of one file
 * @returns whose they are, not safe to print
 */
export function authorityText(pem: string): string {
  try {
    return certificatesIn(Buffer.from(pem))
      .map((der) => formatName(parseCertificate(der).subject))
      .join('; ')
  } catch (error) {
    return `unreadable: ${messageOf(error)}`
  }
}

/**
 * @param domain an accepted domain
 * @param required whether `[relay] require_domain_proof` is on
 * @returns its properties, and whether it is proven
 */
export function domainProperties(domain: AcceptedDomain, required: boolean): ShownProperty[] {
  return [
    ['domainType', domain.domainType],
    ['matchSubDomains', String(domain.matchSubDomains)],
    ['sendingFromDomainDisabled', String(domain.sendingFromDomainDisabled)],
    ['pendingRemoval', String(domain.pendingRemoval)],
    ['delegatedSubDomains', listText(domain.delegatedSubDomains)],
    ['proof', proofText(domain, required)],
  ]
}

/** Whether its organisation has shown that it owns it, and what follows from that. */
function proofText(domain: AcceptedDomain, required: boolean): string {
  const { domainName, proof } = domain
  const how = proofState(domain)
  if (!required) return `${how} (proof is not required here)`
  if (!isProven(domain, new Date().toISOString())) {
    return `${how}: it counts for nothing until connectorctl domain verify ${domainName}`
  }
  const until = proof?.countsUntil ?? null
  return how.startsWith('proven') || until === null ? how : `${how}: it counts until ${until}`
}

/**
 * @param domain an accepted domain
 * @returns `proven since …`, `proven since …, not found since …` or `unverified`
 */
export function proofState({ proof = null }: AcceptedDomain): string {
  if (proof === null || proof.provenAt === null) return 'unverified'
  return proof.lostAt === null
    ? `proven since ${proof.provenAt}`
    : `lost: proven ${proof.provenAt}, not found since ${proof.lostAt}`
}

/**
 * @param items entries of a list
 * @returns them for people
 */
export function listText(items: readonly string[]): string {
  return items.length === 0 ? 'none' : items.join(', ')
}

/**
 * @param title what is shown; safe to print
 * @param properties how it is
 * @param stream where it is written
 */
export function writeProperties(
  title: string,
  properties: readonly ShownProperty[],
  stream: NodeJS.WritableStream,
): void {
  const width = Math.max(...properties.map(([property]) => property.length)) + 2
  const lines = properties.map(
    ([property, value]) => `  ${`${property}:`.padEnd(width)}${printable(value, LONGEST_VALUE)}`,
  )
  stream.write(`${[hasColors(stream) ? `\u001b[1m${title}\u001b[0m` : title, ...lines].join('\n')}\n`)
}

/**
 * @param before a record as it was, as it would be written
 * @param after the same as it is now
 * @returns what is different, e.g. `enabled, comment`
 */
export function differentProperties(before: Written, after: Written): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...names].filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
}

/** @returns `organization contoso` */
export function organizationSubject(name: string): string {
  return `organization ${printable(name, 80)}`
}

/** @returns `domain contoso.com of contoso` */
export function domainSubject(domainName: string, organization: string): string {
  return `domain ${domainName} of ${printable(organization, 80)}`
}

/** @returns `inbound-connector "Exchange" of contoso` */
export function connectorSubject(
  name: string,
  organization: string,
  command: 'inbound-connector' | 'outbound-connector' = 'inbound-connector',
): string {
  return `${command} "${printable(name, 80)}" of ${printable(organization, 80)}`
}
