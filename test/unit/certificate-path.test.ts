/** Which certificates count: chains made with openssl, judged by ours. */

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { parseRevocationList } from '../../src/certificate/crl.ts'
import { DEFAULT_LIMITS } from '../../src/certificate/limits.ts'
import { parseCertificate } from '../../src/certificate/parse.ts'
import { revocationListsIn } from '../../src/certificate/pem.ts'
import { CERTIFICATE_REASONS } from '../../src/certificate/reasons.ts'
import { NOTHING_WEAK } from '../../src/certificate/strength.ts'
import type { Verdict, VerifierOptions } from '../../src/certificate/verifier.ts'
import { createVerifier } from '../../src/certificate/verifier.ts'
import type { KeyKind, Made } from '../support/authority.ts'
import { Authority, CA, LEAF } from '../support/authority.ts'

const authority = new Authority()
after(() => {
  authority.close()
})

const DAY = 86_400_000

function judge(
  trusted: readonly Made[],
  presented: readonly Made[],
  more: Partial<VerifierOptions> = {},
): Verdict {
  return verifier(trusted, more).verify(presented.map(({ der }) => der))
}

function verifier(trusted: readonly Made[], more: Partial<VerifierOptions> = {}) {
  return createVerifier({
    anchors: trusted.map(({ der }) => parseCertificate(der)),
    purposes: ['clientAuth', 'serverAuth'],
    allowed: NOTHING_WEAK,
    limits: DEFAULT_LIMITS,
    revocationLists: [],
    revocationPolicy: 'if-available',
    ...more,
  })
}

const outcome = (verdict: Verdict): string => (verdict.ok ? 'counts' : verdict.reason)

const root = authority.make({ name: 'Root', issuer: null, extensions: CA })
const intermediate = authority.make({ name: 'Intermediate', issuer: root, extensions: CA })
const leaf = authority.make({ name: 'mail.contoso.com', issuer: intermediate, days: 10 })
const stranger = authority.make({ name: 'Stranger', issuer: null, extensions: CA })

