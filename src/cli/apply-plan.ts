/** Carries out what `apply` planned, while the file is read once more. */

import type { DirectoryEditor, EditWritten } from '../directory/editor.ts'
import type { Organization } from '../directory/model.ts'
import { nameKey } from '../directory/model.ts'
import type { OrganizationsSource } from '../directory/organizations-source.ts'
import type { PlannedOrganization, ProofsOf } from '../directory/plan.ts'
import { groupPlan, writeGroup } from '../directory/plan.ts'
import { ChangeRefused } from '../directory/redis/changes.ts'
import { OutcomeUnknown } from '../directory/redis/writer.ts'
import { messageOf } from '../text/message-of.ts'
import { CommandFailed } from './errors.ts'
import type { Progress } from './terminal.ts'

/** Up to so many records all of it is one write, and Redis is busy for some 50 ms; more go an organisation at a time. */
const AT_ONCE = 5_000

/**
 * @param planned everything that changes
 * @param editor the directory
 * @returns what is written at once: all of it where that may be
 */
export function groupsOf(
  planned: readonly PlannedOrganization[],
  { mostRecords }: DirectoryEditor,
): readonly (readonly PlannedOrganization[])[] {
  const records = planned.reduce((sum, { count }) => sum + count, 0)
  return mostRecords === null || records <= AT_ONCE ? [planned] : groupPlan(planned)
}

/** Where it is written and shown, and whose word counts for the proofs of domains. */
interface Carrying {
  readonly editor: DirectoryEditor
  readonly progress: Progress
  readonly proofsOf: ProofsOf
}

/**
 * @param source the file
 * @param planned everything that changes
 * @param carrying where it is written and shown
 * @returns what was written last, null when nothing was
 * @throws CommandFailed with how much of it was done
 */
export async function carryOut(
  source: OrganizationsSource,
  planned: readonly PlannedOrganization[],
  carrying: Carrying,
): Promise<EditWritten | null> {
  const work = new Work(planned, carrying)
  try {
    await work.removals()
    for await (const { organization } of source.organizations()) await work.arrived(organization)
    return await work.rest()
  } catch (error) {
    const done =
      work.done === 0
        ? 'nothing was changed'
        : `${work.done} of ${planned.length} organisations were changed, the others are as they were; run it again`
    throw new CommandFailed(error instanceof OutcomeUnknown ? error.message : `${messageOf(error)}\n${done}`)
  } finally {
    carrying.progress.done()
  }
}

/** Groups are written as soon as all of their organisations were read. */
class Work {
  done = 0
  readonly #editor: DirectoryEditor
  readonly #progress: Progress
  readonly #proofsOf: ProofsOf
  readonly #total: number
  readonly #groups: readonly (readonly PlannedOrganization[])[]
  readonly #groupOf = new Map<string, readonly PlannedOrganization[]>()
  /** Organisations of groups that are not complete, or were refused. */
  readonly #held = new Map<string, Organization>()
  #refused: (readonly PlannedOrganization[])[] = []
  #last: EditWritten | null = null

  constructor(planned: readonly PlannedOrganization[], { editor, progress, proofsOf }: Carrying) {
    this.#editor = editor
    this.#progress = progress
    this.#proofsOf = proofsOf
    this.#total = planned.length
    this.#groups = groupsOf(planned, editor)
    for (const group of this.#groups) for (const { nameKey: key } of group) this.#groupOf.set(key, group)
  }

  async removals(): Promise<void> {
    for (const group of this.#groups) {
      if (group.every(({ kind }) => kind === 'removed')) await this.#write(group)
    }
  }

  async arrived(organization: Organization): Promise<void> {
    const key = nameKey(organization.name)
    const group = this.#groupOf.get(key)
    if (group === undefined) return
    this.#held.set(key, organization)
    if (group.every(({ kind, nameKey: member }) => kind === 'removed' || this.#held.has(member))) {
      await this.#write(group)
    }
  }

  /** What hung on a change that came later in the file; at last all that is left at once. */
  async rest(): Promise<EditWritten | null> {
    for (let before = Infinity; this.#refused.length > 0 && this.#refused.length < before;) {
      const again = this.#refused
      before = again.length
      this.#refused = []
      for (const group of again) await this.#write(group)
    }
    if (this.#refused.length > 0) await this.#put(this.#refused.flat())
    return this.#last
  }

  async #write(group: readonly PlannedOrganization[]): Promise<void> {
    try {
      await this.#put(group)
    } catch (error) {
      if (!(error instanceof ChangeRefused)) throw error
      this.#refused.push(group)
    }
  }

  async #put(group: readonly PlannedOrganization[]): Promise<void> {
    const written = await writeGroup(this.#editor, group, this.#held, this.#proofsOf)
    const fewest = Math.min(this.#last?.replicas ?? Infinity, written?.replicas ?? Infinity)
    if (written !== null) this.#last = { ...written, replicas: fewest }
    for (const { nameKey: key } of group) this.#held.delete(key)
    this.done += group.length
    this.#progress.show('writing', this.done / this.#total)
  }
}
