/** The indexed directory answers as a straightforward walk through all records does. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { buildDirectory } from '../../src/directory/memory-directory.ts'
import type { Organization } from '../../src/directory/model.ts'
import { normalizeAddress } from '../../src/text/ip-address.ts'
import type { World } from '../support/policy-world.ts'
import { candidatesFor, connector, domain, factOf } from '../support/policy-world.ts'

function directoryOf({ domains, connectors }: World) {
  const names = [...new Set([...domains, ...connectors].map(({ organization }) => organization))]
  const organizations = names.map((name): Organization => ({
    name,
    comment: null,
    acceptedDomains: domains.filter(({ organization }) => organization === name),
    inboundConnectors: connectors
      .filter(({ organization }) => organization === name)
      .map((item) => ({ ...item, senderDomains: [], allowWideAddresses: false, comment: null })),
    outboundConnectors: [],
  }))
  return buildDirectory(organizations, 'test')
}

const label = fc.constantFrom('a', 'b', 'mail', 'contoso')
const name = fc.array(label, { minLength: 2, maxLength: 5 }).map((labels) => [...labels, 'example'].join('.'))
const maybeWildcard = fc.tuple(name, fc.boolean()).map(([text, star]) => (star ? `*.${text}` : text))
const address = fc.oneof(
  fc.tuple(fc.nat(3), fc.nat(255)).map(([third, last]) => `10.1.${third}.${last}`),
  fc.nat(255).map((last) => `2001:db8::${last.toString(16)}`),
)
const range = fc.oneof(
  fc.constantFrom(
    '10.1.0.0/16',
    '10.1.2.0/24',
    '10.1.2.128/25',
    '10.0.0.0/8',
    '2001:db8::/32',
    '2001:db8::/121',
  ),
  address.map((text) => `${text}/${text.includes(':') ? 128 : 32}`),
)

describe('the directory in memory', () => {
  it('finds the accepted domain that covers a name, and the one that would with matchSubDomains', () => {
    const domains = fc.uniqueArray(
      fc
        .tuple(name, fc.boolean())
        .map(([text, matchSubDomains]) => domain('contoso', text, { matchSubDomains })),
      { selector: ({ domainName }) => domainName, maxLength: 8 },
    )
    fc.assert(
      fc.property(domains, name, (records, asked) => {
        const world = { domains: records, connectors: [] }
        assert.deepEqual(directoryOf(world).findDomain(asked), factOf(world, asked))
      }),
      { numRuns: 3000 },
    )
  })

  it('finds the same connectors by name and by address, the longest range that holds the address first', () => {
    const connectors = fc.array(
      fc.record({
        tlsSenderCertificateName: fc.option(maybeWildcard),
        senderIPAddresses: fc.uniqueArray(range, { maxLength: 3 }),
        enabled: fc.boolean(),
      }),
      { maxLength: 6 },
    )
    const presented = fc.uniqueArray(maybeWildcard, { maxLength: 4 })
    fc.assert(
      fc.property(connectors, presented, fc.option(address), (items, names, from) => {
        const world = {
          domains: [],
          connectors: items.map((item, index) => connector('contoso', `connector ${index}`, item)),
        }
        const peerAddress = from === null ? null : normalizeAddress(from)
        const found = directoryOf(world)
          .findConnectors(names, peerAddress)
          .map(({ connector: item, by }) =>
            by.via === 'address' ? `${item.name} ${by.prefixLength}` : `${item.name} ${by.presentedName}`,
          )
        const all = candidatesFor(world, {
          address: peerAddress,
          certificate: { state: 'verified', names },
        })
        const expected = new Map<string, string>()
        for (const { connector: item, match } of all) {
          const key = `${item.name} ${match.via}`
          if (match.via === 'certificate') {
            if (!expected.has(key)) expected.set(key, `${item.name} ${match.presentedName}`)
            continue
          }
          const before = Number(expected.get(key)?.split(' ').at(-1) ?? -1)
          if (match.prefixLength > before) expected.set(key, `${item.name} ${match.prefixLength}`)
        }
        assert.deepEqual(found.toSorted(), [...expected.values()].toSorted())
      }),
      { numRuns: 3000 },
    )
  })

  it('looks at 1,000 names of a certificate at most, however many a hostile one has', () => {
    const world = {
      domains: [],
      connectors: [connector('contoso', 'c', { tlsSenderCertificateName: '*.contoso.example' })],
    }
    const noise = Array.from({ length: 100_000 }, (_, index) => `n${index}.evil.example`)
    assert.deepEqual(directoryOf(world).findConnectors([...noise, 'mail.contoso.example'], null), [])
  })
})
