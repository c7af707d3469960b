/**
 * The parameters of MAIL and RCPT that a message keeps: RFC 3461 (DSN), RFC 6152 (BODY), RFC 6531 (SMTPUTF8). Others are
 * somebody else's.
 */

import type { Reply } from '../../policy/replies.ts'
import type { Envelope, EnvelopeRecipient, Notify } from '../types.ts'
import { decodeUnitext, decodeXtext, toSevenBit } from './xtext.ts'

/** Keyword and value, as the client gave them; null without a `=`. */
export type Parameters = Iterable<readonly [string, string | null]>

export type MailParameters = Pick<Envelope, 'ret' | 'envid' | 'smtpUtf8' | 'body'>
export type RcptParameters = Pick<EnvelopeRecipient, 'notify' | 'orcpt'>

/** The command is refused with it. */
export interface Refused {
  readonly reply: Reply
}

/** RFC 3461 section 4.4. */
const LONGEST_ENVID = 100
/** RFC 3461 section 4.2. */
const LONGEST_ORCPT = 500

/** RFC 3461 section 4.2: what a report can hold. */
const PRINTABLE_ASCII = /^[ -~\t]+$/

/** RFC 5322 section 3.2.3; RFC 3461 leaves it to IANA which there are. */
const ADDRESS_TYPE = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+$/

/** No control, and none of the characters that pass for an end of line. */
const ONE_LINE = /^[^\p{Cc}\p{Zl}\p{Zp}]+$/u

const NOTIFICATIONS = ['SUCCESS', 'FAILURE', 'DELAY'] as const

/**
 * @param parameters of MAIL, keywords in any case
 * @returns RET and ENVID (still xtext), SMTPUTF8 and BODY; a reply `501 5.5.4` when one is malformed or given twice
 *   (RFC 3461 sections 4.3 and 4.4)
 */
export function parseDsnMailParameters(parameters: Parameters): MailParameters | Refused {
  const problems: string[] = []
  const parsed = mailParameters(parameters, problems)
  return refusal(problems) ?? parsed
}

/**
 * @param parameters of RCPT, keywords in any case
 * @returns NOTIFY and ORCPT (still xtext; of type utf-8 in its 7-bit form, RFC 6533 section 3); a reply `501 5.5.4` when
 *   one is malformed or given twice (RFC 3461 sections 4.1 and 4.2)
 */
export function parseDsnRcptParameters(parameters: Parameters): RcptParameters | Refused {
  const problems: string[] = []
  const parsed = rcptParameters(parameters, problems)
  return refusal(problems) ?? parsed
}

/**
 * @param orcpt as parseDsnRcptParameters gives it, or from an older queue file
 * @returns the address type and the address that it stands for; null when it is no ORCPT
 */
export function decodeOrcpt(orcpt: string): { readonly type: string; readonly address: string } | null {
  const separator = orcpt.indexOf(';')
  const type = orcpt.slice(0, Math.max(0, separator))
  const encoded = orcpt.slice(separator + 1)
  if (!ADDRESS_TYPE.test(type)) return null
  const international = type.toLowerCase() === 'utf-8'
  const address = international ? decodeUnitext(encoded) : decodeXtext(encoded)
  if (address === null || !(international ? ONE_LINE : PRINTABLE_ASCII).test(address)) return null
  return { type, address }
}

function refusal(problems: readonly string[]): Refused | null {
  const [text] = problems
  return text === undefined ? null : { reply: { code: 501, status: '5.5.4', text } }
}

function mailParameters(parameters: Parameters, problems: string[]): MailParameters {
  const given = collect(parameters, ['RET', 'ENVID', 'SMTPUTF8', 'BODY'], problems)
  const smtpUtf8 = given.get('SMTPUTF8')
  if (typeof smtpUtf8 === 'string') problems.push('SMTPUTF8 takes no value')
  return {
    ret: choice(given, 'RET', ['FULL', 'HDRS'], problems),
    envid: parseEnvid(given.get('ENVID'), problems),
    smtpUtf8: smtpUtf8 === null,
    body: choice(given, 'BODY', ['7BIT', '8BITMIME'], problems),
  }
}

function rcptParameters(parameters: Parameters, problems: string[]): RcptParameters {
  const given = collect(parameters, ['NOTIFY', 'ORCPT'], problems)
  return {
    notify: parseNotify(given.get('NOTIFY'), problems),
    orcpt: parseOrcpt(given.get('ORCPT'), problems),
  }
}

type Given = ReadonlyMap<string, string | null>

/** The first counts of what is given twice. */
function collect(parameters: Parameters, known: readonly string[], problems: string[]): Given {
  const given = new Map<string, string | null>()
  for (const [name, value] of parameters) {
    const keyword = name.toUpperCase()
    if (!known.includes(keyword)) continue
    if (given.has(keyword)) problems.push(`${keyword} is given twice`)
    else given.set(keyword, value)
  }
  return given
}

function choice<Value extends string>(
  given: Given,
  keyword: string,
  values: readonly Value[],
  problems: string[],
): Value | null {
  const text = given.get(keyword)
  const chosen = values.find((value) => value === text?.toUpperCase()) ?? null
  if (text !== undefined && chosen === null) problems.push(`${keyword} is ${values.join(' or ')}`)
  return chosen
}

function parseEnvid(text: string | null | undefined, problems: string[]): string | null {
  if (text === undefined) return null
  const problem = problemOfEnvid(text ?? '')
  if (problem === null) return text
  problems.push(problem)
  return null
}

function problemOfEnvid(text: string): string | null {
  if (text === '') return 'ENVID needs a value'
  if (text.length > LONGEST_ENVID) return `ENVID is longer than ${LONGEST_ENVID} characters`
  return PRINTABLE_ASCII.test(decodeXtext(text) ?? '') ? null : 'ENVID is no xtext of printable ASCII'
}

function parseNotify(text: string | null | undefined, problems: string[]): Notify {
  if (text === undefined) return null
  const words = (text ?? '').toUpperCase().split(',')
  if (words.length === 1 && words[0] === 'NEVER') return []
  const known = NOTIFICATIONS.filter((word) => words.includes(word))
  if (words.every((word) => known.some((notification) => notification === word))) return known
  problems.push(
    words.includes('NEVER')
      ? 'NOTIFY=NEVER stands alone'
      : 'NOTIFY is NEVER, or some of SUCCESS, FAILURE and DELAY with commas between',
  )
  return null
}

function parseOrcpt(text: string | null | undefined, problems: string[]): string | null {
  if (text === undefined) return null
  const orcpt = toSevenBit(text ?? '')
  const problem = problemOfOrcpt(text ?? '', orcpt)
  if (problem === null) return orcpt
  problems.push(problem)
  return null
}

function problemOfOrcpt(text: string, sevenBit: string): string | null {
  if (text === '') return 'ORCPT needs a value'
  if (sevenBit.length > LONGEST_ORCPT) return `ORCPT is longer than ${LONGEST_ORCPT} characters`
  return decodeOrcpt(text) === null ? 'ORCPT is an address type, a semicolon and an address in xtext' : null
}
