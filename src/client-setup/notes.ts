/**
 * What the smarthost makes of a server that is set up so. The notes go to whoever runs that server: they name nobody else's
 * connectors or organisations.
 */

import type { ConfiguredConnector, Organization } from '../directory/model.ts'
import { isUnknown } from '../policy/attribute.ts'
import type { AcceptedDomain, WeighedCandidate } from '../policy/types.ts'
import { matchesCertificateName, withoutWildcard } from '../text/certificate-name.ts'
import { parentOf } from '../text/domain-name.ts'
import { isPublicSuffix } from '../text/public-suffix.ts'
import { shellWord } from './quoting.ts'
import type { SetupNote } from './setup.ts'

/** A connector that names the certificate. */
export interface Recognition {
  /** Weighed for the null sender, the certificate taken as verified. */
  readonly candidate: WeighedCandidate
  /** Why the certificate does not count under the connector's own trust; null when it does. */
  readonly why: string | null
}

const MOST_NAMES = 10

/**
 * @param organization whose server it is
 * @param names what the certificate presents
 * @param recognitions connectors that name it, of any organisation
 * @returns the notes
 */
export function certificateNotes(
  organization: Organization,
  names: readonly string[],
  recognitions: readonly Recognition[],
): SetupNote[] {
  if (names.length === 0) {
    return [
      warning(
        'the certificate holds no name that counts: it needs a DNS name of two labels or more, e.g. mail.contoso.com',
      ),
    ]
  }
  const own = recognitions.filter(({ candidate }) => candidate.connector.organization === organization.name)
  return [
    info(`the certificate is for ${listed(names)}`),
    ...own.flatMap((recognition) => recognised(recognition, organization)),
    ...(own.length === 0 ? unrecognised(organization, names) : []),
    ...(own.length < recognitions.length
      ? [warning("another organisation's inbound connector recognises this certificate, too")]
      : []),
  ]
}

function recognised({ candidate, why }: Recognition, organization: Organization): SetupNote[] {
  const what = titleOf(candidate.connector)
  const notes = [condition(candidate, what, organization)]
  if (why !== null) {
    const trust = candidate.connector.trust ?? null
    const under = trust === null ? 'the default CAs' : 'its own CAs and pins'
    notes.push(
      warning(
        `the certificate, as it stands in the file, does not count for ${what}, under ${under}: ${why}`,
      ),
    )
  }
  return notes
}

/** (b) of rule 6: what it is there for, and the trap. */
function condition(
  { certificateAccepted, certificateDomain, connector }: WeighedCandidate,
  what: string,
  organization: Organization,
): SetupNote {
  if (certificateDomain === null || isUnknown(certificateDomain) || certificateAccepted === 'unknown') {
    return warning(`${what} recognises it, but its domain could not be looked up`)
  }
  const { acceptedDomain, domain, uncoveredParent, unproven } = certificateDomain
  if (certificateAccepted === 'yes') {
    return info(
      `${what} recognises it, and ${domain} is an accepted domain: any sender may relay, also none at all (non-delivery reports) and strangers (forwarded mail)`,
    )
  }
  const trap = `${what} recognises it, but only registered senders may relay, no non-delivery reports and no forwarded mail`
  const mine = (record: AcceptedDomain | null): boolean => record?.organization === organization.name
  if (unproven !== undefined) {
    const commands = mine(unproven) ? [`connectorctl domain verify ${unproven.domainName}`] : []
    return warning(
      `${trap}: ${unproven.domainName} counts for nothing until it is proven who owns it`,
      commands,
    )
  }
  if (acceptedDomain !== null) {
    const state = mine(acceptedDomain) ? 'is pending removal' : 'is registered with somebody else'
    return warning(`${trap}: ${acceptedDomain.domainName} ${state}`)
  }
  if (uncoveredParent !== null && mine(uncoveredParent)) {
    const parent = uncoveredParent.domainName
    return warning(
      `${trap}: ${domain} is no accepted domain, ${parent} alone does not cover it. Let the connector have *.${parent}, or register ${domain}`,
      [rename(connector.name, `*.${parent}`, organization)],
    )
  }
  return warning(`${trap}: ${domain} is no accepted domain`, [addDomain(domain, organization)])
}

