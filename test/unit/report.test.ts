/** Bounces, delay warnings and success reports, read by Python's email package and by a strict reader of RFC 3464. */

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import type { ReportContext } from '../../src/outbound/report/report.ts'
import { bounce, delayWarning, successReport } from '../../src/outbound/report/report.ts'
import type { ReportEvent } from '../../src/outbound/report/wants.ts'
import { mayReport, wants } from '../../src/outbound/report/wants.ts'
import { wordsFor } from '../../src/outbound/report/words.ts'
import type {
  Envelope,
  EnvelopeRecipient,
  Notify,
  QueuedMessage,
  RecipientState,
  Report,
  Said,
} from '../../src/outbound/types.ts'
import type { DeliveryStatus } from '../support/delivery-status.ts'
import { readDeliveryStatus } from '../support/delivery-status.ts'
import type { ReadMessage, ReadPart } from '../support/python-mail.ts'
import { PYTHON, PythonMail } from '../support/python-mail.ts'

const NOW = Date.UTC(2026, 10, 25, 3, 0, 0)
const HOUR = 3_600_000
const DAY = 24 * HOUR
const MIB = 1024 * 1024

const CONTEXT: ReportContext = {
  me: 'smarthost.contoso.com',
  now: NOW,
  newId: () => '5E2A0C1B-0000-4000-8000-000000000001.1',
  postmaster: 'postmaster@contoso.com',
  expiresAt: NOW + 2 * DAY,
}

const REMOTE = { host: 'mx1.tailspintoys.com', address: '192.0.2.25', port: 25 }

const UNKNOWN_USER: Said = {
  at: NOW - 1000,
  code: 550,
  status: '5.1.1',
  text: '550 5.1.1 <bob@tailspintoys.com>: Recipient address rejected: User unknown',
  remote: REMOTE,
}

const HEADER = [
  'Received: from exch1.contoso.com by smarthost.contoso.com; Wed, 25 Nov 2026 02:59:00 +0000',
  'From: Kate <kate@contoso.com>',
  'To: bob@tailspintoys.com',
  'Subject: Quarterly figures',
  'Date: Wed, 25 Nov 2026 03:58:59 +0100',
  'Message-ID: <1234@contoso.com>',
  '',
].join('\r\n')
const CONTENT = Buffer.from(`${HEADER}\r\nHello Bob\r\n..\r\n`)

const EVENTS = { failure: bounce, delay: delayWarning, success: successReport } as const

interface Case {
  readonly envelope?: Partial<Envelope>
  readonly recipients?: readonly Partial<EnvelopeRecipient>[]
  /** Of each recipient, or of the one. */
  readonly states?: readonly Partial<RecipientState>[]
  readonly content?: Buffer
  readonly context?: Partial<ReportContext>
}

function queued({ content = CONTENT, envelope = {}, recipients = [{}], states = [{}] }: Case): QueuedMessage {
  return {
    envelope: {
      id: '5E2A0C1B-0000-4000-8000-000000000000.1',
      receivedAt: NOW - HOUR,
      sender: 'kate@contoso.com',
      recipients: recipients.map((recipient) => ({
        address: 'bob@tailspintoys.com',
        domain: 'tailspintoys.com',
        notify: null,
        orcpt: null,
        ...recipient,
      })),
      organization: 'contoso',
      connector: 'Exchange',
      peer: '10.1.0.7',
      mayBounce: true,
      reportOn: null,
      smtpUtf8: false,
      body: null,
      ret: null,
      envid: null,
      ...envelope,
    },
    size: content.length,
    state: {
      recipients: recipients.map((_, index) => ({
        status: 'waiting',
        attempts: 1,
        nextAttempt: 0,
        said: UNKNOWN_USER,
        dsnPassedOn: null,
        ...states[index % states.length],
      })),
      hold: null,
      warnedAt: null,
    },
  }
}

function reportOf(event: ReportEvent, given: Case): Report | null {
  const message = queued(given)
  const all = message.envelope.recipients.map((_, index) => index)
  return EVENTS[event](message, given.content ?? CONTENT, all, { ...CONTEXT, ...given.context })
}

const python = existsSync(PYTHON) ? new PythonMail() : null
const missing = `${PYTHON} is missing (.ci/run installs it)`
if (python === null && process.env['CI'] === 'true') throw new Error(missing)
const skip = python === null ? missing : false
after(() => python?.close())

interface Read {
  readonly report: Report
  readonly message: ReadMessage
  readonly text: string
  readonly status: DeliveryStatus
  readonly returned: ReadPart
}