describe('a chain', () => {
  it('counts with its intermediate, wherever that stands and whatever else is presented', () => {
    assert.equal(outcome(judge([root], [leaf, intermediate])), 'counts')
    assert.equal(outcome(judge([root], [leaf, stranger, root, intermediate])), 'counts')
    assert.equal(outcome(judge([root], [leaf, intermediate, intermediate, leaf])), 'counts')
    assert.equal(outcome(judge([intermediate], [leaf])), 'counts')
    assert.equal(outcome(judge([stranger, root], [leaf, intermediate])), 'counts')
  })

  it('says what is missing, or whom nobody trusts', () => {
    const missing = judge([root], [leaf])
    assert.equal(outcome(missing), 'intermediate-missing')
    assert.match(missing.ok ? '' : missing.detail, /its issuer CN=Intermediate was not presented/)
    assert.equal(outcome(judge([stranger], [leaf, intermediate, root])), 'untrusted-root')
    assert.equal(outcome(judge([], [leaf, intermediate])), 'intermediate-missing')
    assert.equal(outcome(judge([root], [])), 'malformed')
    assert.equal(outcome(judge([root], [intermediate, leaf])), 'counts', 'a CA may authenticate itself')
  })

  for (const key of ['rsa', 'rsa-pss', 'ec', 'ed25519'] as const satisfies readonly KeyKind[]) {
    it(`of ${key} keys counts`, () => {
      const top = authority.make({ name: `Root ${key}`, issuer: null, key, extensions: CA })
      const own = authority.make({ name: 'mail.contoso.com', issuer: top, key })
      assert.equal(outcome(judge([top], [own])), 'counts')
    })
  }

  it('that is too weak does not count, unless that is allowed', () => {
    const top = authority.make({ name: 'Root RSA', issuer: null, key: 'rsa', extensions: CA })
    const sha1 = authority.make({ name: 'mail.contoso.com', issuer: top, digest: '-sha1' })
    assert.equal(outcome(judge([top], [sha1])), 'weak-signature')
    assert.equal(outcome(judge([top], [sha1], { allowed: { sha1: true, rsa1024: false } })), 'counts')
    const short = authority.make({ name: 'mail.contoso.com', issuer: top, key: 'rsa1024' })
    assert.equal(outcome(judge([top], [short])), 'weak-key')
    assert.equal(outcome(judge([top], [short], { allowed: { sha1: false, rsa1024: true } })), 'counts')
    const curve = authority.make({ name: 'mail.contoso.com', issuer: top, key: 'secp256k1' })
    assert.equal(outcome(judge([top], [curve])), 'weak-key')
    const slow = authority.make({ name: 'mail.contoso.com', issuer: top, key: 'rsaExponent' })
    const why = judge([top], [slow])
    assert.match(why.ok ? '' : why.detail, /an RSA exponent of 66 bits takes too long/)
  })

  it('counts within its validity only, to the second', () => {
    const { notBefore, notAfter } = parseCertificate(leaf.der)
    const at = (time: number): string => outcome(judge([root], [leaf, intermediate], { now: () => time }))
    assert.equal(at(Date.now()), 'counts')
    assert.equal(at(notAfter + 999), 'counts')
    assert.equal(at(notAfter + 1000), 'expired')
    assert.equal(at(notBefore - 1), 'not-yet-valid')
    const late = judge([root], [leaf, intermediate], { now: () => notAfter + 3 * DAY })
    assert.match(late.ok ? '' : late.detail, /it expired 3 days ago, on \d{4}-\d\d-\d\d/)
  })

  it('is cross-signed by an old CA and a new one: either order counts with either trusted', () => {
    const crossed = authority.make({ name: 'Root', issuer: stranger, keyOf: root, extensions: CA })
    for (const others of [
      [intermediate, crossed],
      [crossed, intermediate],
      [root, crossed, intermediate],
    ]) {
      assert.equal(outcome(judge([stranger], [leaf, ...others])), 'counts')
      assert.equal(outcome(judge([root], [leaf, ...others])), 'counts')
    }
    // The expired twin of an intermediate stands in nobody's way.
    const renewed = authority.make({
      name: 'Intermediate',
      issuer: root,
      keyOf: intermediate,
      extensions: CA,
      days: 400,
    })
    const later = { now: () => Date.now() + 5 * DAY }
    const expiring = authority.make({
      name: 'Intermediate',
      issuer: root,
      keyOf: intermediate,
      extensions: CA,
      days: 1,
    })
    assert.equal(outcome(judge([root], [leaf, expiring, renewed], later)), 'counts')
    assert.equal(outcome(judge([root], [leaf, expiring], later)), 'expired')
  })

  it('must be made of CAs: a leaf issues nothing, and a path length is kept', () => {
    const forged = authority.make({ name: 'mail.fabrikam.com', issuer: leaf })
    assert.equal(outcome(judge([root], [forged, leaf, intermediate])), 'not-a-certificate-authority')
    const short = authority.make({
      name: 'Short',
      issuer: root,
      extensions: ['basicConstraints=critical,CA:true,pathlen:0', 'keyUsage=critical,keyCertSign'],
    })
    const below = authority.make({ name: 'Below', issuer: short, extensions: CA })
    const far = authority.make({ name: 'mail.contoso.com', issuer: below })
    assert.equal(outcome(judge([root], [far, below, short])), 'path-length')
    const unsigned = authority.make({
      name: 'Unsigned',
      issuer: root,
      extensions: ['basicConstraints=critical,CA:true', 'keyUsage=critical,digitalSignature'],
    })
    assert.equal(
      outcome(judge([root], [authority.make({ name: 'x.contoso.com', issuer: unsigned }), unsigned])),
      'key-usage',
    )
  })

  it('must be made for TLS, all along the path', () => {
    const made = (purposes: string | null): Made =>
      authority.make({
        name: 'mail.contoso.com',
        issuer: root,
        extensions:
          purposes === null ? LEAF.slice(0, 2) : [...LEAF.slice(0, 2), `extendedKeyUsage=${purposes}`],
      })
    const strict = { purposes: ['clientAuth'] } as const
    assert.equal(outcome(judge([root], [made('serverAuth')])), 'counts')
    assert.equal(outcome(judge([root], [made('serverAuth')], strict)), 'extended-key-usage')
    assert.equal(outcome(judge([root], [made('clientAuth')], strict)), 'counts')
    assert.equal(outcome(judge([root], [made('emailProtection')])), 'extended-key-usage')
    assert.equal(outcome(judge([root], [made('anyExtendedKeyUsage')], strict)), 'counts')
    assert.equal(outcome(judge([root], [made(null)], strict)), 'counts')
    const code = authority.make({
      name: 'Code',
      issuer: root,
      extensions: [...CA, 'extendedKeyUsage=codeSigning'],
    })
    assert.equal(
      outcome(judge([root], [authority.make({ name: 'x.contoso.com', issuer: code }), code])),
      'extended-key-usage',
    )
  })

  it('is held to name constraints, the common name included', () => {
    const bound = authority.make({
      name: 'Bound',
      issuer: root,
      extensions: [...CA, 'nameConstraints=critical,permitted;DNS:contoso.com'],
    })
    const made = (name: string, san: string | null): string =>
      outcome(
        judge(
          [root],
          [
            authority.make({
              name,
              issuer: bound,
              extensions: san === null ? LEAF : [...LEAF, `subjectAltName=${san}`],
            }),
            bound,
          ],
        ),
      )
    assert.equal(made('mail.contoso.com', 'DNS:mail.contoso.com'), 'counts')
    assert.equal(made('Mail server', 'DNS:*.contoso.com'), 'counts')
    assert.equal(made('mail.fabrikam.com', null), 'name-constraint')
    assert.equal(made('mail.contoso.com', 'DNS:mail.contoso.com,DNS:mail.fabrikam.com'), 'name-constraint')
    assert.equal(made('Mail server', 'DNS:evilcontoso.com'), 'name-constraint')
    const unknown = authority.make({
      name: 'Unknown',
      issuer: root,
      extensions: [...CA, 'nameConstraints=critical,permitted;URI:contoso.com'],
    })
    assert.equal(
      outcome(
        judge(
          [root],
          [
            authority.make({
              name: 'm.contoso.com',
              issuer: unknown,
              extensions: [...LEAF, 'subjectAltName=URI:https://contoso.com/'],
            }),
            unknown,
          ],
        ),
      ),
      'name-constraint',
    )
  })

  it('with a critical extension that nobody knows does not count', () => {
    const odd = authority.make({
      name: 'mail.contoso.com',
      issuer: root,
      extensions: [...LEAF, '1.2.3.4=critical,ASN1:NULL'],
    })
    assert.equal(outcome(judge([root], [odd])), 'unknown-critical-extension')
    const fine = authority.make({
      name: 'mail.contoso.com',
      issuer: root,
      extensions: [...LEAF, '1.2.3.4=ASN1:NULL'],
    })
    assert.equal(outcome(judge([root], [fine])), 'counts')
  })

  it('that is signed by itself never counts, whatever it is made for', () => {
    const own = authority.make({ name: 'mail.contoso.com', issuer: null })
    assert.equal(outcome(judge([root], [own])), 'self-signed')
    // The same name as a trusted CA, and not its key.
    const namesake = authority.make({ name: 'Root', issuer: null, extensions: CA })
    const forged = authority.make({ name: 'mail.contoso.com', issuer: namesake })
    assert.notEqual(outcome(judge([root], [forged, namesake])), 'counts')
  })
})

