/**
 * What the journal shows of the connectors and domains: what is refused, what was never seen. Nothing is called unused
 * where the journals do not cover the period that was asked for.
 */

import { gapText } from '../journal/coverage.ts'
import { goneText } from '../journal/gone.ts'
import { isPublic } from './addresses.ts'
import type { CertificateDomain, ConnectorFacts, DirectoryFacts } from './directory-facts.ts'
import { describeConnector, isActive } from './directory-facts.ts'
import type { Report } from './finding.ts'
import type { GoneNames } from './gone-names.ts'
import { some } from './organizations.ts'
import type { Reach } from './reach.ts'
import type { UsageFacts } from './usage-facts.ts'

const DAY = 86_400_000

/** Days before its end in which report-only mode is a warning when something still hangs on it. */
const LAST_DAYS = 14

export interface TrafficContext {
  readonly directory: DirectoryFacts
  readonly usage: UsageFacts
  readonly reach: Reach
  /** ISO 8601 in UTC. */
  readonly now: string
  /** Whether other nodes, whose journals may be missing, decide from the same directory. */
  readonly shared: boolean
}

/**
 * @param context the directory, what was counted, and what cannot be chosen anyway
 * @param report where findings go
 */
export function checkTraffic(context: TrafficContext, report: Report): void {
  const { directory, reach, usage } = context
  const quiet: ConnectorFacts[] = []
  for (const connector of directory.connectors) {
    if (!isActive(connector) || reach.unreachable.has(connector)) continue
    if (!reach.healed.has(connector)) checkTrap(connector, usage, report)
    checkReportOnly(connector, context, report)
    if (checkAddressOnly(connector, usage, report)) quiet.push(connector)
    checkPublic(connector, usage, report)
  }
  if (quiet.length > 0) {
    const named = some(quiet.map((connector) => describeConnector(connector)))
    const names = quiet.some(({ organization }) => usage.gone.of(organization) !== null)
      ? ' under their present names'
      : ''
    const none =
      period(usage) === ''
        ? 'no journal tells how much was refused'
        : `none was refused ${period(usage)}${names}`
    report('info', 'address-connector-loses-mail', `by address only, and ${none}: ${named}`)
  }
  checkUnused(context, report)
}

/** @returns in words, of what time something is known; '' when of none */
function period({ coverage, gaps, since }: UsageFacts): string {
  if (coverage.length === 0 || gaps.some(({ kind }) => kind === 'nothing')) return ''
  const before = gaps.flatMap(({ kind, time }) => (kind === 'before' ? [time] : [])).toSorted()
  const start = before.at(-1)
  const others = gaps.filter(({ kind }) => kind !== 'before').map((gap) => ` (${gapText(gap)})`)
  const known = start === undefined ? `since ${since}` : `since ${start} (before that nothing is known)`
  return `${known}${others.join('')}`
}

/** The same, of one connector: what was decided under a name that is gone may have been its. */
function periodOf({ organization }: ConnectorFacts, usage: UsageFacts): string {
  const gone = usage.gone.of(organization)
  const when = period(usage)
  return when === '' || gone === null ? when : `${when} (${goneText(gone)})`
}

/** What neither condition held for, in words. */
function lost(connector: ConnectorFacts, usage: UsageFacts): string {
  const { lostForeign, lostNullSender, reportOnly } = connector.traffic
  const when = periodOf(connector, usage)
  if (lostForeign + lostNullSender === 0) {
    return when === '' ? 'no journal tells how much was refused' : `none was refused ${when}`
  }
  const relayed = reportOnly === 0 ? '' : `, of which report-only mode relayed ${reportOnly}`
  return `refused ${when}: ${lostNullSender} with the null sender (non-delivery reports), ${lostForeign} with foreign senders${relayed}`
}

function checkTrap(connector: ConnectorFacts, usage: UsageFacts, report: Report): void {
  const { certificateDomain, certificateName, organization } = connector
  if (certificateDomain === null || certificateDomain.state === 'accepted') return
  const [why, remedy] = trap(certificateDomain, organization)
  report(
    'warning',
    'certificate-domain-trap',
    `${describeConnector(connector)} is for ${certificateName ?? ''}, and ${why}; ${lost(connector, usage)}`,
    remedy,
  )
}

