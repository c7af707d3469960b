/** The properties of New- and Set-OutboundConnector that connectorctl takes as flags. */

import { parsePin } from '../../certificate/pin.ts'
import { IDLE_OUTBOUND_TEXTS } from '../../directory/properties-outbound.ts'
import { normalizeDomain } from '../../text/domain-name.ts'
import { formatSmartHost, parseSmartHost } from '../../text/smart-host.ts'
import type { PropertyFlag } from './flags.ts'
import { COMMENT, NAME } from './properties.ts'

function idle(property: keyof typeof IDLE_OUTBOUND_TEXTS, kind: PropertyFlag['kind']): PropertyFlag {
  return { property, kind, description: IDLE_OUTBOUND_TEXTS[property].meaning, idle: true }
}

export const OUTBOUND_FLAGS: readonly PropertyFlag[] = [
  NAME,
  {
    property: 'connectorType',
    kind: 'choice',
    choices: ['OnPremises', 'Partner'],
    description:
      "OnPremises: to the organisation's own servers; Partner: to others (when it is added without one)",
  },
  {
    property: 'enabled',
    kind: 'boolean',
    description: 'whether it takes mail; true when it is added without',
  },
  {
    property: 'recipientDomains',
    kind: 'list',
    canonical: canonicalDomain,
    description:
      'which recipients it is for, with commas between them: contoso.com, *.contoso.com (it and all below), * (every domain)',
  },
  {
    property: 'allAcceptedDomains',
    kind: 'boolean',
    description: 'OnPremises: whether it takes mail to all accepted domains of its organisation',
  },
  {
    property: 'routeAllMessagesViaOnPremises',
    kind: 'boolean',
    description: "OnPremises: whether it takes all mail of its organisation to others' domains",
  },
  {
    property: 'useMXRecord',
    kind: 'boolean',
    description: "whether mail goes to the MX of the recipient's domain; true without --smart-hosts",
  },
  {
    property: 'smartHosts',
    kind: 'list',
    canonical: canonicalHost,
    description:
      'where mail goes, with commas between them: smtp.contoso.com, smtp.contoso.com:587, [2001:db8::1]:25; "" for none',
  },
  {
    property: 'tlsSettings',
    kind: 'choice',
    choices: ['EncryptionOnly', 'CertificateValidation', 'DomainValidation'],
    description:
      'what must hold before mail is sent: EncryptionOnly, CertificateValidation or DomainValidation; "" for TLS where it is offered',
  },
  {
    property: 'tlsDomain',
    kind: 'text',
    description:
      'DomainValidation: the name that the next hop\'s certificate must prove: mail.contoso.com or *.contoso.com; "" for none',
  },
  {
    property: 'trustedCertificateAuthorities',
    kind: 'files',
    description:
      'a file of CAs that the next hop\'s certificate must lead to, in place of the default ones; may be repeated; "" for none',
  },
  {
    property: 'certificatePins',
    kind: 'list',
    canonical: (text) => parsePin(text) ?? text,
    description:
      'SHA-256 of public keys of next hops that count whatever their CA, as certificate inspect prints them; "" for none',
  },
  {
    property: 'tlsCertificateFile',
    kind: 'text',
    description:
      'the certificate that is shown to the next hop, with its chain: a PEM file under config/; "" for none',
  },
  {
    property: 'tlsKeyFile',
    kind: 'text',
    description: 'its private key: a PEM file under config/; "" for none',
  },
  {
    property: 'userName',
    kind: 'text',
    description: 'with which this server signs in at the next hop (SMTP AUTH); "" for none',
  },
  {
    property: 'passwordFile',
    kind: 'text',
    description: 'a file under config/ that holds the password and nothing else; "" for none',
  },
  COMMENT,
  idle('senderRewritingEnabled', 'boolean'),
  idle('isTransportRuleScoped', 'boolean'),
  idle('testMode', 'boolean'),
  idle('cloudServicesMailEnabled', 'boolean'),
  idle('mtaStsMode', 'text'),
  idle('smtpDaneMode', 'text'),
  idle('connectorSource', 'text'),
  idle('isValidated', 'boolean'),
  idle('lastValidationTimestamp', 'text'),
  idle('validationRecipients', 'list'),
  idle('linkForModifiedConnector', 'text'),
]

function canonicalDomain(text: string): string {
  const wildcard = text.startsWith('*.')
  const domain = normalizeDomain(wildcard ? text.slice(2) : text)
  if (domain === null) return text
  return wildcard ? `*.${domain}` : domain
}

function canonicalHost(text: string): string {
  const smartHost = parseSmartHost(text)
  return smartHost === null ? text : formatSmartHost(smartHost)
}
