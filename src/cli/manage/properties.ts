/** The properties that connectorctl takes as flags, as New- and Set-InboundConnector and -AcceptedDomain have them. */

import { parsePin } from '../../certificate/pin.ts'
import { IDLE_CONNECTOR_TEXTS, IDLE_DOMAIN_TEXTS } from '../../directory/properties.ts'
import { normalizeDomain } from '../../text/domain-name.ts'
import { parseRange } from '../../text/ip-address.ts'
import type { PropertyFlag } from './flags.ts'

export const NAME: PropertyFlag = {
  property: 'name',
  kind: 'text',
  description: 'another name',
  setOnly: true,
}
export const COMMENT: PropertyFlag = {
  property: 'comment',
  kind: 'text',
  description: 'for people; "" for none',
}

function idleConnector(
  property: keyof typeof IDLE_CONNECTOR_TEXTS,
  kind: PropertyFlag['kind'],
): PropertyFlag {
  return { property, kind, description: IDLE_CONNECTOR_TEXTS[property].meaning, idle: true }
}

function idleDomain(property: keyof typeof IDLE_DOMAIN_TEXTS, kind: PropertyFlag['kind']): PropertyFlag {
  return { property, kind, description: IDLE_DOMAIN_TEXTS[property].meaning, idle: true }
}

export const CONNECTOR_FLAGS: readonly PropertyFlag[] = [
  NAME,
  {
    property: 'connectorType',
    kind: 'choice',
    choices: ['OnPremises', 'Partner'],
    description:
      "OnPremises: the organisation's own servers, which may relay; Partner: others, which never may",
  },
  { property: 'enabled', kind: 'boolean', description: 'whether it counts; true when it is added without' },
  {
    property: 'tlsSenderCertificateName',
    kind: 'text',
    description:
      'a name in the certificate of the server: mail.contoso.com, or *.contoso.com for all below; "" for none',
  },
  {
    property: 'senderIPAddresses',
    kind: 'list',
    canonical: (text) => parseRange(text)?.range ?? text,
    description: 'addresses and CIDR ranges of the server, with commas between them; "" for none',
  },
  {
    property: 'senderDomains',
    kind: 'list',
    description: 'Partner: the domains that the partner sends from: contoso.com, *.contoso.com, *',
  },
  {
    property: 'trustedCertificateAuthorities',
    kind: 'files',
    description:
      'a file of CAs that count for this connector in place of the default ones; may be repeated; "" for none',
  },
  {
    property: 'certificatePins',
    kind: 'list',
    canonical: (text) => parsePin(text) ?? text,
    description:
      'SHA-256 of public keys that count whatever their CA, as certificate inspect prints them; "" for none',
  },
  {
    property: 'allowWideAddresses',
    kind: 'boolean',
    description: 'ranges wider than /8 (IPv6: /32) are meant',
  },
  COMMENT,
  idleConnector('requireTls', 'boolean'),
  idleConnector('restrictDomainsToCertificate', 'boolean'),
  idleConnector('restrictDomainsToIPAddresses', 'boolean'),
  idleConnector('associatedAcceptedDomains', 'list'),
  idleConnector('cloudServicesMailEnabled', 'boolean'),
  idleConnector('treatMessagesAsInternal', 'boolean'),
  idleConnector('trustedOrganizations', 'list'),
  idleConnector('clientHostNames', 'list'),
  idleConnector('connectorSource', 'text'),
  idleConnector('efSkipLastIP', 'boolean'),
  idleConnector('efSkipIPs', 'list'),
  idleConnector('efSkipMailGateway', 'list'),
  idleConnector('efUsers', 'list'),
  idleConnector('efTestMode', 'boolean'),
  idleConnector('scanAndDropRecipients', 'list'),
]

export const DOMAIN_FLAGS: readonly PropertyFlag[] = [
  {
    property: 'domainType',
    kind: 'choice',
    choices: ['Authoritative', 'InternalRelay', 'ExternalRelay'],
    description: 'Authoritative (when it is added without) or InternalRelay',
  },
  {
    property: 'matchSubDomains',
    kind: 'boolean',
    description: 'whether sub-domains count as it, as sender and as recipient',
  },
  {
    property: 'sendingFromDomainDisabled',
    kind: 'boolean',
    description: 'whether mail from it is refused, whatever connector matched',
  },
  {
    property: 'pendingRemoval',
    kind: 'boolean',
    description: 'whether it is on its way out: no reason to relay any more, but mail to it is still taken',
  },
  {
    property: 'delegatedSubDomains',
    kind: 'list',
    canonical: (text) => normalizeDomain(text) ?? text,
    description: 'sub-domains that other organisations may register; "" for none',
  },
  idleDomain('name', 'text'),
  idleDomain('makeDefault', 'boolean'),
  idleDomain('outboundOnly', 'boolean'),
  idleDomain('sendingToDomainDisabled', 'boolean'),
  idleDomain('addressBookEnabled', 'boolean'),
  idleDomain('pendingCompletion', 'boolean'),
  idleDomain('canHaveCloudCache', 'boolean'),
  idleDomain('enableNego2Authentication', 'boolean'),
]

export const ORGANIZATION_FLAGS: readonly PropertyFlag[] = [NAME, COMMENT]