describe('names', () => {
  const namesOf = (name: string, san: string | null): readonly string[] =>
    judge(
      [root],
      [
        authority.make({
          name,
          issuer: root,
          extensions: san === null ? LEAF : [...LEAF, `subjectAltName=${san}`],
        }),
      ],
    ).names

  it('are those of the SAN and the common name, in one form', () => {
    assert.deepEqual(namesOf('mail.contoso.com', null), ['mail.contoso.com'])
    assert.deepEqual(
      namesOf('MAIL.contoso.com', 'DNS:mail.contoso.com,DNS:*.Contoso.com,IP:192.0.2.1,email:a@contoso.com'),
      ['mail.contoso.com', '*.contoso.com'],
    )
    assert.deepEqual(namesOf('', 'critical,DNS:smtp.contoso.com'), ['smtp.contoso.com'])
    assert.deepEqual(namesOf('bücher.example', null), ['xn--bcher-kva.example'])
    assert.deepEqual(namesOf('Mail server', 'DNS:*.com,DNS:mailserver,DNS:m*.contoso.com'), [])
  })

  it('are read in the old string types, too', () => {
    for (const stringMask of ['MASK:0x0800', 'MASK:0x0004']) {
      const own = authority.make({ name: 'mail.contoso.com', issuer: root, stringMask })
      assert.deepEqual(judge([root], [own]).names, ['mail.contoso.com'], stringMask)
    }
  })

  it('may be many, up to the limit', () => {
    const sans = (count: number): string =>
      Array.from({ length: count }, (_, index) => `DNS:n${index}.contoso.com`).join(',')
    assert.equal(namesOf('Mail server', sans(100)).length, 100)
    const many = authority.make({
      name: 'Mail server',
      issuer: root,
      extensions: [...LEAF, `subjectAltName=${sans(3000)}`],
    })
    assert.equal(judge([root], [many]).names.length, 3000)
    const few = judge([root], [many], { limits: { ...DEFAULT_LIMITS, names: 2999 } })
    assert.equal(outcome(few), 'too-many-names')
  })
})

