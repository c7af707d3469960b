/** The rules on properties are the directory's own (`config/organizations.yaml`): the import asks its schema. */

import {
  connectorAsWritten,
  domainAsWritten,
  itselfAsWritten,
  outboundConnectorAsWritten,
} from '../directory/as-written.ts'
import type {
  ConfiguredConnector,
  ConfiguredOutboundConnector,
  Organization,
  Problem,
} from '../directory/model.ts'
import { nameKey } from '../directory/model.ts'
import { parseOrganizations } from '../directory/schema.ts'
import type { AcceptedDomain } from '../policy/types.ts'
import type { Draft } from './draft.ts'
import { ExportRefused } from './refused.ts'

/** A record of the organisation as it shall be: what there is, what the import says of it, or both. */
export interface Row<T> {
  readonly existing: T | null
  readonly draft: Draft | null
}

/** A row, with the record that comes of it. */
export interface SettledRow<T> extends Row<T> {
  readonly record: T
}

export interface Validated {
  /** The organisation; its records are those below. */
  readonly itself: Organization
  readonly domains: readonly SettledRow<AcceptedDomain>[]
  readonly connectors: readonly SettledRow<ConfiguredConnector>[]
  readonly outbound: readonly SettledRow<ConfiguredOutboundConnector>[]
  /** What is said of records that the import does not name, and was not said before. */
  readonly warnings: readonly string[]
}

/**
 * Sets drafts aside until the rest obeys the schema; what the schema says of the rest is added to them.
 * @param name the organisation's name
 * @param before it as it stands, null when it is not there
 * @param drafts what the import brings
 * @returns the records as they shall be
 * @throws ExportRefused when the organisation's name cannot be used, or it is at fault as it stands
 */
export function validate(name: string, before: Organization | null, drafts: readonly Draft[]): Validated {
  for (;;) {
    const rows = rowsOf(before, drafts)
    const { organization, errors, warnings } = asked(name, before, rows)
    if (errors.length === 0 && organization !== null) {
      const said = before === null ? [] : asked(name, before, rowsOf(before, [])).warnings
      const inserted = tell(rows, warnings, new Set(said.map((problem) => inWords(problem))))
      return {
        itself: before ?? organization,
        domains: settled(rows.domains, organization.acceptedDomains),
        connectors: settled(rows.connectors, organization.inboundConnectors),
        outbound: settled(rows.outbound, organization.outboundConnectors),
        warnings: inserted,
      }
    }
    setAside(rows, errors)
  }
}

interface Rows {
  readonly domains: readonly Row<AcceptedDomain>[]
  readonly connectors: readonly Row<ConfiguredConnector>[]
  readonly outbound: readonly Row<ConfiguredOutboundConnector>[]
}

function rowsOf(before: Organization | null, drafts: readonly Draft[]): Rows {
  const taken = (kind: Draft['record']['kind']): Draft[] =>
    drafts.filter(({ record, aside }) => record.kind === kind && aside === null)
  return {
    domains: joined(before?.acceptedDomains ?? [], ({ domainName }) => domainName, taken('accepted-domain')),
    connectors: joined(
      before?.inboundConnectors ?? [],
      (connector) => nameKey(connector.name),
      taken('inbound-connector'),
    ),
    outbound: joined(
      before?.outboundConnectors ?? [],
      (connector) => nameKey(connector.name),
      taken('outbound-connector'),
    ),
  }
}

/** What there is stays in its order; what is new comes after it. */
function joined<T>(existing: readonly T[], keyOf: (record: T) => string, drafts: readonly Draft[]): Row<T>[] {
  const byKey = new Map(drafts.map((draft) => [draft.key, draft]))
  const rows = existing.map((record): Row<T> => {
    const draft = byKey.get(keyOf(record)) ?? null
    byKey.delete(keyOf(record))
    return { existing: record, draft }
  })
  return [...rows, ...[...byKey.values()].map((draft): Row<T> => ({ existing: null, draft }))]
}

