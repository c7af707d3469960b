/**
 * What stands in Redis, as JSON with the version of its form. What is damaged, or was written by a newer version of
 * this software, is told apart from what is not there: nothing is ever decided from it.
 */

import { z } from 'zod'
import type { AcceptedDomain } from '../../policy/types.ts'
import type { ConfiguredConnector, ConfiguredOutboundConnector } from '../model.ts'
import { nameKey } from '../model.ts'

/** The form that is written and read here. */
const FORM = 1

/** A record that cannot be used; the message says why, as the end of a sentence. */
class UnreadableRecord extends Error {
  override readonly name = 'UnreadableRecord'
}

/** What a look-up by certificate name or by range finds. */
export interface IndexEntry {
  readonly connectors: readonly ConfiguredConnector[]
  /**
   * In an entry of `below`: the accepted domains among the connectors' names, since nobody knows the names before the
   * entry is read. null in other entries.
   */
  readonly domains: readonly AcceptedDomain[] | null
}

/** What an organisation's outbound connectors are kept as: in order of their names. */
interface OutboundRecord {
  readonly connectors: readonly ConfiguredOutboundConnector[]
}

export interface OrganizationRecord {
  readonly name: string
  readonly comment: string | null
  readonly reportOnlyUntil: string | null
  /** Of the directory, when the organisation was changed last. */
  readonly revision: string
}

const text = z.string()
const absent = z.string().nullable().default(null)
const texts = z.array(z.string()).readonly().default([])
const flag = z.boolean().default(false)

const PROOF = z.object({
  token: absent,
  domain: absent,
  provenAt: absent,
  lostAt: absent,
  countsUntil: absent,
})

const DOMAIN = z.object({
  organization: text,
  domainName: text,
  domainType: z.enum(['Authoritative', 'InternalRelay']).default('Authoritative'),
  matchSubDomains: flag,
  sendingFromDomainDisabled: flag,
  pendingRemoval: flag,
  delegatedSubDomains: texts,
  proof: PROOF.nullable().default(null),
})

const TRUST = z
  .object({ key: text, certificateAuthorities: texts, certificatePins: texts })
  .nullable()
  .default(null)

const CONNECTOR = z.object({
  organization: text,
  name: text,
  connectorType: z.enum(['OnPremises', 'Partner']),
  enabled: z.boolean(),
  tlsSenderCertificateName: absent,
  senderIPAddresses: texts,
  allowWideAddresses: flag,
  senderDomains: texts,
  comment: absent,
  reportOnlyUntil: absent,
  organizationReportOnlyUntil: absent,
  trust: TRUST,
})

// Nothing of a promise has a default but its absence: a record without its tlsSettings is one that never had any.
const OUTBOUND_CONNECTOR = z.object({
  organization: text,
  name: text,
  connectorType: z.enum(['OnPremises', 'Partner']),
  enabled: z.boolean(),
  recipientDomains: texts,
  allAcceptedDomains: flag,
  routeAllMessagesViaOnPremises: flag,
  useMXRecord: flag,
  smartHosts: z
    .array(z.object({ host: text, port: z.int().min(1).max(65_535) }))
    .readonly()
    .default([]),
  tlsSettings: z
    .enum(['EncryptionOnly', 'CertificateValidation', 'DomainValidation'])
    .nullable()
    .default(null),
  tlsDomain: absent,
  trust: TRUST,
  tlsCertificateFile: absent,
  tlsKeyFile: absent,
  userName: absent,
  passwordFile: absent,
  comment: absent,
})

const OUTBOUND = z.object({ connectors: z.array(OUTBOUND_CONNECTOR).readonly() })

const INDEX = z.object({
  connectors: z.array(CONNECTOR).readonly().default([]),
  domains: z.array(DOMAIN).readonly().nullable().default(null),
})

// The audit stream leaves the revision out.
const ORGANIZATION = z.object({
  name: text,
  comment: absent,
  reportOnlyUntil: absent,
  revision: text.default(''),
})

