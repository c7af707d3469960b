/** A message of the queue in a few lines of a terminal, and what all of them come to. */

import { NEVER } from '../../outbound/delivery/outcome.ts'
import type { EnvelopeRecipient, QueueEntry, RecipientState, Said } from '../../outbound/types.ts'
import { printable } from '../../text/printable.ts'

/** What a terminal has where nobody knows it. */
const WIDTH = 80

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/**
 * @param milliseconds how long
 * @returns it in one unit, e.g. `45s`, `12m`, `3h`, `9d`
 */
export function durationText(milliseconds: number): string {
  const time = Math.max(0, milliseconds)
  if (time < 2 * MINUTE) return `${Math.round(time / SECOND)}s`
  if (time < 2 * HOUR) return `${Math.round(time / MINUTE)}m`
  if (time < 2 * DAY) return `${Math.round(time / HOUR)}h`
  return `${Math.round(time / DAY)}d`
}

/**
 * @param bytes how many
 * @returns it in at most five characters, e.g. `812`, `4.1K`, `32M`
 */
export function sizeText(bytes: number): string {
  const units = ['', 'K', 'M', 'G']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0
  return `${value.toFixed(digits)}${units[unit] ?? ''}`
}

/** What waits in it, with what was said last. */
export interface Pending {
  readonly recipient: EnvelopeRecipient
  readonly state: RecipientState
}

/**
 * @param entry a message
 * @returns the recipients that wait
 */
export function pendingOf({ envelope, state }: QueueEntry): Pending[] {
  return envelope.recipients.flatMap((recipient, index) => {
    const one = state.recipients[index]
    return one?.status === 'waiting' ? [{ recipient, state: one }] : []
  })
}

/**
 * @param pending recipients that wait
 * @returns what was said last of one of them
 */
export function lastSaid(pending: readonly Pending[]): Said | null {
  return pending.reduce<Said | null>((last, { state: { said } }) => {
    if (said === null) return last
    return last === null || said.at > last.at ? said : last
  }, null)
}

/**
 * @param pending recipients that wait
 * @returns when the first of them is tried, in milliseconds since 1970; null where none is, until it is released
 */
export function nextAttempt(pending: readonly Pending[]): number | null {
  return pending.reduce<number | null>((first, { state: { nextAttempt: next } }) => {
    if (next === NEVER) return first
    return first === null || next < first ? next : first
  }, null)
}

/**
 * @param said what was said
 * @returns it with who said it, safe to print
 */
export function saidText({ code, remote, status, text }: Said): string {
  const codes = [code === 0 ? '' : String(code), text.includes(status) ? '' : status]
  const said = [...codes, text].filter((part) => part !== '').join(' ')
  return printable(remote === null ? said : `${remote.host}: ${said}`, 600)
}

/** @returns the line above the messages */
export function listHeader(): string {
  return `${'ID'.padEnd(ID_WIDTH)}  ${'AGE'.padStart(4)}  ${'SIZE'.padStart(5)}  SENDER`
}

const ID_WIDTH = 38

/**
 * @param entry a message
 * @param now milliseconds since 1970
 * @param width the most columns of a line
 * @returns two or three lines: what it is, what it waits for, and why
 */
export function listLines(entry: QueueEntry, now: number, width = WIDTH): string[] {
  const { envelope, size } = entry
  const age = durationText(now - envelope.receivedAt)
  const pending = pendingOf(entry)
  const said = lastSaid(pending)
  const head = `${printable(envelope.id, 60).padEnd(ID_WIDTH)}  ${age.padStart(4)}  ${sizeText(size).padStart(5)}  <${printable(envelope.sender, 300)}>`
  const why = said === null ? [] : [`    ${saidText(said)}`]
  return [head, `  ${stateText(entry, pending, now)}`, ...why].map((line) => printable(line, width))
}

function stateText({ active, state }: QueueEntry, pending: readonly Pending[], now: number): string {
  const to = toText(pending)
  if (state.hold !== null) return `held (${printable(state.hold.reason, 60)}): ${to}`
  if (active) return `being delivered: ${to}`
  const next = nextAttempt(pending)
  if (next === null) return `kept: ${to}`
  const when = next <= now ? 'due now' : `next in ${durationText(next - now)}`
  return `waiting, ${when}: ${to}`
}

function toText(pending: readonly Pending[]): string {
  const [first] = pending
  if (first === undefined) return 'for nobody any more'
  const more = pending.length > 1 ? ` and ${pending.length - 1} more` : ''
  return `<${printable(first.recipient.address, 300)}>${more}`
}
