/** What traffic used a record of the directory: counted from the journals of the nodes that are named, and of no others. */

import { indexDomains } from '../directory/domain-index.ts'
import type { ConfiguredConnector, Organization } from '../directory/model.ts'
import { nameKey } from '../directory/model.ts'
import type { AcceptedDomain, Outcome } from '../policy/types.ts'
import { withoutWildcard } from '../text/certificate-name.ts'
import { normalizeDomain } from '../text/domain-name.ts'
import type { JournalCoverage } from './coverage.ts'
import type { JournalRecord } from './record.ts'
import { scanJournal } from './scan.ts'

/**
 * How a decision hangs on a record. connector: it was the matched one. sender, recipient: its domain is the registered
 * one. certificate: condition (b) held by the registered domain.
 */
export type Use = 'connector' | 'sender' | 'recipient' | 'certificate'

/** @returns how a decision hangs on the record that is asked about; nothing when it does not */
export type Uses = (record: JournalRecord) => readonly Use[]

/** Decisions, one for each recipient. */
export interface Usage {
  readonly decisions: number
  readonly outcomes: ReadonlyMap<Outcome, number>
  /** Time of the last one, as records have it; null when there is none. */
  readonly last: string | null
  /** The first few addresses that it came from. */
  readonly addresses: readonly string[]
  readonly moreAddresses: boolean
}

/** Where a node's journal does not say what happened in the period. */
export interface UsageGap {
  readonly directory: string
  /** nothing: it holds no decision at all. before: what came before `time` is gone. after: the copy ends at `time`. */
  readonly kind: 'nothing' | 'before' | 'after'
  /** As records have it; '' for `nothing`. */
  readonly time: string
}

export interface UsageReport {
  /** ISO 8601 in UTC. */
  readonly since: string
  readonly until: string
  readonly nodes: readonly JournalCoverage[]
  readonly gaps: readonly UsageGap[]
  readonly usage: ReadonlyMap<Use, Usage>
}

export interface UsageQuestion {
  /** The journal that the instance itself writes: it goes on until now. */
  readonly own: string
  /** Copies of other nodes' journals. */
  readonly copies: readonly string[]
  readonly since: Date
  readonly until: Date
  readonly uses: Uses
}

/** A copy that was made within this is as good as one of now: a quiet node may have had nothing to write. */
const COPY_MILLISECONDS = 86_400_000

const MOST_ADDRESSES = 10

/**
 * @param question which journals, which period, and what is looked for
 * @param progress told now and then how much is read, from 0 to 1
 * @returns the traffic, and where nothing is known of it
 */
export async function countUsage(
  { own, copies, since, until, uses }: UsageQuestion,
  progress: (share: number) => void = () => undefined,
): Promise<UsageReport> {
  const tallies = new Map<Use, Tally>()
  const scan = scanJournal([own, ...copies], { since, until })
  for await (const records of scan.batches) {
    for (const record of records) {
      for (const use of uses(record)) {
        const tally = tallies.get(use) ?? new Tally()
        tallies.set(use, tally)
        tally.add(record)
      }
    }
    progress(scan.share())
  }
  const nodes = scan.coverage()
  return {
    since: since.toISOString(),
    until: until.toISOString(),
    nodes,
    gaps: nodes.flatMap((node) => gapsOf(node, node.directory === own, since, until)),
    usage: tallies,
  }
}

function gapsOf(
  { completeSince, directory, latest }: JournalCoverage,
  isOwn: boolean,
  since: Date,
  until: Date,
): UsageGap[] {
  if (completeSince === null) return [{ directory, kind: 'nothing', time: '' }]
  const gaps: UsageGap[] = []
  if (completeSince > since.toISOString()) gaps.push({ directory, kind: 'before', time: completeSince })
  const enough = new Date(until.getTime() - COPY_MILLISECONDS).toISOString()
  if (!isOwn && latest !== null && latest < enough) gaps.push({ directory, kind: 'after', time: latest })
  return gaps
}

class Tally implements Usage {
  decisions = 0
  last: string | null = null
  moreAddresses = false
  readonly outcomes = new Map<Outcome, number>()
  readonly #addresses = new Set<string>()

  get addresses(): readonly string[] {
    return [...this.#addresses]
  }

  add({ outcome, peer, time }: JournalRecord): void {
    this.decisions += 1
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1)
    if (this.last === null || time > this.last) this.last = time
    if (this.#addresses.has(peer.address)) return
    if (this.#addresses.size < MOST_ADDRESSES) this.#addresses.add(peer.address)
    else this.moreAddresses = true
  }
}

/**
 * @param connector an inbound connector
 * @returns finds the decisions for which it was the matched one
 */
export function usesOfConnector({ name, organization }: ConfiguredConnector): Uses {
  const is = isConnector(organization, [name])
  return (record) => (is(record) ? ['connector'] : [])
}

/**
 * @param domain an accepted domain
 * @param owner its organisation: a sub-domain that is registered itself is not this domain's
 * @returns finds mail from it, mail to it, and mail that was relayed since the certificate's domain is it
 */
export function usesOfDomain({ domainName }: AcceptedDomain, owner: Organization): Uses {
  const find = registeredFor(owner)
  const named = owner.inboundConnectors.filter(
    ({ tlsSenderCertificateName: name }) => name !== null && find(withoutWildcard(name)) === domainName,
  )
  const isRelied = isConnector(
    owner.name,
    named.map(({ name }) => name),
  )
  return (record) => {
    const uses: Use[] = []
    if (find(domainOf(record.sender)) === domainName) uses.push('sender')
    if (find(domainOf(record.recipient)) === domainName) uses.push('recipient')
    if (record.reason === 'certificate-domain-accepted' && isRelied(record)) uses.push('certificate')
    return uses
  }
}

/**
 * @param organization an organisation
 * @returns finds the decisions for which one of its connectors was the matched one, and mail from and to its domains
 */
export function usesOfOrganization(organization: Organization): Uses {
  const find = registeredFor(organization)
  const key = nameKey(organization.name)
  return (record) => {
    const uses: Use[] = []
    if (record.organization !== null && nameKey(record.organization) === key && record.connector !== null) {
      uses.push('connector')
    }
    if (find(domainOf(record.sender)) !== null) uses.push('sender')
    if (find(domainOf(record.recipient)) !== null) uses.push('recipient')
    return uses
  }
}

/** The organisation's registered domain that a name counts as, or null. */
function registeredFor({ acceptedDomains }: Organization): (domain: string) => string | null {
  const index = indexDomains(acceptedDomains)
  return (domain) => (domain === '' ? null : (index.find(domain).acceptedDomain?.domainName ?? null))
}

function isConnector(organization: string, names: readonly string[]): (record: JournalRecord) => boolean {
  const [owner, keys] = [nameKey(organization), new Set(names.map((name) => nameKey(name)))]
  return (record) =>
    record.organization !== null &&
    record.connector !== null &&
    keys.has(nameKey(record.connector)) &&
    nameKey(record.organization) === owner
}

function domainOf(address: string): string {
  const at = address.lastIndexOf('@')
  return at === -1 ? '' : (normalizeDomain(address.slice(at + 1)) ?? '')
}