describe('what one peer may cause', () => {
  it('is bounded: certificates, octets, signatures, intermediates', () => {
    const forty = Array.from({ length: 39 }, () => stranger)
    assert.equal(outcome(judge([root], [leaf, ...forty, intermediate])), 'too-many-certificates')
    assert.equal(
      outcome(judge([root], [leaf, intermediate], { limits: { ...DEFAULT_LIMITS, bytes: 100 } })),
      'too-many-bytes',
    )
    assert.equal(
      outcome(judge([root], [leaf, intermediate], { limits: { ...DEFAULT_LIMITS, signatures: 1 } })),
      'too-many-signatures',
    )
    assert.equal(
      outcome(judge([root], [leaf, intermediate], { limits: { ...DEFAULT_LIMITS, intermediates: 0 } })),
      'path-length',
    )
  })

  it('is two signatures for a chain of two, and none the second time', () => {
    const one = verifier([root])
    const presented = [leaf.der, intermediate.der]
    assert.equal(one.verify(presented).work.signatures, 2)
    assert.equal(one.remembered, 0)
    assert.ok(one.verify(presented.map((der) => Buffer.from(der))).ok)
    assert.equal(one.remembered, 1)
  })

  it('is looked at again when a certificate begins to be valid', () => {
    const { notBefore } = parseCertificate(leaf.der)
    let now = notBefore - 1000
    const one = verifier([root], { now: () => now })
    assert.equal(outcome(one.verify([leaf.der, intermediate.der])), 'not-yet-valid')
    now = notBefore
    assert.equal(outcome(one.verify([leaf.der, intermediate.der])), 'counts')
  })

  it('is forgotten when a certificate of the path expires', () => {
    let now = Date.now()
    const one = verifier([root], { now: () => now })
    assert.ok(one.verify([leaf.der, intermediate.der]).ok)
    now = parseCertificate(leaf.der).notAfter + 1000
    assert.equal(outcome(one.verify([leaf.der, intermediate.der])), 'expired')
    assert.equal(one.remembered, 0)
  })

  it('is little for CAs that sign each other in a circle', () => {
    const loops = [0, 1, 2].map((index) =>
      authority.make({ name: `Loop ${index}`, issuer: null, extensions: CA }),
    )
    const crossed = loops.flatMap((child) =>
      loops
        .filter((issuer) => issuer !== child)
        .map((issuer) => authority.make({ name: child.name, issuer, keyOf: child, extensions: CA })),
    )
    const [first] = loops
    assert.ok(first !== undefined)
    const caught = authority.make({ name: 'mail.contoso.com', issuer: first })
    const verdict = judge([root], [caught, ...crossed])
    assert.ok(!verdict.ok)
    assert.ok(verdict.work.signatures <= DEFAULT_LIMITS.signatures)
  })
})

