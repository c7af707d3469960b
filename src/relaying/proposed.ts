/** A directory with some records put into it, without writing anything: what would be if they stood there. */

import type { Answer, Directory } from '../directory/directory.ts'
import { indexDomains } from '../directory/domain-index.ts'
import { connectorFinder } from '../directory/memory-directory.ts'
import { nameKey } from '../directory/model.ts'
import { isUnknown } from '../policy/attribute.ts'
import type {
  AcceptedDomain,
  DomainFact,
  Fact,
  InboundConnector,
  OutboundConnector,
} from '../policy/types.ts'
import { withoutWildcard } from '../text/certificate-name.ts'

/** Records that are put in; one that is there under the same name is replaced. */
export interface Proposal {
  readonly domains: readonly AcceptedDomain[]
  readonly connectors: readonly InboundConnector[]
  readonly outbound?: readonly OutboundConnector[]
}

/**
 * @param base the directory
 * @param proposal what is put into it
 * @returns the directory with it; closing it closes nothing
 */
export function proposing(base: Directory, { domains, connectors, outbound = [] }: Proposal): Directory {
  const index = indexDomains(domains)
  const findConnectors = connectorFinder(connectors.filter(({ enabled }) => enabled))
  const replaced = new Set(connectors.map((connector) => keyOf(connector)))
  const certificateDomains = connectors.flatMap(({ tlsSenderCertificateName: name }) =>
    name === null ? [] : [withoutWildcard(name)],
  )
  return {
    ask: async (question): Promise<Answer> => {
      const asked = [...new Set([...question.domains, ...certificateDomains])]
      const answer = await base.ask({ ...question, domains: asked })
      const domain = (name: string): Fact<DomainFact> => closest(index.find(name), answer.domain(name))
      const outboundConnectors = withProposed(outbound, answer.outboundConnectors)
      if (isUnknown(answer.connectors)) return { connectors: answer.connectors, domain, outboundConnectors }
      const kept = answer.connectors.filter(({ connector }) => !replaced.has(keyOf(connector)))
      return {
        connectors: [...kept, ...findConnectors(question.presentedNames, question.address)],
        domain,
        outboundConnectors,
      }
    },
    summary: () => base.summary(),
    close: () => Promise.resolve(),
  }
}

function withProposed(
  proposed: readonly OutboundConnector[],
  registered: Answer['outboundConnectors'],
): Answer['outboundConnectors'] {
  const replaced = new Set(proposed.map((connector) => keyOf(connector)))
  return (organization) => {
    const there = registered(organization)
    if (isUnknown(there)) return there
    const own = proposed.filter((connector) => nameKey(connector.organization) === nameKey(organization))
    return [...there.filter((connector) => !replaced.has(keyOf(connector))), ...own]
  }
}

/** The most specific registered domain owns a name; at the same place the proposed one stands. */
function closest(proposed: DomainFact, registered: Fact<DomainFact>): Fact<DomainFact> {
  if (proposed.acceptedDomain === null || isUnknown(registered)) return registered
  const there = registered.acceptedDomain?.domainName.length ?? 0
  return proposed.acceptedDomain.domainName.length >= there ? proposed : registered
}

function keyOf({ organization, name }: Pick<InboundConnector, 'organization' | 'name'>): string {
  return `${nameKey(organization)}\n${nameKey(name)}`
}
