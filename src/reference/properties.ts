/** docs/reference/properties.md, from the names and texts beside the schema. */

import type { IdleText, PropertyText } from '../directory/properties.ts'
import {
  CONNECTOR_TEXTS,
  DOMAIN_TEXTS,
  IDLE_CONNECTOR_TEXTS,
  IDLE_DOMAIN_TEXTS,
  ORGANIZATION_TEXTS,
} from '../directory/properties.ts'
import { IDLE_OUTBOUND_TEXTS, OUTBOUND_TEXTS } from '../directory/properties-outbound.ts'
import { code, page, table } from './markdown.ts'

/** @returns the page */
export function propertiesPage(): string {
  return page('Properties', [
    'What `config/organizations.yaml` holds, and the directory in Redis. Names are those of the Exchange cmdlets in camelCase: `TlsSenderCertificateName` is `tlsSenderCertificateName` in a file and `--tls-sender-certificate-name` on the command line. A name that is not on this page is refused.',
    '## Organization',
    properties(ORGANIZATION_TEXTS),
    '## Accepted domain',
    'Named for `New-AcceptedDomain`, `Set-AcceptedDomain` and `Get-AcceptedDomain`.',
    properties(DOMAIN_TEXTS),
    '### Accepted domain: without effect',
    idle(IDLE_DOMAIN_TEXTS),
    '## Inbound connector',
    'Named for `New-InboundConnector`, `Set-InboundConnector` and `Get-InboundConnector`. An OnPremises connector needs `tlsSenderCertificateName` or `senderIPAddresses`.',
    properties(CONNECTOR_TEXTS),
    '### Inbound connector: without effect',
    idle(IDLE_CONNECTOR_TEXTS),
    '## Outbound connector',
    'Named for `New-OutboundConnector`, `Set-OutboundConnector` and `Get-OutboundConnector`. It needs `recipientDomains`, `allAcceptedDomains` or `routeAllMessagesViaOnPremises`: else it takes no mail. [How they are meant](../outbound-connectors.md#which-one-takes-the-mail), and which of several takes a message.',
    properties(OUTBOUND_TEXTS),
    '### Outbound connector: without effect',
    idle(IDLE_OUTBOUND_TEXTS),
  ])
}

function properties(texts: Readonly<Record<string, PropertyText>>): string {
  return table(
    ['Property', 'Kind', 'Default', 'Meaning', 'Cmdlet'],
    Object.entries(texts).map(([name, { kind, default: otherwise, meaning, parameter }]) => [
      code(name),
      kind,
      otherwise,
      meaning,
      parameter === null ? 'none: of this project' : code(parameter),
    ]),
  )
}

function idle(texts: Readonly<Record<string, IdleText>>): string {
  const rows = Object.entries(texts).map(([name, { meaning, parameter }]) => [
    code(name),
    meaning,
    code(parameter),
  ])
  return `They are taken, so that records can be brought over, and \`connectorctl check\` says that nothing comes of them.\n\n${table(['Property', 'Meaning in Exchange Online', 'Cmdlet'], rows)}`
}
