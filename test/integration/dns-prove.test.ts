/** A domain is proven by its zone, asked at real name servers. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { describeProof } from '../../src/dns/describe-proof.ts'
import { challengeName, challengeRecord, domainToken } from '../../src/dns/domain-token.ts'
import type { ProofResult } from '../../src/dns/prove.ts'
import { evidenceOf, proveDomain } from '../../src/dns/prove.ts'
import type { Nsd } from '../support/nsd.ts'
import { NSD, startNsd, startUnbound, UNBOUND } from '../support/nsd.ts'
import { hasPrograms } from '../support/programs.ts'
import { freePort } from '../support/smarthost.ts'

const DOMAIN = 'contoso.example'
const NAME = challengeName(DOMAIN)
const TOKEN = domainToken({
  installationId: '00112233445566778899aabbccddeeff',
  organization: 'Contoso',
  domain: DOMAIN,
})
const { value: VALUE } = challengeRecord(DOMAIN, TOKEN)

const SERVERS = ['@ NS ns1', 'ns1 A 127.0.0.1']

/** Asks the servers that a name server names, on its port. */
function prove(nsd: Nsd, domain = DOMAIN): Promise<ProofResult> {
  return proveDomain(domain, TOKEN, { bootstrap: [nsd], authoritativePort: nsd.port })
}

/** Two name servers of one domain: both know which they are. */
async function twoServers(
  t: Parameters<typeof startNsd>[0],
  first: readonly string[],
  second: readonly string[],
): Promise<readonly [Nsd, Nsd]> {
  const servers = ['@ NS ns1', '@ NS ns2', 'ns1 A 127.0.0.1', 'ns2 A 127.0.0.2']
  const one = await startNsd(t, { [DOMAIN]: [...servers, ...first] })
  const at = { address: '127.0.0.2', port: one.port }
  return [one, await startNsd(t, { [DOMAIN]: [...servers, ...second] }, at)]
}

describe('the record at the authoritative server', () => {
  const cases: readonly (readonly [what: string, records: readonly string[]])[] = [
    ['alone', [`${NAME}. TXT "${VALUE}"`]],
    ['in several strings', [`${NAME}. TXT "${VALUE.slice(0, 7)}" "" "${VALUE.slice(7)}"`]],
    ['in upper case', [`${NAME}. TXT "${VALUE.toUpperCase()}"`]],
    ['with spaces around it and more behind', [`${NAME}. TXT " ${VALUE} expiry=never "`]],
    ['beside that of another organisation', [`${NAME}. TXT "${VALUE}x"`, `${NAME}. TXT "${VALUE}"`]],
    [
      'among 200 others, which need TCP',
      [
        ...Array.from({ length: 200 }, (_, index) => `${NAME}. TXT "${'x'.repeat(200)} ${index}"`),
        `${NAME}. TXT "${VALUE}"`,
      ],
    ],
    ['at a wildcard', [`* TXT "${VALUE}"`]],
    ['behind a CNAME', [`${NAME}. CNAME proofs`, `proofs TXT "${VALUE}"`]],
    [
      'behind a chain of CNAMEs',
      [`${NAME}. CNAME a`, 'a CNAME b', 'b CNAME c', 'c CNAME d', `d TXT "${VALUE}"`],
    ],
    ['behind a DNAME', [`${NAME}. CNAME x.old`, 'old DNAME new', `x.new TXT "${VALUE}"`]],
  ]
  for (const [what, records] of cases) {
    it(`proves the domain: ${what}`, async (t) => {
      if (!hasPrograms(t, NSD)) return
      const nsd = await startNsd(t, { [DOMAIN]: [...SERVERS, ...records] })
      const result = await prove(nsd)
      assert.equal(result.kind, 'proven', JSON.stringify(result).slice(0, 1000))
      assert.deepEqual(result.shownBy, [`ns1.${DOMAIN} (127.0.0.1:${nsd.port})`])
      assert.equal(evidenceOf(result), 'there')
      assert.match(describeProof(result).summary, /contoso\.example is proven/)
    })
  }

  it('proves the domain behind a CNAME into the zone of another server', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const target = 'verify.fabrikam.example'
    const far = ['@ NS ns', 'ns A 127.0.0.2']
    const one = await startNsd(t, {
      [DOMAIN]: [...SERVERS, `${NAME}. CNAME ${target}.`],
      // The view of the resolver: who serves it, and nothing that would prove.
      'fabrikam.example': far,
    })
    const at = { address: '127.0.0.2', port: one.port }
    const two = await startNsd(t, { 'fabrikam.example': [...far, `verify TXT "${VALUE}"`] }, at)
    const proven = await prove(one)
    assert.equal(proven.kind, 'proven')
    assert.deepEqual(proven.shownBy, [`ns.fabrikam.example (127.0.0.2:${one.port})`])

    await two.stop()
    const later = await prove(one)
    assert.equal(later.kind, 'could-not-ask')
    assert.equal(evidenceOf(later), 'unknown')
  })

  it('proves a sub-domain in the zone of its parent', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const domain = 'sales.contoso.example'
    const nsd = await startNsd(t, { [DOMAIN]: [...SERVERS, `${challengeName(domain)}. TXT "${VALUE}"`] })
    assert.equal((await prove(nsd, domain)).kind, 'proven')
  })

  it('proves a domain whose challenge name is delegated to somebody else', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const delegation = [`${NAME}. NS ns.proofs`, 'ns.proofs A 127.0.0.2']
    const one = await startNsd(t, { [DOMAIN]: [...SERVERS, ...delegation] })
    const at = { address: '127.0.0.2', port: one.port }
    // nsd itself does not tell a resolver where a zone below it is: a real resolver does.
    await startNsd(t, { [NAME]: ['@ NS ns.proofs.contoso.example.', `@ TXT "${VALUE}"`] }, at)
    const view = await startNsd(t, { [DOMAIN]: [...SERVERS, 'ns.proofs A 127.0.0.2'] })
    const result = await proveDomain(DOMAIN, TOKEN, { bootstrap: [view], authoritativePort: one.port })
    assert.equal(result.kind, 'proven', JSON.stringify(result))
  })
})

