/**
 * The queue of one process: what is due is routed, given to its destinations, and what comes of it is kept.
 *
 * The order that loses nothing, whenever the process is killed: a report stands on the disk before the state says that it
 * was made; a state that says "delivered" is synced before the message can be tried again; a message is removed last. A
 * kill in between does once more what was done, and forgets nothing.
 */

import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import { DamagedMessage } from '../spool/spool.ts'
import type { Content, Envelope, QueueControl, QueuedMessage } from '../types.ts'
import { queueControl } from './control.ts'
import type { GroupOutcome } from './destination.ts'
import { Destinations } from './destinations.ts'
import { DueHeap } from './due-heap.ts'
import type { Entry } from './entry.ts'
import { Fifo } from './fifo.ts'
import type { HopFailure } from './find-hop.ts'
import { findHop } from './find-hop.ts'
import { saidHere } from './said.ts'
import type { Hop } from './hop.ts'
import type { Attempt } from './outcome.ts'
import { nextDue } from './outcome.ts'
import type { OutboundQueue, QueueCounts, QueueOptions } from './queue-type.ts'
import { Settling } from './settle.ts'

export type { OutboundQueue } from './queue-type.ts'

/** Messages that are routed at the same time; more would only fill memory. */
const ROUTED_TOGETHER = 64

/** What dead processes left is looked for so often. */
const ADOPT_EVERY = 30_000

/** setTimeout takes no more. */
const LONGEST_TIMER = 2_147_483_647

/**
 * @param options what it needs
 * @returns the queue; it delivers what is accepted at once, and what is on the disk after `start`
 */
export function openQueue(options: QueueOptions): OutboundQueue {
  return new ProcessQueue(options)
}

class ProcessQueue implements OutboundQueue {
  readonly control: QueueControl
  readonly #options: QueueOptions
  readonly #now: () => number
  readonly #random: () => number
  readonly #entries = new Map<string, Entry>()
  /** Ids of messages that are being written. */
  readonly #accepting = new Set<string>()
  readonly #due = new DueHeap<{ readonly at: number; readonly entry: Entry }>()
  readonly #ready = new Fifo<Entry>()
  readonly #destinations: Destinations
  readonly #settling: Settling
  #routing = 0
  #timer: NodeJS.Timeout | null = null
  #timerAt = Number.POSITIVE_INFINITY
  #adopting: NodeJS.Timeout | null = null
  #buffered = 0
  #stopping = false

