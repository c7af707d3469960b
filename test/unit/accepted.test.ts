/** What is kept of MAIL and RCPT for the queue. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { acceptedOf, noteMail, noteRecipient } from '../../src/haraka/accepted.ts'
import type { Address, Transaction } from '../../src/haraka/types.ts'

type Why = Parameters<typeof noteRecipient>[3]

const MAIL = { ret: null, envid: null, smtpUtf8: false, body: null }
const RCPT = { notify: null, orcpt: null }

const matched = {
  attribution: { matched: { connector: { organization: 'contoso', name: 'Mail server' } } },
  decision: { reason: 'sender-domain-accepted' },
} as unknown as Why
const unknown = {
  attribution: { matched: null },
  decision: { reason: 'directory-unavailable' },
} as unknown as Why

describe('the organisation of a message', () => {
  it('stays when the directory fails at a later RCPT: its connectors are its promise of TLS', () => {
    const transaction = {} as Transaction
    noteMail(transaction, MAIL, '10.1.0.7')
    noteRecipient(transaction, {} as Address, RCPT, matched)
    noteRecipient(transaction, {} as Address, RCPT, unknown)
    const accepted = acceptedOf(transaction)
    assert.equal(accepted?.organization, 'contoso')
    assert.equal(accepted.connector, 'Mail server')
    assert.equal(accepted.mayBounce, true)
  })

  it('is nobody of whom nothing matched, and its sender is not told', () => {
    const transaction = {} as Transaction
    noteMail(transaction, MAIL, '10.1.0.7')
    noteRecipient(transaction, {} as Address, RCPT, unknown)
    const accepted = acceptedOf(transaction)
    assert.equal(accepted?.organization, null)
    assert.equal(accepted.mayBounce, false)
  })
})
