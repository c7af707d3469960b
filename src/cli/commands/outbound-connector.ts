/** `connectorctl outbound-connector`: where an organisation's mail goes, and under which protection. */

import type { Command } from 'commander'
import type { ConfiguredOutboundConnector } from '../../directory/model.ts'
import { readIdentity } from '../../instance/outbound-identity.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import type { ConnectorCommand } from '../manage/connector-command.ts'
import { registerConnectorCommand } from '../manage/connector-command.ts'
import { OUTBOUND } from '../manage/connector-kind.ts'
import { carriedTraffic } from '../manage/deliveries.ts'
import { OUTBOUND_EXAMPLES } from '../manage/examples.ts'
import type { Given } from '../manage/flags.ts'
import { flagOf } from '../manage/flags.ts'
import { queuedFor } from '../manage/queued.ts'
import { outboundConnectorProperties, smartHostsText, takesText } from '../manage/show-outbound.ts'
import { outboundConnectorJson } from '../manage/show.ts'

const HELP = `
Examples:
  connectorctl outbound-connector add Exchange --organization contoso --connector-type OnPremises \\
      --all-accepted-domains true --smart-hosts mail.contoso.com --tls-settings EncryptionOnly
  connectorctl outbound-connector add "Microsoft 365" --organization contoso --recipient-domains "*" \\
      --smart-hosts contoso-com.mail.protection.outlook.com --tls-settings DomainValidation \\
      --tls-domain mail.protection.outlook.com --tls-certificate-file contoso/client.pem \\
      --tls-key-file contoso/client.key
  connectorctl outbound-connector add Provider --organization contoso --recipient-domains "*" \\
      --smart-hosts smtp.provider.example:587 --tls-settings CertificateValidation \\
      --user-name contoso --password-file contoso/provider.password
  connectorctl outbound-connector set Exchange --organization contoso --add-smart-hosts mail2.contoso.com
  connectorctl outbound-connector disable Provider --organization contoso
  connectorctl validate-outbound Provider --organization contoso --recipient kate@fabrikam.com

A connector for a domain goes before one for all accepted domains, and that before one for a wildcard; of two wildcards
the longer. Certificates, keys and passwords are files under config/ of each machine: their names are kept, not what is
in them. An empty text takes a property away: --comment "".`

/** What New-OutboundConnector cannot do without: everything else has a default. */
function missing(name: string | undefined, given: Given): string[] {
  const domains = given.get('recipientDomains')
  const takes =
    (Array.isArray(domains) && domains.length > 0) ||
    given.get('allAcceptedDomains') === true ||
    given.get('routeAllMessagesViaOnPremises') === true
  const flags = ['recipientDomains', 'allAcceptedDomains', 'routeAllMessagesViaOnPremises'].map(flagOf)
  return [
    ...(name === undefined ? ['the name'] : []),
    ...(takes ? [] : [flags.join(' or ')]),
    ...(given.get('useMXRecord') === false && !given.has('smartHosts') ? [flagOf('smartHosts')] : []),
  ]
}

/** A file that is not there yet is no fault of the connector, but its mail waits until it is. */
async function remarks(
  { instance }: OpenEditor,
  connector: ConfiguredOutboundConnector,
): Promise<readonly string[]> {
  const identity = await readIdentity(instance, connector, Date.now())
  return 'failure' in identity ? [`${identity.failure.text}: its mail waits until that is mended`] : []
}

const COMMAND: ConnectorCommand<ConfiguredOutboundConnector> = {
  kind: OUTBOUND,
  plural: 'outbound connectors',
  help: HELP,
  examples: OUTBOUND_EXAMPLES,
  switches: {
    enable: 'let a connector take mail again',
    disable: 'keep a connector, but let it take no mail',
  },
  hasReportOnly: false,
  columns: ['ORGANIZATION', 'NAME', 'TYPE', 'ENABLED', 'FOR', 'TO', 'TLS'],
  row: (connector) => [
    connector.organization,
    connector.name,
    connector.connectorType,
    connector.enabled ? 'yes' : 'no',
    takesText(connector),
    connector.useMXRecord ? 'MX' : smartHostsText(connector),
    [connector.tlsSettings ?? '', connector.tlsDomain ?? ''].join(' ').trim(),
  ],
  json: outboundConnectorJson,
  properties: outboundConnectorProperties,
  missing,
  wizard: null,
  traffic: carriedTraffic,
  remarks,
  queued: queuedFor,
}

/**
 * @param program the program to add the commands to
 * @param context where to write
 */
export function registerOutboundConnector(program: Command, context: CliContext): void {
  registerConnectorCommand(program, context, COMMAND)
}
