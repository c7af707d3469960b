/**
 * The properties of the Exchange cmdlets (New-AcceptedDomain, New-InboundConnector), in camelCase, and ours beside them.
 * Those of New-OutboundConnector stand in `properties-outbound.ts`. The schemas take the names from here, docs/reference/properties.md the rest.
 */

import { MOST_REPORT_ONLY_DAYS } from './schema-report-only.ts'

export interface PropertyText {
  /** What may be written. Markdown, as the two after it. */
  readonly kind: string
  /** What counts when it is left out; `required` when it must not be. */
  readonly default: string
  /** What comes of it. */
  readonly meaning: string
  /** The parameter or property of the cmdlet; null when it is this project's own. */
  readonly parameter: string | null
}

/** Accepted, so that settings can be brought over, and noticed, since nothing comes of it here. */
export interface IdleText {
  /** What it means in Exchange Online. */
  readonly meaning: string
  readonly parameter: string
}

/** Of an organisation, by their names. */
export const ORGANIZATION_TEXTS = {
  name: {
    kind: 'a text of at most 64 characters',
    default: 'required',
    meaning: 'Unique, without regard to case.',
    parameter: null,
  },
  acceptedDomains: {
    kind: 'a list of accepted domains',
    default: 'none',
    meaning: 'The domains that the organisation owns.',
    parameter: null,
  },
  inboundConnectors: {
    kind: 'a list of inbound connectors',
    default: 'none',
    meaning: 'How its servers are recognised.',
    parameter: null,
  },
  outboundConnectors: {
    kind: 'a list of outbound connectors',
    default: 'none',
    meaning: 'Where its mail goes, and under which protection.',
    parameter: null,
  },
  reportOnlyUntil: {
    kind: 'a day or a time',
    default: 'none',
    meaning: `Until then, at most ${MOST_REPORT_ONLY_DAYS} days ahead, all connectors of the organisation are in report-only mode.`,
    parameter: null,
  },
  comment: {
    kind: 'a text',
    default: 'none',
    meaning: 'For people.',
    parameter: null,
  },
} as const satisfies Readonly<Record<string, PropertyText>>

/** Of an accepted domain, by their names. */
export const DOMAIN_TEXTS = {
  domainName: {
    kind: 'a domain name',
    default: 'required',
    meaning:
      'The domain after the @, without a wildcard; not a public suffix. Upper case and Unicode are taken, and kept in A-label form.',
    parameter: 'DomainName',
  },
  domainType: {
    kind: '`Authoritative` or `InternalRelay`',
    default: '`Authoritative`',
    meaning:
      'Kept as Exchange Online has it. Mail to the domain is delivered either way: recipients are not looked up here.',
    parameter: 'DomainType',
  },
  matchSubDomains: {
    kind: 'true or false',
    default: 'false',
    meaning:
      "Whether every domain below counts as this one, at any depth, as the sender's and as the recipient's.",
    parameter: 'MatchSubDomains',
  },
  sendingFromDomainDisabled: {
    kind: 'true or false',
    default: 'false',
    meaning: 'Mail from the domain is never relayed, whatever connector matched.',
    parameter: 'SendingFromDomainDisabled',
  },
  pendingRemoval: {
    kind: 'true or false',
    default: 'false',
    meaning: 'The domain is on its way out: it lets nothing through any more, mail to it is still delivered.',
    parameter: 'PendingRemoval',
  },
  delegatedSubDomains: {
    kind: 'a list of domain names',
    default: 'none',
    meaning:
      'Domains below that other organisations may register. Any other domain above or below one of another organisation is refused.',
    parameter: null,
  },
  proof: {
    kind: 'what `connectorctl domain verify` wrote',
    default: 'none',
    meaning:
      'That the organisation showed control of the domain by a record in the DNS: `token`, `domain`, `provenAt`, `lostAt`, `countsUntil`. It counts where `[relay] require_domain_proof` is true.',
    parameter: null,
  },
} as const satisfies Readonly<Record<string, PropertyText>>

