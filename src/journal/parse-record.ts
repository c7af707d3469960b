/** A line of the journal turned into a record, checked by hand: a schema for each of a million lines takes too long. */

import type { DeliveryRecord, JournalLine, JournalRecord } from './record.ts'
import { EVENTS } from './record.ts'

/** `Date.toISOString()`: of two such texts the earlier time is the smaller text. */
const TIME = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/

const TIME_LENGTH = 24

/**
 * @param line a line of a journal file, without its line break
 * @returns the decision, with whatever else a newer version wrote into it; null when it is none
 */
export function parseRecord(line: string): JournalRecord | null {
  const value = valueOf(line)
  return isRecord(value) ? value : null
}

/**
 * @param line a line of a journal file, without its line break
 * @returns the decision or the delivery, with whatever else a newer version wrote into it; null when it is neither
 */
export function parseLine(line: string): JournalLine | null {
  const value = valueOf(line)
  return isRecord(value) || isDeliveryRecord(value) ? value : null
}

function valueOf(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
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

function isDeliveryRecord(value: unknown): value is DeliveryRecord {
  if (!isObject(value)) return false
  return (
    isTime(value['time']) &&
    isText(value['id']) &&
    EVENTS.some((event) => event === value['event']) &&
    isTextOrNull(value['organization']) &&
    isText(value['sender']) &&
    isTexts(value['recipients']) &&
    isWay(value) &&
    isProgress(value)
  )
}

function isWay({ remote, route, tls }: Unchecked): boolean {
  return (
    (route === null || isRoute(route)) &&
    (remote === null || isRemote(remote)) &&
    (tls === null || isTls(tls))
  )
}

function isRoute(value: unknown): boolean {
  if (!isObject(value)) return false
  const { connector, organization, via } = value
  const isVia = via === 'connector' || via === 'smart-host' || via === 'mx'
  return isVia && isTextOrNull(organization) && isTextOrNull(connector)
}

function isRemote(value: unknown): boolean {
  return isObject(value) && isText(value['host']) && isText(value['address']) && isCount(value['port'])
}

function isTls(value: unknown): boolean {
  if (!isObject(value)) return false
  const { cipher, verified, version } = value
  return isText(version) && isText(cipher) && (verified === null || typeof verified === 'boolean')
}

function isProgress({ age, attempts, by, nextAttempt, related, reply, status }: Unchecked): boolean {
  return (
    isText(status) &&
    isText(reply) &&
    isCount(attempts) &&
    isCount(age) &&
    (nextAttempt === null || isTime(nextAttempt)) &&
    isTextOrNull(by) &&
    isTextOrNull(related)
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
  return (
    isState(value['state']) &&
    isTextOrNull(value['fingerprint']) &&
    isTextOrNull(value['why']) &&
    isTexts(value['names'])
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

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && value >= 0
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string'
}
