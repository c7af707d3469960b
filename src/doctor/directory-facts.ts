/**
 * What is kept of each organisation once it was read: enough to compare 100,000 connectors with one another and with the
 * journal, and nothing of what only people read.
 */

import { indexDomains } from '../directory/domain-index.ts'
import type { ConfiguredConnector, Organization } from '../directory/model.ts'
import { nameKey } from '../directory/model.ts'
import { reportOnlyUntil } from '../policy/decide.ts'
import { isUnknown } from '../policy/attribute.ts'
import type { Terms } from '../policy/proof.ts'
import { counting } from '../policy/proof.ts'
import type { AcceptedDomain, ConnectorType } from '../policy/types.ts'
import { withoutWildcard } from '../text/certificate-name.ts'
import type { OutboundFiles } from './outbound-files.ts'

/** What the journals of the period hold of one connector. */
export interface ConnectorTraffic {
  byCertificate: number
  byAddress: number
  /** Refused, or relayed by report-only mode, since neither condition held: of those, with the null sender. */
  lostNullSender: number
  /** The same, with another sender. */
  lostForeign: number
  /** Of the two, those that report-only mode relayed. */
  reportOnly: number
}

/** One connector. Names are as in the directory, and not safe to print. */
export interface ConnectorFacts {
  readonly organization: string
  readonly name: string
  readonly connectorType: ConnectorType
  readonly enabled: boolean
  readonly certificateName: string | null
  readonly ranges: readonly string[]
  /** The same for the same trust; '' is the default one. */
  readonly trust: string
  /** Its certificate domain's record, as far as it counts for (b): null without a name. */
  readonly certificateDomain: CertificateDomain | null
  readonly reportOnlyUntil: string | null
  readonly traffic: ConnectorTraffic
}

/** What (b) of rule 6 hangs on: the domain in a connector's name, and what the organisation registered for it. */
export interface CertificateDomain {
  readonly domain: string
  readonly state: 'accepted' | 'missing' | 'pending-removal' | 'unproven'
  /** The record that covers it, or would; for a name that is missing, one above it that a wildcard would stand for. */
  readonly registered: string | null
}

/** One accepted domain. */
export interface DomainFacts {
  readonly organization: string
  readonly matchSubDomains: boolean
  /** Whether mail from it may be relayed. */
  readonly sends: boolean
  /** Whether the journals of the period show that it was of use. */
  used: boolean
}

export interface OrganizationFacts {
  readonly name: string
  readonly domains: number
  /** Domains that are good for relaying now. */
  readonly countingDomains: number
  readonly connectors: number
}

/** CAs of connectors' own, each set once. */
export interface OwnAuthorities {
  /** The first connector that has them. */
  readonly connector: { readonly organization: string; readonly name: string }
  readonly certificateAuthorities: readonly string[]
}

/** The whole directory. */
export class DirectoryFacts {
  readonly connectors: ConnectorFacts[] = []
  readonly domains = new Map<string, DomainFacts>()
  readonly authorities = new Map<string, OwnAuthorities>()
  /** Enabled ones that show something of this server. */
  readonly outbound: OutboundFiles[] = []
  /** Organisations with an accepted domain. */
  sharing = 0
  organizations = 0
  readonly #byKey = new Map<string, ConnectorFacts>()
  readonly #organizations = new Set<string>()

  /** @returns the connector that a record of the journal names */
  connector(organization: string, name: string): ConnectorFacts | undefined {
    return this.#byKey.get(keyOf(organization, name))
  }

  /** @returns whether there is an organisation of that name */
  hasOrganization(name: string): boolean {
    return this.#organizations.has(nameKey(name))
  }

