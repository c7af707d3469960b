/** What `apply` is going to do, worked out before anything is done, and then done group by group, in either store. */

import type { Difference, OrganizationChange } from './difference.ts'
import {
  connectorDifference,
  domainDifference,
  isOtherwiseItself,
  outboundConnectorDifference,
} from './difference.ts'
import type { DirectoryEditor, EditWritten, StoredOrganization, WantedOrganization } from './editor.ts'
import type { Organization } from './model.ts'
import { nameKey } from './model.ts'
import { quoted } from './yaml-reader.ts'

/** What becomes of one organisation. */
export interface PlannedOrganization {
  readonly nameKey: string
  readonly name: string
  readonly kind: 'added' | 'changed' | 'removed'
  /** Its revision when the plan was made; null when it was not there. */
  readonly expected: string | null
  /** Lines for people: `+ accepted-domain contoso.com`. */
  readonly lines: readonly string[]
  /** Records that differ. */
  readonly count: number
  readonly removedDomains: readonly string[]
  /**
   * Domains that it gets and somebody has now, and who. Not all that it gets: a plan of a million would not be small.
   */
  readonly takenDomains: ReadonlyMap<string, string>
}

/** Lines that are shown of one organisation. */
const MOST_LINES = 100

/**
 * @param before as it stands, with its revision; null when it is not there
 * @param after as it shall be; null when it shall not be
 * @param store what is registered now
 * @param proofsOf whose word counts for the proofs of its domains
 * @returns what becomes of it, or null when it is the same
 * @throws DamagedDirectory
 */
export async function planOrganization(
  before: StoredOrganization | null,
  after: Organization | null,
  store: Pick<DirectoryEditor, 'domains'>,
  proofsOf: ProofsOf = 'directory',
): Promise<PlannedOrganization | null> {
  const stored = before?.organization ?? null
  const named = after ?? stored
  if (named === null) return null
  const change = { before: stored, after: after === null ? null : withProofs(after, stored, proofsOf) }
  const domains = domainDifference(change)
  const connectors = connectorDifference(change)
  const outbound = outboundConnectorDifference(change)
  const itself = isOtherwiseItself(change) ? 1 : 0
  const count = itself + sizeOf(domains) + sizeOf(connectors) + sizeOf(outbound)
  if (count === 0) return null
  const taken = await store.domains(domains.added.map(({ domainName }) => domainName))
  return {
    nameKey: nameKey(named.name),
    name: named.name,
    kind: kindOf(change),
    expected: before?.revision ?? null,
    lines: linesOf([
      linesBy(domains, ({ domainName }) => `accepted-domain ${domainName}`),
      linesBy(connectors, ({ name }) => `inbound-connector ${name}`),
      linesBy(outbound, ({ name }) => `outbound-connector ${name}`),
    ]),
    count,
    removedDomains: domains.removed.map(({ domainName }) => domainName),
    takenDomains: new Map([...taken].map(([name, { organization }]) => [name, organization])),
  }
}

function kindOf({ before, after }: OrganizationChange): PlannedOrganization['kind'] {
  if (before === null) return 'added'
  return after === null ? 'removed' : 'changed'
}

function sizeOf({ added, removed, changed }: Difference<unknown>): number {
  return added.length + removed.length + changed.length
}

/** What is said of one kind of records: those that go, those that change, those that come. */
type Lines = readonly [removed: string[], changed: string[], added: string[]]

function linesBy<T>({ added, changed, removed }: Difference<T>, name: (record: T) => string): Lines {
  const lines = (mark: string, records: readonly T[]): string[] =>
    records.slice(0, MOST_LINES).map((record) => `${mark} ${name(record)}`)
  const after = changed.slice(0, MOST_LINES).map(([, to]) => to)
  return [lines('-', removed), lines('~', after), lines('+', added)]
}

function linesOf(kinds: readonly Lines[]): string[] {
  const lines = ([0, 1, 2] as const).flatMap((part) => kinds.flatMap((kind) => kind[part]))
  return lines.slice(0, MOST_LINES)
}

