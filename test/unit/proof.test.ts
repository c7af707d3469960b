/** What follows from what the DNS shows: for a domain's proof, for whoever wants it, and for the setting. */

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Organization } from '../../src/directory/model.ts'
import { openFileEditor } from '../../src/directory/file/file-editor.ts'
import { challengeRecord, domainToken } from '../../src/dns/domain-token.ts'
import type { ProofResult } from '../../src/dns/prove.ts'
import { setRequireDomainProof, withSetting } from '../../src/instance/change-setting.ts'
import { checkProofs } from '../../src/instance/check-proof.ts'
import { readIni } from '../../src/instance/ini.ts'
import { parseSettings } from '../../src/instance/settings.ts'
import { isProven } from '../../src/policy/proof.ts'
import type { AcceptedDomain, DomainProof } from '../../src/policy/types.ts'
import { claimHint, isTakeable, planClaim } from '../../src/proof/claim.ts'
import { fileMemory } from '../../src/proof/file-memory.ts'
import { parseLook } from '../../src/proof/last-look.ts'
import type { LookState } from '../../src/proof/look.ts'
import { graceEnd, lookAt } from '../../src/proof/look.ts'
import { domain, EARLIER, LATER, NOW, proof } from '../support/policy-world.ts'
import { temporaryFolder } from '../support/smarthost.ts'

const ID = '00112233445566778899aabbccddeeff'

function tokenFor(organization: string, name: string): string {
  return domainToken({ installationId: ID, organization, domain: name })
}

function owner(...acceptedDomains: readonly AcceptedDomain[]): Organization {
  return {
    name: 'contoso',
    comment: null,
    acceptedDomains,
    inboundConnectors: [],
    outboundConnectors: [],
  }
}

type Shown = 'there' | 'not-there' | 'unknown'

function answer(name: string, token: string, shown: Shown): ProofResult {
  const looked = {
    domain: name,
    record: challengeRecord(name, token),
    shownBy: [],
    notShownBy: [],
    failures: [],
  }
  if (shown === 'there') return { ...looked, kind: 'proven' }
  if (shown === 'unknown') return { ...looked, kind: 'could-not-ask' }
  return { ...looked, kind: 'missing', seen: [], seenCount: 0, misplacedAt: null }
}

/** A DNS in which these places (`name token`) show what is said; everything else is not there. */
function dns(places: Readonly<Record<string, Shown>>) {
  const known = new Map(Object.entries(places))
  return (name: string, token: string): Promise<ProofResult> =>
    Promise.resolve(answer(name, token, known.get(`${name} ${token}`) ?? 'not-there'))
}

const OWN = tokenFor('contoso', 'contoso.com')
const FOUND = proof({ token: OWN, domain: 'contoso.com' })
const GONE = proof({ token: OWN, domain: 'contoso.com', lostAt: EARLIER, countsUntil: LATER })

