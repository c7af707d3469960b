/** The whole queue of an instance: what living processes have, and what dead ones left. */

import type { ActionDone, QueueAction, QueueControl, QueueEntry, QueueFilter } from '../types.ts'
import { askOwner, NoAnswer, OwnerGone } from './ask.ts'
import { mergedByAge } from './merge.ts'
import { PATIENCE } from './protocol.ts'
import { isAlive } from './socket.ts'

/** Folders that no process has: read as they are, and taken over to act on what is in them. */
export interface DeadFolders {
  /** @returns the names of all owners' folders, and those that only have a socket yet */
  owners(): Promise<readonly string[]>
  /** What matches in one folder, the oldest first; ends quietly where the folder is taken over meanwhile. */
  list(owner: string, filter: QueueFilter): AsyncIterable<QueueEntry>
  show(owner: string, id: string): ReturnType<QueueControl['show']>
  /** Takes all dead folders over, acts, and leaves them for the next start. */
  act(action: QueueAction, filter: QueueFilter, by: string): Promise<readonly ActionDone[]>
}

export interface Controls extends QueueControl {
  /** What could not be asked so far, one clear message each: what was listed and done is not all then. */
  readonly failures: readonly string[]
}

/** Processes may start and end, and take over folders, while they are asked. */
const ROUNDS = 3

/**
 * @param queue the queue's folder
 * @param dead what is done with the folders of dead processes
 * @param patience how long a process may be silent, in milliseconds
 * @returns the control of all of it
 */
export function openControls(queue: string, dead: DeadFolders, patience = PATIENCE): Controls {
  return new AllControls(queue, dead, patience)
}

class AllControls implements Controls {
  readonly #queue: string
  readonly #dead: DeadFolders
  readonly #patience: number
  /** By the owner: whoever was silent once is not waited for again. */
  readonly #failures = new Map<string, string>()

  constructor(queue: string, dead: DeadFolders, patience: number) {
    this.#queue = queue
    this.#dead = dead
    this.#patience = patience
  }

  get failures(): readonly string[] {
    return [...this.#failures.values()]
  }

  async *list(filter: QueueFilter): AsyncGenerator<QueueEntry> {
    const owners = await this.#dead.owners()
    const seen = new Set<string>()
    for await (const entry of mergedByAge(owners.map((owner) => this.#listOne(owner, filter)))) {
      seen.add(entry.envelope.id)
      yield entry
    }
    // Mail of a process that ended meanwhile may have gone to one that had been asked before.
    const after = await this.#dead.owners()
    if (owners.every((owner) => after.includes(owner))) return
    for await (const entry of mergedByAge(after.map((owner) => this.#listOne(owner, filter)))) {
      if (!seen.has(entry.envelope.id)) yield entry
    }
  }

  async show(id: string): ReturnType<QueueControl['show']> {
    for (let round = 0; round < ROUNDS; round += 1) {
      const owners = await this.#dead.owners()
      for (const owner of owners) {
        const found = await this.#showOne(owner, id)
        if (found !== null) return found
      }
      const after = await this.#dead.owners()
      if (owners.every((owner) => after.includes(owner))) return null
    }
    return null
  }

  async act(action: QueueAction, filter: QueueFilter, by: string): Promise<ActionDone[]> {
    const done = new Map<string, ActionDone>()
    for (let round = 0; round < ROUNDS; round += 1) {
      const left = without(filter, done)
      let moved = false
      let isDead = false
      for (const owner of await this.#dead.owners()) {
        if (await isAlive(this.#queue, owner)) {
          const { gone, results } = await this.#actOne(owner, action, left, by)
          for (const one of results) keep(done, one)
          moved ||= gone
        } else isDead = true
      }
      if (isDead) for (const one of await this.#dead.act(action, left, by)) keep(done, one)
      if (!moved && (left.ids ?? []).every((id) => done.has(id))) break
    }
    return [...done.values()]
  }

  async *#listOne(owner: string, filter: QueueFilter): AsyncGenerator<QueueEntry> {
    if (this.#failures.has(owner)) return
    try {
      yield* askOwner(this.#queue, owner, this.#patience).list(filter)
    } catch (error) {
      if (error instanceof OwnerGone) yield* this.#dead.list(owner, filter)
      else this.#fail(owner, error)
    }
  }

  async #showOne(owner: string, id: string): ReturnType<QueueControl['show']> {
    if (this.#failures.has(owner)) return null
    try {
      return await askOwner(this.#queue, owner, this.#patience).show(id)
    } catch (error) {
      if (error instanceof OwnerGone) return this.#dead.show(owner, id)
      this.#fail(owner, error)
      return null
    }
  }

  async #actOne(
    owner: string,
    action: QueueAction,
    filter: QueueFilter,
    by: string,
  ): Promise<{ gone: boolean; results: readonly ActionDone[] }> {
    if (this.#failures.has(owner)) return { gone: false, results: [] }
    try {
      return {
        gone: false,
        results: await askOwner(this.#queue, owner, this.#patience).act(action, filter, by),
      }
    } catch (error) {
      if (error instanceof OwnerGone) return { gone: true, results: [] }
      this.#fail(owner, error)
      return { gone: false, results: [] }
    }
  }

  /** Others may still answer. */
  #fail(owner: string, error: unknown): void {
    if (!(error instanceof NoAnswer)) throw error
    this.#failures.set(owner, error.message)
  }
}

/** What was named and is done is not asked for again. */
function without(filter: QueueFilter, done: ReadonlyMap<string, ActionDone>): QueueFilter {
  return filter.ids === undefined ? filter : { ...filter, ids: filter.ids.filter((id) => !done.has(id)) }
}

/** A message that moved between two that were asked is not "held already". */
function keep(done: Map<string, ActionDone>, one: ActionDone): void {
  if (done.get(one.id)?.done !== true) done.set(one.id, one)
}
