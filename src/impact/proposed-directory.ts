/**
 * A directory that is only proposed: some organisations in memory in place of those of the same names, in front of the
 * directory as it is. Nothing of it is loaded: what a question hangs on is asked of it, as a decision would.
 */

import { registrableAbove } from '../directory/redis/keys.ts'
import type { Answer, ConnectorMatch, Directory, Question } from '../directory/directory.ts'
import { indexDomains } from '../directory/domain-index.ts'
import { buildDirectory } from '../directory/memory-directory.ts'
import type { Organization } from '../directory/model.ts'
import { nameKey } from '../directory/model.ts'
import { isUnknown } from '../policy/attribute.ts'
import type { AcceptedDomain, DomainFact, Fact, InboundConnector } from '../policy/types.ts'
import { withoutWildcard } from '../text/certificate-name.ts'

const REVISION = 'proposed'

/**
 * @param organizations the whole directory
 * @returns it
 */
export function wholeDirectory(organizations: readonly Organization[]): Directory {
  const memory = buildDirectory(organizations, REVISION)
  return {
    ask: (question) => Promise.resolve(memory.ask(question)),
    summary: () => memory.summary,
    close: () => Promise.resolve(),
  }
}

/**
 * @param base the directory as it is
 * @param organizations organisations as they shall be
 * @returns the directory as it would be: organisations of the same names are replaced, the others stay
 */
export function overlaid(base: Directory, organizations: readonly Organization[]): Directory {
  const overlay = new Overlay(base, organizations)
  return inFrontOf(base, (question) => overlay.ask(question))
}

/** Closing it leaves the directory behind it open. */
function inFrontOf(base: Directory, ask: Directory['ask']): Directory {
  return { ask, summary: () => ({ ...base.summary(), revision: REVISION }), close: () => Promise.resolve() }
}

class Overlay {
  readonly #base: Directory
  readonly #replaced: ReadonlySet<string>
  readonly #own: ReturnType<typeof buildDirectory>
  readonly #domains: ReturnType<typeof indexDomains>

  constructor(base: Directory, organizations: readonly Organization[]) {
    this.#base = base
    this.#replaced = new Set(organizations.map(({ name }) => nameKey(name)))
    this.#own = buildDirectory(organizations, REVISION)
    this.#domains = indexDomains(organizations.flatMap(({ acceptedDomains }) => acceptedDomains))
  }

  async ask(question: Question): Promise<Answer> {
    const { address, domains, outboundOf = [], presentedNames } = question
    const first = await this.#base.ask({ ...question, domains: domains.flatMap((name) => chainOf(name)) })
    const own = this.#own.ask({ presentedNames: [], address: null, domains: [], outboundOf })
    const before = first.connectors
    const connectors: Fact<readonly ConnectorMatch[]> = isUnknown(before)
      ? before
      : [
          ...before.filter(({ connector }) => !this.#isReplaced(connector)),
          ...this.#own.findConnectors(presentedNames, address),
        ]
    const named = isUnknown(connectors) ? [] : certificateDomains(connectors)
    const second =
      named.length === 0
        ? null
        : await this.#base.ask({
            presentedNames: [],
            address: null,
            domains: named.flatMap((name) => chainOf(name)),
          })
    const asked = new Set(domains)
    return {
      connectors,
      domain: (name) => this.#domain(name, asked.has(name) ? first : (second ?? first)),
      outboundConnectors: (name) =>
        (this.#isReplaced({ organization: name }) ? own : first).outboundConnectors(name),
    }
  }

  #isReplaced({ organization }: Pick<InboundConnector, 'organization'>): boolean {
    return this.#replaced.has(nameKey(organization))
  }

  /** The few records that the name can hang on, put together by the code that indexes a whole file. */
  #domain(name: string, { domain }: Answer): Fact<DomainFact> {
    const records: AcceptedDomain[] = []
    for (const each of chainOf(name)) {
      const own = this.#domains.get(each)
      if (own !== undefined) {
        records.push(own)
        continue
      }
      const fact = domain(each)
      if (isUnknown(fact)) return fact
      const record = fact.acceptedDomain
      // One above it may cover the name: it comes by itself.
      if (record?.domainName === each && !this.#isReplaced(record)) records.push(record)
    }
    return indexDomains(records).find(name)
  }
}

/** The name and those above it that may be registered. */
function chainOf(name: string): string[] {
  return [name, ...registrableAbove(name)]
}

function certificateDomains(connectors: readonly ConnectorMatch[]): string[] {
  const names = connectors.flatMap(({ by, connector: { tlsSenderCertificateName: name } }) =>
    by.via === 'certificate' && name !== null ? [withoutWildcard(name)] : [],
  )
  return [...new Set(names)]
}

/**
 * @param base a directory
 * @returns it, with report-only mode off everywhere
 */
export function enforcing(base: Directory): Directory {
  return inFrontOf(base, async (question) => {
    const answer = await base.ask(question)
    const { connectors } = answer
    if (isUnknown(connectors)) return answer
    return {
      ...answer,
      connectors: connectors.map(({ by, connector }) => ({
        by,
        connector: { ...connector, reportOnlyUntil: null, organizationReportOnlyUntil: null },
      })),
    }
  })
}