/** What must hold for each report, whatever it is about; and what is in it. */
async function read(report: Report | null): Promise<Read> {
  assert.ok(report !== null)
  const { content, envelope } = report
  assert.ok(content.subarray(-2).equals(Buffer.from('\r\n')), 'the last line is whole')
  const lines = content.toString('latin1').slice(0, -2).split('\r\n')
  assert.ok(!lines.some((line) => line.length > 998), 'no line is longer than 998 octets')
  assert.ok(!lines.some((line) => /[\0\r\n]/.test(line)), 'no NUL, CR or LF in a line')
  assert.ok(!lines.some((line) => line.startsWith('.') && !line.startsWith('..')), 'leading dots are doubled')
  if (envelope.body !== '8BITMIME')
    assert.ok(
      content.every((byte) => byte < 0x80),
      'is 7bit',
    )

  assert.ok(python !== null)
  const message = await python.read(content)
  assert.deepEqual(message.defects, [])
  const names = message.fields.map(([name]) => name)
  const references = names.includes('References') ? ['In-Reply-To', 'References'] : []
  assert.deepEqual(names, [
    'From',
    'To',
    'Subject',
    'Date',
    'Message-ID',
    ...references,
    'Auto-Submitted',
    'MIME-Version',
    'Content-Type',
    'Content-Transfer-Encoding',
  ])
  assert.equal(message.type, 'multipart/report')
  assert.equal(message.parameters['report-type'], 'delivery-status')
  assert.equal(message.parts.length, 3)
  for (const part of message.parts) {
    assert.deepEqual(part.defects, [])
    assert.deepEqual(
      part.fields.map(([name]) => name),
      ['Content-Description', 'Content-Type', 'Content-Transfer-Encoding'],
    )
    if (part.encoding === '8bit') assert.equal(message.encoding, '8bit')
  }
  const [first, second, third] = message.parts as [ReadPart, ReadPart, ReadPart]
  assert.equal(first.type, 'text/plain')
  assert.match(second.type, /^message\/(?:global-)?delivery-status$/)
  const status = readDeliveryStatus(second.body, second.type.includes('global'))
  // Python reads the same groups.
  assert.deepEqual(
    second.groups.map((group) => group.map(([name]) => name)),
    [status.message, ...status.recipients].map((group) => [...group.keys()]),
  )
  return { report, message, text: first.body.toString(), status, returned: third }
}

function fieldOf(message: ReadMessage, name: string): string | undefined {
  return message.fields.find(([known]) => known === name)?.[1]
}

function only(status: DeliveryStatus): ReadonlyMap<string, string> {
  assert.equal(status.recipients.length, 1)
  return status.recipients[0] ?? new Map()
}

