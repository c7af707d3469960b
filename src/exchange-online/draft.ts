/** Records on their way into the plan: which of them are taken, as far as the import itself says. */

import { canonical } from '../directory/difference.ts'
import { nameKey } from '../directory/model.ts'
import { normalizeDomain } from '../text/domain-name.ts'
import { printable } from '../text/printable.ts'
import type { ImportedRecord, RecordKind, WantedProperties } from './imported.ts'

/** One record, and what is known of its fate so far. */
export interface Draft {
  readonly record: ImportedRecord
  /** The same for two records that cannot both be: a domain in A-label form, a name without regard to case. */
  readonly key: string
  wanted: WantedProperties
  /** Why it is not taken. */
  aside: string | null
  readonly warnings: string[]
  readonly notes: string[]
}

const KINDS: readonly RecordKind[] = ['accepted-domain', 'inbound-connector', 'outbound-connector']

/**
 * @param records the records of all files
 * @returns them in an order that does not hang on that of the files, with those that contradict each other set aside
 */
export function draftsOf(records: readonly ImportedRecord[]): Draft[] {
  const drafts = records
    .map((record) => draftOf(record))
    .map((draft) => ({ draft, sort: sortKey(draft) }))
    .toSorted((left, right) => (left.sort < right.sort ? -1 : 1))
    .map(({ draft }) => draft)
  const groups = new Map<string, Draft[]>()
  for (const draft of drafts) {
    if (draft.aside !== null) continue
    const id = `${draft.record.kind} ${draft.key}`
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [draft])
    else group.push(draft)
  }
  for (const group of groups.values()) if (group.length > 1) settle(group)
  return drafts
}

function draftOf(record: ImportedRecord): Draft {
  const { kind, name, wanted, aside, warnings, notes } = record
  const domain = kind === 'accepted-domain' ? normalizeDomain(wanted.domainName ?? name) : null
  return { record, key: domain ?? nameKey(name), wanted, aside, warnings: [...warnings], notes: [...notes] }
}

function sortKey({ record, key, wanted }: Draft): string {
  const { kind, name, place } = record
  return [KINDS.indexOf(kind), key, name, canonical(wanted), place].join('\0')
}

function settle(group: readonly Draft[]): void {
  const wildcards = group.filter(({ record }) => record.wildcard)
  const plain = group.filter(({ record }) => !record.wildcard)
  if (wildcards.length > 0 && plain.length > 0) mergeWildcards(wildcards, plain)
  settleSame(plain.length > 0 ? plain : wildcards)
}

/** Exchange Server has `contoso.com` and `*.contoso.com` as two domains; here the one covers both. */
function mergeWildcards(wildcards: readonly Draft[], plain: readonly Draft[]): void {
  for (const draft of plain) {
    draft.wanted = { ...draft.wanted, matchSubDomains: true }
    draft.notes.push(`it gets matchSubDomains, as the export has *.${printable(draft.key, 80)} as well`)
  }
  for (const draft of wildcards) {
    draft.aside = `it becomes matchSubDomains of ${printable(draft.key, 80)}, which the export has as well`
  }
}

function settleSame(group: readonly Draft[]): void {
  const [first, ...others] = group
  if (first === undefined || others.length === 0) return
  const places = group
    .map(({ record }) => record.place)
    .toSorted()
    .join(' and ')
  if (new Set(group.map(({ wanted }) => canonical(wanted))).size > 1) {
    for (const draft of group) draft.aside = `it is given more than once, with different values: ${places}`
    return
  }
  for (const draft of others) draft.aside = `it is given more than once, and taken once: ${places}`
}
