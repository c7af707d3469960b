/** What doctor calls out of reach is never chosen by the rule itself, whoever speaks; and what overlaps is found. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { buildDirectory } from '../../src/directory/memory-directory.ts'
import type { ConfiguredConnector, Organization } from '../../src/directory/model.ts'
import { DirectoryFacts } from '../../src/doctor/directory-facts.ts'
import { Findings } from '../../src/doctor/finding.ts'
import { checkOverlap } from '../../src/doctor/overlap.ts'
import { checkReach } from '../../src/doctor/reach.ts'
import type { Attribution, PeerCertificate } from '../../src/policy/types.ts'
import { attributeSender } from '../../src/relaying/gather.ts'

const TERMS = { now: '2026-11-25T00:00:00.000Z', requireDomainProof: false }

const NAMES = [
  'mail.contoso.com',
  '*.contoso.com',
  '*.mail.contoso.com',
  'a.mail.contoso.com',
  '*.fabrikam.com',
]
const PRESENTED = [...NAMES, 'contoso.com', 'fabrikam.com', '*.a.mail.contoso.com', 'other.contoso.com']
const RANGES = ['10.0.0.0/8', '10.1.0.0/16', '10.1.1.0/24', '10.2.0.0/16']
const ADDRESSES = ['10.0.0.1', '10.1.0.1', '10.1.1.1', '10.2.0.1']
const DOMAINS = ['contoso.com', 'mail.contoso.com', 'fabrikam.com']
const SENDERS = ['', ...DOMAINS, 'a.mail.contoso.com', 'elsewhere.example']
const ORGANIZATIONS = ['alpha', 'beta']
const TRUSTS = ['', 'own']

const connector = (organization: string, name: string): fc.Arbitrary<ConfiguredConnector> =>
  fc.record({
    organization: fc.constant(organization),
    name: fc.constant(name),
    connectorType: fc.constantFrom('OnPremises' as const, 'OnPremises' as const, 'Partner' as const),
    enabled: fc.constantFrom(true, true, true, false),
    tlsSenderCertificateName: fc.option(fc.constantFrom(...NAMES)),
    senderIPAddresses: fc.uniqueArray(fc.constantFrom(...RANGES), { maxLength: 2 }),
    trust: fc
      .constantFrom(...TRUSTS)
      .map((key) => (key === '' ? null : { key, certificateAuthorities: [], certificatePins: [] })),
    senderDomains: fc.constant([]),
    allowWideAddresses: fc.constant(false),
    comment: fc.constant(null),
  })

/** A domain belongs to one organisation; one below another's is delegated, as the schema wants it. */
const owners = fc.tuple(...DOMAINS.map(() => fc.constantFrom(null, ...ORGANIZATIONS)))

const directories: fc.Arbitrary<readonly Organization[]> = fc
  .tuple(
    owners,
    fc.tuple(
      ...ORGANIZATIONS.flatMap((organization) =>
        ['A', 'b', 'C'].map((name) => connector(organization, name)),
      ),
    ),
    fc.boolean(),
    fc.boolean(),
  )
  .map(([owner, connectors, matchSubDomains, pendingRemoval]) =>
    ORGANIZATIONS.map((name) => ({
      name,
      comment: null,
      acceptedDomains: DOMAINS.filter((_domain, index) => owner[index] === name).map((domainName) => ({
        organization: name,
        domainName,
        domainType: 'Authoritative' as const,
        matchSubDomains,
        sendingFromDomainDisabled: false,
        pendingRemoval: pendingRemoval && domainName === 'contoso.com',
        delegatedSubDomains:
          domainName === 'contoso.com' && owner[1] !== null && owner[1] !== name ? ['mail.contoso.com'] : [],
      })),
      inboundConnectors: connectors.filter(({ organization }) => organization === name),
      outboundConnectors: [],
    })),
  )

function factsOf(organizations: readonly Organization[]): DirectoryFacts {
  const facts = new DirectoryFacts()
  for (const organization of organizations) facts.add(organization, TERMS)
  return facts
}

const EVERYWHERE = { v4: true, v6: true }

async function chosen(
  organizations: readonly Organization[],
  names: readonly string[],
  address: string,
  sender: string,
  verified: ReadonlySet<string>,
): Promise<Attribution> {
  const directory = buildDirectory(organizations, 'r')
  const store = {
    ...directory,
    ask: (question: Parameters<typeof directory.ask>[0]) => Promise.resolve(directory.ask(question)),
    summary: () => directory.summary,
    close: () => Promise.resolve(),
  }
  const certificateFor = ({ trust }: { trust?: { key: string } | null }): PeerCertificate =>
    verified.has(trust?.key ?? '')
      ? { state: 'verified', names }
      : { state: 'not-verified', names, why: 'nobody' }
  return attributeSender(
    store,
    { address, certificate: { state: 'verified', names } },
    { address: sender === '' ? '' : `a@${sender}`, domain: sender },
    certificateFor,
    TERMS,
  )
}