describe('a bounce', { skip }, () => {
  it('tells a person in words who did not get the message, why, and what to do', async () => {
    const { text } = await read(reportOf('failure', {}))
    assert.equal(
      text,
      [
        'Your message was not delivered to:',
        '',
        '  bob@tailspintoys.com',
        '',
        '  There is no mailbox with this address.',
        '',
        '  What to do: Look for a typing error in the address. If it is right, ask',
        '  the recipient another way.',
        '',
        '  The answer of mx1.tailspintoys.com (192.0.2.25):',
        '    550 5.1.1 <bob@tailspintoys.com>: Recipient address rejected: User',
        '    unknown',
        '',
        'It will not be tried again. This says nothing about recipients who are not',
        'named here.',
        '',
        'The message:',
        '  Subject:    Quarterly figures',
        '  Sent:       Wed, 25 Nov 2026 03:58:59 +0100',
        '  Received:   Wed, 25 Nov 2026 02:00:00 +0000',
        '  Message-ID: <1234@contoso.com>',
        '  Reference:  5E2A0C1B-0000-4000-8000-000000000000.1',
        '',
        'This was written by smarthost.contoso.com, a mail server; nobody reads',
        'what you answer to it.',
        'If you need help, forward all of it to postmaster@contoso.com: the part',
        'that follows is for experts. Your message itself is not sent back, only',
        'its header.',
        '',
      ].join('\r\n'),
    )
  })

  it('tells a program the same by RFC 3464', async () => {
    const { status } = await read(
      reportOf('failure', {
        envelope: { envid: 'QQ+20314+2B' },
        recipients: [{ orcpt: 'rfc822;Bob+2Bx@Tailspintoys.com' }],
      }),
    )
    assert.deepEqual(
      [...status.message],
      [
        ['Original-Envelope-Id', 'QQ 314+'],
        ['Reporting-MTA', 'dns; smarthost.contoso.com'],
        ['Arrival-Date', 'Wed, 25 Nov 2026 02:00:00 +0000'],
      ],
    )
    assert.deepEqual(
      [...only(status)],
      [
        ['Original-Recipient', 'rfc822; Bob+x@Tailspintoys.com'],
        ['Final-Recipient', 'rfc822; bob@tailspintoys.com'],
        ['Action', 'failed'],
        ['Status', '5.1.1'],
        ['Remote-MTA', 'dns; mx1.tailspintoys.com'],
        ['Diagnostic-Code', `smtp; ${UNKNOWN_USER.text}`],
        ['Last-Attempt-Date', 'Wed, 25 Nov 2026 02:59:59 +0000'],
      ],
    )
  })

  it('comes from nobody, goes to the sender, and is marked as automatic', async () => {
    const { message, report } = await read(reportOf('failure', {}))
    assert.equal(fieldOf(message, 'From'), 'Mail Delivery System <MAILER-DAEMON@smarthost.contoso.com>')
    assert.deepEqual(message.to, [['kate', 'contoso.com']])
    assert.equal(fieldOf(message, 'Subject'), 'Not delivered: Quarterly figures')
    assert.equal(fieldOf(message, 'Auto-Submitted'), 'auto-replied')
    assert.equal(fieldOf(message, 'Message-ID'), `<${CONTEXT.newId()}@smarthost.contoso.com>`)
    assert.equal(fieldOf(message, 'In-Reply-To'), '<1234@contoso.com>')
    assert.equal(fieldOf(message, 'References'), '<1234@contoso.com>')
    assert.deepEqual(report.envelope, {
      id: CONTEXT.newId(),
      receivedAt: NOW,
      sender: '',
      recipients: [{ address: 'kate@contoso.com', domain: 'contoso.com', notify: [], orcpt: null }],
      organization: 'contoso',
      connector: null,
      peer: null,
      mayBounce: false,
      reportOn: '5E2A0C1B-0000-4000-8000-000000000000.1',
      smtpUtf8: false,
      body: '7BIT',
      ret: null,
      envid: null,
    })
  })

  it('names recipients together of whom the same is to be said, and all of them for programs', async () => {
    const recipients = Array.from({ length: 200 }, (_, index) => ({ address: `u${index}@tailspintoys.com` }))
    const { status, text } = await read(reportOf('failure', { recipients }))
    assert.equal(status.recipients.length, 200)
    assert.equal(text.split('There is no mailbox').length, 2)
    assert.match(text, / {2}u49@tailspintoys\.com\r\n {2}and 150 more, all of them in the list below\r\n/)
  })

  it('is about those only who want it', async () => {
    const { status } = await read(
      reportOf('failure', {
        recipients: [
          { address: 'a@x.test', notify: [] },
          { address: 'b@x.test', notify: ['SUCCESS', 'DELAY'] },
          { address: 'c@x.test', notify: ['FAILURE'] },
        ],
      }),
    )
    assert.equal(only(status).get('Final-Recipient'), 'rfc822; c@x.test')
  })

  const STATUSES: readonly (readonly [string, Partial<Said> | null, string, RegExp])[] = [
    [
      'the last answer of a message that is too old',
      { code: 451, status: '4.4.1' },
      '5.4.1',
      /It was tried for 5 days\. The last/,
    ],
    [
      'a certificate that never became right',
      { code: 0, status: '4.7.5', text: 'CERT_HAS_EXPIRED' },
      '5.7.5',
      /certificate/,
    ],
    ['age alone', { code: 0, status: '4.0.0' }, '5.4.7', /in the time/],
    ['age alone where nothing was said', null, '5.4.7', /in the time/],
    ['a refusal with the code of a delay', { code: 550, status: '4.2.2' }, '5.2.2', /mailbox is full/],
    ['a refusal without a code', { code: 554, status: '' }, '5.0.0', /refused the message/],
    ['a refusal with the code of a success', { code: 554, status: '2.0.0' }, '5.0.0', /refused/],
    ['nonsense', { code: 554, status: '9.1.1' }, '5.0.0', /refused/],
    ['Microsoft 365', { code: 550, status: '5.7.64' }, '5.7.64', /does not pass on messages/],
    [
      'a hand',
      { code: 0, status: '5.0.0', text: 'returned by the administrator of this server', remote: null },
      '5.0.0',
      /This mail server does not send/,
    ],
  ]
  for (const [what, said, expected, words] of STATUSES) {
    it(`gives ${what} as ${expected}, and in words`, async () => {
      const { status, text } = await read(
        reportOf('failure', {
          envelope: { receivedAt: NOW - 5 * DAY },
          states: [{ said: said === null ? null : { ...UNKNOWN_USER, ...said } }],
        }),
      )
      assert.equal(only(status).get('Status'), expected)
      assert.match(text.replaceAll(/\s+/g, ' '), words)
    })
  }

  it('quotes as an SMTP reply only what a server said', async () => {
    const own = { ...UNKNOWN_USER, code: 0, status: '4.7.5', text: 'CERT_HAS_EXPIRED' }
    const said = only((await read(reportOf('failure', { states: [{ said: own }] }))).status)
    assert.equal(said.get('Diagnostic-Code'), 'x-connectors; CERT_HAS_EXPIRED')
    assert.equal(said.get('Remote-MTA'), 'dns; mx1.tailspintoys.com')
    const nothing = only((await read(reportOf('failure', { states: [{ said: null, attempts: 0 }] }))).status)
    assert.deepEqual([...nothing.keys()], ['Final-Recipient', 'Action', 'Status'])
  })

  it('puts the code before an answer that lost it', async () => {
    const said = { ...UNKNOWN_USER, text: 'No such user' }
    const { status } = await read(reportOf('failure', { states: [{ said }] }))
    assert.equal(only(status).get('Diagnostic-Code'), 'smtp; 550 No such user')
  })

  const HOSTS = [
    ['192.0.2.25', 'dns; [192.0.2.25]'],
    ['2001:db8::25', 'dns; [IPv6:2001:db8::25]'],
    ['MX.Tailspintoys.com', 'dns; mx.tailspintoys.com'],
    ['evil\r\nX: y', 'dns; [192.0.2.25]'],
  ] as const
  for (const [host, expected] of HOSTS) {
    it(`names the other server ${JSON.stringify(host)} as ${expected}`, async () => {
      const said = { ...UNKNOWN_USER, remote: { ...REMOTE, host } }
      const { status } = await read(reportOf('failure', { states: [{ said }] }))
      assert.equal(only(status).get('Remote-MTA'), expected)
    })
  }

  it('has a name for this server also where the machine has none that may stand there', async () => {
    for (const [me, expected] of [
      ['mail_1', 'mail-1'],
      ['', 'localhost'],
      ['a b\r\nX: y', 'a-b--x--y'],
    ] as const) {
      const { status } = await read(reportOf('failure', { context: { me } }))
      assert.equal(status.message.get('Reporting-MTA'), `dns; ${expected}`)
    }
  })
})

