/** Where mail goes, as a table: the recipient's domain, whose message it is -> the connector, or what else takes it. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Route, RouteFacts } from '../../src/policy/route.ts'
import { chooseRoute, describeRoute, explainRoute, routingOrganization } from '../../src/policy/route.ts'
import { isUnknown } from '../../src/policy/attribute.ts'
import type { DomainFact, Fact, OutboundConnector, SmartHost } from '../../src/policy/types.ts'
import { outbound, outboundConnectors } from '../support/outbound.ts'
import { domain } from '../support/policy-world.ts'

const HERE = [{ host: 'smtp.contoso.com', port: 25 }]
const SMART_HOST = { host: 'relay.example', port: 587 }

const made = (name: string, given: Partial<OutboundConnector>): OutboundConnector =>
  outbound('contoso', name, { smartHosts: HERE, ...given })

const exact = made('Exact', { recipientDomains: ['fabrikam.com', 'contoso.com', 'eu.fabrikam.com'] })
const accepted = made('Accepted', { allAcceptedDomains: true })
const wildcard = made('Wildcard', { recipientDomains: ['*.fabrikam.com', '*.contoso.com'] })
const longer = made('A longer wildcard', { recipientDomains: ['*.eu.fabrikam.com'] })
const all = made('All', { routeAllMessagesViaOnPremises: true })
const star = made('A star', { recipientDomains: ['*'] })
const EVERY = [star, all, wildcard, longer, accepted, exact]

const without = (...left: readonly OutboundConnector[]): OutboundConnector[] =>
  EVERY.filter((connector) => !left.includes(connector))

function fact(name: string, owner: string | null): DomainFact {
  return { domain: name, acceptedDomain: owner === null ? null : domain(owner, name), uncoveredParent: null }
}

interface Asked {
  readonly to: string
  readonly among: readonly OutboundConnector[]
  /** The owner of the accepted domain. */
  readonly owner?: string
  readonly smartHost?: SmartHost
}

function factsOf({ among, owner, smartHost, to }: Asked): RouteFacts {
  return {
    domain: to,
    recipientDomain: fact(to, owner ?? null),
    organization: 'contoso',
    outboundConnectors: among,
    smartHost: smartHost ?? null,
  }
}

function nameOf(route: Fact<Route>): string {
  if (isUnknown(route)) return 'unknown'
  return route.via === 'connector' ? route.connector.name : route.via
}

const choose = (asked: Asked): string => nameOf(chooseRoute(factsOf(asked)))

const OTHER = 'fabrikam.com'
const OWN = 'contoso.com'

