/**
 * Decisions for connectors that are not there any more under that name. Who renames a connector or an organisation must
 * not be told that nobody uses it: such decisions may have been of any record that was there then.
 */

import type { DirectoryEditor } from '../directory/editor.ts'
import { nameKey } from '../directory/model.ts'
import { printable } from '../text/printable.ts'
import type { JournalRecord } from './record.ts'
import { Tally } from './tally.ts'

/** Decisions of which it is not known what they were of now. */
export interface GoneDecisions {
  readonly decisions: number
  /** The first few: connectors of the organisation itself, and organisations of others. As recorded: not safe to print. */
  readonly connectors: readonly string[]
  readonly organizations: readonly string[]
  readonly isMore: boolean
}

/** Names that are kept. They are from the directory, not from strangers; more are taken to be gone. */
const MOST_NAMES = 100_000
const MOST_TOLD = 10

/** Decisions under one name. */
interface Named {
  /** As recorded; the connector is null where the organisation is another: which connector it was is not asked then. */
  readonly organization: string
  readonly connector: string | null
  /** Those whose peer fits what is asked about, and how many others there are. */
  readonly fitting: Tally
  others: number
}

/** What the directory has now. */
export type PresentNames = Pick<DirectoryEditor, 'names' | 'read'>

/**
 * @param record a decision
 * @returns the matched connector and its organisation, as they were called then; null without one. With `no-route` the
 *   organisation is the recipient's, which need not be the connector's
 */
export function matchedNames({
  connector,
  organization,
  reason,
}: JournalRecord): { readonly organization: string; readonly connector: string } | null {
  return organization === null || connector === null || reason === 'no-route'
    ? null
    : { organization, connector }
}

/** Collects decisions under other names than that of what is asked about, until it is known which names there are. */
export class OtherNames {
  readonly #owner: string
  readonly #named = new Map<string, Named>()
  #beyond = 0

  /** @param owner the organisation that is asked about, or whose record is */
  constructor(owner: string) {
    this.#owner = nameKey(owner)
  }

  /** Whether there is nothing to ask the directory. */
  get isEmpty(): boolean {
    return this.#named.size === 0
  }

  /**
   * @param record a decision under another name; without a connector it is passed over
   * @param fits tells whether its peer fits what is asked about as it is now
   */
  add(record: JournalRecord, fits: (record: JournalRecord) => boolean): void {
    const names = matchedNames(record)
    if (names === null) return
    const { connector, organization } = names
    const isOwn = nameKey(organization) === this.#owner
    const key = isOwn ? `${this.#owner}\n${nameKey(connector)}` : nameKey(organization)
    let named = this.#named.get(key)
    if (named === undefined) {
      if (this.#named.size >= MOST_NAMES) {
        this.#beyond += 1
        return
      }
      named = { organization, connector: isOwn ? connector : null, fitting: new Tally(), others: 0 }
      this.#named.set(key, named)
    }
    if (fits(record)) named.fitting.add(record)
    else named.others += 1
  }

  /**
   * @param present the directory
   * @returns what fits, of those whose names are gone, and the others of them
   * @throws with one message when the directory cannot be asked
   */
  async gone(present: PresentNames): Promise<{ fitting: Tally; others: GoneDecisions | null }> {
    const fitting = new Tally()
    const others = { decisions: this.#beyond, connectors: new Told(), organizations: new Told() }
    for (const named of await this.#missing(present)) {
      if (named.fitting.decisions > 0) fitting.addAll(named.fitting)
      if (named.others === 0) continue
      others.decisions += named.others
      if (named.connector === null) others.organizations.add(named.organization)
      else others.connectors.add(named.connector)
    }
    if (others.decisions === 0) return { fitting, others: null }
    const { connectors, decisions, organizations } = others
    const isMore = this.#beyond > 0 || connectors.isMore || organizations.isMore
    const told = { connectors: connectors.names, organizations: organizations.names, isMore }
    return { fitting, others: { decisions, ...told } }
  }

  /** Without what there is. */
  async #missing(present: PresentNames): Promise<Iterable<Named>> {
    const missing = new Map(this.#named)
    const isOwn = [...missing.values()].some(({ connector }) => connector !== null)
    const owner = isOwn ? await present.read(this.#owner) : null
    for (const { name } of owner?.organization.inboundConnectors ?? []) {
      missing.delete(`${this.#owner}\n${nameKey(name)}`)
    }
    if (![...missing.values()].some(({ connector }) => connector === null)) return missing.values()
    for await (const key of present.names()) missing.delete(key)
    return missing.values()
  }
}

/** The first few of some names, each once. */
export class Told {
  readonly #names = new Map<string, string>()
  isMore = false

  get names(): readonly string[] {
    return [...this.#names.values()]
  }

  /** @param name as recorded */
  add(name: string): void {
    const key = nameKey(name)
    if (this.#names.has(key)) return
    if (this.#names.size < MOST_TOLD) this.#names.set(key, name)
    else this.isMore = true
  }
}

/**
 * @param gone decisions under names that are gone
 * @returns it in words, safe to print
 */
export function goneText({ connectors, decisions, isMore, organizations }: GoneDecisions): string {
  const names = [
    ...connectors.map((name) => quoted(name)),
    ...organizations.map((name) => `those of organisation ${quoted(name)}`),
    ...(isMore ? ['...'] : []),
  ]
  const were = decisions === 1 ? '1 decision was' : `${decisions} decisions were`
  return `unknown: ${were} for connectors that are not there any more (${names.join(', ')})`
}

function quoted(name: string): string {
  return JSON.stringify(printable(name, 100))
}
