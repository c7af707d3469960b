/** The account for people: who did not get it, why, in whose words, and what to do. In English, as it knows no reader. */

import { printable } from '../../text/printable.ts'
import type { Facts, Fate } from './facts.ts'
import { CRLF, messageDate, wrap } from './mime.ts'
import type { Original } from './original.ts'
import { wordsFor } from './words.ts'

/** Addresses that are named together; the list for machines has all. */
const MOST_NAMED = 50

/** RFC 5321 section 4.5.3.1, with what nobody would write. */
const LONGEST_ADDRESS = 320

/** Of the text, in characters: it fits a window of 80 also where it is quoted. */
const WIDTH = 74

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** How a report of each kind begins: its subject, and its first words. */
const OPENINGS = {
  failure: { subject: 'Not delivered', first: 'Your message was not delivered to:' },
  delay: { subject: 'Not delivered yet', first: 'Your message has not reached these recipients yet:' },
  success: { subject: 'Handed on', first: 'Your message was handed on to the mail server of:' },
} as const

/**
 * @param facts what is reported
 * @param original what the message was
 * @returns the Subject of the report
 */
export function subjectOf({ event }: Facts, { subject }: Original): string {
  return subject === ''
    ? `${OPENINGS[event].subject}: your message`
    : `${OPENINGS[event].subject}: ${subject}`
}

/**
 * @param facts what is reported
 * @param original what the message was
 * @param returned what of it stands at the end of the report, in words
 * @returns the text; lines end in CRLF
 */
export function textForPeople(facts: Facts, original: Original, returned: string): string {
  const lines = [
    facts.fates.length === 1 && facts.event === 'delay'
      ? 'Your message has not reached this recipient yet:'
      : OPENINGS[facts.event].first,
    ...groups(facts.fates).flatMap((group) => groupLines(facts, group)),
    '',
    ...closing(facts),
    '',
    ...messageLines(facts, original),
    '',
    ...paragraph(
      `This was written by ${facts.context.me}, a mail server; nobody reads what you answer to it.`,
    ),
    ...paragraph(
      `If you need help, forward all of it to ${printable(facts.context.postmaster)}: the part that follows is for experts. ${returned}`,
    ),
  ]
  return lines.map((line) => line + CRLF).join('')
}

/** Recipients of whom the same is to be said. */
function groups(fates: readonly Fate[]): readonly (readonly [Fate, ...Fate[]])[] {
  const known = new Map<string, [Fate, ...Fate[]]>()
  for (const fate of fates) {
    const { answered, expired, remote, status, words } = fate
    const key = JSON.stringify([status, words, answered, expired, remote?.host, remote?.address])
    const group = known.get(key)
    if (group === undefined) known.set(key, [fate])
    else group.push(fate)
  }
  return [...known.values()]
}

function groupLines(facts: Facts, group: readonly [Fate, ...Fate[]]): string[] {
  const [fate] = group
  const named = group
    .slice(0, MOST_NAMED)
    .map(({ recipient }) => `  ${printable(recipient.address, LONGEST_ADDRESS)}`)
  const more = group.length - named.length
  return [
    '',
    ...named,
    ...(more === 0 ? [] : [`  and ${more} more, all of them in the list below`]),
    ...(facts.event === 'success' ? [] : ['', ...explanation(facts, fate)]),
    ...answer(fate),
  ]
}

function explanation(facts: Facts, fate: Fate): string[] {
  const { answered, expired, status } = fate
  // What was said last to a message that is too old was not final.
  const { advice, what } = wordsFor(expired ? `4${status.slice(1)}` : status, answered)
  if (facts.event === 'delay') return indented(what)
  const why = expired ? withWaiting(facts, fate, what) : what
  return [...indented(why), '', ...indented(`What to do: ${advice}`)]
}

function withWaiting({ context, envelope }: Facts, { status, triedAt }: Fate, what: string): string {
  const time = duration(context.now - envelope.receivedAt)
  const waited = triedAt === null ? `It waited here for ${time}.` : `It was tried for ${time}.`
  return status === '5.4.7' ? `${what} ${waited}` : `${waited} The last time: ${what}`
}

function answer({ answered, remote, words }: Fate): string[] {
  if (words === '') return []
  const server = remote === null ? 'that server' : `${printable(remote.host)} (${printable(remote.address)})`
  const who = answered ? `The answer of ${server}:` : 'What this server noted:'
  return ['', ...indented(who), ...paragraph(words, '    ')]
}

function closing({ context, event }: Facts): string[] {
  switch (event) {
    case 'failure':
      return paragraph(
        'It will not be tried again. This says nothing about recipients who are not named here.',
      )
    case 'delay':
      return paragraph(
        `You need not do anything. It is tried again until ${messageDate(context.expiresAt)}; if it still cannot be delivered then, you will be told.`,
      )
    case 'success':
      return paragraph(
        'You asked to be told. That server does not confirm what becomes of a message, so this is the last that you will hear of it, unless it fails there.',
      )
  }
}

function messageLines({ envelope }: Facts, { date, messageId, subject }: Original): string[] {
  return [
    'The message:',
    ...(subject === '' ? [] : subjectLines(subject)),
    ...(date === '' ? [] : [`  Sent:       ${date}`]),
    `  Received:   ${messageDate(envelope.receivedAt)}`,
    ...(messageId === null ? [] : [`  Message-ID: ${messageId}`]),
    `  Reference:  ${printable(envelope.id)}`,
  ]
}

function subjectLines(subject: string): string[] {
  return wrap(subject, '', WIDTH - 14).map(
    (line, index) => `${index === 0 ? '  Subject:    ' : ' '.repeat(14)}${line}`,
  )
}

function paragraph(text: string, indent = ''): string[] {
  return wrap(text, '', WIDTH - indent.length).map((line) => indent + line)
}

function indented(text: string): string[] {
  return paragraph(text, '  ')
}

/** Rounded: nobody needs the seconds. */
function duration(milliseconds: number): string {
  const [unit, name] =
    milliseconds >= 2 * DAY ? [DAY, 'day'] : milliseconds >= 2 * HOUR ? [HOUR, 'hour'] : [MINUTE, 'minute']
  const count = Math.max(1, Math.round(milliseconds / unit))
  return `${count} ${name}${count === 1 ? '' : 's'}`
}