function trap(
  { domain, registered, state }: CertificateDomain,
  organization: string,
): readonly [why: string, remedy: string] {
  const record = registered ?? domain
  if (state === 'pending-removal')
    return [`${record} is pending removal`, `remove pendingRemoval from ${record}`]
  if (state === 'unproven') {
    const why = `nobody has shown that ${record} belongs to ${organization}, and proof is required`
    return [why, `connectorctl domain verify ${record}`]
  }
  const why = `${domain} is no accepted domain of ${organization}`
  if (registered === null)
    return [why, `add ${domain} to the accepted domains of ${organization}, if it belongs there`]
  return [
    why,
    `set tlsSenderCertificateName to "*.${registered}", which is registered, or add ${domain} to the accepted domains`,
  ]
}

/** @returns whether it is of the kind that loses mail, and lost none */
function checkAddressOnly(connector: ConnectorFacts, usage: UsageFacts, report: Report): boolean {
  if (connector.certificateName !== null) return false
  const { lostForeign, lostNullSender } = connector.traffic
  if (lostForeign + lostNullSender === 0) return true
  report(
    'warning',
    'address-connector-loses-mail',
    `${describeConnector(connector)}, for ${some(connector.ranges)}: ${lost(connector, usage)}`,
  )
  return false
}

function checkReportOnly(connector: ConnectorFacts, { now, usage }: TrafficContext, report: Report): void {
  const { reportOnlyUntil: until, traffic } = connector
  if (until === null || until <= now) return
  const known = periodOf(connector, usage)
  const when = known === '' ? '' : `, ${known}`
  const isNear = Date.parse(until) - Date.parse(now) < LAST_DAYS * DAY
  report(
    isNear && traffic.reportOnly > 0 ? 'warning' : 'info',
    'report-only',
    `${describeConnector(connector)}: until ${until}; ${traffic.reportOnly} decisions hung on it${when}`,
  )
}

function checkPublic(connector: ConnectorFacts, usage: UsageFacts, report: Report): void {
  if (connector.traffic.byAddress > 0) return
  const ranges = connector.ranges.filter((range) => isPublic(range))
  if (ranges.length === 0) return
  const known = periodOf(connector, usage)
  const when = known === '' ? '' : `, ${known}`
  report(
    'warning',
    'public-address-unmatched',
    `${describeConnector(connector)} names ${some(ranges)}, and no decision of the journal was for it by address${when}`,
  )
}

/** One that was not seen: a connector, or a domain. */
interface Quiet {
  readonly organization: string
  readonly code: 'connector-unused' | 'domain-unused'
  readonly subject: string
}

/** Quiet connectors and domains: unused, or unknown. */
function checkUnused({ directory, reach, shared, usage }: TrafficContext, report: Report): void {
  const { gone, goneByCertificate, since } = usage
  const where = usage.coverage.map(({ directory: folder }) => folder).join(', ')
  const connectors = directory.connectors
    .filter((connector) => isActive(connector) && !reach.unreachable.has(connector) && !isUsed(connector))
    .map((connector): Quiet => ({
      organization: connector.organization,
      code: 'connector-unused',
      subject: describeConnector(connector),
    }))
  const domains = [...directory.domains]
    .filter(([, { used }]) => !used)
    .map(([name, { organization }]): Quiet => ({
      organization,
      code: 'domain-unused',
      subject: `${name} of ${organization}`,
    }))
  const gap = whyUnknown(usage, shared)
  if (gap !== null) {
    if (connectors.length + domains.length === 0) return
    const counted = `${connectors.length} connectors and ${domains.length} domains were`
    report('info', 'usage-unknown', `${gap}; asked for since ${since}: ${counted} not seen in ${where}`)
    return
  }
  for (const one of [...connectors, ...domains]) {
    const names: GoneNames = one.code === 'connector-unused' ? gone : goneByCertificate
    const formerly = names.of(one.organization)
    const evidence = `nothing since ${since} in ${where}`
    if (formerly === null) report('info', one.code, `${one.subject}: ${evidence}`)
    else report('info', 'usage-unknown', `${one.subject}: ${evidence}, but ${goneText(formerly)}`)
  }
}

function isUsed({ traffic }: ConnectorFacts): boolean {
  return traffic.byAddress + traffic.byCertificate > 0
}

/** @returns why what was not seen may have been used all the same; null when it was not used */
function whyUnknown({ coverage, gaps }: UsageFacts, shared: boolean): string | null {
  if (coverage.length === 0) return 'unknown: no journal could be read'
  if (gaps.length > 0) return gaps.map((gap) => gapText(gap)).join('; ')
  // Nodes that share a directory have a journal each.
  return shared && coverage.length < 2 ? "unknown: other nodes' journals were not named" : null
}
