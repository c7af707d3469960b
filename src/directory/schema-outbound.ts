/** One outbound connector, as New-OutboundConnector describes it. */

import type { TlsSettings } from '../policy/types.ts'
import type { ConfiguredOutboundConnector } from './model.ts'
import { IDLE_OUTBOUND_PROPERTIES, OUTBOUND_PROPERTIES } from './properties-outbound.ts'
import { readConnectorType } from './schema-connector.ts'
import { noticeIdle } from './schema-domain.ts'
import type { NamesTaken } from './schema-name.ts'
import { readName } from './schema-name.ts'
import { givenField, readIdentity, readTls } from './schema-outbound-tls.ts'
import { readRecipientDomains } from './schema-recipient-domains.ts'
import { readSmartHosts } from './schema-smart-hosts.ts'
import type { IdleTrust, ReadAuthorities } from './schema-trust.ts'
import { readTrust } from './schema-trust.ts'
import type { Field, Fields, YamlNode, YamlReader } from './yaml-reader.ts'

const KNOWN: readonly string[] = [...OUTBOUND_PROPERTIES, ...IDLE_OUTBOUND_PROPERTIES]

/** Whoever names a CA means that a certificate is looked at: mail must not go to whoever answers. */
const TRUST_WITHOUT_VALIDATION: IdleTrust = {
  severity: 'error',
  message:
    'trustedCertificateAuthorities and certificatePins need a tlsSettings that looks at the certificate',
  mend: 'write tlsSettings: DomainValidation with tlsDomain, or CertificateValidation',
}

/**
 * @param reader where problems are reported
 * @param node the connector's node
 * @param organization the organisation that owns it
 * @param taken names of the organisation's outbound connectors before this one
 * @param readAuthorities reads a file of CAs that it names
 * @returns the connector, or null after a report when it cannot be used
 */
export function readOutboundConnector(
  reader: YamlReader,
  node: YamlNode,
  organization: string,
  taken: NamesTaken,
  readAuthorities: ReadAuthorities,
): ConfiguredOutboundConnector | null {
  const fields = reader.fields(node, 'an outbound connector', KNOWN)
  if (fields === null) return null
  const name = readName(reader, fields, node, 'an outbound connector', taken)
  const connectorType = readConnectorType(reader, fields.get('connectorType'), 'Partner')
  const enabled = reader.flag(fields, 'enabled', true)
  const refused = enabled ? refuseUnheard(reader, fields) : []
  const idle = IDLE_OUTBOUND_PROPERTIES.filter((property) => !refused.includes(property))
  noticeIdle(reader, fields, idle)
  const tls = readTls(reader, fields, node)
  // A tlsSettings that cannot be read was reported.
  const isUnread = tls.tlsSettings === null && givenField(reader, fields, 'tlsSettings') !== undefined
  const counts = isUnread || validates(tls.tlsSettings)
  const trust = readTrust(reader, fields, readAuthorities, counts ? null : TRUST_WITHOUT_VALIDATION)
  const takes = readTakes(reader, fields, node)
  const hop = readNextHop(reader, fields, node)
  if (connectorType === 'Partner') refuseOnPremisesOnly(reader, fields)
  if (hop.useMXRecord) refuseMx(reader, fields)
  const identity = readIdentity(reader, fields, node, tls.tlsSettings)
  if (name === null || connectorType === null) return null
  const comment = reader.comment(fields)
  return { organization, name, connectorType, enabled, ...takes, ...hop, ...tls, trust, ...identity, comment }
}

function validates(tlsSettings: TlsSettings | null): boolean {
  return tlsSettings === 'CertificateValidation' || tlsSettings === 'DomainValidation'
}

/** Which mail it takes. */
type Takes = Pick<
  ConfiguredOutboundConnector,
  'recipientDomains' | 'allAcceptedDomains' | 'routeAllMessagesViaOnPremises'
>