describe('what is given back', { skip }, () => {
  it('is the header, without the dots of the wire', async () => {
    const content = Buffer.from('Subject: x\r\n..dotted: y\r\n\r\nbody\r\n')
    const { returned, text } = await read(reportOf('failure', { content }))
    assert.equal(returned.type, 'text/rfc822-headers')
    // A line that begins with a dot is a field like any other.
    assert.equal(returned.body.toString(), 'Subject: x\r\n.dotted: y\r\n')
    assert.match(text, /itself is not sent back/)
  })

  it('is all of it where RET=FULL asks for it', async () => {
    const { message, returned, text } = await read(reportOf('failure', { envelope: { ret: 'FULL' } }))
    assert.equal(returned.type, 'message/rfc822')
    assert.equal(returned.body.toString(), `${HEADER}\r\nHello Bob\r\n.\r\n`)
    assert.equal(message.encoding, '7bit')
    assert.match(text, /Your message is attached\./)
  })

  it('is never more than the header in a warning, whatever RET says (RFC 3461 section 4.3)', async () => {
    const { returned } = await read(reportOf('delay', { envelope: { ret: 'FULL' } }))
    assert.equal(returned.type, 'text/rfc822-headers')
  })

  it('is all of an 8-bit message as it is, and asks the next hop for 8BITMIME', async () => {
    const content = Buffer.concat([Buffer.from(`${HEADER}\r\n`), Buffer.from([0xe9, 0xff, 0x0d, 0x0a])])
    const { message, report, returned } = await read(
      reportOf('failure', { content, envelope: { ret: 'FULL' } }),
    )
    assert.equal(message.encoding, '8bit')
    assert.equal(report.envelope.body, '8BITMIME')
    assert.ok(returned.body.equals(content))
  })

  const NOT_WHOLE: readonly (readonly [string, Buffer, RegExp])[] = [
    [
      'a message of more than 1 MiB',
      Buffer.concat([CONTENT, Buffer.from('line\r\n'.repeat(MIB / 6))]),
      /too large/,
    ],
    [
      'a message with a line of 999 octets',
      Buffer.concat([CONTENT, Buffer.from(`${'x'.repeat(999)}\r\n`)]),
      /cannot be sent back\s+unchanged/,
    ],
    [
      'a message with NUL',
      Buffer.concat([CONTENT, Buffer.from('a\0b\r\n')]),
      /cannot be sent back\s+unchanged/,
    ],
    [
      'a message with a bare CR',
      Buffer.concat([CONTENT, Buffer.from('a\rb\r\n')]),
      /cannot be sent back\s+unchanged/,
    ],
  ]
  for (const [what, content, words] of NOT_WHOLE) {
    it(`is the header only of ${what}, and says so`, async () => {
      const { returned, text } = await read(reportOf('failure', { content, envelope: { ret: 'FULL' } }))
      assert.equal(returned.type, 'text/rfc822-headers')
      assert.equal(returned.body.toString(), HEADER)
      assert.match(text, words)
    })
  }

  const CHARSETS: readonly (readonly [string, Buffer, string, string])[] = [
    ['ASCII', Buffer.from('Subject: x\r\n'), 'us-ascii', '7bit'],
    ['UTF-8', Buffer.from('Subject: é\r\n'), 'utf-8', 'quoted-printable'],
    ['what is no UTF-8', Buffer.from('Subject: é\r\n', 'latin1'), 'unknown-8bit', 'quoted-printable'],
    [
      'white space at the end of its lines',
      Buffer.from('Subject: é \r\nX: y \t\r\n'),
      'utf-8',
      'quoted-printable',
    ],
    ['a line of 5,000 octets', Buffer.from(`X: ${'y'.repeat(5000)}\r\n`), 'us-ascii', 'quoted-printable'],
    ['NUL and a bare CR', Buffer.from('X: a\0b\rc\r\n'), 'us-ascii', 'quoted-printable'],
  ]
  for (const [what, header, charset, encoding] of CHARSETS) {
    it(`labels a header of ${what} as it is, and loses nothing of it`, async () => {
      const content = Buffer.concat([header, Buffer.from('\r\nbody\r\n')])
      const { returned } = await read(reportOf('failure', { content }))
      assert.equal(returned.parameters['charset'], charset)
      assert.equal(returned.encoding, encoding)
      assert.ok(returned.body.equals(header))
    })
  }

  it('holds no body that begins without an empty line', async () => {
    const content = Buffer.from('Subject: x\r\n folded\r\nThe secret\r\nPassword: y\r\n')
    const { returned } = await read(reportOf('failure', { content }))
    assert.equal(returned.body.toString(), 'Subject: x\r\n folded\r\n')
  })

  it('is nothing of a message without a header', async () => {
    for (const text of ['', '\r\nbody\r\n', 'no header at all', ' : folded first\r\n']) {
      const { message, returned } = await read(reportOf('failure', { content: Buffer.from(text) }))
      assert.equal(returned.body.length, 0)
      assert.equal(fieldOf(message, 'Subject'), 'Not delivered: your message')
      assert.equal(fieldOf(message, 'References'), undefined)
    }
  })

  it('is bounded where the header is not', async () => {
    const content = Buffer.from(`Subject: x\r\n${'X-Filler: yyyyyyyyyyyyyyyyyyyyyyyyy\r\n'.repeat(100_000)}`)
    const { report, returned } = await read(reportOf('failure', { content }))
    assert.ok(returned.body.length > 60_000 && returned.body.length <= 65_536)
    assert.ok(returned.body.toString().endsWith('\r\n'))
    assert.ok(report.content.length < 80_000)
  })

  it('cannot end the report, whatever boundary somebody wrote into it', async () => {
    const boundary = `=_${CONTEXT.newId()}_`
    const content = Buffer.from(
      `${HEADER}\r\n--${boundary}0--\r\n--${boundary}1\r\nContent-Type: text/html\r\n\r\n--${boundary}2\r\n`,
    )
    const { message, returned } = await read(reportOf('failure', { content, envelope: { ret: 'FULL' } }))
    assert.equal(message.parameters['boundary'], `${boundary}3`)
    assert.ok(returned.body.equals(content))
  })
})

