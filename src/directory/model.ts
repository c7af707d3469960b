/** What an administrator wrote, once it is validated, and what is wrong with it when it is not. */

import type { AcceptedDomain, InboundConnector, OutboundConnector } from '../policy/types.ts'

/** error: the text is refused. warning: it is taken, look at it. notice: something in it has no effect. */
export type Severity = 'error' | 'warning' | 'notice'

/** One thing that is wrong with what an administrator wrote, where it stands and how to mend it. */
export interface Problem {
  /** As the administrator knows it, e.g. `config/organizations.yaml`. */
  readonly file: string
  /** Counted from 1; 0 when it is about the file as a whole. */
  readonly line: number
  readonly column: number
  readonly severity: Severity
  /** What is wrong; values from the file are quoted and safe to print. */
  readonly message: string
  /** How to mend it; '' when the message says it all. */
  readonly mend: string
}

/** An inbound connector with what the store keeps beside the rule's needs. */
export interface ConfiguredConnector extends InboundConnector {
  /** Partner only: `contoso.com`, `*.contoso.com` (the domain and all below it) or `*`. */
  readonly senderDomains: readonly string[]
  /** Whether ranges wider than /8 (IPv4) and /32 (IPv6) are meant. */
  readonly allowWideAddresses: boolean
  readonly comment: string | null
}

/** An outbound connector with what the store keeps beside it. */
export interface ConfiguredOutboundConnector extends OutboundConnector {
  readonly comment: string | null
}

/** What one organisation owns. */
export interface Organization {
  readonly name: string
  readonly comment: string | null
  /** Until then all of its connectors are in report-only mode; ISO 8601 in UTC, null or absent for never. */
  readonly reportOnlyUntil?: string | null
  readonly acceptedDomains: readonly AcceptedDomain[]
  readonly inboundConnectors: readonly ConfiguredConnector[]
  readonly outboundConnectors: readonly ConfiguredOutboundConnector[]
}

/**
 * @param problem a problem of a settings or directory file
 * @returns one line: `config/organizations.yaml:12:7: error: what is wrong (how to mend it)`
 */
export function formatProblem(problem: Problem): string {
  const { file, line, column, severity, message, mend } = problem
  const place = line === 0 ? file : `${file}:${line}:${column}`
  return `${place}: ${severity}: ${message}${mend === '' ? '' : ` (${mend})`}`
}

/**
 * Names are unique without regard to case, and however their accents are composed.
 * @param name the name of an organisation or a connector
 * @returns what is the same for two names that must not both be used
 */
export function nameKey(name: string): string {
  return name.normalize('NFC').toLowerCase()
}

/**
 * @param domainName a domain in A-label form
 * @param organization whose it shall be
 * @returns its record, with the defaults of New-AcceptedDomain
 */
export function newDomain(domainName: string, organization: string): AcceptedDomain {
  return {
    organization,
    domainName,
    domainType: 'Authoritative',
    matchSubDomains: false,
    sendingFromDomainDisabled: false,
    pendingRemoval: false,
    delegatedSubDomains: [],
  }
}
