/**
 * The header: that there is a directory, and at which revision. Every write makes another one, and every look-up
 * reads it beside its records, so that data that went back in time (a failover that lost writes, an old backup, an
 * emptied server) is noticed before anything is decided from it.
 */

import { z } from 'zod'
import { readRecord } from './records.ts'

/** A state of the directory. The later of two has the greater epoch or, in one epoch, the greater number. */
export interface Revision {
  /** When this history began (an empty server was filled, an administrator accepted what is there); ms since 1970. */
  readonly epoch: number
  /** Counted in the epoch, from 1. */
  readonly number: number
  /** Drawn by lot at each write: two states of one number are told apart by it. */
  readonly id: string
}

/** How many enabled connectors have a range of a length, by length. */
export type PrefixLengths = ReadonlyMap<number, number>

export interface Header extends Revision {
  readonly organizations: number
  readonly acceptedDomains: number
  readonly inboundConnectors: number
  readonly outboundConnectors: number
  readonly prefixLengths: { readonly 4: PrefixLengths; readonly 6: PrefixLengths }
}

const count = z.int().min(0)
const lengths = z
  .array(z.tuple([count, z.int().min(1)]))
  .default([])
  .transform((pairs): PrefixLengths => new Map(pairs))

const HEADER = z.object({
  epoch: count,
  number: count,
  id: z.string().min(1),
  organizations: count.default(0),
  acceptedDomains: count.default(0),
  inboundConnectors: count.default(0),
  // A directory that an earlier version wrote has none.
  outboundConnectors: count.default(0),
  prefixLengths: z.object({ 4: lengths, 6: lengths }),
})

/**
 * @param json what stands in Redis
 * @returns the header
 * @throws UnreadableRecord when it is damaged or of a newer form
 */
export function readHeader(json: string): Header {
  return readRecord(json, HEADER)
}

/**
 * @param header the header
 * @returns its JSON
 */
export function writeHeader(header: Header): string {
  const { epoch, number, id, organizations, acceptedDomains, prefixLengths } = header
  const { inboundConnectors, outboundConnectors } = header
  const counts = { organizations, acceptedDomains, inboundConnectors, outboundConnectors }
  const pairs = { 4: pairsOf(prefixLengths[4]), 6: pairsOf(prefixLengths[6]) }
  return JSON.stringify({ v: 1, epoch, number, id, ...counts, prefixLengths: pairs })
}

/** Longest first, as they are looked up. */
function pairsOf(map: PrefixLengths): (readonly [number, number])[] {
  return [...map].filter(([, users]) => users > 0).toSorted(([left], [right]) => right - left)
}

/**
 * @param revision a state
 * @returns what it is called in the journal and for people; also the id of its entry in the stream of changes
 */
export function formatRevision({ epoch, number }: Revision): string {
  return `${epoch}-${number}`
}

/** @returns less than 0 when the left one is earlier, more than 0 when it is later */
export function compareRevisions(left: Revision, right: Revision): number {
  return left.epoch - right.epoch || left.number - right.number
}
