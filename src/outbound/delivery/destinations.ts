/** All destinations of one process: they share a limit of connections and what is known of hosts. */

import type { Connect, Target } from '../types.ts'
import type { DestinationContext, Group, HostMemory } from './destination.ts'
import { Destination } from './destination.ts'
import type { Hop, HopContext } from './hop.ts'
import { targetsOf } from './hop.ts'
import type { DeliverySettings } from './settings-type.ts'

export interface DestinationsOptions {
  readonly connect: Connect
  readonly hops: HopContext
  readonly settings: () => DeliverySettings
  readonly now: () => number
  readonly random: () => number
}

/** A host that did not answer is asked last for so long. */
const ASIDE = 60_000
const MOST_ASIDE = 10_000

/** Destinations that nobody uses are forgotten once there are so many. */
const MOST_KEPT = 2_000

/** How often it is looked whether transactions have ended. */
const LOOK = 20

export class Destinations {
  readonly #options: DestinationsOptions
  readonly #all = new Map<string, Destination>()
  /** Those that want a connection and may not have one. */
  readonly #hungry = new Set<Destination>()
  readonly #context: DestinationContext
  #connections = 0
  #stopped = false

  constructor(options: DestinationsOptions) {
    this.#options = options
    const { connect, hops, now, random, settings } = options
    this.#context = {
      connect,
      settings,
      now,
      random,
      targets: (hop) => targetsOf(hop, hops),
      reserve: (destination) => this.#reserve(destination),
      released: () => {
        this.#released()
      },
      isHungry: (destination) => this.#hungry.has(destination),
      isContended: (destination) => this.#hungry.size > (this.#hungry.has(destination) ? 1 : 0),
      hosts: hostMemory(now),
    }
  }

  /** Messages that wait for a connection. */
  get waiting(): number {
    return sum(this.#all.values(), (destination) => destination.waiting)
  }

  /** Transactions under way. */
  get busy(): number {
    return sum(this.#all.values(), (destination) => destination.busy)
  }

  /**
   * @param hop where it goes
   * @param group what goes there
   */
  add(hop: Hop, group: Group): void {
    if (this.#stopped) {
      group.done({ error: new Error('the queue is stopping') })
      return
    }
    let destination = this.#all.get(hop.key)
    if (destination === undefined) {
      if (this.#all.size >= MOST_KEPT) this.#forgetUnused()
      destination = new Destination(hop, this.#context)
      this.#all.set(hop.key, destination)
    }
    destination.add(group)
  }

  /** Somebody wants waiting messages to be tried now. */
  endPauses(): void {
    for (const destination of this.#all.values()) destination.endPause()
  }

  /** @param graceMilliseconds how long transactions under way may take */
  async stop(graceMilliseconds: number): Promise<void> {
    this.#stopped = true
    const deadline = Date.now() + graceMilliseconds
    await Promise.all(Array.from(this.#all.values(), (destination) => destination.stop()))
    while (this.busy > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, LOOK))
    }
  }

  #reserve(destination: Destination): boolean {
    const { maxConnections } = this.#options.settings()
    if (this.#connections < maxConnections) {
      this.#connections += 1
      return true
    }
    this.#hungry.add(destination)
    // Its end makes room.
    for (const other of this.#all.values()) if (other !== destination && other.giveUpIdle()) break
    return false
  }

  #released(): void {
    this.#connections -= 1
    for (const destination of this.#hungry) {
      this.#hungry.delete(destination)
      destination.pump()
      if (this.#connections >= this.#options.settings().maxConnections) return
    }
  }

  #forgetUnused(): void {
    for (const [key, destination] of this.#all) if (destination.forgettable) this.#all.delete(key)
  }
}

function sum<Item>(items: Iterable<Item>, of: (item: Item) => number): number {
  let total = 0
  for (const item of items) total += of(item)
  return total
}

function hostMemory(now: () => number): HostMemory {
  const aside = new Map<string, number>()
  return {
    isAside: (target) => (aside.get(keyOf(target)) ?? 0) > now(),
    failed: (target) => {
      if (aside.size >= MOST_ASIDE) aside.clear()
      aside.set(keyOf(target), now() + ASIDE)
    },
    answered: (target) => {
      aside.delete(keyOf(target))
    },
  }
}

function keyOf({ address, port }: Target): string {
  return `${address} ${port}`
}