describe('a look at a domain', () => {
  const cases: readonly (readonly [
    what: string,
    before: DomainProof | null,
    shown: Shown,
    state: LookState,
    after: DomainProof | null,
  ])[] = [
    ['proves it', null, 'there', 'newly-proven', { ...FOUND, provenAt: NOW }],
    ['finds nothing', null, 'not-there', 'unproven', null],
    ['finds nobody to ask', null, 'unknown', 'unknown', null],
    ['leaves what was proven', FOUND, 'there', 'proven', FOUND],
    ['loses it', FOUND, 'not-there', 'newly-lost', { ...FOUND, lostAt: NOW, countsUntil: graceEnd(NOW) }],
    ['loses nothing when nobody answers', FOUND, 'unknown', 'unknown', FOUND],
    ['finds it again', GONE, 'there', 'found-again', FOUND],
    ['begins the days of a lost one once', GONE, 'not-there', 'lost', GONE],
    ['leaves a lost one when nobody answers', GONE, 'unknown', 'unknown', GONE],
    [
      'leaves the days of grace',
      { token: null, domain: null, provenAt: null, lostAt: null, countsUntil: LATER },
      'not-there',
      'unproven',
      { token: null, domain: null, provenAt: null, lostAt: null, countsUntil: LATER },
    ],
  ]
  for (const [what, before, shown, state, after] of cases) {
    it(what, async () => {
      const record = domain('contoso', 'contoso.com', { proof: before })
      const ask = dns({ [`contoso.com ${OWN}`]: shown })
      const looked = await lookAt(record, owner(record), { ask, installationId: ID, now: NOW })
      assert.equal(looked.state, state)
      assert.deepEqual(looked.proof, after)
      assert.equal(looked.token, OWN)
    })
  }

  it('is content with the record of a domain above, whether that was proven before or not', async () => {
    for (const before of [null, FOUND]) {
      const upper = domain('contoso', 'contoso.com', { proof: before })
      const lower = domain('contoso', 'mail.eu.contoso.com')
      const ask = dns({ [`contoso.com ${OWN}`]: 'there' })
      const looked = await lookAt(lower, owner(lower, upper), { ask, installationId: ID, now: NOW })
      assert.equal(looked.state, 'newly-proven')
      assert.equal(looked.proof?.domain, 'contoso.com')
      assert.equal(looked.proof.token, OWN)
    }
  })

  it('is not content with one above it that is not registered, or with another organisation', async () => {
    const lower = domain('contoso', 'mail.contoso.com')
    const foreign = tokenFor('fabrikam', 'mail.contoso.com')
    const ask = dns({ [`contoso.com ${OWN}`]: 'there', [`mail.contoso.com ${foreign}`]: 'there' })
    const { state } = await lookAt(lower, owner(lower), { ask, installationId: ID, now: NOW })
    assert.equal(state, 'unproven')
  })

  it('does not believe a token that was never found to be its own: another organisation may show it to the world', async () => {
    const theirs = tokenFor('fabrikam', 'fabrikam.com')
    const claimed = domain('contoso', 'fabrikam.com')
    const record = {
      ...claimed,
      proof: { token: theirs, domain: 'fabrikam.com', provenAt: null, lostAt: null, countsUntil: null },
    }
    const ask = dns({ [`fabrikam.com ${theirs}`]: 'there' })
    const { state } = await lookAt(record, owner(record), { ask, installationId: ID, now: NOW })
    assert.equal(state, 'unproven')
  })

  it('keeps the token that was found, also when its organisation is called otherwise now', async () => {
    const old = tokenFor('the old name', 'contoso.com')
    const before = proof({ token: old, domain: 'contoso.com' })
    const record = domain('contoso', 'contoso.com', { proof: before })
    const kept = dns({ [`contoso.com ${old}`]: 'there' })
    const one = await lookAt(record, owner(record), { ask: kept, installationId: ID, now: NOW })
    assert.deepEqual([one.state, one.proof], ['proven', before])
    const moved = dns({ [`contoso.com ${OWN}`]: 'there' })
    const two = await lookAt(record, owner(record), { ask: moved, installationId: ID, now: NOW })
    assert.equal(two.state, 'proven')
    assert.equal(two.proof?.token, OWN)
  })

  it('never makes a domain count less than before when the DNS is away, whatever was before', async () => {
    const instant = fc.constantFrom(null, EARLIER, LATER)
    const any = fc.option(
      fc.record({
        token: fc.constantFrom(null, OWN, 'other'),
        domain: fc.constantFrom(null, 'contoso.com', 'com.example'),
        provenAt: instant,
        lostAt: instant,
        countsUntil: instant,
      }),
    )
    await fc.assert(
      fc.asyncProperty(any, async (before) => {
        const record = domain('contoso', 'contoso.com', { proof: before })
        const ask = (name: string, token: string) => Promise.resolve(answer(name, token, 'unknown'))
        const looked = await lookAt(record, owner(record), { ask, installationId: ID, now: NOW })
        assert.deepEqual(looked.proof, record.proof)
      }),
    )
  })

  it('never ends at once what was proven, whatever the DNS says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom<Shown>('there', 'not-there', 'unknown'), async (shown) => {
        const record = domain('contoso', 'contoso.com', { proof: FOUND })
        const ask = dns({ [`contoso.com ${OWN}`]: shown })
        const looked = await lookAt(record, owner(record), { ask, installationId: ID, now: NOW })
        assert.ok(isProven({ proof: looked.proof }, NOW))
      }),
    )
  })
})

