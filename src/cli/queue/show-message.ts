/** One message of the queue, whole: for people. */

import { NEVER } from '../../outbound/delivery/outcome.ts'
import type { QueueEntry, RecipientState } from '../../outbound/types.ts'
import { printable } from '../../text/printable.ts'
import { durationText, saidText, sizeText } from './lines.ts'

/**
 * @param entry a message
 * @param now milliseconds since 1970
 * @returns lines: the envelope, and what is with each recipient
 */
export function messageLines(entry: QueueEntry, now: number): string[] {
  const { active, envelope, owner, size, state } = entry
  const { hold, warnedAt } = state
  const from = [
    envelope.organization === null ? 'to nobody' : `organisation ${printable(envelope.organization)}`,
    ...(envelope.connector === null ? [] : [`connector ${printable(envelope.connector)}`]),
    ...(envelope.peer === null ? [] : [`from ${printable(envelope.peer)}`]),
  ]
  return [
    `${printable(envelope.id)}: ${octetsText(size)}, accepted ${timeText(envelope.receivedAt)} (${durationText(now - envelope.receivedAt)} ago)`,
    `  sender:     <${printable(envelope.sender, 1000)}>`,
    `  attributed: ${from.join(', ')}`,
    ...(envelope.reportOn === null ? [] : [`  report on:  ${printable(envelope.reportOn)}`]),
    ...noBounceLines(envelope),
    `  process:    ${printable(owner)}${active ? ', which delivers it now' : ''}`,
    ...(hold === null
      ? []
      : [
          `  held:       since ${timeText(hold.at)}${hold.by === null ? '' : ` by ${printable(hold.by)}`}: ${printable(hold.reason, 500)}`,
        ]),
    ...(warnedAt === null ? [] : [`  delay told: ${timeText(warnedAt)}`]),
    ...envelope.recipients.flatMap(({ address }, index) => [
      `  <${printable(address, 1000)}>: ${statusText(state.recipients[index], now, hold !== null)}`,
      ...saidLines(state.recipients[index]),
    ]),
  ]
}

function octetsText(size: number): string {
  const text = sizeText(size)
  return /\d$/.test(text) ? `${text} bytes` : text
}

function noBounceLines({ mayBounce, reportOn, sender }: QueueEntry['envelope']): string[] {
  if (reportOn !== null) return ['  bounces:    never: it is a report itself']
  if (sender === '') return ['  bounces:    never: it has the null sender']
  return mayBounce ? [] : ['  bounces:    never: its sender may be somebody else']
}

function statusText(state: RecipientState | undefined, now: number, held: boolean): string {
  if (state === undefined) return 'unknown'
  const tried = state.attempts === 0 ? 'not tried yet' : `tried ${times(state.attempts)}`
  if (state.status !== 'waiting') return `${state.status}, ${tried}`
  if (held) return `held, ${tried}`
  if (state.nextAttempt === NEVER) return `kept until it is released, ${tried}`
  const wait = state.nextAttempt - now
  return `waiting, ${tried}, ${wait <= 0 ? 'due now' : `next at ${timeText(state.nextAttempt)} (in ${durationText(wait)})`}`
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}

function saidLines(state: RecipientState | undefined): string[] {
  return state?.said == null ? [] : [`    ${timeText(state.said.at)} ${saidText(state.said)}`]
}

function timeText(time: number): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString()
}
