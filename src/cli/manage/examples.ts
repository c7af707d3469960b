/** An example for each verb of the groups that manage records: the verbs are alike, and so are their examples. */

import type { Command } from 'commander'

type Examples = Readonly<Record<string, readonly string[]>>

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
