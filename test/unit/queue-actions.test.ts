/** What an administrator's word does to a message of the queue, and which messages are meant. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { actionRecord, applyAction } from '../../src/outbound/control/actions.ts'
import { matches } from '../../src/outbound/control/filter.ts'
import type { QueueAction, QueueFilter, QueuedMessage } from '../../src/outbound/types.ts'
import { queued, RECEIVED, recipient, waiting } from '../support/queued.ts'

const NOW = RECEIVED + 3_600_000
const BY = { now: NOW, by: 'root' }
const HOLD = { at: RECEIVED, reason: 'its time is up', by: null }
const said = (text: string) => ({ at: RECEIVED, code: 451, status: '4.7.5', text, remote: null })

const JOHN = recipient('john@fabrikam.com')
const KATE = recipient('kate@adatum.com', { notify: [] })
const FATE = queued(
  'two',
  { recipients: [recipient('done@fabrikam.com'), JOHN, KATE] },
  {
    recipients: [
      waiting({ status: 'delivered', attempts: 1 }),
      waiting({ attempts: 3, nextAttempt: NOW + 60_000, said: said('certificate expired') }),
      waiting({ attempts: 3, nextAttempt: NOW + 90_000 }),
    ],
  },
)
const HELD = { ...FATE, state: { ...FATE.state, hold: HOLD } }

/** What becomes of the three recipients, the hold, and who is told. */
interface Row {
  readonly what: string
  readonly message: QueuedMessage
  readonly action: QueueAction
  readonly statuses: string
  readonly held: boolean
  readonly failed: readonly number[]
  readonly remove: boolean
  readonly done: boolean
  readonly why: RegExp
}

const DONE = 'delivered waiting waiting'
const STAYS = { statuses: DONE, failed: [], remove: false }
const ROWS: readonly Row[] = [
  {
    what: 'is tried now',
    message: FATE,
    action: 'retry',
    ...STAYS,
    held: false,
    done: true,
    why: /^tried now$/,
  },
  {
    what: 'that is held is not tried',
    message: HELD,
    action: 'retry',
    ...STAYS,
    held: true,
    done: false,
    why: /release it first/,
  },
  { what: 'is held', message: FATE, action: 'hold', ...STAYS, held: true, done: true, why: /^held$/ },
  {
    what: 'that is held stays as it is',
    message: HELD,
    action: 'hold',
    ...STAYS,
    held: true,
    done: false,
    why: /already: its time is up/,
  },
  {
    what: 'is released',
    message: HELD,
    action: 'release',
    ...STAYS,
    held: false,
    done: true,
    why: /released/,
  },
  {
    what: 'that is not held is not released',
    message: FATE,
    action: 'release',
    ...STAYS,
    held: false,
    done: false,
    why: /not held/,
  },
  {
    what: 'is bounced to the sender, but not for who wants no report',
    message: FATE,
    action: 'bounce',
    statuses: 'delivered bounced bounced',
    failed: [1],
    held: false,
    remove: true,
    done: true,
    why: /^bounced$/,
  },
  {
    what: 'that is held is bounced',
    message: HELD,
    action: 'bounce',
    statuses: 'delivered bounced bounced',
    failed: [1],
    held: false,
    remove: true,
    done: true,
    why: /^bounced$/,
  },
  {
    what: 'is dropped',
    message: FATE,
    action: 'drop',
    statuses: 'delivered dropped dropped',
    failed: [],
    held: false,
    remove: true,
    done: true,
    why: /^dropped$/,
  },
  {
    what: 'that is held is dropped',
    message: HELD,
    action: 'drop',
    statuses: 'delivered dropped dropped',
    failed: [],
    held: false,
    remove: true,
    done: true,
    why: /^dropped$/,
  },
]