const ROWS: readonly (readonly [behaviour: string, asked: Asked, expected: string])[] = [
  // Mail to other domains: exact, wildcard, routeAllMessagesViaOnPremises, *.
  ['an exact domain comes first', { to: OTHER, among: EVERY }, 'Exact'],
  ['then a wildcard', { to: OTHER, among: without(exact) }, 'Wildcard'],
  ['then routeAllMessagesViaOnPremises', { to: OTHER, among: without(exact, wildcard) }, 'All'],
  ['then *', { to: OTHER, among: without(exact, wildcard, all) }, 'A star'],
  ['allAcceptedDomains takes no mail to other domains', { to: OTHER, among: [accepted] }, 'mx'],
  ['an exact domain comes before a longer wildcard', { to: 'eu.fabrikam.com', among: EVERY }, 'Exact'],
  [
    'the longer wildcard comes first, whatever the names',
    { to: 'mail.eu.fabrikam.com', among: [wildcard, longer] },
    'A longer wildcard',
  ],
  [
    'of two patterns of one connector the longer counts',
    {
      to: 'a.eu.fabrikam.com',
      among: [made('Z', { recipientDomains: ['*.fabrikam.com', '*.eu.fabrikam.com'] }), wildcard],
    },
    'Z',
  ],
  ['a wildcard is for the domain itself', { to: OTHER, among: [wildcard] }, 'Wildcard'],
  ['and for any depth below it', { to: 'a.b.fabrikam.com', among: [wildcard] }, 'Wildcard'],
  ['but for no look-alike', { to: 'evilfabrikam.com', among: [wildcard] }, 'mx'],
  ['and not for what is above it', { to: 'com', among: [wildcard] }, 'mx'],
  ['an exact domain is not for what is below it', { to: 'a.fabrikam.com', among: [exact] }, 'mx'],
  ['an address literal is taken by * alone', { to: '[192.0.2.1]', among: [exact, wildcard, star] }, 'A star'],
  [
    'of equals the first by name takes it, whatever its case',
    {
      to: OTHER,
      among: [made('b', { recipientDomains: [OTHER] }), made('A', { recipientDomains: [OTHER] })],
    },
    'A',
  ],
  [
    'a connector by MX takes mail to other domains',
    {
      to: OTHER,
      among: [made('By MX', { smartHosts: [], useMXRecord: true, recipientDomains: [OTHER] }), star],
    },
    'By MX',
  ],
  // What takes nothing.
  [
    'a disabled connector takes nothing',
    { to: OTHER, among: [{ ...exact, enabled: false }, star] },
    'A star',
  ],
  [
    'nor does a disabled one that is the only one',
    { to: OTHER, among: [{ ...exact, enabled: false }], smartHost: SMART_HOST },
    'smart-host',
  ],
  // Mail to the organisation's own domains.
  ['an exact accepted domain comes first', { to: OWN, owner: 'contoso', among: EVERY }, 'Exact'],
  ['then allAcceptedDomains', { to: OWN, owner: 'contoso', among: without(exact) }, 'Accepted'],
  ['then a wildcard', { to: OWN, owner: 'contoso', among: without(exact, accepted) }, 'Wildcard'],
  [
    'then *, as routeAllMessagesViaOnPremises is about mail that leaves',
    { to: OWN, owner: 'contoso', among: [all, star] },
    'A star',
  ],
  [
    'an accepted domain never goes by the MX of a connector',
    {
      to: OWN,
      owner: 'contoso',
      among: [made('By MX', { smartHosts: [], useMXRecord: true, recipientDomains: [OWN] }), star],
    },
    'A star',
  ],
  [
    'and waits where there is nothing else',
    {
      to: OWN,
      owner: 'contoso',
      among: [made('By MX', { smartHosts: [], useMXRecord: true, recipientDomains: ['*'] })],
    },
    'none',
  ],
  ['and without any connector', { to: OWN, owner: 'contoso', among: [] }, 'none'],
  [
    'but the smart host takes it',
    { to: OWN, owner: 'contoso', among: [], smartHost: SMART_HOST },
    'smart-host',
  ],
  // Without a connector.
  ['other mail goes to the smart host', { to: OTHER, among: [], smartHost: SMART_HOST }, 'smart-host'],
  ['and without one by MX', { to: OTHER, among: [] }, 'mx'],
  ['a connector comes before the smart host', { to: OTHER, among: [star], smartHost: SMART_HOST }, 'A star'],
]

describe('where mail goes', () => {
  for (const [behaviour, asked, expected] of ROWS) {
    it(behaviour, () => {
      assert.equal(choose(asked), expected)
      assert.equal(choose({ ...asked, among: asked.among.toReversed() }), expected, 'in another order')
    })
  }

  it('is told by the connectors of whoever owns the domain, else by those of whoever sent the message', () => {
    assert.equal(routingOrganization(fact(OWN, 'contoso'), 'adatum'), 'contoso')
    assert.equal(routingOrganization(fact(OWN, 'contoso'), null), 'contoso')
    assert.equal(routingOrganization(fact(OTHER, null), 'adatum'), 'adatum')
    assert.equal(routingOrganization(fact(OTHER, null), null), null)
  })

  it('is unknown, and no other way, while the domain or the connectors cannot be looked up', () => {
    const unknown = { unknown: true, why: 'Redis is away' } as const
    const facts = factsOf({ to: OTHER, among: EVERY, smartHost: SMART_HOST })
    for (const away of [{ recipientDomain: unknown }, { outboundConnectors: unknown }]) {
      const asked = { ...facts, ...away }
      assert.deepEqual(chooseRoute(asked), unknown)
      const steps = explainRoute(asked)
      assert.equal(steps.at(-1)?.result, 'unknown')
      assert.match(steps.at(-1)?.detail ?? '', /Redis is away/)
    }
  })

  it('is explained: whose connectors count, which takes it, and why each other does not', () => {
    const off = { ...star, name: 'Off', enabled: false }
    const explained = explainRoute(factsOf({ to: 'mail.eu.fabrikam.com', among: [off, ...EVERY] }))
    assert.deepEqual(
      explained.map(({ result, detail }) => `${result}: ${detail}`),
      [
        'yes: the message belongs to contoso: its outbound connectors count',
        'yes: "A longer wildcard" of contoso: it is for *.eu.fabrikam.com',
        'no: "Wildcard" of contoso: it is for *.fabrikam.com, which is shorter',
        'no: "All" of contoso: it has routeAllMessagesViaOnPremises, which comes later',
        'no: "A star" of contoso: it is for *, which comes later',
        'no: "Off" of contoso: it is disabled',
        'no: "Accepted" of contoso: it is not for mail.eu.fabrikam.com',
        'no: "Exact" of contoso: it is not for mail.eu.fabrikam.com',
      ],
    )
  })

  it('is explained in a few lines where an organisation has hundreds of connectors', () => {
    const among = Array.from({ length: 300 }, (_none, index) =>
      made(`N${index}`, { recipientDomains: [`n${index}.example`] }),
    )
    const steps = explainRoute(factsOf({ to: 'n7.example', among }))
    assert.equal(steps.length, 23)
    assert.match(steps.at(-1)?.detail ?? '', /^and 279 more that do not take it$/)
  })

  it('is told in words, with the protection that is promised', () => {
    const connector = made('Filter', {
      smartHosts: [{ host: '2001:db8::1', port: 25 }, SMART_HOST],
      tlsSettings: 'DomainValidation',
      tlsDomain: '*.fabrikam.com',
    })
    assert.equal(
      describeRoute({ via: 'connector', connector }, OTHER),
      '[2001:db8::1]:25 or relay.example:587 through outbound connector "Filter" of contoso, under TLS with a valid certificate for *.fabrikam.com',
    )
    assert.equal(describeRoute({ via: 'mx' }, OTHER), 'the MX of fabrikam.com, under TLS where it is offered')
  })
})

