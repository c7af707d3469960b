/**
 * A strict reader of message/delivery-status: the grammar of RFC 3464 section 2 with RFC 6533's additions, fields in the
 * order of the grammar, and what its text asks for besides. Nothing in common with what writes it.
 */

import assert from 'node:assert/strict'

export type Group = ReadonlyMap<string, string>

export interface DeliveryStatus {
  readonly message: Group
  readonly recipients: readonly Group[]
}

const DATE =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2} [+-]\d{4}$/

const MTA =
  /^dns; (?:(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?|\[\d{1,3}(?:\.\d{1,3}){3}\]|\[IPv6:[0-9a-f:.]+\])$/
const ATOM = String.raw`[A-Za-z0-9!#$%&'*+/=?^_\x60{|}~-]+`
const TEXT = String.raw`[ -~]+`
/** utf8-text of RFC 6533, without controls. */
const UTF8_TEXT = String.raw`[^\p{Cc}\p{Zl}\p{Zp}\p{Cs}]+`

/** In the order of the grammar; whether it must be there. */
type Grammar = readonly (readonly [name: string, required: boolean, value: RegExp])[]

function messageGrammar(): Grammar {
  return [
    ['Original-Envelope-Id', false, new RegExp(`^${TEXT}$`)],
    ['Reporting-MTA', true, MTA],
    ['DSN-Gateway', false, MTA],
    ['Received-From-MTA', false, MTA],
    ['Arrival-Date', false, DATE],
  ]
}

function recipientGrammar(international: boolean): Grammar {
  const address = international
    ? new RegExp(`^(?:(?!utf-8;)${ATOM}; ?${TEXT}|utf-8; ?${UTF8_TEXT})$`, 'u')
    : new RegExp(`^(?!utf-8;)${ATOM}; ?${TEXT}$`)
  const text = international ? UTF8_TEXT : TEXT
  return [
    ['Original-Recipient', false, address],
    ['Final-Recipient', true, address],
    ['Action', true, /^(?:failed|delayed|delivered|relayed|expanded)$/],
    ['Status', true, /^[245]\.\d{1,3}\.\d{1,3}$/],
    ['Remote-MTA', false, MTA],
    ['Diagnostic-Code', false, new RegExp(`^${ATOM}; ${text}$`, 'u')],
    ['Last-Attempt-Date', false, DATE],
    ['Final-Log-ID', false, new RegExp(`^${TEXT}$`)],
    ['Will-Retry-Until', false, DATE],
  ]
}

/**
 * @param body decoded; lines end in CRLF
 * @param international whether it is a message/global-delivery-status
 * @returns its fields by name
 * @throws AssertionError where it breaks a rule
 */
export function readDeliveryStatus(body: Buffer, international: boolean): DeliveryStatus {
  const text = body.toString('utf8')
  assert.deepEqual(Buffer.from(text), body, 'is UTF-8')
  if (!international) assert.match(text, /^[\r\n -~]*$/, 'is ASCII')
  assert.ok(!/\r(?!\n)|(?<!\r)\n/.test(text), 'lines end in CRLF')
  assert.ok(text.endsWith('\r\n') && !text.endsWith('\r\n\r\n'), 'the last line is whole, and no empty one')
  const [first = '', ...others] = text.slice(0, -2).split('\r\n\r\n')
  assert.ok(others.length > 0, 'there is a recipient')
  const message = readGroup(first, messageGrammar())
  const recipients = others.map((group) => readGroup(group, recipientGrammar(international)))
  for (const recipient of recipients) checkTogether(recipient)
  return { message, recipients }
}

function readGroup(text: string, grammar: Grammar): Group {
  const group = new Map<string, string>()
  const order: number[] = []
  for (const line of unfolded(text)) {
    const [, name = '', value = ''] = /^([!-9;-~]+): (.*)$/su.exec(line) ?? []
    const place = grammar.findIndex(([known]) => known === name)
    assert.notEqual(place, -1, `a field of the grammar: ${JSON.stringify(line)}`)
    assert.ok(!group.has(name), `${name} once`)
    assert.match(value, grammar[place]?.[2] ?? /^$/, name)
    assert.equal(value, value.trim(), `${name} has no white space around it`)
    order.push(place)
    group.set(name, value)
  }
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
    'fields in the order of the grammar',
  )
  for (const [name, required] of grammar) assert.ok(!required || group.has(name), `${name} is there`)
  return group
}

function unfolded(text: string): string[] {
  const lines: string[] = []
  for (const line of text.split('\r\n')) {
    assert.notEqual(line.trim(), '', 'no line of white space')
    if (/^[ \t]/.test(line)) lines.push((lines.pop() ?? '') + line)
    else lines.push(line)
  }
  return lines
}

const CLASSES: ReadonlyMap<string, string> = new Map([
  ['failed', '5'],
  ['delayed', '4'],
  ['delivered', '2'],
  ['relayed', '2'],
  ['expanded', '2'],
])

/** RFC 3464 sections 2.3.4 (the class), 2.3.5 (no Remote-MTA without one), 2.3.6 (smtp: a reply) and 2.3.9 (delayed only). */
function checkTogether(recipient: Group): void {
  const action = recipient.get('Action') ?? ''
  assert.equal(
    recipient.get('Status')?.charAt(0),
    CLASSES.get(action),
    'the class of the status goes with the action',
  )
  assert.ok(
    !recipient.has('Will-Retry-Until') || action === 'delayed',
    'Will-Retry-Until of what is delayed only',
  )
  const diagnostic = recipient.get('Diagnostic-Code') ?? ''
  if (diagnostic.startsWith('smtp;'))
    assert.match(diagnostic, /^smtp; [2-5]\d\d(?: |$)/u, 'smtp is an SMTP reply')
  else assert.match(diagnostic, /^(?:x-|$)/, 'what is no SMTP reply says so')
}