function unrecognised(organization: Organization, names: readonly string[]): SetupNote[] {
  const fitting = organization.inboundConnectors.filter(
    ({ tlsSenderCertificateName: wanted }) =>
      wanted !== null && names.some((name) => matchesCertificateName(wanted, name)),
  )
  const disabled = fitting.find(({ connectorType, enabled }) => connectorType === 'OnPremises' && !enabled)
  if (disabled !== undefined) {
    return [
      warning(`${titleOf(disabled)} would recognise it, but is disabled`, [
        connectorctl(['inbound-connector', 'enable', disabled.name], organization),
      ]),
    ]
  }
  const partner =
    fitting[0] === undefined
      ? ''
      : `; ${titleOf(fitting[0])} is a Partner connector, which never grants relaying`
  const { commands, name } = proposal(organization, names)
  return [
    warning(
      `no inbound connector recognises it, so it may not relay${partner}. One for ${name} would:`,
      commands,
    ),
  ]
}

/** As the KB recommends: `*.contoso.com`, where contoso.com is an accepted domain. */
function proposal(
  organization: Organization,
  names: readonly string[],
): { name: string; commands: string[] } {
  const domains = names.map(withoutWildcard)
  const covering = organization.acceptedDomains
    .map(({ domainName }) => domainName)
    .filter((accepted) => domains.some((domain) => domain === accepted || domain.endsWith(`.${accepted}`)))
    .toSorted((left, right) => right.length - left.length)[0]
  if (covering !== undefined) {
    return { name: `*.${covering}`, commands: [addConnector(`*.${covering}`, organization)] }
  }
  const [first = ''] = names
  const parent = first.startsWith('*.') ? withoutWildcard(first) : parentOf(first)
  const domain = parent === null || isPublicSuffix(parent) ? first : parent
  const name = domain === first ? first : `*.${domain}`
  return { name, commands: [addDomain(domain, organization), addConnector(name, organization)] }
}

/**
 * @param organization whose server it is
 * @returns which certificates it may present
 */
export function connectorNotes(organization: Organization): SetupNote[] {
  const named = organization.inboundConnectors.filter(
    ({ connectorType, enabled, tlsSenderCertificateName }) =>
      enabled && connectorType === 'OnPremises' && tlsSenderCertificateName !== null,
  )
  if (named.length > 0) {
    return [
      info(
        `the certificate must hold a name that one of these recognises: ${listed(named.map(titleOf))}. With --certificate FILE it is looked at here`,
      ),
    ]
  }
  const [domain] = organization.acceptedDomains
  const commands = domain === undefined ? [] : [addConnector(`*.${domain.domainName}`, organization)]
  return [warning('the organisation has no enabled inbound connector with a certificate name', commands)]
}

function titleOf({
  name,
  tlsSenderCertificateName,
}: Pick<ConfiguredConnector, 'name' | 'tlsSenderCertificateName'>): string {
  return `inbound connector "${name}" (${tlsSenderCertificateName ?? ''})`
}

function listed(items: readonly string[]): string {
  const shown = items.slice(0, MOST_NAMES).join(', ')
  return items.length > MOST_NAMES ? `${shown} and ${items.length - MOST_NAMES} more` : shown
}

function info(text: string): SetupNote {
  return { severity: 'info', text, commands: [] }
}

function warning(text: string, commands: readonly string[] = []): SetupNote {
  return { severity: 'warning', text, commands }
}

function addConnector(name: string, organization: Organization): string {
  const connector = `Servers of ${withoutWildcard(name)}`.slice(0, 64)
  const certificate = ['--tls-sender-certificate-name', name]
  return connectorctl(['inbound-connector', 'add', connector], organization, [
    '--connector-type',
    'OnPremises',
    ...certificate,
  ])
}

function rename(connector: string, name: string, organization: Organization): string {
  const certificate = ['--tls-sender-certificate-name', name]
  return connectorctl(['inbound-connector', 'set', connector], organization, certificate)
}

function addDomain(domain: string, organization: Organization): string {
  return connectorctl(['domain', 'add', domain], organization)
}

function connectorctl(
  words: readonly string[],
  { name }: Organization,
  flags: readonly string[] = [],
): string {
  return ['connectorctl', ...words, '--organization', name, ...flags].map(shellWord).join(' ')
}