describe('a revoked certificate', () => {
  const lists = (...pems: string[]) =>
    pems.map((pem) => parseRevocationList(revocationListsIn(Buffer.from(pem))[0] ?? Buffer.alloc(0)))
  const good = authority.revoke(intermediate, [])
  const bad = authority.revoke(intermediate, [leaf])
  const chain = [leaf, intermediate]

  it('does not count when a list of its issuer names it, also a stale or an incomplete one', () => {
    assert.equal(outcome(judge([root], chain, { revocationLists: lists(good) })), 'counts')
    assert.equal(outcome(judge([root], chain, { revocationLists: lists(bad) })), 'revoked')
    assert.equal(
      outcome(judge([root], chain, { revocationLists: lists(bad), now: () => Date.now() + 8 * DAY })),
      'revoked',
    )
    const plain = authority.revoke(intermediate, [leaf], { conforming: false })
    assert.equal(outcome(judge([root], chain, { revocationLists: lists(plain) })), 'revoked')
    // Signed by somebody else: it says nothing.
    const namesake = authority.make({ name: 'Intermediate', issuer: null, extensions: CA })
    assert.equal(
      outcome(judge([root], chain, { revocationLists: lists(authority.revoke(namesake, [leaf])) })),
      'counts',
    )
  })

  it('is not taken for a good one when lists are required', () => {
    const top = authority.revoke(root, [])
    const required = { revocationPolicy: 'require' } as const
    assert.equal(outcome(judge([root], chain, { ...required, revocationLists: lists(good, top) })), 'counts')
    assert.equal(
      outcome(judge([root], chain, { ...required, revocationLists: lists(top) })),
      'revocation-unknown',
    )
    assert.equal(
      outcome(judge([root], chain, { ...required, revocationLists: lists(good) })),
      'revocation-unknown',
    )
    const stale = { ...required, revocationLists: lists(good, top), now: () => Date.now() + 8 * DAY }
    assert.equal(outcome(judge([root], chain, stale)), 'revocation-unknown')
    assert.equal(
      outcome(judge([root], chain, { revocationPolicy: 'require-leaf', revocationLists: lists(good) })),
      'counts',
    )
  })
})

describe('a chain with a byte changed', () => {
  it('never counts, and never throws', () => {
    const presented = [leaf.der, intermediate.der]
    const total = presented.reduce((sum, { length }) => sum + length, 0)
    const one = verifier([root])
    fc.assert(
      fc.property(fc.nat(total - 1), fc.integer({ min: 1, max: 255 }), (position, change) => {
        const changed = presented.map((der) => Buffer.from(der))
        let rest = position
        for (const der of changed) {
          if (rest < der.length) {
            der[rest] = (der[rest] ?? 0) ^ change
            break
          }
          rest -= der.length
        }
        const verdict = one.verify(changed)
        assert.ok(!verdict.ok)
        assert.ok(verdict.reason in CERTIFICATE_REASONS)
      }),
      { numRuns: 3000 },
    )
  })

  it('and hostile bytes are refused', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (noise) => {
        assert.ok(!verifier([root]).verify(noise.map((bytes) => Buffer.from(bytes))).ok)
      }),
      { numRuns: 300 },
    )
  })
})
