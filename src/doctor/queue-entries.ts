/** What waits in the queue, as its processes and the folders of those that have ended tell it. */

import { join } from 'node:path'
import { deadFolders } from '../outbound/control/offline.ts'
import type { Controls } from '../outbound/control/open.ts'
import { openControls } from '../outbound/control/open.ts'
import { queueOnDisk } from '../outbound/spool/access.ts'
import type { QueueEntry, Said } from '../outbound/types.ts'
import type { Report } from './finding.ts'

/** Mail that waits for one destination. */
export interface DestinationFacts {
  messages: number
  /** When the oldest was accepted, in milliseconds since 1970. */
  oldest: number
  /** What was said last. */
  said: Said | null
}

export interface EntryFacts {
  /** All but held ones. */
  readonly waiting: number
  readonly oldest: number | null
  /** Of all of them. */
  readonly newest: number | null
  readonly held: number
  readonly oldestHeld: number | null
  /** By the recipient's domain; what came after many of them is not told apart. */
  readonly destinations: ReadonlyMap<string, DestinationFacts>
  /** Which processes did not answer, in words. */
  readonly failures: readonly string[]
}

const HOUR = 3_600_000
const DAY = 24 * HOUR

const OLD = 4 * HOUR
/** With the settings that are shipped, it is given up then. */
const TOO_OLD = 2 * DAY
const MANY = 10_000

/** How long a process may be silent, in milliseconds. */
const PATIENCE = 5_000

/**
 * @param instance the instance's folder
 * @returns its queue, to be looked at
 */
export function queueToSee(instance: string): Controls {
  const queue = join(instance, 'queue')
  const log = { journal: silent, info: silent, warn: silent, error: silent }
  return openControls(
    queue,
    deadFolders({ queue, spools: queueOnDisk(queue, log), log, report: noReport }),
    PATIENCE,
  )
}

function silent(): void {
  // Nothing is taken over here.
}

function noReport(): never {
  throw new Error('doctor changes nothing')
}

const MOST_DESTINATIONS = 100_000

/**
 * @param controls the whole queue
 * @param signal ends it
 * @returns what is in it
 */
export async function entryFacts(controls: Controls, signal: AbortSignal): Promise<EntryFacts> {
  const counted = { waiting: 0, held: 0 }
  let [oldest, newest, oldestHeld] = [null, null, null] as (number | null)[]
  const destinations = new Map<string, DestinationFacts>()
  for await (const entry of controls.list({})) {
    signal.throwIfAborted()
    const { receivedAt } = entry.envelope
    newest = Math.max(newest ?? 0, receivedAt)
    if (entry.state.hold === null) {
      counted.waiting += 1
      oldest = Math.min(oldest ?? receivedAt, receivedAt)
      countDestinations(destinations, entry)
    } else {
      counted.held += 1
      oldestHeld = Math.min(oldestHeld ?? receivedAt, receivedAt)
    }
  }
  return {
    ...counted,
    oldest: oldest ?? null,
    newest: newest ?? null,
    oldestHeld: oldestHeld ?? null,
    destinations,
    failures: controls.failures,
  }
}

/** A message with several recipients in one domain counts once for it. */
function countDestinations(
  destinations: Map<string, DestinationFacts>,
  { envelope, state }: QueueEntry,
): void {
  const said = new Map<string, Said | null>()
  for (const [index, { domain }] of envelope.recipients.entries()) {
    const one = state.recipients[index]
    if (one?.status === 'waiting') said.set(domain, one.said ?? said.get(domain) ?? null)
  }
  for (const [domain, last] of said) {
    const known = destinations.get(domain)
    if (known === undefined) {
      if (destinations.size >= MOST_DESTINATIONS) continue
      destinations.set(domain, { messages: 1, oldest: envelope.receivedAt, said: last })
      continue
    }
    known.messages += 1
    known.oldest = Math.min(known.oldest, envelope.receivedAt)
    if (last !== null && (known.said === null || last.at > known.said.at)) known.said = last
  }
}

/**
 * @param facts what was seen
 * @param now milliseconds since 1970
 * @param report where findings go
 */
export function checkEntries(facts: EntryFacts, now: number, report: Report): void {
  const { destinations, failures, held, oldest: first, oldestHeld, waiting } = facts
  for (const failure of failures) report('error', 'queue-not-answering', failure)
  if (first !== null && now - first > OLD) {
    report(
      now - first > TOO_OLD ? 'error' : 'warning',
      'queue-old',
      `${waiting} messages wait, the oldest since ${isoOf(first)} (${Math.floor((now - first) / HOUR)} hours)`,
    )
  }
  if (waiting > MANY) report('warning', 'queue-long', `${waiting} messages wait`)
  if (held > 0 && oldestHeld !== null) {
    report('warning', 'queue-held', `${held} messages are held, the oldest since ${isoOf(oldestHeld)}`)
  }
  const late = [...destinations].filter(([, { oldest }]) => now - oldest > HOUR)
  for (const [domain, { messages, oldest, said }] of late.toSorted(([, a], [, b]) => a.oldest - b.oldest)) {
    const age = now - oldest
    const last =
      said === null
        ? 'not tried yet'
        : `the last answer: ${said.code === 0 ? '' : `${said.code} `}${said.text}`
    report(
      age > DAY ? 'error' : 'warning',
      'queue-destination-late',
      `${messages} messages to ${domain} wait, the oldest since ${isoOf(oldest)} (${Math.floor(age / HOUR)} hours); ${last}`,
    )
  }
}

/** A damaged clock may have written any number. */
function isoOf(time: number): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString()
}