describe('international addresses', { skip }, () => {
  const international: Case = {
    envelope: { smtpUtf8: true },
    recipients: [{ address: 'josé@tailspintoys.com', orcpt: String.raw`utf-8;jos\x{E9}@tailspintoys.com` }],
    content: Buffer.from('Subject: Café\r\n\r\nbody é\r\n'),
  }

  it('stand as they are in a message/global-delivery-status (RFC 6533)', async () => {
    const { message, report, returned, status, text } = await read(reportOf('failure', international))
    assert.equal(message.parts[1]?.type, 'message/global-delivery-status')
    assert.equal(only(status).get('Original-Recipient'), 'utf-8; josé@tailspintoys.com')
    assert.equal(only(status).get('Final-Recipient'), 'utf-8; josé@tailspintoys.com')
    assert.match(text, / {2}josé@tailspintoys\.com/)
    assert.equal(returned.type, 'message/global-headers')
    assert.equal(returned.body.toString(), 'Subject: Café\r\n')
    assert.equal(fieldOf(message, 'Subject'), 'Not delivered: Café')
    // The sender's own server need not know SMTPUTF8.
    assert.equal(report.envelope.smtpUtf8, false)
    assert.equal(report.envelope.body, '7BIT')
  })

  it('give the whole message back as message/global', async () => {
    const given = { ...international, envelope: { smtpUtf8: true, ret: 'FULL' } } as const
    const { returned } = await read(reportOf('failure', given))
    assert.equal(returned.type, 'message/global')
    assert.equal(returned.encoding, 'base64')
    assert.ok(returned.body.equals(international.content ?? CONTENT))
  })

  it('of the sender need SMTPUTF8 on the way back', async () => {
    const { message, report } = await read(
      reportOf('failure', { envelope: { sender: 'käthe@contoso.com', smtpUtf8: true } }),
    )
    assert.deepEqual(message.to, [['käthe', 'contoso.com']])
    assert.equal(report.envelope.smtpUtf8, true)
    assert.equal(report.envelope.body, '8BITMIME')
  })

  it('leave ASCII alone where only the answer of the server is not', async () => {
    const said = { ...UNKNOWN_USER, text: '550 5.1.1 Empfänger unbekannt 😀' }
    const { message, status, text } = await read(reportOf('failure', { states: [{ said }] }))
    assert.equal(message.parts[1]?.type, 'message/delivery-status')
    assert.equal(
      only(status).get('Diagnostic-Code'),
      String.raw`smtp; 550 5.1.1 Empf\x{E4}nger unbekannt \x{1F600}`,
    )
    assert.match(text, /550 5\.1\.1 Empfänger unbekannt 😀/)
  })
})