describe('who may take a domain over', () => {
  const waiting = { token: null, domain: null, provenAt: null, lostAt: null, countsUntil: LATER }
  const cases: readonly (readonly [what: string, proof: DomainProof | null, taken: boolean])[] = [
    ['never proven', null, true],
    ['never proven, with days of grace', waiting, true],
    ['proven', proof(), false],
    ['lost, with days left', proof({ lostAt: EARLIER, countsUntil: LATER }), false],
    ['lost, and over', proof({ lostAt: EARLIER, countsUntil: EARLIER }), true],
  ]
  for (const [what, held, taken] of cases) {
    it(`${taken ? 'whoever proves it' : 'nobody'}: ${what}`, () => {
      const record = domain('contoso', 'contoso.com', { proof: held })
      assert.equal(isTakeable(record, NOW), taken)
      const wanted = { domainName: 'contoso.com', organization: 'Fabri kam' }
      const hint = claimHint(record, wanted, { now: NOW, requireDomainProof: true })
      if (taken) assert.match(hint, /domain verify contoso\.com --organization "Fabri kam"$/)
      else assert.equal(hint, '')
      assert.equal(claimHint(record, wanted, { now: NOW, requireDomainProof: false }), '')
    })
  }

  it('takes all that stands in the way above and below, and leaves what agrees or is proven below', async (t) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'organizations.yaml')
    await writeFile(
      path,
      [
        'organizations:',
        '  - name: one',
        '    acceptedDomains:',
        '      - domainName: a.example',
        '      - domainName: b.a.example',
        '      - domainName: x.d.c.b.a.example',
        '      - { domainName: y.d.c.b.a.example, proof: { token: t, domain: y.d.c.b.a.example, provenAt: "2026-01-01T00:00:00Z" } }',
        '      - domainName: other.a.example',
        '  - name: two',
        '    acceptedDomains: [{ domainName: unrelated.example }]',
        '  - name: three',
        '',
      ].join('\n'),
    )
    const editor = await openFileEditor(path)
    const wanted = { domainName: 'd.c.b.a.example', organization: 'three' }
    const plan = await planClaim(editor, null, wanted, NOW)
    assert.deepEqual(
      plan.taken.map(({ domainName }) => domainName),
      ['b.a.example', 'a.example', 'x.d.c.b.a.example'],
    )
    assert.deepEqual(plan.domain.delegatedSubDomains, ['y.d.c.b.a.example'])
    assert.equal(plan.held, null)
  })
})