export const IDLE_DOMAIN_TEXTS = {
  name: { meaning: 'The name of the record.', parameter: 'Name' },
  default: { meaning: 'Whether it is the default domain.', parameter: 'Default' },
  initialDomain: {
    meaning: 'Whether it is the onmicrosoft.com domain of the tenant.',
    parameter: 'InitialDomain',
  },
  outboundOnly: {
    meaning: 'Whether the domain is of the on-premises deployment.',
    parameter: 'OutboundOnly',
  },
  sendingToDomainDisabled: {
    meaning: 'Whether mail to the domain is blocked in Exchange Online.',
    parameter: 'SendingToDomainDisabled',
  },
  addressBookEnabled: {
    meaning: 'Whether recipients are looked up in the address book.',
    parameter: 'AddressBookEnabled',
  },
  pendingCompletion: {
    meaning: 'Whether Exchange Online is still making the domain.',
    parameter: 'PendingCompletion',
  },
  emailOnly: { meaning: 'A fact about the tenant.', parameter: 'EmailOnly' },
  externallyManaged: { meaning: 'A fact about the tenant.', parameter: 'ExternallyManaged' },
  authenticationType: { meaning: 'How the users of the domain sign in.', parameter: 'AuthenticationType' },
  catchAllRecipientID: { meaning: 'Who gets mail to unknown recipients.', parameter: 'CatchAllRecipientID' },
  mailFlowRegion: { meaning: 'Where Microsoft handles the mail.', parameter: 'MailFlowRegion' },
  smtpDaneStatus: {
    meaning: 'Whether Microsoft publishes TLSA records for the domain.',
    parameter: 'SmtpDaneStatus',
  },
  makeDefault: { meaning: 'Makes it the default domain.', parameter: 'MakeDefault' },
  liveIdInstanceType: { meaning: 'A fact about the tenant.', parameter: 'LiveIdInstanceType' },
  enableNego2Authentication: { meaning: 'A fact about the tenant.', parameter: 'EnableNego2Authentication' },
  canHaveCloudCache: { meaning: 'A fact about the tenant.', parameter: 'CanHaveCloudCache' },
  isDefaultFederatedDomain: { meaning: 'A fact about the tenant.', parameter: 'IsDefaultFederatedDomain' },
  isCoexistenceDomain: { meaning: 'A fact about the tenant.', parameter: 'IsCoexistenceDomain' },
  perimeterDuplicateDetected: {
    meaning: 'A fact about the tenant.',
    parameter: 'PerimeterDuplicateDetected',
  },
  rawAuthenticationType: {
    meaning: 'How the users of the domain sign in.',
    parameter: 'RawAuthenticationType',
  },
  identity: { meaning: 'How Exchange Online names the record.', parameter: 'Identity' },
  guid: { meaning: 'How Exchange Online names the record.', parameter: 'Guid' },
} as const satisfies Readonly<Record<string, IdleText>>

/** Of an inbound connector, by their names. */
export const CONNECTOR_TEXTS = {
  name: {
    kind: 'a text of at most 64 characters',
    default: 'required',
    meaning: 'Unique in the organisation, without regard to case.',
    parameter: 'Name',
  },
  connectorType: {
    kind: '`OnPremises` or `Partner`',
    default: 'required',
    meaning:
      "OnPremises: the organisation's own servers, which may relay. Partner: others' servers; such a connector never grants relaying.",
    parameter: 'ConnectorType',
  },
  enabled: {
    kind: 'true or false',
    default: 'true',
    meaning: 'A connector that is not enabled matches no server.',
    parameter: 'Enabled',
  },
  tlsSenderCertificateName: {
    kind: 'a domain name, or `*.` and a domain name',
    default: 'none',
    meaning:
      'Which verified client certificates match. `*.contoso.com` matches contoso.com and every name below it, `mail.contoso.com` that name and a certificate for `*.contoso.com`. Its domain, without `*.`, is the one that condition (b) asks for.',
    parameter: 'TlsSenderCertificateName',
  },
  senderIPAddresses: {
    kind: 'a list of addresses and CIDR ranges',
    default: 'none',
    meaning:
      'Which source addresses match: IPv4 and IPv6, any prefix length; host bits are cleared with a warning. An address without a prefix is one host.',
    parameter: 'SenderIPAddresses',
  },
  trustedCertificateAuthorities: {
    kind: 'a list of PEM files under `config/`, or PEM texts',
    default: 'none: the default CAs count',
    meaning: 'The CAs that are trusted for this connector in place of those in `[certificates] ca`.',
    parameter: null,
  },
  certificatePins: {
    kind: 'a list of SHA-256 in base64 or hex',
    default: 'none: the default CAs count',
    meaning:
      'Public keys that are trusted for this connector, as `connectorctl certificate inspect` prints them; the only way to accept a self-signed certificate.',
    parameter: null,
  },
  senderDomains: {
    kind: 'a list of `contoso.com`, `*.contoso.com` or `*`',
    default: 'required for Partner',
    meaning:
      'Partner: the domains that the connector is for; their restrictions are not enforced yet. OnPremises: no effect.',
    parameter: 'SenderDomains',
  },
  allowWideAddresses: {
    kind: 'true or false',
    default: 'false',
    meaning: 'Whether ranges wider than /8 (IPv4) and /32 (IPv6) are meant; they are refused otherwise.',
    parameter: null,
  },
  reportOnlyUntil: {
    kind: 'a day or a time',
    default: 'none',
    meaning: `Until then, at most ${MOST_REPORT_ONLY_DAYS} days ahead, mail that matched this OnPremises connector and would be denied is relayed and journalled as would-be denied.`,
    parameter: null,
  },
  comment: {
    kind: 'a text',
    default: 'none',
    meaning: 'For people.',
    parameter: 'Comment',
  },
} as const satisfies Readonly<Record<string, PropertyText>>