describe('without the record at the authoritative server', () => {
  it('says what stands there instead, a few of many', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const others = Array.from({ length: 200 }, (_, index) => `${NAME}. TXT "other ${index}"`)
    const nsd = await startNsd(t, { [DOMAIN]: [...SERVERS, ...others] })
    const result = await prove(nsd)
    assert.ok(result.kind === 'missing')
    assert.equal(result.seenCount, 200)
    assert.equal(result.seen.length, 10)
    assert.equal(evidenceOf(result), 'not-there')
    assert.match(describeProof(result).evidence.join('\n'), /found there: "other /)
    assert.match(describeProof(result).remedy, /publish the TXT record _haraka-connectors-challenge\.contoso/)
  })

  const missing: readonly (readonly [what: string, records: readonly string[]])[] = [
    ['the name is not there', []],
    ['the name has records of other types only', [`${NAME}. A 127.0.0.9`]],
    ['a CNAME leads to a name that is not there', [`${NAME}. CNAME nowhere`]],
    ['the token stands in a text among others', [`${NAME}. TXT "v=1 ${VALUE}"`]],
  ]
  for (const [what, records] of missing) {
    it(`the domain is not proven: ${what}`, async (t) => {
      if (!hasPrograms(t, NSD)) return
      const nsd = await startNsd(t, { [DOMAIN]: [...SERVERS, ...records] })
      const result = await prove(nsd)
      assert.equal(result.kind, 'missing')
      assert.deepEqual(result.notShownBy.length, 1)
      assert.equal(evidenceOf(result), 'not-there')
    })
  }

  it('names a token that is not the right one', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const wrong = VALUE.slice(0, -1)
    const nsd = await startNsd(t, { [DOMAIN]: [...SERVERS, `${NAME}. TXT "${wrong}"`] })
    const result = await prove(nsd)
    assert.ok(result.kind === 'wrong-token')
    assert.deepEqual(result.tokens, [TOKEN.slice(0, -1)])
    assert.equal(evidenceOf(result), 'not-there')
  })

  const misplacements = [
    ['at the domain itself', DOMAIN],
    ['under the domain twice', `${NAME}.${DOMAIN}`],
  ] as const
  for (const [what, place] of misplacements) {
    it(`says that the record stands ${what}`, async (t) => {
      if (!hasPrograms(t, NSD)) return
      const nsd = await startNsd(t, { [DOMAIN]: [...SERVERS, `${place}. TXT "${VALUE}"`] })
      const result = await prove(nsd)
      assert.ok(result.kind === 'missing')
      assert.equal(result.misplacedAt, place)
      assert.match(describeProof(result).remedy, /move it to _haraka-connectors-challenge\.contoso\.example/)
    })
  }

  it('says that there is no such domain', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const nsd = await startNsd(t, { example: SERVERS })
    const result = await prove(nsd)
    assert.equal(result.kind, 'no-such-domain')
    assert.match(describeProof(result).summary, /there is no domain contoso\.example/)
  })

  it('does not say so of a domain that exists in the zone of its parent', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const nsd = await startNsd(t, { example: [...SERVERS, 'contoso MX 0 mail.contoso'] })
    assert.equal((await prove(nsd)).kind, 'missing')
  })
})

