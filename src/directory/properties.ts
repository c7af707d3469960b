/** The properties of the Exchange cmdlets (New-AcceptedDomain, New-InboundConnector), in camelCase. */

/** Properties that mean something here. */
export const DOMAIN_PROPERTIES = [
  'domainName',
  'domainType',
  'matchSubDomains',
  'sendingFromDomainDisabled',
  'pendingRemoval',
  'delegatedSubDomains',
  'proof',
] as const

/** Accepted, so that settings can be brought over, and noticed, since nothing comes of them. */
export const IDLE_DOMAIN_PROPERTIES = [
  'name',
  'default',
  'initialDomain',
  'outboundOnly',
  'sendingToDomainDisabled',
  'addressBookEnabled',
  'pendingCompletion',
  'emailOnly',
  'externallyManaged',
  'authenticationType',
  'catchAllRecipientID',
  'mailFlowRegion',
  'smtpDaneStatus',
  'makeDefault',
  'liveIdInstanceType',
  'enableNego2Authentication',
  'canHaveCloudCache',
  'isDefaultFederatedDomain',
  'isCoexistenceDomain',
  'perimeterDuplicateDetected',
  'rawAuthenticationType',
  'identity',
  'guid',
] as const

export const CONNECTOR_PROPERTIES = [
  'name',
  'connectorType',
  'enabled',
  'tlsSenderCertificateName',
  'senderIPAddresses',
  'trustedCertificateAuthorities',
  'certificatePins',
  'senderDomains',
  'allowWideAddresses',
  'reportOnlyUntil',
  'comment',
] as const

export const IDLE_CONNECTOR_PROPERTIES = [
  'connectorSource',
  'requireTls',
  'restrictDomainsToCertificate',
  'restrictDomainsToIPAddresses',
  'associatedAcceptedDomains',
  'cloudServicesMailEnabled',
  'treatMessagesAsInternal',
  'trustedOrganizations',
  'clientHostNames',
  'efSkipLastIP',
  'efSkipIPs',
  'efSkipMailGateway',
  'efUsers',
  'efTestMode',
  'scanAndDropRecipients',
  'adminDisplayName',
  'identity',
  'guid',
] as const
