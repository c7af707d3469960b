/** One next hop: what waits for it, the connections to it, and the pause while it does not answer. */

import type { Connect, ConnectFailure, Outgoing, RecipientResult, Said, Session, Target } from '../types.ts'
import { Fifo } from './fifo.ts'
import type { Hop, Targets } from './hop.ts'
import { pauseOf } from './retry.ts'
import { saidHere } from './said.ts'
import type { DeliverySettings } from './settings-type.ts'

/** Some recipients of one message that go the same way. */
export interface Group {
  /** Read when its turn has come. Rejects when the message is damaged or gone. */
  readonly outgoing: () => Promise<Outgoing>
  readonly done: (outcome: GroupOutcome) => void
  /** How often it came back because a connection had ended while it was idle. */
  returned: number
}

/** What became of a group. `untried`: no server was asked on its behalf. */
export type GroupOutcome =
  | {
      readonly results: readonly RecipientResult[]
      readonly session: Pick<Session, 'target' | 'tls'>
    }
  | { readonly deferred: Said; readonly untried: boolean; readonly until: number }
  | { readonly failed: Said }
  | { readonly error: unknown }

export interface DestinationContext {
  readonly connect: Connect
  readonly targets: (hop: Hop) => Promise<Targets>
  readonly settings: () => DeliverySettings
  readonly now: () => number
  readonly random: () => number
  /** Whether one connection more may be made; it counts from then on until `released`. */
  readonly reserve: (destination: Destination) => boolean
  readonly released: () => void
  /** Whether it may have none, and is pumped when that has changed. */
  readonly isHungry: (destination: Destination) => boolean
  /** Whether another may have none: an idle connection is in its way. */
  readonly isContended: (destination: Destination) => boolean
  /** Hosts that did not answer are asked last for a while. */
  readonly hosts: HostMemory
}

/** Which addresses did not answer lately. */
export interface HostMemory {
  isAside(target: Target): boolean
  failed(target: Target): void
  answered(target: Target): void
}

interface Line {
  readonly session: Session
  sent: number
  /** Ends it when nothing comes. */
  idle: NodeJS.Timeout | null
}

/** A message that takes long does not hold up the next: then another connection is made. */
const IMPATIENCE = 250

/** After one connection too many, no other is tried for so long. */
const LIMITED = 30_000

/** A connection that had ended may take a message back so often; after that its loss is an answer. */
const MOST_RETURNS = 3

export class Destination {
  readonly hop: Hop
  readonly #context: DestinationContext
  readonly #waiting = new Fifo<Group>()
  readonly #idle: Line[] = []
  #busy = 0
  #connecting = 0
  #failures = 0
  #pausedUntil = 0
  /** So many connections are all that the other side takes, as it seems. */
  #limit = 0
  #limitedUntil = 0
  #lastFailure: Said | null = null
  #impatient: NodeJS.Timeout | null = null
  #stopped = false

  constructor(hop: Hop, context: DestinationContext) {
    this.hop = hop
    this.#context = context
  }

  /** Messages that wait here for a connection. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Transactions under way. */
  get busy(): number {
    return this.#busy
  }

  /** Whether nothing is here that must be kept in mind. */
  get forgettable(): boolean {
    const open = this.#waiting.length + this.#busy + this.#connecting + this.#idle.length
    return open === 0 && this.#context.now() >= this.#pausedUntil
  }