describe('a warning of a delay', { skip }, () => {
  const said: Said = { ...UNKNOWN_USER, code: 451, status: '4.7.1', text: '451 4.7.1 Greylisted' }

  it('says until when it is tried, and that nothing need be done', async () => {
    const { message, status, text } = await read(reportOf('delay', { states: [{ said, attempts: 7 }] }))
    assert.equal(fieldOf(message, 'Subject'), 'Not delivered yet: Quarterly figures')
    assert.deepEqual([...only(status)].slice(1), [
      ['Action', 'delayed'],
      ['Status', '4.7.1'],
      ['Remote-MTA', 'dns; mx1.tailspintoys.com'],
      ['Diagnostic-Code', 'smtp; 451 4.7.1 Greylisted'],
      ['Last-Attempt-Date', 'Wed, 25 Nov 2026 02:59:59 +0000'],
      ['Will-Retry-Until', 'Fri, 27 Nov 2026 03:00:00 +0000'],
    ])
    assert.match(text, /^Your message has not reached this recipient yet:\r\n/)
    assert.match(
      text,
      /You need not do anything\. It is tried again until Fri, 27 Nov 2026\s+03:00:00 \+0000;/,
    )
    assert.doesNotMatch(text, /What to do:/)
  })

  it('gives no reason where there is none', async () => {
    const { status } = await read(reportOf('delay', { states: [{ said: null, attempts: 0 }] }))
    assert.equal(only(status).get('Status'), '4.0.0')
  })
})

describe('a report of success', { skip }, () => {
  const said: Said = { ...UNKNOWN_USER, code: 250, status: '2.0.0', text: '250 2.0.0 Ok: queued as 4F1' }

  it('says relayed, for those whose server will not say delivered', async () => {
    const { message, status, text } = await read(
      reportOf('success', {
        recipients: [
          { address: 'a@x.test', notify: ['SUCCESS'] },
          { address: 'b@x.test', notify: ['SUCCESS'] },
          { address: 'c@x.test', notify: null },
        ],
        states: [
          { said, dsnPassedOn: false },
          { said, dsnPassedOn: true },
          { said, dsnPassedOn: false },
        ],
      }),
    )
    assert.equal(fieldOf(message, 'Subject'), 'Handed on: Quarterly figures')
    const group = only(status)
    assert.equal(group.get('Final-Recipient'), 'rfc822; a@x.test')
    assert.equal(group.get('Action'), 'relayed')
    assert.equal(group.get('Status'), '2.0.0')
    assert.match(text, /handed on to the mail server of:\r\n\r\n {2}a@x\.test/)
    assert.doesNotMatch(text, /What to do:/)
  })
})

describe('who is told what', () => {
  const ASKED: readonly (readonly [Notify, readonly ReportEvent[]])[] = [
    [null, ['failure', 'delay']],
    [[], []],
    [['FAILURE'], ['failure']],
    [['DELAY'], ['delay']],
    [['SUCCESS'], ['success']],
    [
      ['SUCCESS', 'FAILURE', 'DELAY'],
      ['failure', 'delay', 'success'],
    ],
  ]
  for (const [notify, events] of ASKED) {
    it(`${notify === null ? 'without NOTIFY' : `NOTIFY=${notify.join(',') || 'NEVER'}`}: ${events.join(', ') || 'nothing'}`, () => {
      for (const event of ['failure', 'delay', 'success'] as const) {
        assert.equal(wants(notify, event), events.includes(event))
        assert.equal(reportOf(event, { recipients: [{ notify }] }) !== null, events.includes(event))
      }
    })
  }

  const NOBODY: readonly (readonly [string, Partial<Envelope>])[] = [
    ['the null sender', { sender: '' }],
    ['a report of our own', { reportOn: 'another', mayBounce: true }],
    ['a sender who was not attributed', { mayBounce: false }],
    ['a sender without a domain', { sender: 'root' }],
    ['a sender with a domain that is none', { sender: 'kate@-' }],
  ]
  for (const [what, envelope] of NOBODY) {
    it(`${what} is told nothing, ever`, () => {
      const recipients = [{ notify: ['SUCCESS', 'FAILURE', 'DELAY'] as const }]
      for (const event of ['failure', 'delay', 'success'] as const) {
        assert.equal(reportOf(event, { envelope, recipients }), null)
      }
      assert.equal(mayReport(queued({ envelope }).envelope), false)
    })
  }

  it('a report about no recipient is none, nor one about recipients that there are not', () => {
    assert.equal(bounce(queued({}), CONTENT, [], CONTEXT), null)
    assert.equal(bounce(queued({}), CONTENT, [7, -1, Number.NaN], CONTEXT), null)
  })

  it('a sender at an address literal is told', () => {
    const report = reportOf('failure', { envelope: { sender: 'scan@[IPv6:2001:DB8::7]' } })
    assert.equal(report?.envelope.recipients[0]?.domain, '[ipv6:2001:db8::7]')
  })
})