describe('several authoritative servers', () => {
  it('prove nothing while one of them does not show the record yet', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const shown = [`${NAME}. TXT "${VALUE}"`]
    const [, second] = await twoServers(t, [], shown)
    const first = { address: '127.0.0.1', port: second.port }
    const ask = { bootstrap: [first], authoritativePort: second.port }
    const result = await proveDomain(DOMAIN, TOKEN, ask)
    assert.equal(result.kind, 'disagreement')
    assert.equal(evidenceOf(result), 'unknown')
    assert.deepEqual(result.shownBy, [`ns2.${DOMAIN} (127.0.0.2:${second.port})`])
    assert.match(describeProof(result).remedy, /wait until all name servers/)
  })

  it('prove the domain when one of them is dead', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const shown = [`${NAME}. TXT "${VALUE}"`]
    const [first, second] = await twoServers(t, shown, shown)
    await second.stop()
    const result = await prove(first)
    assert.equal(result.kind, 'proven')
    assert.deepEqual(
      result.failures.map(({ why }) => why),
      ['unreachable'],
    )
  })

  it('are named when the zone is not loaded at one of them', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const servers = [...SERVERS, '@ NS ns2', 'ns2 A 127.0.0.2', '@ NS ns3']
    const one = await startNsd(t, { [DOMAIN]: [...servers, `${NAME}. TXT "${VALUE}"`] })
    await startNsd(t, { 'other.example': SERVERS }, { address: '127.0.0.2', port: one.port })
    const result = await prove(one)
    assert.equal(result.kind, 'proven')
    assert.deepEqual(result.failures.map(({ server, why }) => `${server}: ${why}`).sort(), [
      `ns2.${DOMAIN} (127.0.0.2:${one.port}): refused`,
      `ns3.${DOMAIN}: no-address`,
    ])
  })
})

describe('what a resolver has in its cache', () => {
  it('proves nothing, unless the administrator names the resolver', async (t) => {
    if (!hasPrograms(t, NSD, UNBOUND)) return
    const nsd = await startNsd(t, { [DOMAIN]: [...SERVERS, `${NAME}. 3600 TXT "${VALUE}"`] })
    const unbound = await startUnbound(t, nsd, [DOMAIN])
    const direct = { bootstrap: [unbound], authoritativePort: nsd.port }
    assert.equal((await proveDomain(DOMAIN, TOKEN, { resolver: unbound })).kind, 'proven')
    assert.equal((await proveDomain(DOMAIN, TOKEN, direct)).kind, 'proven')

    await nsd.reload({ [DOMAIN]: SERVERS })
    const cached = await proveDomain(DOMAIN, TOKEN, { resolver: unbound })
    assert.equal(cached.kind, 'proven')
    assert.deepEqual(cached.shownBy, [`127.0.0.1:${unbound.port}`])
    const now = await proveDomain(DOMAIN, TOKEN, direct)
    assert.equal(now.kind, 'missing')
  })

  it('is not used for the very record that was just added', async (t) => {
    if (!hasPrograms(t, NSD, UNBOUND)) return
    const nsd = await startNsd(t, { [DOMAIN]: SERVERS })
    const unbound = await startUnbound(t, nsd, [DOMAIN])
    const direct = { bootstrap: [unbound], authoritativePort: nsd.port }
    assert.equal((await proveDomain(DOMAIN, TOKEN, { resolver: unbound })).kind, 'missing')
    await nsd.reload({ [DOMAIN]: [...SERVERS, `${NAME}. TXT "${VALUE}"`] })
    assert.equal((await proveDomain(DOMAIN, TOKEN, direct)).kind, 'proven')
  })
})

describe('--resolver', () => {
  it('takes an authoritative server that is not named in the zone, and follows CNAMEs there', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const nsd = await startNsd(t, {
      [DOMAIN]: ['@ NS ns.elsewhere.example.', `${NAME}. CNAME x.fabrikam.example.`],
      'fabrikam.example': ['@ NS ns.elsewhere.example.', `x TXT "${VALUE}"`],
    })
    const result = await proveDomain(DOMAIN, TOKEN, { resolver: nsd })
    assert.equal(result.kind, 'proven')
  })

  it('says that there is no such domain', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const nsd = await startNsd(t, { example: SERVERS })
    assert.equal((await proveDomain(DOMAIN, TOKEN, { resolver: nsd })).kind, 'no-such-domain')
  })

  it('says that it could not ask a server that refuses, and one that is not there', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const nsd = await startNsd(t, { 'other.example': SERVERS })
    const refused = await proveDomain(DOMAIN, TOKEN, { resolver: nsd })
    assert.equal(refused.kind, 'could-not-ask')
    assert.match(describeProof(refused).evidence.join(), /it answers REFUSED \(refused\)/)

    const nobody = { address: '127.0.0.1', port: await freePort() }
    const unreachable = await proveDomain(DOMAIN, TOKEN, { resolver: nobody })
    assert.equal(unreachable.kind, 'could-not-ask')
    assert.deepEqual(
      unreachable.failures.map(({ why }) => why),
      ['unreachable'],
    )
  })
})
