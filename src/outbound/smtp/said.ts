/** What is kept of what a next hop said, or of why it said nothing. */

import { printable } from '../../text/printable.ts'
import type { Said, Target } from '../types.ts'
import type { Reply } from './reply.ts'

/** How much of it is kept. */
const MOST_CHARACTERS = 500

/** RFC 3463, at the beginning of a reply's text (RFC 2034). */
const ENHANCED = /^([245])\.\d{1,3}\.\d{1,3}(?=\s|$)/

/** Codes that say more than their class, where the server gave no enhanced one (RFC 5248, 5321). */
const STATUS_OF_CODE: Readonly<Record<number, string>> = {
  421: '4.3.2',
  451: '4.3.0',
  452: '4.3.1',
  535: '5.7.8',
  552: '5.3.4',
}

/** They speak of a mailbox in a reply to RCPT alone (RFC 5321 section 4.3.2); elsewhere they are a refusal of any kind. */
const STATUS_OF_RCPT: Readonly<Record<number, string>> = { 450: '4.2.1', 550: '5.1.1', 553: '5.1.3' }

type Where = Pick<Target, 'host' | 'address' | 'port'>

/**
 * @param target who said it
 * @param reply what it said
 * @param at when
 * @param status RFC 3463, where another one than the reply's says what it means for the mail
 * @returns what is kept; the text as it was said, in one line
 */
export function saidBy(target: Where, reply: Reply, at: number, status = statusOf(reply)): Said {
  return { at, code: reply.code, status, text: textOf(reply), remote: remoteOf(target) }
}

/**
 * @param target where it went wrong
 * @param status RFC 3463
 * @param text why, for people; may hold what a server said
 * @param at when
 * @returns what is kept; no server said it
 */
export function saidHere(target: Where, status: string, text: string, at: number): Said {
  return { at, code: 0, status, text: printable(text, MOST_CHARACTERS), remote: remoteOf(target) }
}

/**
 * @param reply of a server
 * @returns its text in one line that is safe to show
 */
export function textOf({ lines }: Reply): string {
  const [first = '', ...others] = lines
  if (others.length === 0) return printable(first.trim(), MOST_CHARACTERS)
  // Each line repeats the enhanced code.
  const [enhanced = ''] = ENHANCED.exec(first) ?? []
  const rest = others.map((line) =>
    enhanced !== '' && line.startsWith(enhanced) ? line.slice(enhanced.length) : line,
  )
  const text = [first, ...rest].map((line) => line.trim()).filter((line) => line !== '')
  return printable(text.join(' '), MOST_CHARACTERS)
}

/**
 * @param reply of a server
 * @param toRcpt whether it is one to RCPT
 * @returns its enhanced status code, or what its code stands for
 */
export function statusOf({ code, lines }: Reply, toRcpt = false): string {
  const [status, kind] = ENHANCED.exec(lines[0] ?? '') ?? []
  const codeKind = String(code).slice(0, 1)
  if (status !== undefined && kind === codeKind) return status
  return STATUS_OF_CODE[code] ?? (toRcpt ? STATUS_OF_RCPT[code] : undefined) ?? `${codeKind}.0.0`
}

function remoteOf({ address, host, port }: Where): Said['remote'] {
  return { host, address, port }
}
