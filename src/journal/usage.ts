/** What traffic used a record of the directory: counted from the journals of the nodes that are named, and of no others. */

import { indexDomains } from '../directory/domain-index.ts'
import type { ConfiguredConnector, Organization } from '../directory/model.ts'
import { nameKey } from '../directory/model.ts'
import type { AcceptedDomain } from '../policy/types.ts'
import { withoutWildcard } from '../text/certificate-name.ts'
import { normalizeDomain } from '../text/domain-name.ts'
import type { JournalCoverage, JournalGap } from './coverage.ts'
import { gapsOf } from './coverage.ts'
import type { GoneDecisions, PresentNames } from './gone.ts'
import { OtherNames } from './gone.ts'
import { fitsOneOf } from './peer-fit.ts'
import type { JournalRecord } from './record.ts'
import { scanJournal } from './scan.ts'
import type { Usage } from './tally.ts'
import { Tally } from './tally.ts'

/**
 * How a decision hangs on a record. connector: it was the matched one. sender, recipient: its domain is the registered
 * one. certificate: condition (b) held by the registered domain.
 */
export type Use = 'connector' | 'sender' | 'recipient' | 'certificate'

/** How decisions hang on the record of the directory that is asked about. */
export interface Uses {
  /** The organisation that it is, or is of. */
  readonly organization: string
  /** @returns how a decision hangs on it by the names that it has now; nothing when it does not */
  readonly named: (record: JournalRecord) => readonly Use[]
  /** What it may have been used for by decisions under names that are gone. */
  readonly formerly: {
    readonly use: Use
    /** Whether a decision would count if the names in it were other ones. */
    readonly isPossible: (record: JournalRecord) => boolean
    /** Whether the peer fits it as it is now. */
    readonly fits: (record: JournalRecord) => boolean
  }
}

export interface UsageReport {
  /** ISO 8601 in UTC. */
  readonly since: string
  readonly until: string
  readonly nodes: readonly JournalCoverage[]
  readonly gaps: readonly JournalGap[]
  readonly usage: ReadonlyMap<Use, Usage>
  /** Decisions under names that are gone, which may have been of what was asked about; null for none. */
  readonly gone: GoneDecisions | null
}

/** What the journals hold, before it is known which names in it are gone. */
export interface Counted {
  /** The traffic, and where nothing is known of it; null when the directory must be asked which names there are. */
  readonly settled: UsageReport | null
  /**
   * @param present the directory as it is now
   * @returns the traffic, and where nothing is known of it
   * @throws with one message when the directory cannot be asked
   */
  settle(present: PresentNames): Promise<UsageReport>
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

/**
 * @param question which journals, which period, and what is looked for
 * @param progress told now and then how much is read, from 0 to 1
 * @returns what they hold, to be settled with the directory
 */
export async function countUsage(
  { own, copies, since, until, uses }: UsageQuestion,
  progress: (share: number) => void = () => undefined,
): Promise<Counted> {
  const { formerly, named, organization } = uses
  const usage = new Map<Use, Tally>()
  const others = new OtherNames(organization)
  const scan = scanJournal([own, ...copies], { since, until })
  for await (const records of scan.batches) {
    for (const record of records) {
      for (const use of named(record)) tallyOf(usage, use).add(record)
      if (formerly.isPossible(record)) others.add(record, formerly.fits)
    }
    progress(scan.share())
  }
  const nodes = scan.coverage()
  const report = {
    since: since.toISOString(),
    until: until.toISOString(),
    nodes,
    gaps: gapsOf(nodes, own, since, until),
    usage,
  }
  return {
    settled: others.isEmpty ? { ...report, gone: null } : null,
    settle: async (present) => {
      const gone = await others.gone(present)
      if (gone.fitting.decisions > 0) tallyOf(usage, formerly.use).addAll(gone.fitting)
      return { ...report, gone: gone.others }
    },
  }
}

function tallyOf(usage: Map<Use, Tally>, use: Use): Tally {
  const tally = usage.get(use) ?? new Tally()
  usage.set(use, tally)
  return tally
}

/**
 * @param connector an inbound connector
 * @returns finds the decisions for which it was the matched one, whatever it was called
 */
export function usesOfConnector(connector: ConfiguredConnector): Uses {
  const { name, organization } = connector
  const is = isConnector(organization, [name])
  return {
    organization,
    named: (record) => (is(record) ? ['connector'] : []),
    formerly: { use: 'connector', isPossible: (record) => !is(record), fits: fitsOneOf([connector]) },
  }
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
  return {
    organization: owner.name,
    named: (record) => {
      const uses: Use[] = []
      if (find(domainOf(record.sender)) === domainName) uses.push('sender')
      if (find(domainOf(record.recipient)) === domainName) uses.push('recipient')
      if (isByCertificate(record) && isRelied(record)) uses.push('certificate')
      return uses
    },
    formerly: {
      use: 'certificate',
      isPossible: (record) => isByCertificate(record) && !isRelied(record),
      fits: fitsOneOf(named),
    },
  }
}

/**
 * @param organization an organisation
 * @returns finds the decisions for which one of its connectors was the matched one, whatever it was called, and mail
 *   from and to its domains
 */
export function usesOfOrganization(organization: Organization): Uses {
  const find = registeredFor(organization)
  const key = nameKey(organization.name)
  const isIts = ({ connector, organization: owner }: JournalRecord): boolean =>
    owner !== null && connector !== null && nameKey(owner) === key
  return {
    organization: organization.name,
    named: (record) => {
      const uses: Use[] = []
      if (isIts(record)) uses.push('connector')
      if (find(domainOf(record.sender)) !== null) uses.push('sender')
      if (find(domainOf(record.recipient)) !== null) uses.push('recipient')
      return uses
    },
    formerly: {
      use: 'connector',
      isPossible: (record) => !isIts(record),
      fits: fitsOneOf(organization.inboundConnectors),
    },
  }
}

/** Whether condition (b) held. */
function isByCertificate({ reason }: JournalRecord): boolean {
  return reason === 'certificate-domain-accepted'
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
