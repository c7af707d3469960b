/** The properties of New-OutboundConnector, in camelCase, and ours beside them; as `properties.ts`. */

import type { IdleText, PropertyText } from './properties.ts'
import { namesOf } from './properties.ts'

/** Of an outbound connector, by their names. */
export const OUTBOUND_TEXTS = {
  name: {
    kind: 'a text of at most 64 characters',
    default: 'required',
    meaning: 'Unique among the outbound connectors of the organisation, without regard to case.',
    parameter: 'Name',
  },
  enabled: {
    kind: 'true or false',
    default: 'true',
    meaning: 'A connector that is not enabled takes no mail.',
    parameter: 'Enabled',
  },
  connectorType: {
    kind: '`OnPremises` or `Partner`',
    default: '`Partner`',
    meaning:
      "OnPremises: to the organisation's own servers; needed for `allAcceptedDomains` and `routeAllMessagesViaOnPremises`.",
    parameter: 'ConnectorType',
  },
  recipientDomains: {
    kind: 'a list of `contoso.com`, `*.contoso.com` or `*`',
    default: 'none',
    meaning:
      'Which recipients the connector is for. `*.contoso.com` is contoso.com and every domain below it, `*` every domain.',
    parameter: 'RecipientDomains',
  },
  allAcceptedDomains: {
    kind: 'true or false',
    default: 'false',
    meaning: 'Takes mail to all accepted domains of its organisation, and to no other. OnPremises only.',
    parameter: 'AllAcceptedDomains',
  },
  routeAllMessagesViaOnPremises: {
    kind: 'true or false',
    default: 'false',
    meaning:
      'Takes all mail of its organisation to other domains, before a connector for `*`. OnPremises only.',
    parameter: 'RouteAllMessagesViaOnPremises',
  },
  useMXRecord: {
    kind: 'true or false',
    default: 'true without `smartHosts`, false with them',
    meaning:
      "Whether mail goes to the MX of the recipient's domain. Mail to accepted domains never does: it may lead back here.",
    parameter: 'UseMXRecord',
  },
  smartHosts: {
    kind: 'a list of `host`, `host:port` or `[IPv6]:port`',
    default: 'none',
    meaning: 'Where the mail goes: names or addresses, port 25 where none is given. Several share the mail.',
    parameter: 'SmartHosts',
  },
  tlsSettings: {
    kind: '`EncryptionOnly`, `CertificateValidation` or `DomainValidation`',
    default: 'none: TLS where it is offered and works',
    meaning:
      'What must hold before a byte of mail is sent: TLS; and a valid certificate; and one for `tlsDomain`. Mail that cannot go so waits, and never goes in plain text.',
    parameter: 'TlsSettings',
  },
  tlsDomain: {
    kind: 'a domain name, or `*.` and a domain name',
    default: 'required for DomainValidation',
    meaning: "The name that the next hop's certificate must prove. With DomainValidation only.",
    parameter: 'TlsDomain',
  },
  trustedCertificateAuthorities: {
    kind: 'a list of PEM files under `config/`, or PEM texts',
    default: 'none: the default CAs count',
    meaning:
      "The CAs that the next hop's certificate must lead to, in place of the default ones. With CertificateValidation and DomainValidation.",
    parameter: null,
  },
  certificatePins: {
    kind: 'a list of SHA-256 in base64 or hex',
    default: 'none: the default CAs count',
    meaning:
      'Public keys of next hops that are trusted, as `connectorctl certificate inspect` prints them. With CertificateValidation and DomainValidation.',
    parameter: null,
  },
  tlsCertificateFile: {
    kind: 'a PEM file under `config/`',
    default: 'none',
    meaning: 'The certificate that this server shows the next hop, with its chain. Needs `tlsKeyFile`.',
    parameter: null,
  },
  tlsKeyFile: {
    kind: 'a PEM file under `config/`',
    default: 'none',
    meaning: 'Its private key, without a passphrase.',
    parameter: null,
  },
  userName: {
    kind: 'a text',
    default: 'none',
    meaning:
      'With which this server signs in at the next hop (SMTP AUTH). Needs `passwordFile` and `tlsSettings`.',
    parameter: null,
  },
  passwordFile: {
    kind: 'a file under `config/`',
    default: 'none',
    meaning: 'It holds the password in one line and nothing else.',
    parameter: null,
  },
  comment: {
    kind: 'a text',
    default: 'none',
    meaning: 'For people.',
    parameter: 'Comment',
  },
} as const satisfies Readonly<Record<string, PropertyText>>

export const IDLE_OUTBOUND_TEXTS = {
  connectorSource: { meaning: 'How the connector was made.', parameter: 'ConnectorSource' },
  senderRewritingEnabled: {
    meaning: 'Whether senders of forwarded mail are rewritten.',
    parameter: 'SenderRewritingEnabled',
  },
  isTransportRuleScoped: {
    meaning: 'Whether only mail-flow rules use the connector; true is refused on one that is enabled.',
    parameter: 'IsTransportRuleScoped',
  },
  testMode: {
    meaning: 'Whether the connector is for tests; true is refused on one that is enabled.',
    parameter: 'TestMode',
  },
  cloudServicesMailEnabled: {
    meaning: 'Whether internal Exchange header fields are kept.',
    parameter: 'CloudServicesMailEnabled',
  },
  mtaStsMode: { meaning: 'Whether MTA-STS is asked for.', parameter: 'MtaStsMode' },
  smtpDaneMode: {
    meaning: 'Whether DANE is asked for; Mandatory is refused on a connector that is enabled.',
    parameter: 'SmtpDaneMode',
  },
  isValidated: { meaning: 'Whether the connector was tested.', parameter: 'IsValidated' },
  lastValidationTimestamp: { meaning: 'When it was tested.', parameter: 'LastValidationTimestamp' },
  validationRecipients: { meaning: 'Whom the test wrote to.', parameter: 'ValidationRecipients' },
  linkForModifiedConnector: { meaning: 'Reserved by Microsoft.', parameter: 'LinkForModifiedConnector' },
  adminDisplayName: { meaning: 'A name for people.', parameter: 'AdminDisplayName' },
  identity: { meaning: 'How Exchange Online names the record.', parameter: 'Identity' },
  guid: { meaning: 'How Exchange Online names the record.', parameter: 'Guid' },
} as const satisfies Readonly<Record<string, IdleText>>

export const OUTBOUND_PROPERTIES = namesOf(OUTBOUND_TEXTS)
export const IDLE_OUTBOUND_PROPERTIES = namesOf(IDLE_OUTBOUND_TEXTS)
