/** `connectorctl inbound-connector`: which servers an organisation's mail may come from. */

import type { Command } from 'commander'
import type { ConfiguredConnector } from '../../directory/model.ts'
import { usesOfConnector } from '../../journal/usage.ts'
import type { CliContext } from '../context.ts'
import type { ConnectorCommand } from '../manage/connector-command.ts'
import { registerConnectorCommand } from '../manage/connector-command.ts'
import { INBOUND } from '../manage/connector-kind.ts'
import { CONNECTOR_EXAMPLES } from '../manage/examples.ts'
import type { Given } from '../manage/flags.ts'
import { flagOf } from '../manage/flags.ts'
import { connectorJson, connectorProperties } from '../manage/show.ts'
import { decidedTraffic } from '../manage/traffic.ts'
import { askForChange, askForConnector } from '../wizard/connector-wizard.ts'

const HELP = `
Examples:
  connectorctl inbound-connector add
      asks for everything, step by step, when it is run on a terminal
  connectorctl inbound-connector add Exchange --organization contoso --connector-type OnPremises \\
      --tls-sender-certificate-name "*.contoso.com"
  connectorctl inbound-connector add Scanners --organization contoso --connector-type OnPremises \\
      --sender-ip-addresses 10.1.2.0/24,10.1.3.7
  connectorctl inbound-connector set Scanners --organization contoso --add-sender-ip-addresses 10.1.4.0/24
  connectorctl inbound-connector set Exchange --organization contoso --report-only
  connectorctl inbound-connector disable Scanners --organization contoso
  connectorctl inbound-connector remove Scanners --organization contoso

An empty text takes a property away: --comment "". set with no property asks for all of them on a terminal.`

const COLUMNS = [
  'ORGANIZATION',
  'NAME',
  'TYPE',
  'ENABLED',
  'CERTIFICATE NAME',
  'ADDRESSES',
  'REPORT-ONLY UNTIL',
]

/** What New-InboundConnector cannot do without. */
function missing(name: string | undefined, given: Given): string[] {
  const has = (property: string): boolean => {
    const value = given.get(property)
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null
  }
  const type = given.get('connectorType')
  const recognised = has('tlsSenderCertificateName') || has('senderIPAddresses')
  return [
    ...(name === undefined ? ['the name'] : []),
    ...(has('connectorType') ? [] : [flagOf('connectorType')]),
    ...(type === 'Partner' && !has('senderDomains') ? [flagOf('senderDomains')] : []),
    ...(type === 'Partner' || recognised
      ? []
      : [`${flagOf('tlsSenderCertificateName')} or ${flagOf('senderIPAddresses')}`]),
  ]
}

const COMMAND: ConnectorCommand<ConfiguredConnector> = {
  kind: INBOUND,
  plural: 'inbound connectors',
  help: HELP,
  examples: CONNECTOR_EXAMPLES,
  switches: {
    enable: 'let a connector count again',
    disable: 'keep a connector, but let it count for nothing',
  },
  hasReportOnly: true,
  columns: COLUMNS,
  row: (connector) => [
    connector.organization,
    connector.name,
    connector.connectorType,
    connector.enabled ? 'yes' : 'no',
    connector.tlsSenderCertificateName ?? '',
    connector.senderIPAddresses.join(', '),
    connector.reportOnlyUntil ?? '',
  ],
  json: connectorJson,
  properties: connectorProperties,
  missing,
  wizard: { add: askForConnector, set: askForChange },
  traffic: (open, options, connector, context) =>
    decidedTraffic(open, options, { uses: usesOfConnector(connector), possible: ['connector'] }, context),
  remarks: async () => [],
  queued: async () => [],
}

/**
 * @param program the program to add the commands to
 * @param context where to write
 */
export function registerInboundConnector(program: Command, context: CliContext): void {
  registerConnectorCommand(program, context, COMMAND)
}