  constructor(options: QueueOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#random = options.random ?? Math.random
    this.#destinations = new Destinations({
      connect: options.connect,
      hops: options.hops,
      settings: options.settings,
      now: this.#now,
      random: this.#random,
    })
    this.#settling = new Settling({
      ...options,
      now: this.#now,
      random: this.#random,
      accept: (report) => this.accept(report.envelope, report.content),
      forget: (entry) => {
        this.#forget(entry)
      },
      wait: (entry) => {
        this.#wait(entry)
      },
    })
    this.control = queueControl({
      owner: options.owner,
      entries: this.#entries,
      spool: options.spool,
      settling: this.#settling,
      log: options.log,
      now: this.#now,
      changed: (entry, action) => {
        // Whoever says "now" does not mean "after the pause".
        if (action === 'retry' || action === 'release') this.#destinations.endPauses()
        this.#wait(entry)
      },
    })
  }

  get counts(): QueueCounts {
    const ready = this.#ready.length + this.#routing + this.#destinations.waiting
    const active = this.#destinations.busy
    return { active, ready, later: Math.max(0, this.#entries.size - ready - active) }
  }

  async accept(given: Envelope, content: Content): Promise<void> {
    const envelope = { ...given, id: this.#unusedId(given.id) }
    this.#accepting.add(envelope.id)
    try {
      this.#keepInMind(await this.#options.spool.store(envelope, content), content)
    } finally {
      this.#accepting.delete(envelope.id)
    }
  }

  /** A plugin may send one transaction twice, as a copy for somebody: both are messages then. */
  #unusedId(id: string): string {
    for (let copy = 1; ; copy += 1) {
      const own = copy === 1 ? id : `${id}.${copy}`
      if (!this.#entries.has(own) && !this.#accepting.has(own)) return own
    }
  }

  #keepInMind(message: QueuedMessage, content: Content): void {
    const fits = this.#buffered + content.length <= this.#options.settings().bufferBytes
    if (fits) this.#buffered += content.length
    this.#add(message, fits ? content : null)
  }

  async start(): Promise<void> {
    const { log, spool } = this.#options
    const add = (message: QueuedMessage): void => {
      this.#add(message, null)
    }
    const adopt = (): void => {
      void spool
        .adopt(add)
        .catch((error: unknown) => {
          log.error(`what other processes left in the queue cannot be taken over: ${messageOf(error)}`)
        })
        .finally(() => {
          if (!this.#stopping) this.#adopting = setTimeout(adopt, ADOPT_EVERY).unref()
        })
    }
    try {
      await spool.load(add)
    } finally {
      // What could not be read is tried again with what others leave.
      if (!this.#stopping) this.#adopting = setTimeout(adopt, ADOPT_EVERY).unref()
    }
  }

  async stop(graceMilliseconds: number): Promise<void> {
    this.#stopping = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#adopting !== null) clearTimeout(this.#adopting)
    await this.#destinations.stop(graceMilliseconds)
    await this.#settling.finish(graceMilliseconds)
    await this.#options.spool.close()
  }

  #add(message: QueuedMessage, content: Content | null): void {
    const { id } = message.envelope
    if (this.#entries.has(id)) return
    const entry: Entry = { message, content, groups: 0, waiting: 0, turn: 0, work: Promise.resolve(), due: 0 }
    this.#entries.set(id, entry)
    this.#wait(entry)
  }

  #isKnown(entry: Entry): boolean {
    return this.#entries.get(entry.message.envelope.id) === entry
  }

  /** It has left the queue. What is still under way of it changes nothing. */
  #forget(entry: Entry): void {
    if (this.#isKnown(entry)) this.#entries.delete(entry.message.envelope.id)
    this.#release(entry)
  }

  /** Until it is due. An entry that is being tried is put back when that has ended, unless it has left the queue. */
  #wait(entry: Entry): void {
    if (this.#stopping || entry.groups > 0 || !this.#isKnown(entry)) return
    const due = nextDue(entry.message.state)
    if (due === null) {
      // Held.
      this.#release(entry)
      return
    }
    entry.due = due
    if (due <= this.#now()) {
      this.#makeReady(entry)
      return
    }
    this.#release(entry)
    this.#due.add({ at: due, entry })
    this.#setTimer()
  }

  /** Content is kept in memory for the first attempt. */
  #release(entry: Entry): void {
    if (entry.content === null) return
    this.#buffered -= entry.content.length
    entry.content = null
  }

  #makeReady(entry: Entry): void {
    // A group that nobody has made yet: it is on its way.
    entry.groups = 1
    this.#ready.push(entry)
    this.#route()
  }

  #setTimer(): void {
    const first = this.#due.first
    if (first === undefined || first.at >= this.#timerAt) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timerAt = first.at
    const delay = Math.min(LONGEST_TIMER, Math.max(0, first.at - this.#now()))
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#timerAt = Number.POSITIVE_INFINITY
      this.#takeDue()
    }, delay).unref()
  }

  #takeDue(): void {
    const now = this.#now()
    for (let first = this.#due.first; first !== undefined && first.at <= now; first = this.#due.first) {
      this.#due.take()
      const { at, entry } = first
      // It was held, dropped or tried earlier meanwhile.
      if (entry.due === at) this.#wait(entry)
    }
    this.#setTimer()
  }

  #route(): void {
    while (!this.#stopping && this.#routing < ROUTED_TOGETHER) {
      const entry = this.#ready.shift()
      if (entry === undefined) return
      this.#routing += 1
      void this.#attempt(entry)
        .catch((error: unknown) => {
          this.#unforeseen(entry, error)
        })
        .finally(() => {
          this.#routing -= 1
          this.#route()
        })
    }
  }

  /** Gives each next hop the recipients that are its own. */
  async #attempt(entry: Entry): Promise<void> {
    const { envelope, state } = entry.message
    const now = this.#now()
    const hops = new Map<string, { hop: Hop; recipients: number[] }>()
    const without = new Map<string, { failure: HopFailure; recipients: number[] }>()
    for (const [index, recipient] of envelope.recipients.entries()) {
      const before = state.recipients[index]
      if (before?.status !== 'waiting' || before.nextAttempt > now) continue
      const found = await findHop(envelope, recipient, this.#options, this.#now)
      if ('hop' in found) {
        const { hop } = found
        const group = hops.get(hop.key)
        if (group === undefined) hops.set(hop.key, { hop, recipients: [index] })
        else group.recipients.push(index)
        continue
      }
      const { failure } = found
      const group = without.get(failure.said.text)
      if (group === undefined) without.set(failure.said.text, { failure, recipients: [index] })
      else group.recipients.push(index)
    }
    for (const { failure, recipients } of without.values()) {
      entry.groups += 1
      this.#settling.add(entry, attemptWithout(failure, recipients), null, undefined)
    }
    for (const { hop, recipients } of hops.values()) {
      entry.groups += 1
      this.#deliver(entry, hop, recipients)
    }
    // The one that `makeReady` counted.
    this.#settling.end(entry)
  }

  #deliver(entry: Entry, hop: Hop, recipients: readonly number[]): void {
    const { envelope } = entry.message
    const { turn } = entry
    let isWaiting = true
    entry.waiting += 1
    const begin = (): void => {
      if (isWaiting) entry.waiting -= 1
      isWaiting = false
    }
    this.#destinations.add(hop, {
      returned: 0,
      outgoing: async () => {
        if (isWaiting && entry.turn !== turn) throw new Withdrawn()
        begin()
        return {
          envelope,
          recipients,
          content: entry.content ?? (await this.#options.spool.read(entry.message)),
        }
      },
      done: (outcome) => {
        const isWithdrawn = isWaiting && entry.turn !== turn
        begin()
        if (isWithdrawn) this.#settling.end(entry)
        else if ('error' in outcome) this.#couldNot(entry, recipients, outcome.error)
        else {
          const session = 'session' in outcome ? outcome.session : undefined
          this.#settling.add(entry, attemptOf(outcome, recipients), hop.route, session)
        }
      },
    })
  }

  /** It was not sent, for a reason on this side. */
  #couldNot(entry: Entry, recipients: readonly number[], error: unknown): void {
    if (this.#stopping) {
      this.#settling.end(entry)
      return
    }
    if (error instanceof DamagedMessage) {
      // It was set aside, and told.
      this.#options.log.error(
        `message ${entry.message.envelope.id} is in the queue no more: ${error.message}`,
      )
      this.#forget(entry)
      this.#settling.end(entry)
      return
    }
    const text = `it could not be read: ${printable(messageOf(error), 300)}`
    this.#options.log.error(`message ${entry.message.envelope.id}: ${text}`)
    this.#settling.add(
      entry,
      { kind: 'deferred', recipients, said: saidHere(this.#now(), '4.3.0', text), untried: false, until: 0 },
      null,
      undefined,
    )
  }

  /** An error in the handling of one message: it waits, and the others go on. */
  #unforeseen(entry: Entry, error: unknown): void {
    const { id } = entry.message.envelope
    this.#options.log.error(`message ${id} waits, since an error was not foreseen: ${stackOf(error)}`)
    const now = this.#now()
    const waiting = entry.message.state.recipients.flatMap(({ nextAttempt, status }, index) =>
      status === 'waiting' && nextAttempt <= now ? [index] : [],
    )
    this.#settling.add(
      entry,
      {
        kind: 'deferred',
        recipients: waiting,
        said: saidHere(this.#now(), '4.3.0', messageOf(error)),
        untried: false,
        until: 0,
      },
      null,
      undefined,
    )
  }
}

/** Somebody held it or took it out of the queue while it waited for a connection. */
class Withdrawn extends Error {
  override readonly name = 'Withdrawn'
}

function attemptWithout({ kind, said }: HopFailure, recipients: readonly number[]): Attempt {
  return kind === 'unknown'
    ? { kind, recipients, said }
    : { kind, recipients, said, untried: false, until: 0 }
}

function attemptOf(
  outcome: Exclude<GroupOutcome, { readonly error: unknown }>,
  recipients: readonly number[],
): Attempt {
  if ('results' in outcome) return { kind: 'answered', results: outcome.results }
  if ('failed' in outcome) return { kind: 'failed', recipients, said: outcome.failed }
  const { deferred: said, until, untried } = outcome
  return { kind: 'deferred', recipients, said, untried, until }
}

function stackOf(error: unknown): string {
  return (error instanceof Error ? (error.stack ?? error.message) : String(error)).replaceAll(
    /\s*\n\s*/g,
    ' | ',
  )
}
