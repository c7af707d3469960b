/** Envelope addresses as the rule sees them, from what the client wrote. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { recipientOf, senderOf } from '../../src/relaying/envelope.ts'
import { parseEnvelopeAddress } from '../../src/relaying/parse-address.ts'

describe('a recipient', () => {
  const rows: readonly (readonly [text: string, local: string, domain: string, sourceRoute: boolean])[] = [
    ['<kate@contoso.com>', 'kate', 'contoso.com', false],
    ['<Kate@CONTOSO.com>', 'Kate', 'contoso.com', false],
    ['<"a%b"@contoso.com>', 'a%b', 'contoso.com', false],
    ['<"a\\@b"@contoso.com>', 'a@b', 'contoso.com', false],
    ['<@relay.example:kate@contoso.com>', 'kate', 'contoso.com', true],
    ['<postmaster>', 'postmaster', '', false],
    ['<kate@[192.0.2.1]>', 'kate', '[192.0.2.1]', false],
    ['<kate@bücher.example>', 'kate', 'xn--bcher-kva.example', false],
  ]
  for (const [text, localPart, domain, sourceRoute] of rows) {
    it(`${text} is ${localPart} at ${domain === '' ? 'no domain' : domain}${sourceRoute ? ', with a source route' : ''}`, () => {
      const recipient = recipientOf(parseEnvelopeAddress(text))
      assert.deepEqual(
        [recipient.localPart, recipient.domain, recipient.sourceRoute],
        [localPart, domain, sourceRoute],
      )
    })
  }
})

describe('a sender', () => {
  it('that is null has no domain', () => {
    assert.deepEqual(senderOf(parseEnvelopeAddress('')), { address: '', domain: '' })
    assert.deepEqual(senderOf(parseEnvelopeAddress('<>')), { address: '', domain: '' })
  })

  it('counts by the last @ and without regard to case', () => {
    assert.equal(senderOf(parseEnvelopeAddress('<"kate@fabrikam.com"@Contoso.COM>')).domain, 'contoso.com')
  })

  for (const text of ['kate@', '@contoso.com', 'kate@contoso.com>x<', 'kate kate@contoso.com', 'a@b@c.com']) {
    it(`that is malformed is refused: ${text}`, () => {
      assert.throws(() => parseEnvelopeAddress(text))
    })
  }
})