describe('a message of the queue', () => {
  for (const row of ROWS) {
    it(`${row.what} (${row.action})`, () => {
      const applied = applyAction(row.message, row.action, BY)
      const { state } = applied
      assert.equal(state.recipients.map(({ status }) => status).join(' '), row.statuses)
      assert.equal(state.hold !== null, row.held)
      assert.deepEqual(applied.failed, row.failed)
      assert.equal(applied.remove, row.remove)
      assert.equal(applied.done, row.done)
      assert.match(applied.why, row.why)
      assert.deepEqual(
        state.recipients[0],
        row.message.state.recipients[0],
        'what was delivered is left alone',
      )
      if (!row.done) assert.equal(state, row.message.state)
    })
  }

  it('that is tried or released is due at once, with its attempts and its last answer kept', () => {
    for (const [message, action] of [
      [FATE, 'retry'],
      [HELD, 'release'],
    ] as const) {
      const { state } = applyAction(message, action, BY)
      assert.deepEqual(state.recipients[1], { ...message.state.recipients[1], nextAttempt: NOW })
    }
  })

  it('is never bounced to a sender who may be somebody else, to nobody, or about a report', () => {
    const rows: readonly (readonly [Parameters<typeof queued>[1], RegExp])[] = [
      [{ mayBounce: false }, /not attributed/],
      [{ sender: '' }, /null sender/],
      [{ reportOn: 'other', sender: '' }, /report/],
    ]
    for (const [envelope, why] of rows) {
      const message = queued('held', envelope, { hold: HOLD })
      const applied = applyAction(message, 'bounce', BY)
      assert.deepEqual([applied.done, applied.remove, applied.failed], [false, false, []])
      assert.match(applied.why, why)
      assert.equal(applyAction(message, 'drop', BY).remove, true)
    }
  })

  it('that waits for nobody is left alone, whatever is asked', () => {
    const message = queued('done', {}, { recipients: [waiting({ status: 'delivered' })] })
    for (const action of ['retry', 'hold', 'release', 'bounce', 'drop'] as const) {
      assert.equal(applyAction(message, action, BY).done, false)
    }
  })

  it('that is bounced says who decided it, and what the last answer was', () => {
    const { state } = applyAction(FATE, 'bounce', BY)
    assert.deepEqual(state.recipients[1]?.said, {
      at: NOW,
      code: 0,
      status: '5.0.0',
      text: 'returned by the administrator of this server; the last answer was: certificate expired',
      remote: null,
    })
    const long = queued('long', {}, { recipients: [waiting({ said: said('x'.repeat(500)) })] })
    assert.equal(applyAction(long, 'bounce', BY).state.recipients[0]?.said?.text.length, 500)
  })

  it('has what was done in the journal, with who did it and for whom; an attempt is told when it is made', () => {
    const record = actionRecord(FATE, 'bounce', applyAction(FATE, 'bounce', BY), BY, 'report')
    assert.deepEqual(
      [record?.event, record?.recipients, record?.by, record?.related, record?.age, record?.attempts],
      ['bounced', [JOHN.address, KATE.address], 'root', 'report', 3_600_000, 3],
    )
    assert.equal(actionRecord(FATE, 'retry', applyAction(FATE, 'retry', BY), BY), null)
    assert.equal(actionRecord(FATE, 'release', applyAction(FATE, 'release', BY), BY), null)
    assert.equal(actionRecord(HELD, 'release', applyAction(HELD, 'release', BY), BY)?.event, 'released')
  })
})

describe('a filter of the queue', () => {
  const rows: readonly (readonly [QueueFilter, boolean])[] = [
    [{}, true],
    [{ ids: ['other', 'two'] }, true],
    [{ ids: ['other'] }, false],
    [{ ids: [] }, false],
    [{ organization: 'CONTOSO' }, true],
    [{ organization: 'contoso.com' }, false],
    [{ destination: 'adatum.com' }, true],
    [{ destination: 'tum.com' }, false],
    [{ sender: 'KATE@contoso.com' }, true],
    [{ sender: 'contoso.com' }, true],
    [{ sender: '@contoso.com' }, true],
    [{ sender: 'oso.com' }, false],
    [{ sender: '<>' }, false],
    [{ held: true }, false],
    [{ held: false }, true],
    [{ olderThan: 3_600_000 }, true],
    [{ olderThan: 3_600_001 }, false],
    [{ ids: ['two'], organization: 'contoso', held: true }, false],
  ]
  for (const [filter, expected] of rows) {
    it(`${JSON.stringify(filter)} ${expected ? 'finds' : 'does not find'} it`, () => {
      assert.equal(matches(FATE, filter, NOW), expected)
    })
  }

  it('finds no destination that nobody waits for any more', () => {
    const state = { recipients: [waiting({ status: 'delivered' }), waiting()] }
    const message = queued('x', { recipients: [JOHN, recipient('kate@adatum.com')] }, state)
    assert.equal(matches(message, { destination: 'fabrikam.com' }, NOW), false)
    assert.equal(matches(message, { destination: 'adatum.com' }, NOW), true)
  })

  it('finds the null sender, and mail that nobody was attributed', () => {
    const message = queued('x', { sender: '', organization: null })
    assert.equal(matches(message, { sender: '<>' }, NOW), true)
    assert.equal(matches(message, { sender: 'contoso.com' }, NOW), false)
    assert.equal(matches(message, { organization: 'contoso' }, NOW), false)
  })
})
