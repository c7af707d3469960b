/** Changes of inbound connectors, and of what servers present, that might let a mail through. */

import type { Organization } from '../directory/model.ts'
import { nameKey } from '../directory/model.ts'
import { isUnknown } from '../policy/attribute.ts'
import type { InboundConnector } from '../policy/types.ts'
import { withoutWildcard } from '../text/certificate-name.ts'
import { findDomain } from './gather.ts'
import type { Change, Question } from './remedy-types.ts'
import { termsNow } from './terms.ts'

/**
 * @param question a message that was not accepted
 * @returns changes of connectors: ones that are off or of the wrong type, a new one
 */
export async function connectorChanges(question: Question): Promise<Change[]> {
  const { organization, simulation } = question
  const { matched, partners } = simulation.attribution
  const off = organization?.inboundConnectors.filter(({ enabled }) => !enabled) ?? []
  return [
    ...off.map((connector): Change => ({
      what: `enable connector "${connector.name}" of ${connector.organization}`,
      command: ['inbound-connector', 'enable', connector.name, '--organization', connector.organization],
      connector: { ...connector, enabled: true },
    })),
    ...partners.map(({ connector }): Change => ({
      what: `make connector "${connector.name}" one of type OnPremises, if the server is ${connector.organization}'s own`,
      command: setConnector(connector, '--connector-type', 'OnPremises'),
      connector: { ...connector, connectorType: 'OnPremises' },
    })),
    ...(await byName(question)),
    ...(matched === null ? byAddress(question) : []),
  ]
}

/** @returns the words of a command that sets a property of a connector */
export function setConnector(
  { name, organization }: InboundConnector,
  flag: string,
  value: string,
): string[] {
  return ['inbound-connector', 'set', name, '--organization', organization, flag, value]
}

/**
 * The trap of the KB: mail.contoso.com becomes *.contoso.com where contoso.com is registered.
 * @param question a message that was not accepted
 * @returns the change of the matched connector
 */
export function healed({ simulation: { attribution } }: Question): Change[] {
  const { matched } = attribution
  if (matched === null) return []
  const { certificateDomain: fact, connector } = matched
  if (fact === null || isUnknown(fact) || fact.uncoveredParent?.organization !== connector.organization)
    return []
  const name = `*.${fact.uncoveredParent.domainName}`
  return [
    {
      what: `change the certificate name of connector "${connector.name}" to ${name}`,
      command: setConnector(connector, '--tls-sender-certificate-name', name),
      connector: { ...connector, tlsSenderCertificateName: name },
    },
  ]
}

/** A connector for a name in the certificate that the server presents: the exact one where that is enough. */
async function byName({
  directory,
  message,
  organization,
  settings,
  simulation,
}: Question): Promise<Change[]> {
  const { certificate } = message.peer
  if (certificate.state !== 'verified' || simulation.attribution.matched?.match.via === 'certificate')
    return []
  const changes: Change[] = []
  for (const name of certificate.names.slice(0, 5)) {
    const fact = await findDomain(directory, withoutWildcard(name), termsNow(settings.relay))
    if (isUnknown(fact)) continue
    const { acceptedDomain, uncoveredParent } = fact
    const owner = (acceptedDomain ?? uncoveredParent)?.organization ?? organization?.name
    if (owner === undefined) continue
    const pattern = uncoveredParent === null ? name : `*.${uncoveredParent.domainName}`
    changes.push(adding(owner, pattern, organization))
  }
  return changes
}

function adding(organization: string, tlsSenderCertificateName: string, known: Organization | null): Change {
  const name = freeName(`Server ${tlsSenderCertificateName}`, organization, known)
  return {
    what: `add a connector of ${organization} for ${tlsSenderCertificateName}, a name in the server's certificate`,
    command: adds(name, organization, '--tls-sender-certificate-name', tlsSenderCertificateName),
    connector: { ...NEW_CONNECTOR, organization, name, tlsSenderCertificateName },
  }
}

/** A connector of that name would be replaced in thought, and refused in truth. */
function freeName(wanted: string, owner: string, known: Organization | null): string {
  const own = known !== null && nameKey(known.name) === nameKey(owner) ? known.inboundConnectors : []
  const taken = new Set(own.map(({ name }) => nameKey(name)))
  for (let number = 1; ; number++) {
    const suffix = number === 1 ? '' : ` (${number})`
    const name = `${wanted.slice(0, 64 - suffix.length)}${suffix}`
    if (!taken.has(nameKey(name))) return name
  }
}

function adds(name: string, organization: string, flag: string, value: string): string[] {
  const type = ['--connector-type', 'OnPremises']
  return ['inbound-connector', 'add', name, '--organization', organization, ...type, flag, value]
}

const NEW_CONNECTOR = {
  connectorType: 'OnPremises',
  enabled: true,
  tlsSenderCertificateName: null,
  senderIPAddresses: [],
} as const

function byAddress({ message, organization, simulation }: Question): Change[] {
  const { address } = message.peer
  const { senderDomain } = simulation.attribution
  const owner =
    senderDomain === null || isUnknown(senderDomain)
      ? organization?.name
      : (senderDomain.acceptedDomain?.organization ?? organization?.name)
  if (address === null || owner === undefined) return []
  const name = freeName(`Server ${address}`, owner, organization)
  const range = `${address}/${address.includes(':') ? 128 : 32}`
  return [
    {
      what: `add a connector of ${owner} for the address ${address}, if the server is the organisation's own`,
      command: adds(name, owner, '--sender-ip-addresses', address),
      connector: { ...NEW_CONNECTOR, organization: owner, name, senderIPAddresses: [range] },
    },
  ]
}

/**
 * @param question a message that was not accepted
 * @returns what would be if the server proved who it is: by a certificate at all, or by one that is verified
 */
export function presentingChanges({ message, organization, simulation }: Question): (readonly Change[])[] {
  const { certificate } = message.peer
  const { matched, unverified } = simulation.attribution
  if (certificate.state === 'not-verified' && unverified.length > 0) {
    return [
      [
        {
          what: `mend the server's certificate or name its CA: it is not verified (${certificate.why})`,
          command: null,
          certificate: { state: 'verified', names: certificate.names },
        },
      ],
    ]
  }
  if (certificate.state === 'verified' || matched?.match.via === 'certificate' || organization === null)
    return []
  const registered = organization.acceptedDomains.find(({ pendingRemoval }) => !pendingRemoval)
  if (registered === undefined) return []
  const { domainName } = registered
  const covers = organization.inboundConnectors.some(
    ({ connectorType, enabled, tlsSenderCertificateName: name }) =>
      enabled && connectorType === 'OnPremises' && name === `*.${domainName}`,
  )
  const presents: Change = {
    what: `let the server present a certificate for a name under ${domainName}, e.g. mail.${domainName} (connectorctl client-setup says how)`,
    command: null,
    certificate: { state: 'verified', names: [`mail.${domainName}`] },
  }
  return [covers ? [presents] : [presents, adding(organization.name, `*.${domainName}`, organization)]]
}
