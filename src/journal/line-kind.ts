/**
 * Which lines of the journal are read. Whoever counts decisions passes over deliveries, and the other way round, without
 * parsing them: there may be as many of the one as of the other.
 */

import type { DeliveryRecord, JournalLine, JournalRecord } from './record.ts'
import { isDelivery } from './record.ts'

export interface LineKind<Line extends JournalLine> {
  /**
   * @param bytes a line, from `start` up to `end`
   * @returns whether it is seen at once that it is not wanted; no line that is damaged at its beginning is passed over
   */
  passesOver(bytes: Buffer, start: number, end: number): boolean
  /** @returns the line where it is of this kind */
  take(line: JournalLine): Line | null
  /** @returns what tells lines of the same transaction and time apart */
  what(line: Line): string
}

export const DECISIONS: LineKind<JournalRecord> = {
  passesOver: (bytes, start, end) => hasAfterId(bytes, start, end, AFTER_ID.delivery),
  take: (line) => (isDelivery(line) ? null : line),
  what: ({ recipient }) => recipient,
}

export const DELIVERIES: LineKind<DeliveryRecord> = {
  passesOver: (bytes, start, end) => hasAfterId(bytes, start, end, AFTER_ID.decision),
  take: (line) => (isDelivery(line) ? line : null),
  what: whatOfDelivery,
}

export const ALL_LINES: LineKind<JournalLine> = {
  passesOver: () => false,
  take: (line) => line,
  what: (line) => (isDelivery(line) ? whatOfDelivery(line) : line.recipient),
}

function whatOfDelivery({ event, recipients }: DeliveryRecord): string {
  return JSON.stringify([event, ...recipients])
}

/** How the writer begins a line; so much is before the id. */
const BEGIN = '{"time":"'
const ID_BEGIN = BEGIN.length + '2026-11-24T02:00:00.000Z","id":"'.length

/** What the writer puts after the id. */
const AFTER_ID = { decision: '","peer":{', delivery: '","event":' } as const

const QUOTE = 0x22

/** Both are equally long: one comparison. */
const AFTER_ID_LENGTH = AFTER_ID.decision.length

function hasAfterId(bytes: Buffer, start: number, end: number, after: string): boolean {
  const quote = bytes.indexOf(QUOTE, start + ID_BEGIN)
  if (quote === -1 || quote + AFTER_ID_LENGTH > end) return false
  // The letter that differs, before anything is copied.
  if (bytes[quote + 3] !== after.charCodeAt(3)) return false
  if (bytes.toString('latin1', quote, quote + AFTER_ID_LENGTH) !== after) return false
  return bytes.toString('latin1', start, start + BEGIN.length) === BEGIN
}