describe('a setting that a command changes', () => {
  const cases: readonly (readonly [what: string, before: string, after: string])[] = [
    ['where it stands', '[relay]\nx = 1 \n', '[relay]\nx = true \n'],
    [
      'whatever stands around it',
      '; x = 0\n[relay]\n;x = 0\n  x=1\n[b]\nx = 2\n',
      '; x = 0\n[relay]\n;x = 0\n  x= true\n[b]\nx = 2\n',
    ],
    ['where it stands twice', '[relay]\nx=1\nx=2\n', '[relay]\nx= true\nx= true\n'],
    ['in a section without it', '[relay]\ny = 1\n[b]\n', '[relay]\nx = true\ny = 1\n[b]\n'],
    ['where there is no section', '[b]\ny = 1', '[b]\ny = 1\n\n[relay]\nx = true\n'],
    ['in an empty file', '', '[relay]\nx = true\n'],
    ['with line ends of Windows', '[relay]\r\nx = 1\r\ny = 2\r\n', '[relay]\r\nx = true\r\ny = 2\r\n'],
  ]
  for (const [what, before, after] of cases) {
    it(`is changed ${what}, and nothing else`, () => {
      assert.equal(withSetting(before, 'relay', 'x', 'true'), after)
      assert.equal(readIni(after).text('relay', 'x'), 'true')
    })
  }

  it('is what Haraka reads, whatever the file is like', () => {
    const line = fc.constantFrom(
      '[relay]',
      '[ relay ]',
      '[other]',
      'require_domain_proof = false',
      ' require_domain_proof=true',
      '; require_domain_proof = true',
      '# [relay]',
      'accept_inbound = true',
      '',
    )
    fc.assert(
      fc.property(fc.array(line), fc.constantFrom('\n', '\r\n'), (lines, end) => {
        const text = withSetting(lines.join(end), 'relay', 'require_domain_proof', 'true')
        assert.equal(readIni(text).text('relay', 'require_domain_proof'), 'true')
        assert.equal(withSetting(text, 'relay', 'require_domain_proof', 'true'), text)
      }),
    )
  })

  it('keeps the mode of its file, and refuses a file that it does not understand', async (t) => {
    const folder = await temporaryFolder(t)
    const path = join(folder, 'config', 'connectors.ini')
    await mkdir(join(folder, 'config'))
    await writeFile(path, '[relay]\naccept_inbound = false\n', { mode: 0o640 })
    await setRequireDomainProof(folder, true)
    assert.equal((await stat(path)).mode & 0o777, 0o640)
    const { settings } = parseSettings(await readFile(path, 'utf8'))
    assert.deepEqual([settings.relay.requireDomainProof, settings.relay.acceptInbound], [true, false])

    const broken = '[relay]\naccept_inbound = perhaps\n'
    await writeFile(path, broken)
    await assert.rejects(
      setRequireDomainProof(folder, true),
      /cannot be changed by a command \(.*accept_inbound/,
    )
    assert.equal(await readFile(path, 'utf8'), broken)
  })
})

describe('the id of an installation', () => {
  it('is made once, by many at once, and kept', async (t) => {
    const data = join(await temporaryFolder(t), 'data')
    const ids = await Promise.all(Array.from({ length: 20 }, () => fileMemory(data).installationId()))
    assert.equal(new Set(ids).size, 1)
    assert.match(ids[0] ?? '', /^[0-9a-f]{32}$/)
    assert.equal(await fileMemory(data).installationId(), ids[0])
    await writeFile(join(data, 'installation-id'), 'nonsense')
    await assert.rejects(fileMemory(data).installationId(), /does not hold the 32 hexadecimal digits/)
  })

  it('remembers the last look, and forgets what cannot be read', async (t) => {
    const memory = fileMemory(join(await temporaryFolder(t), 'data'))
    assert.equal(await memory.lastLook(), null)
    const look = { lookedAt: NOW, domains: 3, lost: 1, unknown: 0, unwritten: 0 }
    await memory.rememberLook(look)
    assert.deepEqual(await memory.lastLook(), look)
    for (const text of ['', '{}', '[]', 'null', JSON.stringify({ ...look, lookedAt: 'yesterday' })]) {
      assert.equal(parseLook(text), null)
    }
  })
})

describe('check', () => {
  const shared = [owner(domain('contoso', 'contoso.com')), owner(domain('fabrikam', 'fabrikam.com'))]

  async function said(
    required: boolean,
    organizations: readonly Organization[],
    look?: object,
  ): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'connectors-'))
    try {
      if (look !== undefined) {
        const whole = { domains: 2, lost: 0, unknown: 0, unwritten: 0, ...look }
        await mkdir(join(folder, 'data'))
        await writeFile(join(folder, 'data', 'proofs-looked-at.json'), JSON.stringify(whole))
      }
      const relay = { ...parseSettings('').settings.relay, requireDomainProof: required }
      return checkProofs(folder, relay, organizations)
        .map(({ message, severity }) => `${severity}: ${message}`)
        .join('\n')
    } finally {
      await rm(folder, { recursive: true })
    }
  }

  it('warns where several organisations share the smarthost and nobody has to prove anything', async () => {
    assert.match(
      await said(false, shared),
      /^warning: require_domain_proof is false, and 2 organisations share/,
    )
    assert.equal(await said(false, [...shared.slice(1), owner()]), '')
  })

  it('names what is not proven, a few of many, and warns where nobody looks', async () => {
    const many = owner(...Array.from({ length: 25 }, (_, index) => domain('contoso', `d${index}.example`)))
    assert.match(
      await said(true, [many], { lookedAt: NOW }),
      /count for nothing \(25\): d0\.example of contoso; .*; and 15 more$/,
    )
    const proven = owner(domain('contoso', 'contoso.com', { proof: proof() }))
    assert.equal(await said(true, [proven], { lookedAt: NOW }), '')
    assert.match(await said(true, [proven]), /^warning: proofs of domains were never looked at$/)
    const old = new Date(Date.now() - 9.5 * 86_400_000).toISOString()
    assert.match(await said(true, [proven], { lookedAt: old }), /last looked at on .*, 9 days ago$/)
    assert.match(
      await said(true, [proven], { lookedAt: NOW, unwritten: 2 }),
      /what was found of 2 could not be written$/,
    )
  })
})
