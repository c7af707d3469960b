/** Inbound and outbound connectors: what the commands on both have in common, and where they differ. */

import type { Written } from '../../directory/as-written.ts'
import { connectorAsWritten, outboundConnectorAsWritten } from '../../directory/as-written.ts'
import type { ConfiguredConnector, ConfiguredOutboundConnector, Organization } from '../../directory/model.ts'
import type { Touched } from './change.ts'
import { withConnector, withOutboundConnector } from './edits.ts'
import type { Sorted } from './exchange-rules.ts'
import { checkAsExchange, checkOutboundAsExchange } from './exchange-rules.ts'
import type { PropertyFlag } from './flags.ts'
import { OUTBOUND_FLAGS } from './properties-outbound.ts'
import { CONNECTOR_FLAGS } from './properties.ts'

export type AnyConnector = ConfiguredConnector | ConfiguredOutboundConnector

export interface ConnectorKind<T extends AnyConnector> {
  /** The command, which is also how a record is called. */
  readonly command: 'inbound-connector' | 'outbound-connector'
  readonly flags: readonly PropertyFlag[]
  /** @returns an organisation's connectors of this kind */
  of(organization: Organization): readonly T[]
  asWritten(record: T): Written
  /** @returns the organisation with one connector added, replaced or, where `written` is null, taken away */
  put(organization: Organization, before: T | null, written: Written | null): Written
  /** @returns the records whose warnings are told */
  touched(records: readonly T[]): Touched
  /**
   * @returns warnings beside the schema's
   * @throws CommandFailed with everything that Exchange refuses
   */
  check(written: Written, sorted: Sorted, owner: Organization): string[]
  /** @returns a changed connector without what nothing comes of any more and nobody asked for now */
  settled(written: Written, sorted: Sorted): Written
}

export const INBOUND: ConnectorKind<ConfiguredConnector> = {
  command: 'inbound-connector',
  flags: CONNECTOR_FLAGS,
  of: ({ inboundConnectors }) => inboundConnectors,
  asWritten: connectorAsWritten,
  put: withConnector,
  touched: (inboundConnectors) => ({ acceptedDomains: [], inboundConnectors }),
  check: checkAsExchange,
  settled: withoutIdleDomains,
}

export const OUTBOUND: ConnectorKind<ConfiguredOutboundConnector> = {
  command: 'outbound-connector',
  flags: OUTBOUND_FLAGS,
  of: ({ outboundConnectors }) => outboundConnectors,
  asWritten: outboundConnectorAsWritten,
  put: withOutboundConnector,
  touched: (outboundConnectors) => ({ acceptedDomains: [], inboundConnectors: [], outboundConnectors }),
  check: checkOutboundAsExchange,
  settled: withoutIdleTlsDomain,
}

/** A Partner that becomes OnPremises takes its domains along, and nothing comes of them any more. */
function withoutIdleDomains(written: Written, { kept }: Sorted): Written {
  if (written['connectorType'] !== 'OnPremises' || kept.has('senderDomains')) return written
  const { senderDomains: _idle, ...rest } = written
  return rest
}

/** The name is looked at with DomainValidation only. */
function withoutIdleTlsDomain(written: Written, { kept }: Sorted): Written {
  if (written['tlsSettings'] === 'DomainValidation' || kept.has('tlsDomain')) return written
  const { tlsDomain: _idle, ...rest } = written
  return rest
}
