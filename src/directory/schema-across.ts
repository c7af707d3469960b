/** What can only be seen when all organisations are read: whose domain it is, and the KB's trap. */

import type { AcceptedDomain } from '../policy/types.ts'
import { withoutWildcard } from '../text/certificate-name.ts'
import { ancestorsOf } from '../text/domain-name.ts'
import type { DomainIndex } from './domain-index.ts'
import { dissenting, indexDomains } from './domain-index.ts'
import type { ConfiguredConnector, ConfiguredOutboundConnector, Organization } from './model.ts'
import type { YamlNode, YamlReader } from './yaml-reader.ts'
import { quoted } from './yaml-reader.ts'

/** Where each record stands in the file. */
export interface Places {
  readonly domains: Map<AcceptedDomain, YamlNode>
  readonly connectors: Map<ConfiguredConnector, YamlNode>
  readonly outbound: Map<ConfiguredOutboundConnector, YamlNode>
}

/**
 * @param reader where problems are reported
 * @param organizations everything that was read
 * @param places where it stands
 */
export function checkAcrossOrganizations(
  reader: YamlReader,
  organizations: readonly Organization[],
  places: Places,
): void {
  const index = indexDomains(organizations.flatMap(({ acceptedDomains }) => acceptedDomains))
  for (const { acceptedDomains } of organizations) {
    for (const domain of acceptedDomains) {
      checkOwner(reader, domain, index, places)
      checkAbove(reader, domain, index, places)
    }
  }
  // A domain that could not be read would look like a trap.
  if (reader.problems.some(({ severity }) => severity === 'error')) return
  for (const { inboundConnectors } of organizations) {
    for (const connector of inboundConnectors) warnOfTrap(reader, connector, index, places)
  }
  for (const { outboundConnectors } of organizations) {
    for (const connector of outboundConnectors) {
      warnOfNeverTaken(reader, connector, index, places.outbound.get(connector) ?? null)
    }
  }
}

function checkOwner(reader: YamlReader, domain: AcceptedDomain, index: DomainIndex, places: Places): void {
  const first = index.get(domain.domainName)
  if (first === undefined || first === domain) return
  const line = reader.lineOf(places.domains.get(first) ?? null)
  const own = first.organization === domain.organization
  reader.error(
    places.domains.get(domain) ?? null,
    `${domain.domainName} is registered already, with ${own ? 'this organisation' : quoted(first.organization)} in line ${line}`,
    'a domain belongs to one organisation, once: remove one of the two',
  )
}

function checkAbove(reader: YamlReader, domain: AcceptedDomain, index: DomainIndex, places: Places): void {
  const above = ancestorsOf(domain.domainName).flatMap((name) => index.get(name) ?? [])
  for (const upper of dissenting(domain, above)) {
    reader.error(
      places.domains.get(domain) ?? null,
      `${domain.domainName} is below ${upper.domainName}, which belongs to ${quoted(upper.organization)} (line ${reader.lineOf(places.domains.get(upper) ?? null)})`,
      `remove one of the two, or add delegatedSubDomains: [${domain.domainName}] to ${upper.domainName}`,
    )
  }
}

/** Mail to an accepted domain is for the connectors of the organisation that owns it, and never goes by MX. */
function warnOfNeverTaken(
  reader: YamlReader,
  { enabled, name, organization, recipientDomains, useMXRecord }: ConfiguredOutboundConnector,
  index: DomainIndex,
  place: YamlNode,
): void {
  if (!enabled) return
  for (const domain of recipientDomains.filter((pattern) => !pattern.includes('*'))) {
    const owner = index.find(domain).acceptedDomain?.organization
    if (owner === undefined) continue
    if (owner !== organization) {
      const message = `outbound connector ${quoted(name)} never takes mail to ${domain}: it is an accepted domain of ${quoted(owner)}`
      reader.report(place, 'warning', message, `only outbound connectors of ${quoted(owner)} do`)
    } else if (useMXRecord) {
      const message = `outbound connector ${quoted(name)} never takes mail to ${domain}: it is an accepted domain, and mail to those never goes by MX`
      reader.report(place, 'warning', message, "add smartHosts: the organisation's own servers")
    }
  }
}

/** KB 3169958: without a registered certificate domain only senders of registered domains get through. */
function warnOfTrap(
  reader: YamlReader,
  connector: ConfiguredConnector,
  index: DomainIndex,
  places: Places,
): void {
  const { connectorType, organization, tlsSenderCertificateName: name } = connector
  if (name === null || connectorType !== 'OnPremises') return
  const domain = withoutWildcard(name)
  const { acceptedDomain: record } = index.find(domain)
  if (record?.organization === organization && !record.pendingRemoval) return
  const why =
    record?.organization === organization
      ? 'is pending removal'
      : `is not an accepted domain of ${quoted(organization)}`
  reader.report(
    places.connectors.get(connector) ?? null,
    'warning',
    `the certificate domain ${domain} of connector ${quoted(connector.name)} ${why}: non-delivery reports, forwarded mail and other foreign senders get 5.7.64`,
    mendOfTrap(connector, domain, index),
  )
}

function mendOfTrap({ organization }: ConfiguredConnector, domain: string, index: DomainIndex): string {
  const record = index.find(domain).acceptedDomain
  if (record?.organization === organization) return `remove pendingRemoval from ${record.domainName}`
  if (record !== null)
    return `${record.domainName} belongs to ${quoted(record.organization)}: write a name of your own`
  const parent = ancestorsOf(domain)
    .map((ancestor) => index.get(ancestor))
    .find((above) => above !== undefined)
  if (parent?.organization !== organization || parent.pendingRemoval)
    return `add ${domain} to acceptedDomains`
  return `write tlsSenderCertificateName: "*.${parent.domainName}", or add ${domain} to acceptedDomains`
}
