/** Whether other servers will believe that this host sends for the registered domains. */

import type { ReverseResult } from '../dns/host-records.ts'
import type { ServerFailure } from '../dns/lookup.ts'
import type { SpfResult } from '../dns/spf.ts'
import type { DnsFacts } from './dns-facts.ts'
import type { FindingSeverity, Report } from './finding.ts'
import { some } from './organizations.ts'

/**
 * @param facts what was heard
 * @param smartHost where all mail goes, HOST:PORT; null when it leaves by MX
 * @param report where findings go
 */
export function checkDns(facts: DnsFacts, smartHost: string | null, report: Report): void {
  const { addressesLeft, domainsLeft, reverse, spf } = facts
  const failures: string[] = []
  for (const { address, result } of reverse) {
    checkReverse(address, result, smartHost === null ? 'warning' : 'info', report)
    if (result.kind === 'could-not-ask') failures.push(`the name of ${address} (${whyOf(result.failures)})`)
  }
  for (const { address, domain, result } of spf) {
    checkSpfResult(domain, address, result, report)
    if (result.kind === 'temperror') failures.push(`SPF of ${domain} (${whyOf(result.failures)})`)
  }
  if (failures.length > 0) report('warning', 'dns-unavailable', some(failures))
  if (smartHost !== null) report('info', 'spf-not-needed', `all mail goes to ${smartHost}`)
  if (addressesLeft + domainsLeft > 0) {
    report('info', 'dns-left-out', `${domainsLeft} domains and ${addressesLeft} addresses were not looked at`)
  }
}

function whyOf(failures: readonly ServerFailure[]): string {
  const [first] = failures
  return first === undefined
    ? 'the time was up'
    : `${first.server === '' ? '' : `${first.server}: `}${first.detail}`
}

function checkReverse(
  address: string,
  result: ReverseResult,
  severity: FindingSeverity,
  report: Report,
): void {
  if (result.kind === 'none') report(severity, 'ptr-missing', address)
  if (result.kind !== 'unconfirmed') return
  const names = result.names.map(
    ({ addresses, host }) => `${host} (${(addresses ?? []).join(', ') || 'no address'})`,
  )
  report(severity, 'ptr-unconfirmed', `${address}: ${some(names)}`)
}

function checkSpfResult(domain: string, address: string, result: SpfResult, report: Report): void {
  switch (result.kind) {
    case 'pass':
    case 'temperror':
      return
    case 'none':
      report('warning', 'spf-missing', domain)
      return
    case 'permerror':
      report('warning', 'spf-broken', `${domain}: ${result.detail}`)
      return
    default: {
      const term = result.term === null ? 'no term of it matches' : `${result.term} decides`
      const what = `${domain} does not let ${address} send (${result.kind}): ${result.record}; ${term}`
      report(result.kind === 'fail' ? 'error' : 'warning', 'spf-excludes-host', what)
    }
  }
}
