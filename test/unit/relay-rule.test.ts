/** The rule of DESIGN.md as a table: who connects, with what, from, to -> the outcome and its one reason. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { REASONS, explainReason, isReasonCode } from '../../src/policy/reasons.ts'
import { formatReply, replyFor } from '../../src/policy/replies.ts'
import type { Step } from '../../src/policy/types.ts'
import type { Message, World } from '../support/policy-world.ts'
import { attributeMessage, connector, decideMessage, decideWith } from '../support/policy-world.ts'
import { IP, MAIL, messageOf, OUT, PLAIN, ROWS, TIES, verified, WORLD } from '../support/relay-rule-table.ts'

describe('the relay rule', () => {
  for (const row of ROWS) {
    it(row[0], () => {
      const decision = decideMessage(WORLD, messageOf(row))
      assert.equal(`${decision.outcome} ${decision.reason}`, row[4])
    })
  }

  it('tells the same story with and without an explanation, and every rule is named', () => {
    for (const row of ROWS) {
      const trace: Step[] = []
      const explained = decideMessage(WORLD, messageOf(row), trace)
      assert.deepEqual(explained, decideMessage(WORLD, messageOf(row)))
      assert.equal(trace.length, 14, row[0])
      assert.ok(trace.every(({ detail }) => detail !== ''))
    }
  })

  it('reaches every reason but the two that need a failure', () => {
    const reached = new Set(ROWS.map((row) => decideMessage(WORLD, messageOf(row)).reason))
    const missing = REASONS.map(({ code }) => code).filter((code) => !reached.has(code))
    assert.deepEqual(missing, ['directory-unavailable', 'internal-error'])
  })
})

function winner(world: World, message: Message): string {
  return attributeMessage(world, message).matched?.connector.name ?? 'nobody'
}

describe('attribution', () => {
  it('heals the trap when *.adatum.com is added beside mail.adatum.com', () => {
    const world = {
      ...WORLD,
      connectors: [
        ...WORLD.connectors,
        connector('adatum', 'Healed', { tlsSenderCertificateName: '*.adatum.com' }),
      ],
    }
    const message = { certificate: verified('mail.adatum.com'), from: '', to: OUT }
    assert.equal(winner(WORLD, message), 'Hybrid wizard')
    assert.equal(winner(world, message), 'Healed')
    assert.equal(decideMessage(world, message).outcome, 'relay')
  })

  it("lets a stranger's connector for the same name take nothing away", () => {
    const thief = connector('adatum', 'AAA', { tlsSenderCertificateName: 'mail.contoso.com' })
    const world = { ...WORLD, connectors: [thief, ...WORLD.connectors] }
    assert.equal(winner(world, { certificate: MAIL, from: '', to: OUT }), 'Datacentre')
  })

  for (const [behaviour, world, message, expected] of TIES) {
    it(behaviour, () => {
      assert.equal(winner(world, message), expected)
      const reversed = { ...world, connectors: world.connectors.toReversed() }
      assert.equal(winner(reversed, message), expected)
      assert.ok(attributeMessage(world, message).passedOver.every(({ because }) => because !== ''))
    })
  }
})

describe('what could not be looked up', () => {
  const unknown = { unknown: true, why: 'the store is away' } as const
  const away = {
    peer: { address: IP, certificate: PLAIN },
    matched: null,
    passedOver: [],
    unverified: [],
    partners: [],
    unknown,
  }

  it('is deferred and never denied when the connectors are unknown', () => {
    const message = { from: 'a@contoso.com', to: OUT }
    const attribution = {
      ...away,
      sender: { address: message.from, domain: 'contoso.com' },
      senderDomain: unknown,
    }
    assert.equal(decideWith(WORLD, message, attribution).reason, 'directory-unavailable')
  })

  it('is deferred when the recipient’s domain is unknown', () => {
    const message = { certificate: MAIL, from: '', to: OUT }
    const decision = decideWith(WORLD, message, attributeMessage(WORLD, message), undefined, unknown)
    assert.equal(decision.reason, 'directory-unavailable')
  })

  it('is deferred when nobody knows where the mail would go, and denied all the same when it would be denied', () => {
    const known = { certificate: MAIL, from: '', to: OUT, routeUnknown: true }
    assert.equal(decideMessage(WORLD, known).reason, 'directory-unavailable')
    assert.equal(
      decideMessage(WORLD, { from: '', to: 'kate@contoso.com', routeUnknown: true }).outcome,
      'defer',
    )
    assert.equal(decideMessage(WORLD, { from: '', to: OUT, routeUnknown: true }).outcome, 'deny')
  })

  it('still delivers to an accepted domain when only the connectors are unknown', () => {
    const message = { from: '', to: 'kate@contoso.com' }
    const attribution = { ...away, sender: { address: '', domain: '' }, senderDomain: null }
    assert.equal(decideWith(WORLD, message, attribution).outcome, 'deliver')
    assert.equal(decideWith(WORLD, { ...message, acceptInbound: false }, attribution).outcome, 'defer')
  })

  it('is deferred when an unknown certificate domain could have let the mail through', () => {
    const message = { certificate: MAIL, from: '', to: OUT }
    const known = attributeMessage(WORLD, message)
    assert.ok(known.matched)
    const attribution = {
      ...known,
      matched: { ...known.matched, certificateAccepted: 'unknown' as const, senderAccepted: 'no' as const },
      unknown,
    }
    assert.equal(decideWith(WORLD, message, attribution).outcome, 'defer')
  })
})

describe('the replies', () => {
  const texts = {
    tenantAttribution: 'TenantAttribution; Relay Access Denied',
    attr36: 'Relay Access Denied ATTR36. For more details please refer to:',
    helpUrl: 'https://support.microsoft.com/kb/3169958',
  }

  it('are Microsoft’s two, with our reason and the transaction at the end', () => {
    assert.equal(
      formatReply(replyFor({ reason: 'no-tls' }, texts, 'ID.1')),
      '550 5.7.64 TenantAttribution; Relay Access Denied [no-tls ID.1]',
    )
    assert.equal(
      formatReply(replyFor({ reason: 'null-sender' }, texts, 'ID.1')),
      '550 5.7.64 Relay Access Denied ATTR36. For more details please refer to: https://support.microsoft.com/kb/3169958 [null-sender ID.1]',
    )
    assert.equal(
      formatReply(replyFor({ reason: 'directory-unavailable' }, texts, 'ID.1')),
      '451 4.3.0 Temporary directory failure, try again later [directory-unavailable ID.1]',
    )
  })

  it('fit the outcome of every reason, and one line of 512 octets', () => {
    for (const { code, outcome } of REASONS) {
      const reply = replyFor({ reason: code }, texts, 'x'.repeat(50))
      const first = { relay: 2, deliver: 2, deny: 5, defer: 4 }[outcome]
      assert.equal(Math.floor(reply.code / 100), first, code)
      assert.equal(Number(reply.status[0]), first, code)
      assert.ok(formatReply(reply).length <= 510)
      assert.match(formatReply(reply), /^[\x20-\x7e]+$/)
      assert.match(code, /^[a-z]+(?:-[a-z]+)*$/)
      assert.ok(isReasonCode(code) && explainReason(code).sentence !== '')
    }
  })
})