export const IDLE_CONNECTOR_TEXTS = {
  connectorSource: { meaning: 'How the connector was made.', parameter: 'ConnectorSource' },
  requireTls: { meaning: 'Partner only: whether sessions without TLS are refused.', parameter: 'RequireTls' },
  restrictDomainsToCertificate: {
    meaning: 'Partner only: whether the sender domains need this certificate.',
    parameter: 'RestrictDomainsToCertificate',
  },
  restrictDomainsToIPAddresses: {
    meaning: 'Partner only: whether the sender domains need these addresses.',
    parameter: 'RestrictDomainsToIPAddresses',
  },
  associatedAcceptedDomains: {
    meaning: 'The accepted domains that the connector is limited to.',
    parameter: 'AssociatedAcceptedDomains',
  },
  cloudServicesMailEnabled: {
    meaning: 'Whether internal Exchange header fields are kept.',
    parameter: 'CloudServicesMailEnabled',
  },
  treatMessagesAsInternal: {
    meaning: 'Whether mail counts as internal and skips spam filters.',
    parameter: 'TreatMessagesAsInternal',
  },
  trustedOrganizations: { meaning: 'Other tenants that are trusted.', parameter: 'TrustedOrganizations' },
  clientHostNames: { meaning: 'Not documented by Microsoft.', parameter: 'ClientHostNames' },
  efSkipLastIP: { meaning: 'Enhanced filtering of Exchange Online.', parameter: 'EFSkipLastIP' },
  efSkipIPs: { meaning: 'Enhanced filtering of Exchange Online.', parameter: 'EFSkipIPs' },
  efSkipMailGateway: { meaning: 'Reserved by Microsoft.', parameter: 'EFSkipMailGateway' },
  efUsers: { meaning: 'Enhanced filtering of Exchange Online.', parameter: 'EFUsers' },
  efTestMode: { meaning: 'Reserved by Microsoft.', parameter: 'EFTestMode' },
  scanAndDropRecipients: { meaning: 'Reserved by Microsoft.', parameter: 'ScanAndDropRecipients' },
  adminDisplayName: { meaning: 'A name for people.', parameter: 'AdminDisplayName' },
  identity: { meaning: 'How Exchange Online names the record.', parameter: 'Identity' },
  guid: { meaning: 'How Exchange Online names the record.', parameter: 'Guid' },
} as const satisfies Readonly<Record<string, IdleText>>

/** Properties that mean something here. */
export const DOMAIN_PROPERTIES = namesOf(DOMAIN_TEXTS)
export const IDLE_DOMAIN_PROPERTIES = namesOf(IDLE_DOMAIN_TEXTS)
export const CONNECTOR_PROPERTIES = namesOf(CONNECTOR_TEXTS)
export const IDLE_CONNECTOR_PROPERTIES = namesOf(IDLE_CONNECTOR_TEXTS)

/**
 * @param texts texts by property
 * @returns the names of the properties
 */
export function namesOf<Name extends string>(texts: Readonly<Record<Name, unknown>>): readonly Name[] {
  return Object.keys(texts) as Name[]
}