/** A line each, in JSON, which YAML holds: so a problem's line says whose it is. */
function asked(
  name: string,
  before: Organization | null,
  { domains, connectors, outbound }: Rows,
): { organization: Organization | null; errors: readonly Problem[]; warnings: readonly Problem[] } {
  const itself = before === null ? { name } : itselfAsWritten(before)
  const own = Object.entries(itself).map(([key, value]) => `${key}: ${asciiJson(value)}`)
  const head = ['organizations:', ...own.map((line, index) => `  ${index === 0 ? '-' : ' '} ${line}`)]
  const lines = [
    ...head,
    domains.length === 0 ? '    acceptedDomains: []' : '    acceptedDomains:',
    ...domains.map((row) => `      - ${asciiJson(domainRow(row))}`),
    connectors.length === 0 ? '    inboundConnectors: []' : '    inboundConnectors:',
    ...connectors.map((row) => `      - ${asciiJson(connectorRow(row))}`),
    outbound.length === 0 ? '    outboundConnectors: []' : '    outboundConnectors:',
    ...outbound.map((row) => `      - ${asciiJson(outboundRow(row))}`),
  ]
  const parsed = parseOrganizations(lines.join('\n'), '', (pem) => ({ pem }))
  const moved = (problems: readonly Problem[]): Problem[] =>
    problems.map((problem) => ({ ...problem, line: problem.line - head.length - 1 }))
  const [organization = null] = parsed.organizations
  return { organization, errors: moved(parsed.errors), warnings: moved(parsed.warnings) }
}

function domainRow({ existing, draft }: Row<AcceptedDomain>): object {
  return { ...(existing === null ? {} : domainAsWritten(existing)), ...draft?.wanted }
}

function connectorRow({ existing, draft }: Row<ConfiguredConnector>): object {
  const before = existing === null ? {} : connectorAsWritten(existing)
  const { senderDomains, ...merged } = { senderDomains: undefined, ...before, ...draft?.wanted }
  const name = existing?.name ?? merged.name
  return { ...merged, name, ...(merged.connectorType === 'OnPremises' ? {} : { senderDomains }) }
}

function outboundRow({ existing, draft }: Row<ConfiguredOutboundConnector>): object {
  const before = existing === null ? {} : outboundConnectorAsWritten(existing)
  const merged = { ...before, ...draft?.wanted }
  return { ...merged, name: existing?.name ?? merged.name }
}

/** YAML takes JSON's strings, but not every character in them. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Of a problem's line, counted from the first record. */
function draftAt({ domains, connectors, outbound }: Rows, line: number): Draft | null {
  // Each list begins with a line of its own; that of the domains is not counted.
  const rows = [...domains, null, ...connectors, null, ...outbound]
  return rows[line - 1]?.draft ?? null
}

function setAside(rows: Rows, errors: readonly Problem[]): void {
  for (const problem of errors) {
    const draft = draftAt(rows, problem.line)
    if (draft === null)
      throw new ExportRefused('--organization', `is refused: ${problem.message}`, problem.mend)
    draft.aside = draft.aside === null ? inWords(problem) : `${draft.aside}; ${inWords(problem)}`
  }
  if (errors.length === 0) throw new ExportRefused('--organization', 'is refused', '')
}

function tell(rows: Rows, problems: readonly Problem[], said: ReadonlySet<string>): string[] {
  const others: string[] = []
  for (const problem of problems) {
    const draft = draftAt(rows, problem.line)
    const text = inWords(problem)
    if (draft !== null) (problem.severity === 'warning' ? draft.warnings : draft.notes).push(text)
    else if (problem.severity === 'warning' && !said.has(text)) others.push(text)
  }
  return others
}

function inWords({ message, mend }: Problem): string {
  return mend === '' ? message : `${message} (${mend})`
}

function settled<T>(rows: readonly Row<T>[], records: readonly T[]): SettledRow<T>[] {
  return rows.flatMap((row, index) => {
    const record = records[index]
    return record === undefined ? [] : { ...row, record }
  })
}