describe('subjects', { skip }, () => {
  const SUBJECTS: readonly (readonly [string, string])[] = [
    ['Quarterly figures', 'Quarterly figures'],
    ['folded\r\n  twice\r\n\tover', 'folded twice over'],
    ['=?utf-8?B?w4RyZ2Vy?=', 'Ärger'],
    ['=?iso-8859-1?Q?=C4rger_im?= =?iso-8859-1?Q?_B=FCro?=', 'Ärger im Büro'],
    ['=?utf-8?B?w4Q=?= plain =?utf-8?Q?=C3=96?=', 'Ä plain Ö'],
    // One character cut in two by a careless writer.
    ['=?utf-8?Q?=C3?= =?utf-8?Q?=84?=', 'Ä'],
    ['=?gb2312?B?1tDOxA==?=', '中文'],
    ['=?utf-8?Q?a=0D=0ABcc:_evil@x.test?=', 'a Bcc: evil@x.test'],
    ['=?utf-8?Q?a=00=1B[31m?=', String.raw`a\x00\x1b[31m`],
    ['=?no-such-charset?Q?a=FFb?=', 'a\ufffdb'],
    ['=?utf-8?Q?=3D=3Futf-8=3FQ=3Fx=3F=3D?=', '=?utf-8?Q?x?='],
    ['raw Ärger', 'raw Ärger'],
    ['a\u202egpj.exe', String.raw`a\u202egpj.exe`],
    ['x'.repeat(3000), `${'x'.repeat(199)}…`],
    ['é'.repeat(400), `${'é'.repeat(199)}…`],
  ]
  for (const [written, read_] of SUBJECTS) {
    it(`reads ${JSON.stringify(written).slice(0, 60)}, and puts nothing else into its own header`, async () => {
      const { message, text } = await read(
        reportOf('failure', { content: Buffer.from(`Subject: ${written}\r\n\r\n`) }),
      )
      assert.equal(fieldOf(message, 'Subject'), `Not delivered: ${read_}`)
      assert.ok(text.replaceAll(/\s+/g, ' ').includes(` Subject: ${read_} `))
    })
  }
})

describe('words', () => {
  it('are whole sentences for every status there may be', () => {
    for (const kind of ['4', '5']) {
      for (let subject = 0; subject <= 9; subject++) {
        for (let detail = 0; detail <= 70; detail++) {
          for (const answered of [true, false]) {
            const { advice, what } = wordsFor(`${kind}.${subject}.${detail}`, answered)
            for (const sentence of [what, advice]) assert.match(sentence, /^[A-Z][ -~]+\.$/)
          }
        }
      }
    }
  })
})

