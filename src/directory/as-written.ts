/** Organisations as an administrator would write them: properties that stand at their default are left out. */

import { stringify } from 'yaml'
import type { AcceptedDomain } from '../policy/types.ts'
import { formatSmartHost } from '../text/smart-host.ts'
import { authorityFiles } from './authority-files.ts'
import type { ConfiguredConnector, ConfiguredOutboundConnector, Organization, Problem } from './model.ts'
import { parseOrganizations } from './schema.ts'

/** A value of YAML. A record from outside never becomes one: its names are those of the schema. */
export type Written = Readonly<Record<string, unknown>>

/**
 * @param organization an organisation
 * @returns what `config/organizations.yaml` says of it, with its records
 */
export function organizationAsWritten(organization: Organization): Written {
  const { acceptedDomains, inboundConnectors, outboundConnectors } = organization
  return {
    ...itselfAsWritten(organization),
    acceptedDomains: acceptedDomains.map((domain) => domainAsWritten(domain)),
    inboundConnectors: inboundConnectors.map((connector) => connectorAsWritten(connector)),
    ...(outboundConnectors.length === 0
      ? {}
      : { outboundConnectors: outboundConnectors.map((connector) => outboundConnectorAsWritten(connector)) }),
  }
}

/**
 * @param organization an organisation
 * @returns its own properties, without its records
 */
export function itselfAsWritten({ name, comment, reportOnlyUntil }: Organization): Written {
  return { name, ...withoutDefaults({ comment, reportOnlyUntil }) }
}

/**
 * @param domain an accepted domain
 * @returns what the file says of it
 */
export function domainAsWritten({
  organization: _owner,
  domainName,
  proof,
  ...rest
}: AcceptedDomain): Written {
  const proven = proof === null || proof === undefined ? null : withoutDefaults(proof)
  return { domainName, ...withoutDefaults({ ...rest, proof: proven }) }
}

/**
 * @param connector an inbound connector
 * @returns what the file says of it, CAs as PEM
 */
export function connectorAsWritten({
  organization: _owner,
  organizationReportOnlyUntil: _inherited,
  name,
  enabled,
  trust,
  ...rest
}: ConfiguredConnector): Written {
  const { certificateAuthorities = [], certificatePins = [] } = trust ?? {}
  const own = { trustedCertificateAuthorities: certificateAuthorities, certificatePins }
  return { name, ...(enabled ? {} : { enabled }), ...withoutDefaults({ ...rest, ...own }) }
}

/**
 * @param connector an outbound connector
 * @returns what the file says of it: smart hosts as `host`, `host:port` or `[address]:port`, CAs as PEM; without
 *   useMXRecord, which follows from whether there are smart hosts
 */
export function outboundConnectorAsWritten({
  organization: _owner,
  name,
  enabled,
  useMXRecord: _follows,
  smartHosts,
  trust,
  ...rest
}: ConfiguredOutboundConnector): Written {
  const { certificateAuthorities = [], certificatePins = [] } = trust ?? {}
  const lists = {
    smartHosts: smartHosts.map((smartHost) => formatSmartHost(smartHost)),
    trustedCertificateAuthorities: certificateAuthorities,
    certificatePins,
  }
  return { name, ...(enabled ? {} : { enabled }), ...withoutDefaults({ ...rest, ...lists }) }
}

/**
 * @param organization an organisation
 * @returns it as an item of `organizations:`, indented, with a line break at its end
 */
export function organizationAsText(organization: Organization): string {
  const text = stringify([organizationAsWritten(organization)], {
    lineWidth: 0,
    aliasDuplicateObjects: false,
  })
  return text.replaceAll(/(^|\n)(?=[^\n])/g, '$1  ')
}

export interface Validated {
  /** As the file's schema takes it: names in A-label form, addresses canonical. To be used when there are no errors. */
  readonly organization: Organization | null
  readonly errors: readonly Problem[]
  /** Warnings and notices, of this organisation alone: what other organisations have is the store's to check. */
  readonly warnings: readonly Problem[]
}

/**
 * The rules on properties are the schema's, for the file, for Redis and for what is typed in a terminal.
 * @param written an organisation as it would be written; values may be of any kind
 * @param file what problems are said to be in
 * @param folder the folder under which CAs that are named, not given as PEM, are files
 * @returns the organisation, and everything that is wrong with it
 */
export function validateWritten(written: Written, file: string, folder: string): Validated {
  const text = stringify({ organizations: [written] }, { lineWidth: 0, aliasDuplicateObjects: false })
  const { organizations, errors, warnings } = parseOrganizations(text, file, authorityFiles(folder).read)
  return {
    organization: errors.length === 0 ? (organizations[0] ?? null) : null,
    errors: placeless(errors),
    warnings: placeless(warnings),
  }
}

/** Where it stands in a text that nobody wrote helps nobody. */
function placeless(problems: readonly Problem[]): Problem[] {
  return problems.map((problem) => ({ ...problem, line: 0, column: 0 }))
}

function withoutDefaults(record: object): Written {
  const kept = Object.entries(record).filter(
    ([key, value]: [string, unknown]) =>
      value !== null &&
      value !== undefined &&
      value !== false &&
      !(key === 'domainType' && value === 'Authoritative') &&
      !(Array.isArray(value) && value.length === 0),
  )
  return Object.fromEntries(kept)
}