describe('connectors that doctor calls unreachable', () => {
  it('are never chosen, whoever speaks', async () => {
    let unreachable = 0
    let healed = 0
    await fc.assert(
      fc.asyncProperty(
        directories,
        fc.uniqueArray(fc.constantFrom(...PRESENTED), { minLength: 1, maxLength: 2 }),
        fc.constantFrom(...ADDRESSES),
        fc.uniqueArray(fc.constantFrom(...TRUSTS), { minLength: 1, maxLength: 2 }),
        async (organizations, names, address, trusts) => {
          const reach = checkReach(factsOf(organizations).connectors, EVERYWHERE, () => undefined)
          unreachable += reach.unreachable.size
          healed += reach.healed.size
          for (const sender of SENDERS) {
            const { matched } = await chosen(organizations, names, address, sender, new Set(trusts))
            if (matched === null) continue
            const isMatched = (one: { organization: string; name: string }): boolean =>
              one.organization === matched.connector.organization && one.name === matched.connector.name
            assert.ok(![...reach.unreachable].some(isMatched), `${matched.connector.name} is chosen`)
            if (matched.match.via === 'certificate')
              assert.ok(![...reach.healed].some(isMatched), `${matched.connector.name} is chosen by its name`)
          }
        },
      ),
      { numRuns: 1000 },
    )
    // It would be easy to be right by saying nothing.
    assert.ok(unreachable > 100, String(unreachable))
    assert.ok(healed > 100, String(healed))
  })

  const one = (
    name: string,
    more: Partial<ConfiguredConnector>,
    organization = 'alpha',
  ): ConfiguredConnector => ({
    organization,
    name,
    connectorType: 'OnPremises',
    enabled: true,
    tlsSenderCertificateName: null,
    senderIPAddresses: [],
    trust: null,
    senderDomains: [],
    allowWideAddresses: false,
    comment: null,
    ...more,
  })

  function foundIn(...inboundConnectors: ConfiguredConnector[]): string[] {
    const organization = {
      name: 'alpha',
      comment: null,
      acceptedDomains: [],
      inboundConnectors,
      outboundConnectors: [],
    }
    const findings = new Findings()
    const report: Findings['add'] = (...finding) => {
      findings.add(...finding)
    }
    const { connectors } = factsOf([organization])
    const { unreachable } = checkReach(connectors, EVERYWHERE, report)
    checkOverlap(
      connectors.filter((connector) => !unreachable.has(connector)),
      report,
    )
    return findings.list().map(({ code, evidence, severity }) => `${severity} ${code} ${evidence}`)
  }

  it('are those whose every range another has as well', () => {
    const ranges = ['10.0.0.0/8', '192.0.2.0/24']
    assert.deepEqual(
      foundIn(one('a', { senderIPAddresses: ranges }), one('B', { senderIPAddresses: ranges.slice(1) })),
      [
        'warning connector-unreachable connector "B" of alpha: connector "a" of alpha has 192.0.2.0/24, too, and goes before it in the alphabet',
      ],
    )
    // One range is left to it.
    assert.deepEqual(
      foundIn(one('a', { senderIPAddresses: ranges.slice(1) }), one('B', { senderIPAddresses: ranges })).map(
        (text) => text.slice(0, 40),
      ),
      ['info connectors-overlap 192.0.2.0/24 is '],
    )
  })

  it('are not those that another hides under another trust', () => {
    const trust = { key: 'own', certificateAuthorities: [], certificatePins: [] }
    const tlsSenderCertificateName = 'mail.contoso.com'
    const found = foundIn(
      one('a', { tlsSenderCertificateName }),
      one('b', { tlsSenderCertificateName, trust }),
    )
    assert.deepEqual(
      found.map((text) => text.split(' ')[1]),
      ['connectors-overlap'],
    )
  })

  it('and overlaps are found among 100,000 connectors in the time that sorting takes', () => {
    const same = Array.from({ length: 50_000 }, (_none, index) =>
      one(`same ${String(index).padStart(6, '0')}`, { senderIPAddresses: ['10.0.0.0/8', '10.1.0.0/16'] }),
    )
    const nested = Array.from({ length: 50_000 }, (_none, index) =>
      one(`nested ${String(index).padStart(6, '0')}`, {
        senderIPAddresses: [`10.1.${index >> 8}.${index & 255}/32`],
        tlsSenderCertificateName: `host${index}.a.b.c.contoso.com`,
      }),
    )
    const found = foundIn(...same, one('wide', { tlsSenderCertificateName: '*.contoso.com' }), ...nested)
    assert.ok(
      found.some((text) => text.endsWith('49974 more of this kind')),
      found.join('\n'),
    )
    assert.ok(found.length < 100)
  })
})