const DOMAINS = [
  'contoso.com',
  'fabrikam.com',
  'a.eu.fabrikam.com',
  'b.contoso.com',
  'other.example',
] as const

const anyFacts: fc.Arbitrary<RouteFacts> = fc
  .record({
    to: fc.constantFrom(...DOMAINS),
    owner: fc.constantFrom('contoso', null),
    organization: fc.constantFrom('contoso', null),
    connectors: outboundConnectors('contoso', () => null),
    smartHost: fc.constantFrom(SMART_HOST, null),
  })
  .map(({ connectors, organization, owner, smartHost, to }) => ({
    domain: to,
    recipientDomain: fact(to, owner),
    organization,
    outboundConnectors: (owner ?? organization) === null ? [] : connectors,
    smartHost,
  }))

describe('whatever the connectors are', () => {
  it('the explanation agrees with the choice, and names every connector', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const route = chooseRoute(facts)
        assert.ok(!isUnknown(route))
        const [whose, ...steps] = explainRoute(facts)
        assert.equal(whose?.result, 'yes')
        const chosen = steps.filter(({ result }) => result === 'yes')
        assert.equal(chosen.length, route.via === 'none' ? 0 : 1)
        if (route.via === 'connector') {
          assert.equal(chosen[0]?.rule, 'outbound connector')
          assert.ok(chosen[0].detail.startsWith(`"${route.connector.name}" of `))
        } else assert.equal(steps.at(-1)?.rule, route.via === 'smart-host' ? 'smart host' : 'MX')
        const connectors = isUnknown(facts.outboundConnectors) ? [] : facts.outboundConnectors
        const told = steps.filter(({ rule }) => rule === 'outbound connector')
        assert.equal(told.length, connectors.length)
      }),
      { numRuns: 3000 },
    )
  })

  it('mail to an accepted domain never goes by MX, and nothing goes through a disabled connector', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const route = chooseRoute(facts)
        assert.ok(!isUnknown(route))
        if (route.via === 'connector') assert.ok(route.connector.enabled)
        const { recipientDomain } = facts
        if (isUnknown(recipientDomain) || recipientDomain.acceptedDomain === null) return
        assert.notEqual(route.via, 'mx')
        if (route.via === 'connector') assert.ok(route.connector.smartHosts.length > 0)
      }),
      { numRuns: 3000 },
    )
  })

  it('a connector that is not chosen can be removed without a change', () => {
    fc.assert(
      fc.property(anyFacts, fc.nat(2), (facts, index) => {
        const { outboundConnectors } = facts
        assert.ok(!isUnknown(outboundConnectors))
        const removed = outboundConnectors[index]
        const route = chooseRoute(facts)
        if (removed === undefined || nameOf(route) === removed.name) return
        const fewer = outboundConnectors.filter((connector) => connector !== removed)
        assert.deepEqual(chooseRoute({ ...facts, outboundConnectors: fewer }), route)
      }),
      { numRuns: 3000 },
    )
  })
})
