/** A script of PowerShell that makes Exchange Server 2013 or later relay through the smarthost, and takes it back. */

import { createHash } from 'node:crypto'
import { formatName } from '../certificate/general-name.ts'
import type { Certificate } from '../certificate/parse.ts'
import { headerLines } from './comments.ts'
import { tlsCertificateName } from './distinguished-name.ts'
import { commentText, powershellString } from './quoting.ts'
import type { ClientSetup } from './setup.ts'

/** Active Directory's own limit for the name of an object. */
const LONGEST_NAME = 64

/**
 * @param certificate any certificate
 * @returns its SHA-1 fingerprint as Windows and Exchange show it
 */
export function thumbprintOf({ raw }: Certificate): string {
  return createHash('sha1').update(raw).digest('hex').toUpperCase()
}

/**
 * @param setup what the script is for
 * @returns the script: ASCII, since Windows PowerShell reads anything else in the code page of the machine
 * @throws UnquotableText for a text that cannot be written into it
 */
export function exchangeScript(setup: ClientSetup): string {
  return [
    '# For Exchange Server 2013 or later: run it in the Exchange Management Shell, as an administrator of the server.',
    '#     .\\smarthost.ps1          sets everything up; run it again after the certificate was renewed',
    '#     .\\smarthost.ps1 -Undo    puts the other send connectors back as they were, and removes this one',
    ...headerLines(setup),
    '',
    'param([switch]$Undo)',
    "$ErrorActionPreference = 'Stop'",
    '',
    ...values(setup),
    '',
    UNDO,
    '',
    CERTIFICATE,
    '',
    OTHER_CONNECTORS,
    '',
    CONNECTOR,
    '',
  ].join('\n')
}

function values({
  caPath,
  certificate,
  fqdn,
  organization,
  port,
  smartHost,
  tlsDomain,
}: ClientSetup): string[] {
  const name = `Smarthost ${smartHost}`.slice(0, LONGEST_NAME)
  const leaf = certificate?.leaf
  const named = leaf === undefined ? null : tlsCertificateName(leaf.issuer, leaf.subject)
  return [
    `$name = ${powershellString(name)}`,
    `$comment = ${powershellString(`connectorctl client-setup exchange, organisation ${organization}`)}`,
    `$smartHosts = ${powershellString(smartHost)}`,
    `$port = ${port}`,
    "# The name that the smarthost's certificate must have.",
    `$tlsDomain = ${powershellString(tlsDomain)}`,
    '# What this server says at EHLO.',
    `$fqdn = ${fqdn === null ? '[System.Net.Dns]::GetHostEntry($env:COMPUTERNAME).HostName' : powershellString(fqdn)}`,
    ...(leaf === undefined
      ? [
          '# The certificate that this server shows: its thumbprint (Get-ExchangeCertificate). Left empty, it is asked for.',
          "$thumbprint = ''",
        ]
      : [
          `# The certificate that this server shows: ${commentText(formatName(leaf.subject))}, valid until ${new Date(leaf.notAfter).toISOString().slice(0, 10)}.`,
          `$thumbprint = ${powershellString(thumbprintOf(leaf))}`,
        ]),
    '# Its issuer and subject, which is how a send connector names it.',
    `$tlsCertificateName = ${named === null ? "''" : powershellString(named)}`,
    ...intermediatesOf(certificate?.intermediates ?? []),
    '# The CA of the smarthost, where it is none of those that Windows knows.',
    `$authority = ${caPath === null ? "''" : powershellString(caPath)}`,
    '# What goes to the smarthost: everything. To try it first, one domain of somebody else, e.g. fabrikam.com; the other',
    '# send connectors keep * until it stands here.',
    "$addressSpaces = @('*')",
    '# Every server that sends mail out, each with the certificate (parts 1 and 2 run on each).',
    '$servers = @($env:COMPUTERNAME)',
    '# How the other send connectors were before, for -Undo.',
    "$before = Join-Path $HOME 'send-connectors-before-smarthost.xml'",
    "$star = '^(smtp:)?\\*(;\\d+)?$'",
  ]
}

function intermediatesOf(intermediates: readonly Certificate[]): string[] {
  if (intermediates.length === 0) {
    return [
      '# Its intermediates, each as base64 of its DER; none are needed where the PFX file holds them.',
      '$intermediates = @()',
    ]
  }
  return [
    '# Its intermediates, each as base64 of its DER.',
    '$intermediates = @(',
    ...intermediates.flatMap(({ raw, subject }) => [
      `    # ${commentText(formatName(subject))}.`,
      `    '${raw.toString('base64')}'`,
    ]),
    ')',
  ]
}

const UNDO = String.raw`if ($Undo) {
    if (Test-Path $before) {
        foreach ($saved in @(Import-Clixml $before)) {
            Set-SendConnector -Identity $saved.Name -AddressSpaces ([string[]]$saved.AddressSpaces) -Enabled $saved.Enabled
        }
        Remove-Item $before
    }
    else { Write-Warning "$before is not there: the other send connectors are left as they are." }
    if (Get-SendConnector | Where-Object { $_.Name -eq $name }) {
        Remove-SendConnector -Identity $name -Confirm:$false
    }
    Get-SendConnector | Format-Table Name, Enabled, AddressSpaces -AutoSize
    return
}`