/** What is left out of a record, since reading puts it back: at a million domains it is half of the memory. */
const DEFAULTS = new Map<string, unknown>([
  ['domainType', 'Authoritative'],
  ['tlsSenderCertificateName', null],
  ['comment', null],
  ['proof', null],
  ['token', null],
  ['domain', null],
  ['provenAt', null],
  ['lostAt', null],
  ['countsUntil', null],
  ['reportOnlyUntil', null],
  ['organizationReportOnlyUntil', null],
  ['trust', null],
  ['domains', null],
  ['tlsSettings', null],
  ['tlsDomain', null],
  ['tlsCertificateFile', null],
  ['tlsKeyFile', null],
  ['userName', null],
  ['passwordFile', null],
])

/**
 * @param record what shall be kept
 * @returns its JSON; the same for the same record
 */
export function writeRecord(record: AcceptedDomain | ConfiguredConnector | IndexEntry | object): string {
  return JSON.stringify({ v: FORM, ...record }, (key, value: unknown) =>
    value === false && key !== 'enabled' ? undefined : isDefault(key, value) ? undefined : value,
  )
}

function isDefault(key: string, value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0 && key !== 'domains'
  return DEFAULTS.has(key) && DEFAULTS.get(key) === value
}

/** @throws UnreadableRecord */
export function readDomainRecord(json: string, domainName: string): AcceptedDomain {
  const record = readRecord(json, DOMAIN)
  if (record.domainName !== domainName) {
    throw new UnreadableRecord(`is the record of another domain, ${JSON.stringify(record.domainName)}`)
  }
  return record
}

/** @throws UnreadableRecord */
export function readConnectorRecord(json: string): ConfiguredConnector {
  return readRecord(json, CONNECTOR)
}

/** @throws UnreadableRecord */
export function readOutboundConnectorRecord(json: string): ConfiguredOutboundConnector {
  return readRecord(json, OUTBOUND_CONNECTOR)
}

/**
 * @param json what stands under an organisation's key
 * @param organization its `nameKey`
 * @returns its outbound connectors
 * @throws UnreadableRecord, also when one of them is another organisation's
 */
export function readOutboundRecord(
  json: string,
  organization: string,
): readonly ConfiguredOutboundConnector[] {
  const { connectors } = readRecord(json, OUTBOUND)
  const stray = connectors.find((connector) => nameKey(connector.organization) !== organization)
  if (stray === undefined) return connectors
  throw new UnreadableRecord(`lists the connector ${JSON.stringify(stray.name)}, which does not belong there`)
}

/**
 * @param connectors the outbound connectors of one organisation
 * @returns their JSON, the same in whatever order they come; null for none
 */
export function writeOutboundRecord(connectors: readonly ConfiguredOutboundConnector[]): string | null {
  if (connectors.length === 0) return null
  const inOrder = connectors.toSorted((left, right) => (nameKey(left.name) < nameKey(right.name) ? -1 : 1))
  const record: OutboundRecord = { connectors: inOrder }
  return writeRecord(record)
}

/** @throws UnreadableRecord */
export function readIndexEntry(json: string): IndexEntry {
  return readRecord(json, INDEX)
}

/** @throws UnreadableRecord */
export function readOrganizationRecord(json: string): OrganizationRecord {
  return readRecord(json, ORGANIZATION)
}

/**
 * @param json what stands in Redis
 * @param schema its form
 * @returns the record
 * @throws UnreadableRecord when it is damaged or of a newer form
 */
export function readRecord<T>(json: string, schema: z.ZodType<T>): T {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    throw new UnreadableRecord('is no JSON')
  }
  const form = typeof value === 'object' && value !== null && 'v' in value ? value.v : undefined
  if (typeof form !== 'number') throw new UnreadableRecord('has no version')
  if (form > FORM) {
    throw new UnreadableRecord(`is of version ${form}, which only a newer connectorctl and plugin can read`)
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new UnreadableRecord(`is damaged: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`)
}
