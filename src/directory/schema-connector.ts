/** One inbound connector, as New-InboundConnector describes it. */

import { isIP } from 'node:net'
import type { ConnectorType } from '../policy/types.ts'
import { normalizePresentedName } from '../text/certificate-name.ts'
import { normalizeDomain } from '../text/domain-name.ts'
import { isPublicSuffix } from '../text/public-suffix.ts'
import type { ConfiguredConnector } from './model.ts'
import { CONNECTOR_PROPERTIES, IDLE_CONNECTOR_PROPERTIES } from './properties.ts'
import { allowsWide, readAddresses } from './schema-addresses.ts'
import { readReportOnly } from './schema-report-only.ts'
import { readDomainPattern } from './schema-domain-pattern.ts'
import { choiceMend, noticeIdle } from './schema-domain.ts'
import type { NamesTaken } from './schema-name.ts'
import { readName } from './schema-name.ts'
import type { IdleTrust, ReadAuthorities } from './schema-trust.ts'
import { readTrust } from './schema-trust.ts'
import type { Field, Fields, YamlNode, YamlReader } from './yaml-reader.ts'
import { quoted } from './yaml-reader.ts'

const CONNECTOR_TYPES: readonly ConnectorType[] = ['OnPremises', 'Partner']

const KNOWN: readonly string[] = [...CONNECTOR_PROPERTIES, ...IDLE_CONNECTOR_PROPERTIES]

const TRUST_WITHOUT_NAME: IdleTrust = {
  severity: 'warning',
  message:
    'trustedCertificateAuthorities and certificatePins have no effect without tlsSenderCertificateName',
  mend: 'add the name in the certificate, e.g. mail.contoso.com',
}

/** What a connector takes from its organisation. */
interface Owner {
  readonly name: string
  readonly reportOnlyUntil: string | null
}

/**
 * @param reader where problems are reported
 * @param node the connector's node
 * @param owner the organisation that owns it
 * @param taken names of the organisation's connectors before this one
 * @param readAuthorities reads a file of CAs that it names
 * @returns the connector, or null after a report when it cannot be used
 */
export function readConnector(
  reader: YamlReader,
  node: YamlNode,
  { name: organization, reportOnlyUntil: organizationReportOnlyUntil }: Owner,
  taken: NamesTaken,
  readAuthorities: ReadAuthorities,
): ConfiguredConnector | null {
  const fields = reader.fields(node, 'an inbound connector', KNOWN)
  if (fields === null) return null
  noticeIdle(reader, fields, IDLE_CONNECTOR_PROPERTIES)
  const name = readName(reader, fields, node, 'an inbound connector', taken)
  const connectorType = readType(reader, fields.get('connectorType'), node)
  const enabled = reader.flag(fields, 'enabled', true)
  const tlsSenderCertificateName = readCertificateName(reader, fields)
  const named = givenCertificateName(reader, fields) !== undefined
  const trust = readTrust(reader, fields, readAuthorities, named ? null : TRUST_WITHOUT_NAME)
  const addresses = reader.items(fields.get('senderIPAddresses'))
  const senderIPAddresses = readAddresses(reader, fields, addresses ?? [])
  const senderDomains = connectorType === 'Partner' ? readSenderDomains(reader, fields, node) : []
  // A list that is none was reported, and is no reason to miss the addresses as well.
  if (connectorType === 'OnPremises') checkOnPremises(reader, fields, node, addresses?.length !== 0)
  if (connectorType === 'Partner') warnOfPartner(reader, fields, node)
  if (name === null || connectorType === null) return null
  const identity = { tlsSenderCertificateName, senderIPAddresses, trust }
  const comment = reader.comment(fields)
  const reporting = { reportOnlyUntil: readReportOnly(reader, fields), organizationReportOnlyUntil }
  const beside = { ...reporting, senderDomains, allowWideAddresses: allowsWide(reader, fields), comment }
  return { organization, name, connectorType, enabled, ...identity, ...beside }
}

function readType(reader: YamlReader, field: Field | undefined, node: YamlNode): ConnectorType | null {
  if (field !== undefined) return readConnectorType(reader, field, null)
  reader.error(
    node,
    'an inbound connector needs a connectorType',
    "add connectorType: OnPremises for the organisation's own servers, or Partner",
  )
  return null
}

/**
 * @param reader where problems are reported
 * @param field connectorType
 * @param otherwise what counts when it is left out
 * @returns the type, or null after a report
 */