const CERTIFICATE = String.raw`# 1. The certificate: imported where it is not there yet, and enabled for SMTP.
if (-not $thumbprint) {
    Get-ExchangeCertificate | Format-Table Thumbprint, NotAfter, Subject -AutoSize | Out-Host
    $thumbprint = Read-Host 'Thumbprint of the certificate (empty: import a PFX file)'
}
$certificate = Get-ExchangeCertificate | Where-Object { $_.Thumbprint -eq $thumbprint }
if (-not $certificate) {
    $file = Read-Host 'The certificate is not on this server yet. PFX file with it, its key and its intermediates'
    $password = Read-Host 'Password of that file' -AsSecureString
    $data = [System.IO.File]::ReadAllBytes((Resolve-Path $file).ProviderPath)
    $imported = Import-ExchangeCertificate -FileData $data -Password $password
    if ($thumbprint -and $imported.Thumbprint -ne $thumbprint) {
        throw "That file holds another certificate: $($imported.Thumbprint), $($imported.Subject)"
    }
    $thumbprint = $imported.Thumbprint
    $certificate = Get-ExchangeCertificate | Where-Object { $_.Thumbprint -eq $thumbprint }
}
if ("$($certificate.Services)" -notmatch 'SMTP') {
    # It asks whether the default certificate for SMTP shall be replaced: answer No, the servers use that among themselves.
    Enable-ExchangeCertificate -Thumbprint $thumbprint -Services SMTP
}
$shown = "<I>$($certificate.Issuer)<S>$($certificate.Subject)"
if ($tlsCertificateName -and $shown -ne $tlsCertificateName) {
    Write-Warning "Exchange writes the name of the certificate as $shown; that is taken."
}
$tlsCertificateName = $shown

# 2. Its intermediates, in the computer's store: Exchange sends what it finds there, and without them the smarthost
#    cannot follow the certificate to its CA. The CA of the smarthost beside them.
foreach ($intermediate in $intermediates) {
    $file = Join-Path $env:TEMP "$([guid]::NewGuid()).cer"
    [System.IO.File]::WriteAllBytes($file, [System.Convert]::FromBase64String($intermediate))
    Import-Certificate -FilePath $file -CertStoreLocation Cert:\LocalMachine\CA | Out-Null
    Remove-Item $file
}
if ($authority) {
    Import-Certificate -FilePath $authority -CertStoreLocation Cert:\LocalMachine\Root | Out-Null
}`

const OTHER_CONNECTORS = String.raw`# 3. The other send connectors: * is taken off, all else stays, above all the tenant's mail.onmicrosoft.com on the one of
#    the Hybrid Configuration Wizard. One that has nothing but * is disabled. Nothing is changed yet.
$old = @(Get-SendConnector | Where-Object { $_.Name -ne $name -and $_.Enabled } | ForEach-Object {
    [pscustomobject]@{
        Name = $_.Name
        Enabled = $true
        Hybrid = $_.CloudServicesMailEnabled
        AddressSpaces = @($_.AddressSpaces | ForEach-Object { "$_" })
        Rest = @()
    }
} | Where-Object { $_.AddressSpaces -match $star })
if (-not ($addressSpaces -match $star)) { $old = @() }
$tenant = @(Get-AcceptedDomain | ForEach-Object { "$($_.DomainName)" } | Where-Object { $_ -like '*.mail.onmicrosoft.com' })
foreach ($connector in $old) {
    $connector.Rest = @($connector.AddressSpaces -notmatch $star)
    if ($connector.Hybrid -and -not ($connector.Rest -match '\.mail\.onmicrosoft\.com')) {
        $connector.Rest = @($connector.Rest) + $tenant
    }
    if ($connector.Hybrid -and -not $connector.Rest) {
        throw "$($connector.Name) leads to Exchange Online and has no address space but *: give it the tenant's, e.g. contoso.mail.onmicrosoft.com, and run this again."
    }
}
$saved = @(if (Test-Path $before) { Import-Clixml $before })
$saved += @($old | Where-Object { @($saved | ForEach-Object { $_.Name }) -notcontains $_.Name })
if ($saved) { $saved | Export-Clixml $before }`

const CONNECTOR = String.raw`# 4. The send connector.
if (Get-SendConnector | Where-Object { $_.Name -eq $name }) {
    Set-SendConnector -Identity $name ${'`'}
        -AddressSpaces $addressSpaces -SmartHosts $smartHosts -Port $port -Fqdn $fqdn ${'`'}
        -TlsDomain $tlsDomain -TlsCertificateName $tlsCertificateName -SourceTransportServers $servers
}
else {
    New-SendConnector -Name $name -Comment $comment ${'`'}
        -AddressSpaces $addressSpaces -SourceTransportServers $servers ${'`'}
        -DNSRoutingEnabled $false -SmartHosts $smartHosts -Port $port -Fqdn $fqdn ${'`'}
        -RequireTLS $true -TlsAuthLevel DomainValidation -TlsDomain $tlsDomain ${'`'}
        -TlsCertificateName $tlsCertificateName -CloudServicesMailEnabled $false ${'`'}
        -MaxMessageSize unlimited -ProtocolLoggingLevel Verbose | Out-Null
}
foreach ($connector in $old) {
    if ($connector.Rest) { Set-SendConnector -Identity $connector.Name -AddressSpaces ([string[]]$connector.Rest) }
    else { Set-SendConnector -Identity $connector.Name -Enabled $false }
}

# 5. A run of the Hybrid Configuration Wizard resets the connectors that it made: it may enable one that is disabled
#    here and put back its certificate and its address spaces. Look at this after each run of it; to take * off again,
#    run this script once more.
Get-SendConnector | Format-Table Name, Enabled, AddressSpaces, SmartHosts -AutoSize`