/**
 * Organisations between which a domain moves are written at once: in between it would belong to nobody, and its mail
 * be refused.
 * @param planned everything that changes; removals are written first
 * @returns it in groups
 */
export function groupPlan(planned: readonly PlannedOrganization[]): PlannedOrganization[][] {
  const removedBy = new Map<string, PlannedOrganization>()
  for (const item of planned) for (const name of item.removedDomains) removedBy.set(name, item)
  const groups = new Map(planned.map((item) => [item, [item]]))
  for (const item of removedBy.size === 0 ? [] : planned) {
    for (const name of item.takenDomains.keys()) {
      const giver = removedBy.get(name)
      if (giver !== undefined) unite(groups, item, giver)
    }
  }
  const distinct = [...new Set(groups.values())]
  const first = (group: readonly PlannedOrganization[]): number =>
    group.every(({ kind }) => kind === 'removed') ? 0 : 1
  return distinct.toSorted((left, right) => first(left) - first(right))
}

/**
 * @param domainName a domain that somebody wants
 * @param owner the organisation that has it
 * @returns why it is refused
 */
export function registeredAlready(domainName: string, owner: string): string {
  return `${domainName} is registered already, with ${quoted(owner)}: a domain belongs to one organisation; remove it there first`
}

/**
 * @param planned everything that changes
 * @returns domains that nobody gives up, one a line
 */
export function takenElsewhere(planned: readonly PlannedOrganization[]): string[] {
  const given = new Set(planned.flatMap(({ removedDomains }) => removedDomains))
  return planned.flatMap(({ takenDomains }) =>
    [...takenDomains]
      .filter(([name]) => !given.has(name))
      .map(([name, owner]) => registeredAlready(name, owner)),
  )
}

/** Whose word counts for the proofs of domains: the directory's, or, when a backup is restored, the file's. */
export type ProofsOf = 'directory' | 'file'

/**
 * That a domain was proven is for `domain verify` to say: a file neither takes a proof away nor makes one. Else whoever
 * writes the file of an organisation could declare gmail.com its own.
 * @param after an organisation as it shall be
 * @param before as it is
 * @param proofsOf whose word counts
 * @returns it, with the proofs that count
 */
export function withProofs(
  after: Organization,
  before: Organization | null,
  proofsOf: ProofsOf = 'directory',
): Organization {
  const proofs = new Map(before?.acceptedDomains.map(({ domainName, proof }) => [domainName, proof ?? null]))
  return {
    ...after,
    acceptedDomains: after.acceptedDomains.map((domain) => {
      const known = proofs.get(domain.domainName) ?? null
      return { ...domain, proof: proofsOf === 'file' ? (domain.proof ?? known) : known }
    }),
  }
}

function unite(
  groups: Map<PlannedOrganization, PlannedOrganization[]>,
  left: PlannedOrganization,
  right: PlannedOrganization,
): void {
  const [one, other] = [groups.get(left) ?? [], groups.get(right) ?? []]
  if (one === other) return
  for (const item of other) {
    one.push(item)
    groups.set(item, one)
  }
}

/**
 * @param editor the directory
 * @param group organisations that change at once
 * @param organizations them as they shall be, by `nameKey`
 * @param proofsOf whose word counts for the proofs of their domains
 * @returns what was written
 * @throws as `DirectoryEditor.replace`
 */
export async function writeGroup(
  editor: DirectoryEditor,
  group: readonly PlannedOrganization[],
  organizations: ReadonlyMap<string, Organization>,
  proofsOf: ProofsOf = 'directory',
): Promise<EditWritten | null> {
  const wanted: WantedOrganization[] = []
  for (const { nameKey: key, kind, expected } of group) {
    const organization = kind === 'removed' ? undefined : organizations.get(key)
    const before = organization === undefined ? null : await editor.read(key)
    const after =
      organization === undefined ? null : withProofs(organization, before?.organization ?? null, proofsOf)
    wanted.push({ nameKey: key, after, expected })
  }
  return editor.replace(wanted)
}