function readTakes(reader: YamlReader, fields: Fields, node: YamlNode): Takes {
  const field = fields.get('recipientDomains')
  const recipientDomains = readRecipientDomains(reader, field)
  const allAcceptedDomains = reader.flag(fields, 'allAcceptedDomains', false)
  const routeAllMessagesViaOnPremises = reader.flag(fields, 'routeAllMessagesViaOnPremises', false)
  // A list with a fault in it was reported, and is no empty one.
  if (reader.items(field)?.length === 0 && !allAcceptedDomains && !routeAllMessagesViaOnPremises) {
    reader.error(
      field?.key ?? node,
      'an outbound connector without recipientDomains takes no mail',
      'add recipientDomains: ["*"], or the domains that it is for',
    )
  }
  return { recipientDomains, allAcceptedDomains, routeAllMessagesViaOnPremises }
}

/** Where it goes. Without smart hosts by MX, as with the cmdlet; with them nobody has to say that it does not. */
function readNextHop(
  reader: YamlReader,
  fields: Fields,
  node: YamlNode,
): Pick<ConfiguredOutboundConnector, 'useMXRecord' | 'smartHosts'> {
  const field = fields.get('smartHosts')
  const smartHosts = readSmartHosts(reader, fields)
  const none = reader.items(field)?.length === 0
  const useMXRecord = reader.flag(fields, 'useMXRecord', none)
  const given = fields.get('useMXRecord')
  if (useMXRecord && !none) {
    reader.error(
      given?.key ?? node,
      'useMXRecord: true and smartHosts exclude each other',
      'remove useMXRecord for the smart hosts, or smartHosts for the MX',
    )
  }
  if (!useMXRecord && none) {
    reader.error(
      given?.key ?? node,
      'useMXRecord: false needs smartHosts: mail would have nowhere to go',
      'add e.g. smartHosts: [smtp.contoso.com], or remove useMXRecord',
    )
  }
  return { useMXRecord, smartHosts }
}

/** Both are about the organisation's own servers, which no MX names. */
const ON_PREMISES_FLAGS = ['allAcceptedDomains', 'routeAllMessagesViaOnPremises'] as const

function refuseOnPremisesOnly(reader: YamlReader, fields: Fields): void {
  for (const name of ON_PREMISES_FLAGS) {
    if (!reader.flag(fields, name, false)) continue
    const message = `${name} is for connectors of type OnPremises only`
    reader.error(fields.get(name)?.key ?? null, message, `write connectorType: OnPremises, or remove ${name}`)
  }
}

function refuseMx(reader: YamlReader, fields: Fields): void {
  for (const name of ON_PREMISES_FLAGS) {
    if (!reader.flag(fields, name, false)) continue
    const message = `${name} needs smartHosts: the organisation's own servers are not found by MX`
    reader.error(fields.get(name)?.key ?? null, message, 'add e.g. smartHosts: [exchange.contoso.com]')
  }
}

/** What narrows a connector or promises more than is kept here must not be dropped without a word. */
function refuseUnheard(reader: YamlReader, fields: Fields): string[] {
  const refuse = (field: Field, [message, mend]: readonly [string, string]): string => {
    reader.error(field.key, message, mend)
    return field.name
  }
  const flags = [...UNHEARD].flatMap(([name, texts]) => {
    const field = fields.get(name)
    return field !== undefined && reader.flag(fields, name, false) ? [refuse(field, texts)] : []
  })
  const dane = givenField(reader, fields, 'smtpDaneMode')
  if (dane === undefined || reader.text(dane)?.toLowerCase() !== 'mandatory') return flags
  return [...flags, refuse(dane, DANE)]
}

const UNHEARD = new Map<string, readonly [message: string, mend: string]>([
  [
    'isTransportRuleScoped',
    [
      'isTransportRuleScoped: true means that only mail-flow rules use the connector, and there are none here',
      'write enabled: false, or remove isTransportRuleScoped if it shall take mail by itself',
    ],
  ],
  [
    'testMode',
    [
      'testMode: true means that the connector takes no real mail',
      'write enabled: false, or remove testMode if it shall take mail',
    ],
  ],
])

const DANE = [
  'smtpDaneMode: Mandatory is not kept yet: mail would go without DANE',
  'write tlsSettings: DomainValidation with tlsDomain in its place',
] as const
