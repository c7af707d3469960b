/**
 * The parameters of each cmdlet that the script for Exchange Server uses, for 2013 and later. Exchange's: kept from
 * MicrosoftDocs/office-docs-powershell of 2026-08-21 (93336da2bc), the reference of the cmdlets; of New-SendConnector
 * those of its set AddressSpaces, since a smart host is not linked to a receive connector.
 */

const EXCHANGE: Readonly<Record<string, string>> = {
  'New-SendConnector':
    'AddressSpaces AuthenticationCredential CloudServicesMailEnabled Comment Confirm ConnectionInactivityTimeOut ConnectorType Custom DNSRoutingEnabled DomainController DomainSecureEnabled Enabled ErrorPolicies Force ForceHELO Fqdn FrontendProxyEnabled IgnoreSTARTTLS Internal Internet IsCoexistenceConnector IsScopedConnector MaxMessageSize Name Partner Port ProtocolLoggingLevel RequireOorg RequireTLS SmartHostAuthMechanism SmartHosts SmtpMaxMessagesPerConnection SourceIPAddress SourceTransportServers TlsAuthLevel TlsCertificateName TlsDomain Usage UseExternalDNSServersEnabled WhatIf',
  'Set-SendConnector':
    'AddressSpaces AuthenticationCredential CloudServicesMailEnabled Comment Confirm ConnectionInactivityTimeOut ConnectorType DNSRoutingEnabled DomainController DomainSecureEnabled Enabled ErrorPolicies Force ForceHELO Fqdn FrontendProxyEnabled Identity IgnoreSTARTTLS IsCoexistenceConnector IsScopedConnector LinkedReceiveConnector MaxMessageSize Name Port ProtocolLoggingLevel RequireOorg RequireTLS SmartHostAuthMechanism SmartHosts SmtpMaxMessagesPerConnection SourceIPAddress SourceTransportServers TlsAuthLevel TlsCertificateName TlsDomain UseExternalDNSServersEnabled WhatIf',
  'Get-SendConnector': 'DomainController Identity',
  'Remove-SendConnector': 'Confirm DomainController Identity WhatIf',
  'Get-AcceptedDomain': 'DomainController Identity ResultSize',
  // FileName is gone since the cumulative updates of 2022.
  'Import-ExchangeCertificate':
    'Confirm DomainController FileData FriendlyName Password PrivateKeyExportable Server WhatIf',
  'Enable-ExchangeCertificate':
    'Confirm DoNotRequireSsl DomainController Force Identity NetworkServiceAllowed Server Services Thumbprint WhatIf',
  'Get-ExchangeCertificate': 'DomainController DomainName Identity Instance Server Thumbprint',
}

/** Windows PowerShell's own, with what the script uses of them. */
const WINDOWS: Readonly<Record<string, string>> = {
  'Import-Certificate': 'CertStoreLocation Confirm FilePath WhatIf',
  'Export-Clixml': '',
  'ForEach-Object': '',
  'Format-Table': 'AutoSize',
  'Import-Clixml': '',
  'Join-Path': '',
  'Out-Host': '',
  'Out-Null': '',
  'Read-Host': 'AsSecureString',
  'Remove-Item': '',
  'Resolve-Path': '',
  'Test-Path': '',
  'Where-Object': '',
  'Write-Warning': '',
}

/** Each cmdlet with its parameters. */
export const CMDLET_PARAMETERS: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries({ ...EXCHANGE, ...WINDOWS }).map(([cmdlet, parameters]) => [
    cmdlet,
    new Set(parameters.split(' ')),
  ]),
)
