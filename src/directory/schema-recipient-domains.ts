/** The recipients of outbound connectors: the list of one, and what two of one organisation both claim. */

import { withoutWildcard } from '../text/certificate-name.ts'
import { isPublicSuffix } from '../text/public-suffix.ts'
import type { ConfiguredOutboundConnector } from './model.ts'
import { nameKey } from './model.ts'
import { readDomainPattern } from './schema-domain-pattern.ts'
import type { Field, YamlNode, YamlReader } from './yaml-reader.ts'
import { quoted } from './yaml-reader.ts'

/**
 * @param reader where problems are reported
 * @param field recipientDomains
 * @returns the domains, in A-label form, each once
 */
export function readRecipientDomains(reader: YamlReader, field: Field | undefined): readonly string[] {
  const found = new Set<string>()
  for (const item of reader.items(field) ?? []) {
    const pattern = readDomainPattern(reader, item, 'recipientDomains')
    if (pattern === null) continue
    if (found.has(pattern)) {
      reader.report(item, 'warning', `${pattern} is given twice in recipientDomains`, 'keep one of the two')
    }
    found.add(pattern)
    warnOfPublicSuffix(reader, item, pattern)
  }
  return [...found]
}

/** It takes nothing away from anybody, since a connector is for its own organisation's mail; but it is mostly a slip. */
function warnOfPublicSuffix(reader: YamlReader, node: YamlNode, pattern: string): void {
  const domain = withoutWildcard(pattern)
  if (pattern === '*' || domain === pattern || !isPublicSuffix(domain)) return
  const message = `${quoted(pattern)} in recipientDomains is for the domains of strangers: ${domain} is a public suffix`
  reader.report(node, 'warning', message, `write "*.contoso.${domain}" if one organisation is meant`)
}

/**
 * @param reader where problems are reported
 * @param connectors the outbound connectors of one organisation
 * @param places where they stand
 */
export function warnOfSameRecipients(
  reader: YamlReader,
  connectors: readonly ConfiguredOutboundConnector[],
  places: ReadonlyMap<ConfiguredOutboundConnector, YamlNode>,
): void {
  const winners = new Map<string, ConfiguredOutboundConnector>()
  const byName = connectors
    .filter(({ enabled }) => enabled)
    .toSorted((left, right) => (nameKey(left.name) < nameKey(right.name) ? -1 : 1))
  for (const connector of byName) {
    for (const claim of claimsOf(connector)) {
      const winner = winners.get(claim)
      if (winner === undefined) {
        winners.set(claim, connector)
        continue
      }
      const message = `outbound connectors ${quoted(winner.name)} and ${quoted(connector.name)} are both for ${claim}: ${quoted(winner.name)} takes it, as the first by name`
      reader.report(places.get(connector) ?? null, 'warning', message, 'leave it to one of them')
    }
  }
}

function claimsOf({
  allAcceptedDomains,
  recipientDomains,
  routeAllMessagesViaOnPremises,
}: ConfiguredOutboundConnector): string[] {
  return [
    ...recipientDomains,
    ...(allAcceptedDomains ? ['all accepted domains'] : []),
    ...(routeAllMessagesViaOnPremises ? ['all messages (routeAllMessagesViaOnPremises)'] : []),
  ]
}