describe('whatever comes', { skip }, () => {
  const anything = (maxLength: number) =>
    fc.oneof(
      fc.string({ unit: 'binary', maxLength }),
      fc.string({ maxLength }),
      fc.stringMatching(/^[\0\r\n\t .:;<>@"\\=?_a-zäß中😀-]{0,40}$/u),
    )
  const atom = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}$/)
  const localPart = fc.oneof(
    fc.array(atom, { minLength: 1, maxLength: 3 }).map((atoms) => atoms.join('.')),
    fc.stringMatching(/^[ -!#-[\]-~]{0,20}$/).map((text) => `"${text}"`),
    fc.stringMatching(/^[a-zäöß中文é]{1,20}$/),
  )
  const domain = fc.constantFrom(
    'contoso.com',
    'mail.fabrikam.com',
    'xn--bcher-kva.example',
    '[192.0.2.1]',
    '[IPv6:2001:db8::1]',
  )
  const address = fc.tuple(localPart, domain).map(([local, host]) => `${local}@${host}`)
  const notify = fc.option(fc.subarray(['SUCCESS', 'FAILURE', 'DELAY'] as const))
  const said = fc.option(
    fc.record({
      at: fc.integer({ min: 0, max: NOW }),
      code: fc.constantFrom(0, 250, 421, 451, 550, 554, 99, 1000),
      status: fc.oneof(
        fc.constantFrom('2.0.0', '4.4.1', '4.0.0', '5.1.1', '5.7.64', '4.7.5', ''),
        anything(8),
      ),
      text: anything(500),
      remote: fc.option(
        fc.record({
          host: fc.oneof(domain, anything(40)),
          address: fc.oneof(fc.ipV4(), fc.ipV6(), anything(20)),
          port: fc.nat(65535),
        }),
      ),
    }),
  )
  const line = fc.oneof(
    anything(100).map((text) => Buffer.from(text)),
    fc
      .tuple(
        fc.constantFrom('Subject', 'Message-ID', 'Date', 'X-Other', 'subject ', '.dot', 'Content-Type'),
        anything(100),
      )
      .map(([name, value]) => Buffer.from(`${name}: ${value}`)),
    fc.tuple(atom, atom).map(([a, b]) => Buffer.from(`Message-ID: <${a}@${b}>`)),
    fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.concat([Buffer.from('Subject: '), bytes])),
    fc
      .tuple(fc.constantFrom('utf-8', 'iso-8859-1', 'x'), fc.constantFrom('B', 'Q'), anything(40))
      .map(([charset, kind, text]) => Buffer.from(`Subject: =?${charset}?${kind}?${text}?=`)),
    fc.nat(3).map((n) => Buffer.from(`--=_${CONTEXT.newId()}_${n}--`)),
    fc.constantFrom('', ' ', '.', '..', 'y'.repeat(2000)).map((text) => Buffer.from(text)),
  )
  const content = fc
    .array(line, { maxLength: 12 })
    .map((lines) => Buffer.concat(lines.map((bytes) => stuffed(Buffer.concat([bytes, Buffer.from('\r\n')])))))

  const recipient = fc.record({
    address: fc.oneof({ weight: 4, arbitrary: address }, { weight: 1, arbitrary: anything(600) }),
    notify,
    orcpt: fc.option(
      fc.oneof(
        atom.map((text) => `rfc822;${text.replaceAll(/[+=]/g, '')}x`),
        anything(60),
      ),
    ),
  })
  const anyCase = fc.record({
    event: fc.constantFrom('failure', 'failure', 'delay', 'success'),
    envelope: fc.record({
      id: fc.oneof(fc.uuid(), anything(40)),
      sender: fc.oneof(
        { weight: 6, arbitrary: address },
        { weight: 1, arbitrary: anything(40).map((text) => `${text}@contoso.com`) },
      ),
      smtpUtf8: fc.boolean(),
      ret: fc.constantFrom('FULL', 'HDRS', null),
      envid: fc.option(fc.oneof(atom, anything(40))),
    }),
    recipients: fc.array(recipient, { minLength: 1, maxLength: 4 }),
    states: fc.array(
      fc.record({ said, attempts: fc.nat(2), dsnPassedOn: fc.constantFrom(null, true, false) }),
      { minLength: 1, maxLength: 4 },
    ),
    content,
  })

  it('a report can be read, has no foreign field, and names the addresses as they were', async () => {
    await fc.assert(
      fc.asyncProperty(anyCase, async ({ event, ...given }) => {
        const report = reportOf(event, given)
        const expected = given.recipients.filter(
          (each, index) =>
            wants(each.notify, event) &&
            !(event === 'success' && given.states[index % given.states.length]?.dsnPassedOn === true),
        )
        assert.equal(report === null, expected.length === 0 || /^@[^@]*$/.test(given.envelope.sender))
        if (report === null) return
        const { message, status } = await read(report)
        const { sender } = given.envelope
        if (message.to.length > 0) assert.deepEqual(message.to, [mailbox(sender)])
        else assert.doesNotMatch(sender, /^[A-Za-z0-9äöß中文é]+@[^@]*$/)
        for (const [index, each] of expected.entries()) {
          const told = status.recipients[index]?.get('Final-Recipient') ?? ''
          const [, type, text] = /^(rfc822|utf-8); (.*)$/su.exec(told) ?? []
          if (
            !/[^ -~äöß中文é]/u.test(each.address) &&
            each.address.trim() === each.address &&
            each.address !== ''
          )
            assert.equal(text, each.address)
          assert.equal(type, /^[ -~]*$/.test(text ?? '') ? 'rfc822' : 'utf-8')
        }
      }),
      { numRuns: process.env['PROOF'] === 'whole' ? 20_000 : 500 },
    )
  })
})

function mailbox(address: string): readonly [string, string] {
  const at = address.lastIndexOf('@')
  const local = address.slice(0, at)
  const bare = local.startsWith('"') ? local.slice(1, -1).replaceAll(/\\(.)/g, '$1') : local
  return [bare, address.slice(at + 1)]
}

function stuffed(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1').replaceAll(/(^|\r\n)\./g, '$1..')
  return Buffer.from(text, 'latin1')
}
