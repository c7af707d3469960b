/** What the journals of a period show of each connector and domain of the directory, counted in one pass. */

import type { JournalCoverage } from '../journal/coverage.ts'
import type { JournalRecord } from '../journal/record.ts'
import { scanJournal } from '../journal/scan.ts'
import { withoutWildcard } from '../text/certificate-name.ts'
import { ancestorsOf, normalizeDomain } from '../text/domain-name.ts'
import type { ConnectorFacts, DirectoryFacts } from './directory-facts.ts'

export interface UsageFacts {
  /** What each folder had to say. */
  readonly coverage: readonly JournalCoverage[]
  /** ISO 8601 in UTC. */
  readonly since: string
  /** From when on all of them are complete; null when one of them holds nothing. */
  readonly completeSince: string | null
  /** Records of the period. */
  readonly records: number
  /** The latest time of a record, whatever the period; null without any. */
  readonly latest: string | null
}

/** When no journal could be read. */
export function nothingRead(since: Date): UsageFacts {
  return { coverage: [], since: since.toISOString(), completeSince: null, records: 0, latest: null }
}

/** Refused since neither condition held, of a peer with a connector. */
const LOST = new Set([
  'null-sender',
  'sender-domain-not-accepted',
  'sender-sub-domain-not-covered',
  'sender-domain-not-proven',
  'certificate-domain-not-accepted',
  'certificate-domain-not-proven',
])

/**
 * @param directories journal folders
 * @param since from when on
 * @param directory the directory, whose connectors and domains are counted in it
 * @param watch told how much is read, and ends it
 * @returns what was read
 */
export async function countUsage(
  directories: readonly string[],
  since: Date,
  directory: DirectoryFacts,
  watch: { readonly signal: AbortSignal; readonly progress: (share: number) => void },
): Promise<UsageFacts> {
  const scan = scanJournal(directories, { since })
  for await (const records of scan.batches) {
    watch.signal.throwIfAborted()
    for (const record of records) count(record, directory)
    watch.progress(scan.share())
  }
  const coverage = scan.coverage()
  const starts = coverage.map(({ completeSince }) => completeSince)
  const known = starts.filter((start) => start !== null)
  const latest =
    coverage
      .flatMap((one) => one.latest ?? [])
      .toSorted()
      .at(-1) ?? null
  return {
    coverage,
    since: since.toISOString(),
    completeSince: known.length < starts.length ? null : (known.toSorted().at(-1) ?? null),
    records: coverage.reduce((sum, { records }) => sum + records, 0),
    latest,
  }
}

function count(record: JournalRecord, directory: DirectoryFacts): void {
  const { connector: name, organization, outcome, reason, recipient, sender, wouldBe } = record
  const connector =
    name === null || organization === null ? undefined : directory.connector(organization, name)
  if (connector !== undefined) countConnector(record, connector)
  if (outcome === 'deliver') use(directory, domainOf(recipient))
  if (outcome !== 'relay' || connector === undefined) return
  if (reason === 'certificate-domain-accepted' && connector.certificateName !== null) {
    use(directory, withoutWildcard(connector.certificateName))
  }
  if (wouldBe === undefined) use(directory, domainOf(sender))
}

function countConnector({ reason, sender, via, wouldBe }: JournalRecord, { traffic }: ConnectorFacts): void {
  if (via === 'certificate') traffic.byCertificate += 1
  if (via === 'address') traffic.byAddress += 1
  if (!LOST.has(wouldBe ?? reason)) return
  if (sender === '') traffic.lostNullSender += 1
  else traffic.lostForeign += 1
  if (wouldBe !== undefined) traffic.reportOnly += 1
}

function domainOf(address: string): string | null {
  return normalizeDomain(address.slice(address.lastIndexOf('@') + 1))
}

/** Of the registered domains that may cover the name, the one that does (`domain-index.ts`). */
function use({ domains }: DirectoryFacts, name: string | null): void {
  if (name === null) return
  let owner: string | null = null
  for (const candidate of [name, ...ancestorsOf(name)]) {
    const record = domains.get(candidate)
    if (record === undefined) continue
    owner ??= record.organization
    if (record.organization !== owner) return
    if (candidate !== name && !record.matchSubDomains) continue
    record.used = true
    return
  }
}
