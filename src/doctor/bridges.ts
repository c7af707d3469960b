/** Connectors for the gateways that Docker gives its own networks: behind its NAT every client looks like one of them. */

import { addressBytes, formatRange, maskBytes } from '../text/ip-address.ts'
import type { ConnectorFacts } from './directory-facts.ts'
import { describeConnector, isActive } from './directory-facts.ts'
import type { Report } from './finding.ts'

const BRIDGES = Array.from({ length: 16 }, (_none, index) => `172.${16 + index}.0.1`)

/** Every range that holds one of them, and which. */
const RANGES: ReadonlyMap<string, string> = new Map(
  BRIDGES.flatMap((address) => {
    const bytes = addressBytes(address) ?? []
    return Array.from(
      { length: 33 },
      (_none, length) => [formatRange(maskBytes(bytes, length), length), address] as const,
    )
  }),
)

/**
 * @param connectors the whole directory's
 * @param report where findings go
 */
export function checkBridgeConnectors(connectors: readonly ConnectorFacts[], report: Report): void {
  for (const connector of connectors) {
    if (!isActive(connector)) continue
    const range = connector.ranges.find((one) => RANGES.has(one))
    if (range === undefined) continue
    report(
      'warning',
      'docker-bridge',
      `${describeConnector(connector)} has ${range}, which holds ${RANGES.get(range) ?? ''}`,
    )
  }
}