  /**
   * @param organization as it stands in the store
   * @param terms what counts now
   * @returns the facts of the organisation itself
   */
  add(organization: Organization, terms: Terms): OrganizationFacts {
    const { acceptedDomains, inboundConnectors, name } = organization
    this.organizations += 1
    this.#organizations.add(nameKey(name))
    if (acceptedDomains.length > 0) this.sharing += 1
    for (const domain of acceptedDomains) {
      const sends = !domain.sendingFromDomainDisabled && !domain.pendingRemoval
      const facts = { organization: name, matchSubDomains: domain.matchSubDomains, sends, used: false }
      this.domains.set(domain.domainName, facts)
    }
    const accepting = certificateDomains(acceptedDomains, terms)
    for (const connector of inboundConnectors) {
      const facts = connectorFacts(connector, accepting)
      this.connectors.push(facts)
      this.#byKey.set(keyOf(name, connector.name), facts)
      this.#noteAuthorities(connector)
    }
    for (const { enabled, ...connector } of organization.outboundConnectors) {
      const shows = connector.tlsCertificateFile !== null || connector.userName !== null
      if (enabled && shows) this.outbound.push(connector)
    }
    const counted = acceptedDomains.filter((domain) => isGood(domain, terms))
    return {
      name,
      domains: acceptedDomains.length,
      countingDomains: counted.length,
      connectors: inboundConnectors.length,
    }
  }

  #noteAuthorities({ organization, name, trust, enabled }: ConfiguredConnector): void {
    if (trust === null || trust === undefined || !enabled || trust.certificateAuthorities.length === 0) return
    if (this.authorities.has(trust.key)) return
    const { certificateAuthorities } = trust
    this.authorities.set(trust.key, { connector: { organization, name }, certificateAuthorities })
  }
}

/** Neither holds a line break (`schema-name.ts`). */
function keyOf(organization: string, connector: string): string {
  return `${nameKey(organization)}\n${nameKey(connector)}`
}

function isGood(domain: AcceptedDomain, terms: Terms): boolean {
  const fact = counting({ domain: domain.domainName, acceptedDomain: domain, uncoveredParent: null }, terms)
  return !isUnknown(fact) && fact.acceptedDomain !== null && !domain.pendingRemoval
}

/**
 * The organisation's own domains are enough: those of others only cover a name below them when they delegated it
 * (`domain-index.ts`), and then an own record stands there or nothing does.
 */
function certificateDomains(
  domains: readonly AcceptedDomain[],
  terms: Terms,
): (name: string) => CertificateDomain {
  const index = indexDomains(domains)
  return (name) => {
    const domain = withoutWildcard(name)
    const fact = counting(index.find(domain), terms)
    if (isUnknown(fact)) return { domain, state: 'missing', registered: null }
    const { acceptedDomain, uncoveredParent, unproven } = fact
    if (acceptedDomain !== null) {
      const state = acceptedDomain.pendingRemoval ? 'pending-removal' : 'accepted'
      return { domain, state, registered: acceptedDomain.domainName }
    }
    if (unproven !== undefined) return { domain, state: 'unproven', registered: unproven.domainName }
    const parent = uncoveredParent?.pendingRemoval === false ? uncoveredParent.domainName : null
    return { domain, state: 'missing', registered: parent }
  }
}

function connectorFacts(
  connector: ConfiguredConnector,
  accepting: (name: string) => CertificateDomain,
): ConnectorFacts {
  const { organization, name, connectorType, enabled, tlsSenderCertificateName, senderIPAddresses } =
    connector
  return {
    organization,
    name,
    connectorType,
    enabled,
    certificateName: tlsSenderCertificateName,
    ranges: senderIPAddresses,
    trust: connector.trust?.key ?? '',
    certificateDomain: tlsSenderCertificateName === null ? null : accepting(tlsSenderCertificateName),
    reportOnlyUntil: reportOnlyUntil(connector),
    traffic: { byCertificate: 0, byAddress: 0, lostNullSender: 0, lostForeign: 0, reportOnly: 0 },
  }
}

/**
 * @param connector a connector
 * @returns it, for people: `connector "Scanners" of contoso`
 */
export function describeConnector({
  organization,
  name,
}: Pick<ConnectorFacts, 'organization' | 'name'>): string {
  return `connector "${name}" of ${organization}`
}

/** Whether it takes part: Partner connectors never grant relaying, and one that is disabled matches nobody. */
export function isActive({ connectorType, enabled }: ConnectorFacts): boolean {
  return enabled && connectorType === 'OnPremises'
}
