/** What must hold for every organisation, connector, certificate and address, not only for the rows of the table. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { AcceptedDomain, InboundConnector, PeerCertificate } from '../../src/policy/types.ts'
import type { Message, World } from '../support/policy-world.ts'
import { attributeMessage, connector, decideMessage, domain } from '../support/policy-world.ts'

const ORGANIZATIONS = ['contoso', 'fabrikam', 'adatum'] as const
/** Few names that lie above, below and beside each other, so that chance meets all of it. */
const NAMES = [
  'contoso.com',
  'mail.contoso.com',
  'a.mail.contoso.com',
  'evilcontoso.com',
  'fabrikam.com',
  'mail.fabrikam.com',
  'adatum.net',
  'tailspintoys.com',
] as const
const ADDRESSES = ['10.1.0.7', '10.1.1.7', '192.0.2.1', '2001:db8:1::7'] as const
const RANGES = ['10.1.0.0/24', '10.1.0.0/16', '10.1.0.7/32', '192.0.2.0/24', '2001:db8:1::/48'] as const

const name = fc.constantFrom(...NAMES)
const wildcardOrName = fc.tuple(name, fc.boolean()).map(([text, star]) => (star ? `*.${text}` : text))
const organization = fc.constantFrom(...ORGANIZATIONS)

const acceptedDomains: fc.Arbitrary<AcceptedDomain[]> = fc.uniqueArray(
  fc
    .tuple(organization, name, fc.boolean(), fc.boolean(), fc.boolean())
    .map(([owner, domainName, matchSubDomains, sendingFromDomainDisabled, pendingRemoval]) =>
      domain(owner, domainName, { matchSubDomains, sendingFromDomainDisabled, pendingRemoval }),
    ),
  { selector: ({ domainName }) => domainName, maxLength: 6 },
)

const anyConnector: fc.Arbitrary<InboundConnector> = fc
  .record({
    owner: organization,
    id: fc.integer({ min: 0, max: 1_000_000 }),
    connectorType: fc.constantFrom('OnPremises', 'OnPremises', 'Partner'),
    enabled: fc.boolean(),
    tlsSenderCertificateName: fc.option(wildcardOrName),
    senderIPAddresses: fc.uniqueArray(fc.constantFrom(...RANGES), { maxLength: 2 }),
  })
  .map(({ owner, id, ...rest }) => connector(owner, `connector ${id}`, rest))

const connectors = fc.uniqueArray(anyConnector, { selector: ({ name: id }) => id, maxLength: 6 })

const world: fc.Arbitrary<World> = fc.record({ domains: acceptedDomains, connectors })

const presented = fc.uniqueArray(wildcardOrName, { minLength: 1, maxLength: 3 })
const certificate: fc.Arbitrary<PeerCertificate> = fc.oneof(
  fc.constant<PeerCertificate>({ state: 'no-tls' }),
  fc.constant<PeerCertificate>({ state: 'no-certificate' }),
  presented.map((names): PeerCertificate => ({ state: 'not-verified', names, why: 'CERT_HAS_EXPIRED' })),
  presented.map((names): PeerCertificate => ({ state: 'verified', names })),
)
const mailbox = fc.oneof(
  name.map((host) => `kate@${host}`),
  name.map((host) => `kate@sub.${host}`),
  fc.constant('someone@elsewhere.example'),
)

const message: fc.Arbitrary<Message> = fc.record({
  certificate,
  address: fc.option(fc.constantFrom(...ADDRESSES), { nil: null }),
  from: fc.oneof(fc.constant(''), mailbox),
  to: mailbox,
  acceptInbound: fc.boolean(),
  hasRoute: fc.boolean(),
  routeUnknown: fc.boolean(),
  leadsBack: fc.boolean(),
})

const RUNS = { numRuns: 3000 }