  /** @param group what goes there */
  add(group: Group): void {
    if (this.#pausedUntil > this.#context.now() && this.#lastFailure !== null) {
      group.done({ deferred: this.#lastFailure, untried: true, until: this.#pausedUntil })
      return
    }
    this.#waiting.push(group)
    this.pump()
  }

  /** Somebody wants it tried now. */
  endPause(): void {
    this.#pausedUntil = 0
  }

  /** Gives waiting messages to connections, and makes those that are wanted. */
  pump(): void {
    if (this.#stopped) return
    while (this.#waiting.length > 0) {
      const line = this.#usable()
      if (line === null) break
      const group = this.#waiting.shift()
      if (group !== undefined) void this.#send(line, group)
    }
    while (this.#wantsMore() && this.#context.reserve(this)) this.#open()
    // Thousands that may have no connection do not ask again and again.
    if (this.#waiting.length > 0 && this.#connecting === 0 && !this.#context.isHungry(this))
      this.#beImpatient()
  }

  /** No new transactions; idle connections are closed, and those under way afterwards. */
  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#impatient !== null) clearTimeout(this.#impatient)
    for (const group of this.#waiting.drain()) {
      group.done({ error: new Error('the queue is stopping') })
    }
    await Promise.all(this.#idle.splice(0).map((line) => this.#close(line)))
  }

  /** Closes one idle connection, for somebody who needs one. @returns whether there was one */
  giveUpIdle(): boolean {
    const line = this.#idle.shift()
    if (line === undefined) return false
    void this.#close(line)
    return true
  }

  #usable(): Line | null {
    for (;;) {
      const line = this.#idle.pop()
      if (line === undefined) return null
      if (line.idle !== null) clearTimeout(line.idle)
      line.idle = null
      if (line.session.usable) return line
      void this.#close(line)
    }
  }

  #wantsMore(): boolean {
    const { maxConnectionsPerDestination: most } = this.#context.settings()
    const open = this.#busy + this.#connecting
    if (this.#context.now() < this.#limitedUntil && open + this.#idle.length >= this.#limit) return false
    // Whether it answers is tried with one connection: one that does not must not take those of others.
    if (this.#connecting >= Math.max(1, this.#busy + this.#idle.length)) return false
    const wanted = Math.ceil((this.#waiting.length + this.#busy) / 2)
    return this.#waiting.length > 0 && open < Math.min(most, wanted)
  }

  #beImpatient(): void {
    this.#impatient ??= setTimeout(() => {
      this.#impatient = null
      const { maxConnectionsPerDestination: most } = this.#context.settings()
      const limited = this.#context.now() < this.#limitedUntil
      const room = !limited && this.#busy + this.#connecting < most
      if (!this.#stopped && this.#waiting.length > 0 && room && this.#context.reserve(this)) this.#open()
      this.pump()
    }, IMPATIENCE).unref()
  }

  #open(): void {
    this.#connecting += 1
    void this.#connectSomewhere().then((outcome) => {
      this.#connecting -= 1
      if ('session' in outcome) {
        this.#failures = 0
        this.#lastFailure = null
        this.#park({ session: outcome.session, sent: 0, idle: null })
        return
      }
      this.#context.released()
      if ('failed' in outcome) this.#answerAll({ failed: outcome.failed })
      else this.#pause(outcome.deferred)
    })
  }

  /** The first host that answers; those that did not lately come last. */
  async #connectSomewhere(): Promise<{ session: Session } | { deferred: Said } | { failed: Said }> {
    const { connect, hosts, now, targets: find } = this.#context
    try {
      const found = await find(this.hop)
      if (!('targets' in found)) return found
      const { targets } = found
      const aside = targets.filter((target) => hosts.isAside(target))
      const order = [...targets.filter((target) => !hosts.isAside(target)), ...aside]
      let last: ConnectFailure | null = null
      for (const target of order) {
        const connected = await connect(target)
        if ('session' in connected) {
          hosts.answered(target)
          return connected
        }
        hosts.failed(target)
        // One that may take it another time counts for more than one that never will.
        if (last === null || last.kind === 'loop' || connected.failure.kind !== 'loop')
          last = connected.failure
      }
      if (last === null) return { deferred: saidHere(now(), '4.4.4', 'there is no host to try') }
      return last.kind === 'loop' ? { failed: last.said } : { deferred: last.said }
    } catch (error) {
      return { deferred: saidHere(now(), '4.3.0', `an error that was not foreseen: ${String(error)}`) }
    }
  }

  /** Nobody answers: all who wait hear it, and the next ones until the pause is over. */
  #pause(said: Said): void {
    // Others may be at work with it all the same: a limit of connections was met.
    const { now, random, settings } = this.#context
    const open = this.#busy + this.#idle.length
    if (open > 0) {
      this.#limit = open
      this.#limitedUntil = now() + LIMITED
      // Whoever waits does not wait for the transactions of others alone: they may take long.
      this.pump()
      return
    }
    this.#failures += 1
    this.#lastFailure = said
    this.#pausedUntil = now() + pauseOf(this.#failures, settings(), random)
    const until = this.#pausedUntil
    const [first, ...others] = this.#waiting.drain()
    first?.done({ deferred: said, untried: false, until })
    for (const group of others) group.done({ deferred: said, untried: true, until })
  }

  #answerAll(outcome: GroupOutcome): void {
    for (const group of this.#waiting.drain()) group.done(outcome)
  }

  async #send(line: Line, group: Group): Promise<void> {
    this.#busy += 1
    const { session } = line
    try {
      const outgoing = await group.outgoing()
      const { reached, results } = await session.send(outgoing)
      // Only what was idle may have ended without anybody's fault.
      if (!reached && line.sent > 0 && group.returned < MOST_RETURNS) {
        group.returned += 1
        this.#waiting.unshift(group)
      } else {
        group.done({ results, session })
      }
      line.sent += 1
    } catch (error) {
      group.done({ error })
    } finally {
      this.#busy -= 1
      this.#park(line)
    }
  }

  #park(line: Line): void {
    const { idle, messagesPerConnection } = this.#context.settings()
    if (!line.session.usable || line.sent >= messagesPerConnection || this.#stopped) {
      void this.#close(line)
      this.pump()
      return
    }
    this.#idle.push(line)
    this.pump()
    if (!this.#idle.includes(line)) return
    if (this.#context.isContended(this)) {
      this.#idle.splice(this.#idle.indexOf(line), 1)
      void this.#close(line)
      return
    }
    line.idle = setTimeout(() => {
      const index = this.#idle.indexOf(line)
      if (index === -1) return
      this.#idle.splice(index, 1)
      void this.#close(line)
    }, idle).unref()
  }

  async #close(line: Line): Promise<void> {
    if (line.idle !== null) clearTimeout(line.idle)
    await line.session.close()
    this.#context.released()
  }
}
