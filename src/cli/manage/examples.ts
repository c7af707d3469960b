/** An example for each verb of the groups that manage records or the queue: the verbs are alike, and so are their examples. */

import type { Command } from 'commander'

export type Examples = Readonly<Record<string, readonly string[]>>

export const ORGANIZATION_EXAMPLES: Examples = {
  list: ['organization list', 'organization list --json'],
  show: ['organization show contoso', 'organization show contoso --journal /srv/node2/data/journal'],
  add: ['organization add contoso --comment "our own servers"'],
  set: ['organization set contoso --report-only 2027-02-01', 'organization set contoso --no-report-only'],
  remove: ['organization remove contoso', 'organization remove contoso --yes'],
  enable: ['organization enable contoso'],
  disable: ['organization disable contoso'],
}

export const DOMAIN_EXAMPLES: Examples = {
  list: ['domain list', 'domain list --organization contoso --json'],
  show: ['domain show contoso.com'],
  add: [
    'domain add contoso.com --organization contoso',
    'domain add contoso.com --match-sub-domains true --yes',
  ],
  set: ['domain set contoso.com --match-sub-domains true', 'domain set contoso.com --pending-removal true'],
  remove: ['domain remove contoso.com', 'domain remove contoso.com --yes --journal /srv/node2/data/journal'],
  enable: ['domain enable contoso.com'],
  disable: ['domain disable contoso.com'],
}

export const CONNECTOR_EXAMPLES: Examples = {
  list: ['inbound-connector list', 'inbound-connector list --organization contoso --json'],
  show: ['inbound-connector show Exchange --organization contoso'],
  add: [
    'inbound-connector add',
    'inbound-connector add Exchange --connector-type OnPremises --tls-sender-certificate-name "*.contoso.com"',
    'inbound-connector add Scanners --connector-type OnPremises --sender-ip-addresses 10.1.0.0/24,10.2.0.7',
  ],
  set: [
    'inbound-connector set Scanners --add-sender-ip-addresses 10.3.0.0/24',
    'inbound-connector set Scanners --organization contoso --report-only',
    'inbound-connector set Exchange --trusted-certificate-authorities contoso-ca.pem',
  ],
  remove: ['inbound-connector remove Scanners --organization contoso'],
  enable: ['inbound-connector enable Scanners --organization contoso'],
  disable: ['inbound-connector disable Scanners --organization contoso'],
}

export const OUTBOUND_EXAMPLES: Examples = {
  list: ['outbound-connector list', 'outbound-connector list --organization contoso --json'],
  show: ['outbound-connector show Filter --organization contoso'],
  add: [
    'outbound-connector add Filter --recipient-domains "*" --smart-hosts smtp.filter.example --tls-settings DomainValidation --tls-domain smtp.filter.example',
    'outbound-connector add Exchange --connector-type OnPremises --all-accepted-domains true --smart-hosts 10.1.0.10,10.1.0.11',
    'outbound-connector add Bank --recipient-domains fabrikam.com --use-mx-record true --tls-settings CertificateValidation',
  ],
  set: [
    'outbound-connector set Exchange --add-smart-hosts 10.1.0.12',
    'outbound-connector set Filter --user-name contoso --password-file contoso/filter.password',
    'outbound-connector set Filter --name "Filter service"',
  ],
  remove: ['outbound-connector remove Filter --organization contoso'],
  enable: ['outbound-connector enable Filter --organization contoso'],
  disable: ['outbound-connector disable Filter --organization contoso'],
}

export const QUEUE_EXAMPLES: Examples = {
  list: [
    'queue list --older-than 1h',
    'queue list --by destination',
    'queue list --held --json | jq -r .envelope.id',
  ],
  show: ['queue show 2E0958EC-88EB-44B6-8F19-A0E9C38B458C.1'],
  retry: ['queue retry --destination fabrikam.com', 'queue retry --all --yes'],
  hold: ['queue hold --sender newsletter@contoso.com', 'queue hold --organization contoso --older-than 15m'],
  release: [
    'queue release 2E0958EC-88EB-44B6-8F19-A0E9C38B458C.1',
    'queue release --held --destination fabrikam.com',
  ],
  bounce: ['queue bounce --organization contoso --older-than 1d'],
  drop: ['queue drop 2E0958EC-88EB-44B6-8F19-A0E9C38B458C.1', 'queue drop --held --older-than 30d'],
}

/**
 * @param group a command with its verbs
 * @param examples command lines for each verb, without the program's name
 */
export function addExamples(group: Command, examples: Examples): void {
  for (const command of group.commands) {
    const lines = examples[command.name()]
    if (lines === undefined) continue
    command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  connectorctl ${line}`).join('\n')}`)
  }
}