describe('whatever the directory and the message are', () => {
  it('no verdict but "verified" leads to relay through a certificate', () => {
    fc.assert(
      fc.property(world, message, (facts, sent) => {
        const decision = decideMessage(facts, sent)
        if (decision.outcome !== 'relay') return
        if (sent.certificate?.state !== 'verified') {
          assert.notEqual(decision.via, 'certificate')
          assert.notEqual(decision.reason, 'certificate-domain-accepted')
        }
      }),
      RUNS,
    )
  })

  it('an address never satisfies (b)', () => {
    fc.assert(
      fc.property(world, message, (facts, sent) => {
        const decision = decideMessage(facts, sent)
        if (decision.reason === 'certificate-domain-accepted') assert.equal(decision.via, 'certificate')
        const { matched } = attributeMessage(facts, sent)
        if (matched?.match.via === 'address') assert.equal(matched.certificateAccepted, 'no')
      }),
      RUNS,
    )
  })

  it('relay needs an enabled OnPremises connector and an accepted domain of its own organisation', () => {
    fc.assert(
      fc.property(world, message, (facts, sent) => {
        const decision = decideMessage(facts, sent)
        if (decision.outcome !== 'relay') return
        const used = facts.connectors.find(({ name: id }) => id === decision.connector)
        assert.ok(used?.enabled === true && used.connectorType === 'OnPremises')
        const own = facts.domains.filter(
          (record) => record.organization === used.organization && !record.pendingRemoval,
        )
        const covers = (host: string): boolean =>
          own.some(
            ({ domainName, matchSubDomains }) =>
              host === domainName || (matchSubDomains && host.endsWith(`.${domainName}`)),
          )
        const certificateDomain = (used.tlsSenderCertificateName ?? '').replace('*.', '')
        assert.ok(covers(sent.from.split('@')[1] ?? '') || covers(certificateDomain))
      }),
      RUNS,
    )
  })

  it('adding a connector never turns relay into deny', () => {
    fc.assert(
      fc.property(world, anyConnector, message, (facts, added, sent) => {
        if (facts.connectors.some(({ name: id }) => id === added.name)) return
        if (decideMessage(facts, sent).outcome !== 'relay') return
        const more = { ...facts, connectors: [...facts.connectors, added] }
        assert.equal(decideMessage(more, sent).outcome, 'relay')
      }),
      RUNS,
    )
  })

  it('the order in which connectors and domains are written changes nothing', () => {
    fc.assert(
      fc.property(world, message, (facts, sent) => {
        const turned = { domains: facts.domains.toReversed(), connectors: facts.connectors.toReversed() }
        assert.deepEqual(decideMessage(turned, sent), decideMessage(facts, sent))
      }),
      RUNS,
    )
  })

  it('an organisation whose domains, names and addresses overlap nobody changes no decision', () => {
    const stranger = (type: 'OnPremises' | 'Partner', enabled: boolean): World => ({
      domains: [domain('wingtip', 'wingtip.example', { matchSubDomains: true })],
      connectors: [
        connector('wingtip', 'by name', {
          connectorType: type,
          enabled,
          tlsSenderCertificateName: '*.wingtip.example',
        }),
        connector('wingtip', 'by address', {
          connectorType: type,
          enabled,
          senderIPAddresses: ['198.51.100.0/24'],
        }),
      ],
    })
    fc.assert(
      fc.property(
        world,
        message,
        fc.constantFrom('OnPremises', 'Partner'),
        fc.boolean(),
        (facts, sent, type, enabled) => {
          const added = stranger(type, enabled)
          const more = {
            domains: [...facts.domains, ...added.domains],
            connectors: [...added.connectors, ...facts.connectors],
          }
          assert.deepEqual(decideMessage(more, sent), decideMessage(facts, sent))
        },
      ),
      RUNS,
    )
  })

  it('evilcontoso.com never matches contoso.com, as certificate or as sender', () => {
    const facts: World = {
      domains: [domain('contoso', 'contoso.com', { matchSubDomains: true })],
      connectors: [
        connector('contoso', 'wildcard', { tlsSenderCertificateName: '*.contoso.com' }),
        connector('contoso', 'exact', { tlsSenderCertificateName: 'contoso.com' }),
        connector('contoso', 'address', { senderIPAddresses: ['10.0.0.0/8'] }),
      ],
    }
    const label = fc.stringMatching(/^[a-z0-9]{1,20}$/)
    fc.assert(
      fc.property(label, fc.boolean(), fc.boolean(), (prefix, star, byAddress) => {
        const evil = `${prefix}contoso.com`
        const decision = decideMessage(facts, {
          certificate: { state: 'verified', names: [star ? `*.${evil}` : evil] },
          address: byAddress ? '10.1.2.3' : null,
          from: `kate@${evil}`,
          to: 'someone@elsewhere.example',
        })
        assert.equal(decision.outcome, 'deny')
      }),
      RUNS,
    )
  })

  it('every decision has an outcome, and its trace ends where it was taken', () => {
    fc.assert(
      fc.property(world, message, (facts, sent) => {
        const steps: { result: string }[] = []
        const traced = decideMessage(facts, sent, steps as never)
        assert.deepEqual(decideMessage(facts, sent), traced)
        const firstSkipped = steps.findIndex(({ result }) => result === 'skipped')
        // The last step is about where it goes, and is taken for whatever was accepted.
        if (firstSkipped !== -1) {
          assert.ok(steps.slice(firstSkipped, -1).every(({ result }) => result === 'skipped'))
        }
        const accepted = traced.outcome === 'relay' || traced.outcome === 'deliver'
        const onward = steps.at(-1)?.result
        if (accepted) assert.equal(onward, 'yes')
        else if (traced.reason !== 'route-leads-back' && traced.reason !== 'directory-unavailable') {
          assert.equal(onward, 'skipped')
        }
        assert.notEqual(traced.reason, 'internal-error')
      }),
      RUNS,
    )
  })
})
