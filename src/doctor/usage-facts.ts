/** What the journals of a period show of each connector and domain of the directory, counted in one pass. */

import type { JournalCoverage, JournalGap } from '../journal/coverage.ts'
import { gapsOf } from '../journal/coverage.ts'
import { matchedNames } from '../journal/gone.ts'
import type { JournalRecord } from '../journal/record.ts'
import { scanJournal } from '../journal/scan.ts'
import { withoutWildcard } from '../text/certificate-name.ts'
import { ancestorsOf, normalizeDomain } from '../text/domain-name.ts'
import type { ConnectorFacts, DirectoryFacts } from './directory-facts.ts'
import { GoneNames } from './gone-names.ts'

export interface UsageFacts {
  /** What each folder had to say. */
  readonly coverage: readonly JournalCoverage[]
  /** ISO 8601 in UTC. */
  readonly since: string
  /** Where it is not known what happened since then. */
  readonly gaps: readonly JournalGap[]
  /** Decisions for connectors that the directory does not have, which may have been of any that it has. */
  readonly gone: GoneNames
  /** Of these, those that were relayed since the certificate's domain is accepted. */
  readonly goneByCertificate: GoneNames
  /** Records of the period. */
  readonly records: number
  /** The latest time of a record, whatever the period; null without any. */
  readonly latest: string | null
}

/** When no journal could be read. */
export function nothingRead(since: Date): UsageFacts {
  return {
    coverage: [],
    since: since.toISOString(),
    gaps: [],
    gone: new GoneNames(),
    goneByCertificate: new GoneNames(),
    records: 0,
    latest: null,
  }
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
 * @param directories journal folders, the instance's own first
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
  const gone = { gone: new GoneNames(), goneByCertificate: new GoneNames() }
  for await (const records of scan.batches) {
    watch.signal.throwIfAborted()
    for (const record of records) count(record, directory, gone)
    watch.progress(scan.share())
  }
  const coverage = scan.coverage()
  const latest =
    coverage
      .flatMap((one) => one.latest ?? [])
      .toSorted()
      .at(-1) ?? null
  return {
    coverage,
    since: since.toISOString(),
    gaps: gapsOf(coverage, directories[0], since, new Date()),
    ...gone,
    records: coverage.reduce((sum, { records }) => sum + records, 0),
    latest,
  }
}

type Gone = Pick<UsageFacts, 'gone' | 'goneByCertificate'>

function count(record: JournalRecord, directory: DirectoryFacts, gone: Gone): void {
  const { connector: name, organization, outcome, reason, recipient, sender, wouldBe } = record
  if (outcome === 'deliver') use(directory, domainOf(recipient))
  if (name === null || organization === null) return
  const connector = directory.connector(organization, name)
  const isByCertificate = outcome === 'relay' && reason === 'certificate-domain-accepted'
  if (connector === undefined) {
    if (matchedNames(record) === null) return
    const isThere = directory.hasOrganization(organization)
    gone.gone.add(organization, name, isThere)
    if (isByCertificate) gone.goneByCertificate.add(organization, name, isThere)
  } else {
    countConnector(record, connector)
    const { certificateName } = connector
    if (isByCertificate && certificateName !== null) use(directory, withoutWildcard(certificateName))
  }
  // Domains keep their names, whatever becomes of the connector's.
  if (outcome === 'relay' && wouldBe === undefined) use(directory, domainOf(sender))
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
