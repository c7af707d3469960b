/** What connectorctl check says, as findings. What doctor looks at more closely is left to its own checks. */

import type { Problem } from '../directory/model.ts'
import type { CheckResult } from '../instance/check.ts'
import { formatEndpoint, isLoopback } from '../instance/endpoint.ts'
import type { FindingCode } from './codes.ts'
import type { Finding, FindingSeverity, Report } from './finding.ts'

const SEVERITIES: Readonly<Record<Problem['severity'], FindingSeverity>> = {
  error: 'error',
  warning: 'warning',
  notice: 'info',
}

/** Problems that a check of doctor's own tells with more evidence, in the words of `instance/check.ts` and `directory/`. */
const TOLD_ELSEWHERE: readonly RegExp[] = [
  /^the certificate domain .* of connector /,
  /^restrictions of a Partner connector are not enforced yet/,
  /^a connector with a name and addresses is read as OR/,
  /^report-only mode ended on /,
  /^expired \d+ days ago: servers that verify it/,
  /^expires in \d+ days$/,
  /holds a list of .* that is stale since /,
  /require_domain_proof/,
]

/**
 * @param check what `checkInstance` found
 * @param report where findings go
 */
export function checkSettings({ haraka, problems }: CheckResult, report: Report): void {
  for (const problem of problems) {
    if (isToldElsewhere(problem)) continue
    const { code, evidence, severity } = settingFinding(problem)
    report(severity, code, evidence, problem.mend === '' ? undefined : problem.mend)
  }
  const { listen, proxies } = haraka
  if (proxies.length === 0 && listen.length > 0 && listen.every(({ host }) => isLoopback(host))) {
    report('info', 'loopback-only', listen.map((endpoint) => formatEndpoint(endpoint)).join(', '))
  }
}

/**
 * @param problem a problem that check found
 * @returns whether another check of doctor says the same
 */
export function isToldElsewhere({ file, message }: Problem): boolean {
  return file === 'data/expiring' || TOLD_ELSEWHERE.some((pattern) => pattern.test(message))
}

/**
 * @param problem a problem that check found
 * @returns the finding that it is
 */
export function settingFinding(problem: Problem): Omit<Finding, 'remedy'> {
  const { column, file, line, message, severity } = problem
  const place = line === 0 ? file : `${file}:${line}:${column}`
  return { severity: SEVERITIES[severity], code: codeOf(problem), evidence: `${place}: ${message}` }
}

function codeOf({ file }: Problem): FindingCode {
  if (file === 'Haraka') return 'haraka-version'
  return file === 'config/organizations.yaml' ? 'check-directory' : 'check-settings'
}