export function readConnectorType(
  reader: YamlReader,
  field: Field | undefined,
  otherwise: ConnectorType | null,
): ConnectorType | null {
  if (field === undefined) return otherwise
  const text = reader.text(field)
  const known = CONNECTOR_TYPES.find((type) => type === text)
  if (known !== undefined || text === null) return known ?? null
  reader.error(field.value, `connectorType ${quoted(text)} is unknown`, choiceMend(text, CONNECTOR_TYPES))
  return null
}

/** Absent, or null as PowerShell exports it, is none. */
function givenCertificateName(reader: YamlReader, fields: Fields): Field | undefined {
  const field = fields.get('tlsSenderCertificateName')
  return field === undefined || reader.isNothing(field.value) ? undefined : field
}

function readCertificateName(reader: YamlReader, fields: Fields): string | null {
  const field = givenCertificateName(reader, fields)
  const text = field === undefined ? null : reader.text(field)
  if (field === undefined || text === null) return null
  const name = normalizePresentedName(text)
  if (name !== null) return name
  const [message, mend] = whyNoCertificateName(text)
  reader.error(field.value, `tlsSenderCertificateName ${quoted(text)} ${message}`, mend)
  return null
}

function whyNoCertificateName(text: string): readonly [message: string, mend: string] {
  // exchange.md section 1.2: issuer and subject are the on-premises syntax of Send and Receive connectors.
  if (/<[is]>/i.test(text)) {
    return [
      'names issuer and subject, as TlsCertificateName of on-premises connectors does',
      'write the domain in the certificate, e.g. mail.contoso.com or "*.contoso.com"',
    ]
  }
  if (text === '*') return ['would match every certificate', 'write your own domain, e.g. "*.contoso.com"']
  const domain = normalizeDomain(text.startsWith('*.') ? text.slice(2) : text)
  if (domain !== null && isPublicSuffix(domain)) return whyPublic(domain)
  if (text.includes('*')) {
    return [
      'has its wildcard in the wrong place',
      'a wildcard is the whole first label, as in "*.contoso.com"',
    ]
  }
  if (/[,;\s]/.test(text)) return ['is more than one name', 'write one name, and make a connector for each']
  if (isIP(text) !== 0) return ['is an IP address', `write senderIPAddresses: ["${text}"]`]
  return ['is no domain name', 'write e.g. mail.contoso.com or "*.contoso.com"']
}

function whyPublic(domain: string): readonly [message: string, mend: string] {
  if (!domain.includes('.')) return ['has one label only', 'write the whole name, e.g. mail.contoso.com']
  return [
    'is a public suffix: it would match the servers of strangers',
    `write your own domain, e.g. "*.contoso.${domain}"`,
  ]
}

function checkOnPremises(reader: YamlReader, fields: Fields, node: YamlNode, byAddress: boolean): void {
  const domains = fields.get('senderDomains')
  if (domains !== undefined) {
    reader.report(
      domains.key,
      'notice',
      'senderDomains has no effect on an OnPremises connector',
      'it can stay',
    )
  }
  const named = givenCertificateName(reader, fields)
  if (named === undefined && !byAddress) {
    reader.error(
      node,
      'an OnPremises connector without tlsSenderCertificateName and senderIPAddresses matches no server',
      'add one of them',
    )
  }
  if (named !== undefined && byAddress) {
    reader.report(
      fields.get('senderIPAddresses')?.key ?? node,
      'warning',
      'a connector with a name and addresses is read as OR, and a match by address never lets foreign senders through',
      'make two connectors, one with the name and one with the addresses',
    )
  }
}

function readSenderDomains(reader: YamlReader, fields: Fields, node: YamlNode): string[] {
  const field = fields.get('senderDomains')
  const items = reader.items(field)
  if (items?.length === 0) {
    reader.error(
      field?.key ?? node,
      'a Partner connector needs senderDomains',
      'add senderDomains: ["*"], or the domains of the partner',
    )
    return []
  }
  return (items ?? []).flatMap((item) => readDomainPattern(reader, item, 'senderDomains') ?? [])
}

function warnOfPartner(reader: YamlReader, fields: Fields, node: YamlNode): void {
  reader.report(
    fields.get('connectorType')?.key ?? node,
    'warning',
    'restrictions of a Partner connector are not enforced yet: mail that Exchange Online refused will be taken',
    'refuse it elsewhere until they are',
  )
}
