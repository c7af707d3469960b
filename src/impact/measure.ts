/** Replays the journals of a period under a proposed directory or time, and reports what would change. */

import type { Directory } from '../directory/directory.ts'
import { nameKey } from '../directory/model.ts'
import type { JournalCoverage } from '../journal/coverage.ts'
import type { JournalRecord } from '../journal/record.ts'
import { scanJournal } from '../journal/scan.ts'
import { addressBytes, formatRange, maskBytes, parseRange } from '../text/ip-address.ts'
import type { Fix } from './fix.ts'
import { fixOf } from './fix.ts'
import type { CoveredPeriod } from './period.ts'
import { coveredPeriod } from './period.ts'
import type { Judged, ReplayOptions } from './replay.ts'
import { Replay } from './replay.ts'
import type { ChangeCount, UncertainCount } from './tally.ts'
import { Tally } from './tally.ts'

export interface ImpactQuestion {
  /** The journal that the instance itself writes. */
  readonly own: string
  /** Other nodes' journals, or copies of them. */
  readonly copies: readonly string[]
  readonly since: Date
  readonly until: Date
  /** The directory as it is, in force at `until`. */
  readonly directory: Directory
  readonly proposed: {
    readonly directory: Directory
    /** When it is asked, ISO 8601 in UTC. */
    readonly now: string
    /** Whether connectors or domains are others, beside report-only mode. */
    readonly isOther: boolean
  }
  readonly settings: ReplayOptions['settings']
  /** Addresses and ranges of listed proxies. */
  readonly proxies: readonly string[]
  /** Only decisions that hang on this organisation; null for all. */
  readonly organization: string | null
  /** What --instance names, for the commands that are advised; null for the folder that one is in. */
  readonly instance: string | null
}

/** Told how far it is, from 0 to 1, and ends it. */
export interface ImpactWatch {
  readonly signal: AbortSignal
  readonly progress: (share: number) => void
}

export interface ImpactChange extends ChangeCount {
  /** Of the time that all journals cover; null where there is no such time. */
  readonly perDay: number | null
  readonly fix: Fix
}

export interface Impact {
  readonly period: CoveredPeriod
  readonly nodes: readonly JournalCoverage[]
  /** Decisions that were replayed: one for each recipient. */
  readonly decisions: number
  /** What is lost first, then what is most. */
  readonly changes: readonly ImpactChange[]
  readonly uncertain: readonly UncertainCount[]
  readonly unchanged: number
  readonly otherReason: number
  readonly otherwiseThen: number
  readonly lossServers: { readonly count: number; readonly isMore: boolean }
}

/**
 * @param question which journals, which period, and what is proposed
 * @param watch where progress is shown, and what ends it
 * @returns what would change; memory is bounded whatever the journals hold
 * @throws the system's error when a journal cannot be read, and the signal's when it is aborted
 */
export async function measureImpact(question: ImpactQuestion, watch: ImpactWatch): Promise<Impact> {
  const { copies, own, since, until } = question
  const scan = scanJournal([own, ...copies], { since, until })
  const period = (): CoveredPeriod => coveredPeriod(scan.coverage(), own, since, until)
  const replay = new Replay({
    present: { directory: question.directory, now: until.toISOString() },
    proposed: question.proposed,
    settings: question.settings,
    isOtherDirectory: question.proposed.isOther,
    isProxy: proxyTest(question.proxies),
  })
  const isWanted = wantedOf(question.organization)
  let tally: Tally | null = null
  let before: Promise<Tallying> | null = null
  for await (const records of scan.batches) {
    watch.signal.throwIfAborted()
    // What is there is known as soon as the first records come.
    tally ??= new Tally(period().covered)
    // While a store that is far away is asked for these, the ones before are counted.
    const next = replay.judge(records).then((judged) => ({ records, judged }))
    if (before !== null) count(tally, await before, isWanted)
    before = next
    watch.progress(scan.share())
  }
  if (tally !== null && before !== null) count(tally, await before, isWanted)
  return reportOf(question, tally ?? new Tally(null), period(), scan.coverage())
}

interface Tallying {
  readonly records: readonly JournalRecord[]
  readonly judged: readonly Judged[]
}

type IsWanted = (record: JournalRecord, judged: Judged) => boolean

function count(tally: Tally, { judged, records }: Tallying, isWanted: IsWanted): void {
  for (const [index, record] of records.entries()) {
    const one = judged[index]
    if (one !== undefined && isWanted(record, one)) tally.add(record, one)
  }
}

function reportOf(
  { instance }: ImpactQuestion,
  tally: Tally,
  period: CoveredPeriod,
  nodes: readonly JournalCoverage[],
): Impact {
  const days = period.covered?.days ?? null
  const changes = tally.changes.map((change): ImpactChange => {
    const known = tally.known(change.organization ?? '')
    return {
      ...change,
      perDay: days === null ? null : change.covered / days,
      fix: fixOf({ change, known, instance }),
    }
  })
  return {
    period,
    nodes,
    decisions: tally.decisions,
    changes: changes.toSorted(worstFirst),
    uncertain: tally.uncertainties.toSorted((left, right) => right.messages - left.messages),
    unchanged: tally.unchanged,
    otherReason: tally.otherReason,
    otherwiseThen: tally.otherwiseThen,
    lossServers: tally.lossServers,
  }
}

function worstFirst(left: ChangeCount, right: ChangeCount): number {
  if (left.isLoss !== right.isLoss) return left.isLoss ? -1 : 1
  return right.messages - left.messages
}

/** Whether a decision hangs on the organisation, as it was, is or would be. */
function wantedOf(organization: string | null): IsWanted {
  if (organization === null) return () => true
  const key = nameKey(organization)
  const is = (name: string | null): boolean => name !== null && nameKey(name) === key
  return (record, { judgement: { present, proposed } }) =>
    is(record.organization) || is(present.organization) || is(proposed.organization)
}

/** As Haraka's is_haproxy_allowed: a listed address, or one in a listed range. */
function proxyTest(listed: readonly string[]): (address: string) => boolean {
  const ranges = listed.flatMap((text) => parseRange(text.replaceAll(/[[\]]/g, '')) ?? [])
  return (address) => {
    if (ranges.length === 0) return false
    const bytes = addressBytes(address)
    if (bytes === null) return false
    return ranges.some(
      ({ bytes: network, prefixLength, range }) =>
        network.length === bytes.length &&
        formatRange(maskBytes(bytes, prefixLength), prefixLength) === range,
    )
  }
}
