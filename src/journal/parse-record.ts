/** A line of the journal turned into a record, checked by hand: a schema for each of a million lines takes too long. */

import type { JournalRecord } from './record.ts'

/** `Date.toISOString()`: of two such texts the earlier time is the smaller text. */
const TIME = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/

const TIME_LENGTH = 24

/**
 * @param line a line of a journal file, without its line break
 * @returns the record, with whatever else a newer version wrote into it; null when it is none
 */
export function parseRecord(line: string): JournalRecord | null {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return null
  }
  return isRecord(value) ? value : null
}

/**
 * @param text anything
 * @returns whether it is a time as records have it, e.g. `2026-11-24T02:00:00.000Z`
 */
export function isTime(text: unknown): text is string {
  return typeof text === 'string' && text.length === TIME_LENGTH && TIME.test(text) && isDay(text)
}

/** There is no 31 April: Date reads it as 1 May. */
function isDay(text: string): boolean {
  return text.slice(8, 10) < '29' || new Date(text).toISOString() === text
}

type Unchecked = Readonly<Record<string, unknown>>

function isRecord(value: unknown): value is JournalRecord {
  if (!isObject(value)) return false
  return (
    isTime(value['time']) &&
    isText(value['id']) &&
    isText(value['sender']) &&
    isText(value['recipient']) &&
    isDecision(value) &&
    isConnector(value) &&
    isPeer(value['peer'])
  )
}

function isDecision({ outcome, reason, wouldBe, reply, revision }: Unchecked): boolean {
  return (
    isOutcome(outcome) &&
    isText(reason) &&
    (wouldBe === undefined || isText(wouldBe)) &&
    isText(reply) &&
    isText(revision)
  )
}

function isConnector({ organization, connector, via }: Unchecked): boolean {
  return (
    isTextOrNull(organization) &&
    isTextOrNull(connector) &&
    (via === null || via === 'certificate' || via === 'address')
  )
}

function isPeer(value: unknown): boolean {
  return (
    isObject(value) &&
    isText(value['address']) &&
    isText(value['helo']) &&
    isTextOrNull(value['tls']) &&
    isCertificate(value['certificate'])
  )
}

function isCertificate(value: unknown): boolean {
  if (!isObject(value)) return false
  const { names } = value
  return (
    isState(value['state']) &&
    isTextOrNull(value['fingerprint']) &&
    isTextOrNull(value['why']) &&
    Array.isArray(names) &&
    names.every((name) => typeof name === 'string')
  )
}

function isState(value: unknown): boolean {
  return value === 'verified' || value === 'no-tls' || value === 'no-certificate' || value === 'not-verified'
}

function isOutcome(value: unknown): boolean {
  return value === 'relay' || value === 'deny' || value === 'deliver' || value === 'defer'
}

function isObject(value: unknown): value is Unchecked {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string'
}
