/**
 * What an import makes of exports as they are found in the wild, in shape. Each folder of exchange-online/ holds the
 * files of one import, and beside them the plan; UPDATE=1 writes that anew, to be read before it is kept.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Organization } from '../../src/directory/model.ts'
import { formatProblem } from '../../src/directory/model.ts'
import { organizationAsText } from '../../src/directory/as-written.ts'
import { parseOrganizations } from '../../src/directory/schema.ts'
import { AddressMap, AddressMapError, publicRanges } from '../../src/exchange-online/address-map.ts'
import { readExport } from '../../src/exchange-online/decode.ts'
import { interpret } from '../../src/exchange-online/interpret.ts'
import type { ImportPlan } from '../../src/exchange-online/plan.ts'
import { namesToLookUp, planImport } from '../../src/exchange-online/plan.ts'
import type { AcceptedDomain } from '../../src/policy/types.ts'
import { printable } from '../../src/text/printable.ts'
import { outbound } from '../support/outbound.ts'
import { domain } from '../support/policy-world.ts'

const FOLDER = join(import.meta.dirname, 'exchange-online')

const CASES = readdirSync(FOLDER)

interface File {
  readonly name: string
  readonly bytes: Buffer
}

/** As PowerShell 5.1 redirects to a file, as its Set-Content -Encoding utf8 does, and as PowerShell 7 writes. */
function encoded(folder: string, text: string): Buffer {
  if (folder.startsWith('hybrid-wizard'))
    return Buffer.from(`\ufeff${text}`.replaceAll('\n', '\r\n'), 'utf16le')
  if (folder.startsWith('exchange-server')) return Buffer.from(`\ufeff${text}`, 'utf16le').swap16()
  if (folder.startsWith('csv-5.1')) return Buffer.from(`\ufeff${text}`.replaceAll('\n', '\r\n'))
  return Buffer.from(text)
}

function filesOf(folder: string): File[] {
  return readdirSync(join(FOLDER, folder))
    .filter((name) => name !== 'plan.txt')
    .map((name) => ({
      name,
      bytes: encoded(folder, readFileSync(join(FOLDER, folder, name), 'utf8')),
    }))
}

interface Given {
  readonly before?: Organization | null
  readonly map?: readonly string[]
  readonly others?: readonly AcceptedDomain[]
  readonly name?: string
}

function planOf(
  files: readonly File[],
  { before = null, map = [], others = [], name = 'contoso' }: Given = {},
): ImportPlan {
  const budget = { values: 1_000_000 }
  const objects = files.flatMap((file) => readExport(file.name, file.bytes, budget))
  const own = (before?.acceptedDomains ?? []).map(({ domainName }) => domainName)
  const records = interpret(objects, new AddressMap(map), own)
  const wanted = new Set(namesToLookUp(records))
  const registered = [...others, ...(before?.acceptedDomains ?? [])]
    .filter(({ domainName }) => wanted.has(domainName))
    .map((record) => [record.domainName, record] as const)
  return planImport({ name, before, records, registered: new Map(registered) })
}

const of = (text: string, given: Given = {}): ImportPlan =>
  planOf([{ name: 'export.json', bytes: Buffer.from(text) }], given)

const json = (value: unknown, given: Given = {}): ImportPlan => of(JSON.stringify(value), given)

/** The plan as a text that a person can judge. */
function told({ items, warnings, ignored, after }: ImportPlan): string {
  const lines = items.flatMap(({ kind, name, action, reason, changes, warnings: own, notes }) => [
    `${action} ${kind} ${printable(name)}${reason === null ? '' : `: ${reason}`}`,
    ...changes.map(
      ({ property, from, to }) => `    ${property}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`,
    ),
    ...own.map((text) => `    warning: ${text}`),
    ...notes.map((text) => `    note: ${text}`),
  ])
  const named = [...ignored].filter(([, counts]) => counts.size > 0)
  const unheeded = named.map(
    ([kind, counts]) =>
      `ignored of ${kind}: ${[...counts]
        .map(([name, count]) => `${printable(name)} ${count}`)
        .toSorted()
        .join(', ')}`,
  )
  const text = after === null ? 'nothing to change\n' : organizationAsText(after)
  return `${[...lines, ...warnings.map((said) => `warning: ${said}`), ...unheeded, ''].join('\n')}\n${text}`
}

describe('an export as it is found in the wild', () => {
  for (const folder of CASES) {
    it(`is taken as its plan says: ${folder}`, () => {
      const path = join(FOLDER, folder, 'plan.txt')
      const plan = told(planOf(filesOf(folder)))
      if (process.env['UPDATE'] === '1') writeFileSync(path, plan)
      assert.equal(plan, readFileSync(path, 'utf8'))
    })

    it(`that is imported again changes nothing, and what is written is sound: ${folder}`, () => {
      const { after } = planOf(filesOf(folder))
      if (after === null) return
      const text = `organizations:\n${organizationAsText(after)}`
      const { organizations, errors } = parseOrganizations(text, 'f', (pem) => ({ pem }))
      assert.deepEqual(
        errors.map((problem) => formatProblem(problem)),
        [],
      )
      assert.deepEqual(organizations, [after])
      const again = planOf(filesOf(folder), { before: after })
      assert.deepEqual(
        again.items.filter(({ action }) => action === 'added' || action === 'changed'),
        [],
      )
      assert.equal(again.after, null)
      assert.equal(again.created, false)
    })
  }

  it('comes to the same in whatever order files and objects are', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...CASES).chain((folder) => {
          const files = filesOf(folder)
          return fc
            .shuffledSubarray(files, { minLength: files.length })
            .map((shuffled) => ({ folder, shuffled }))
        }),
        ({ folder, shuffled }) => {
          assert.equal(told(planOf(shuffled)), told(planOf(filesOf(folder))))
        },
      ),
      { numRuns: 60 },
    )
    for (const path of [
      'oddities/inbound.json.txt',
      'oddities/domains.json.txt',
      'the-trap/one-file.json.txt',
    ]) {
      const list = JSON.parse(readFileSync(join(FOLDER, path), 'utf8')) as unknown[]
      const actions = (plan: ImportPlan): string[] =>
        plan.items.map(({ kind, name, action }) => `${kind} ${name} ${action}`)
      const first = actions(json(list))
      fc.assert(
        fc.property(fc.shuffledSubarray(list, { minLength: list.length }), (shuffled) => {
          assert.deepEqual(actions(json(shuffled)), first)
        }),
        { numRuns: 20 },
      )
    }
  })

  it('is read whole, however large an organisation may be', () => {
    const records = Array.from({ length: 3000 }, (_, index) => ({
      DomainName: `d${index}.example`,
      DomainType: 'Authoritative',
    }))
    assert.equal(json(records).after?.acceptedDomains.length, 3000)
  })
})

const CONNECTOR = {
  Name: 'Exchange',
  Enabled: true,
  ConnectorType: 'OnPremises',
  TlsSenderCertificateName: '*.contoso.com',
  SenderIPAddresses: [],
  SenderDomains: ['smtp:*;1'],
}

describe('an import into an organisation that there is', () => {
  const trust = { key: 'k', certificateAuthorities: [], certificatePins: ['ab'.repeat(32)] }
  const before: Organization = {
    name: 'Contoso',
    comment: 'ours',
    acceptedDomains: [
      domain('Contoso', 'contoso.com', { delegatedSubDomains: ['lab.contoso.com'] }),
      domain('Contoso', 'only-here.example', { domainType: 'InternalRelay' }),
    ],
    outboundConnectors: [],
    inboundConnectors: [
      {
        organization: 'Contoso',
        name: 'Exchange',
        connectorType: 'OnPremises',
        enabled: true,
        tlsSenderCertificateName: 'mail.contoso.com',
        senderIPAddresses: ['10.2.0.0/24', '10.1.0.0/24'],
        trust,
        senderDomains: [],
        allowWideAddresses: true,
        comment: 'mended on a Sunday',
      },
      {
        organization: 'Contoso',
        name: 'Only here',
        connectorType: 'OnPremises',
        enabled: false,
        tlsSenderCertificateName: null,
        senderIPAddresses: ['10.9.0.1/32'],
        trust: null,
        senderDomains: [],
        allowWideAddresses: false,
        comment: null,
      },
    ],
  }
  const [exchange] = before.inboundConnectors

  it('says which properties change, from what to what, and leaves alone what Exchange does not know of', () => {
    const plan = json(
      [
        { ...CONNECTOR, Name: 'EXCHANGE', Enabled: false, SenderIPAddresses: ['10.1.0.0/24', '10.2.0.0/24'] },
        { DomainName: 'contoso.com', DomainType: 'InternalRelay', MatchSubDomains: true },
      ],
      { before },
    )
    assert.deepEqual(
      plan.items.map(({ name, action, changes }) => ({ name, action, changes })),
      [
        {
          name: 'contoso.com',
          action: 'changed',
          changes: [
            { property: 'domainType', from: 'Authoritative', to: 'InternalRelay' },
            { property: 'matchSubDomains', from: false, to: true },
          ],
        },
        {
          name: 'EXCHANGE',
          action: 'changed',
          changes: [
            { property: 'enabled', from: true, to: false },
            { property: 'tlsSenderCertificateName', from: 'mail.contoso.com', to: '*.contoso.com' },
          ],
        },
      ],
    )
    const [contoso, only] = before.acceptedDomains
    assert.deepEqual(plan.after, {
      ...before,
      acceptedDomains: [{ ...contoso, domainType: 'InternalRelay', matchSubDomains: true }, only],
      inboundConnectors: [
        { ...exchange, enabled: false, tlsSenderCertificateName: '*.contoso.com' },
        before.inboundConnectors[1],
      ],
    })
    assert.equal(plan.organization, 'Contoso')
  })

  it('leaves what the export does not say as it is', () => {
    const plan = json(
      [
        { Name: 'Exchange', ConnectorType: 'OnPremises', RequireTls: true, SenderDomains: ['*'] },
        { DomainName: 'contoso.com' },
      ],
      {
        before,
      },
    )
    assert.deepEqual(
      plan.items.map(({ action }) => action),
      ['same', 'same'],
    )
    assert.equal(plan.after, null)
    assert.match(plan.items[1]?.warnings.join(' ') ?? '', /the export has no TlsSenderCertificateName/)
  })

  it('keeps ports, certificate and password of an outbound connector, of which Exchange knows nothing', () => {
    const filter = outbound('Contoso', 'Filter', {
      connectorType: 'Partner',
      recipientDomains: ['*'],
      smartHosts: [{ host: 'smtp.filter.example', port: 587 }],
      tlsSettings: 'EncryptionOnly',
      userName: 'contoso',
      passwordFile: 'contoso/filter.password',
    })
    const there = { ...before, outboundConnectors: [filter] }
    const exported = {
      Name: 'FILTER',
      ConnectorType: 'Partner',
      Enabled: true,
      UseMXRecord: false,
      RecipientDomains: ['*'],
      SmartHosts: ['smtp.filter.example'],
      TlsSettings: 'EncryptionOnly',
      TlsDomain: null,
    }
    assert.deepEqual(
      json([exported], { before: there }).items.map(({ action }) => action),
      ['same'],
    )
    const validated = { ...exported, TlsSettings: 'DomainValidation', TlsDomain: 'smtp.filter.example' }
    assert.deepEqual(json([validated], { before: there }).after?.outboundConnectors, [
      { ...filter, tlsSettings: 'DomainValidation', tlsDomain: 'smtp.filter.example' },
    ])
    const moved = { ...exported, SmartHosts: ['smtp2.filter.example'] }
    assert.deepEqual(json([moved], { before: there }).items[0]?.changes, [
      { property: 'smartHosts', from: ['smtp.filter.example:587'], to: ['smtp2.filter.example'] },
    ])
    const [plain] = json([{ ...exported, TlsSettings: null }], { before: there }).items
    assert.equal(plain?.action, 'aside')
    assert.match(plain.reason ?? '', /the password could go in plain text/)
  })

  it('sets aside what another organisation has, or what is below it', () => {
    const others = [
      domain('Fabrikam', 'fabrikam.com'),
      domain('Adatum', 'adatum.com', { delegatedSubDomains: ['given.adatum.com'] }),
    ]
    const names = [
      'fabrikam.com',
      'mail.fabrikam.com',
      'x.given.adatum.com',
      'kept.adatum.com',
      'free.example',
    ]
    const plan = json(
      names.map((DomainName) => ({ DomainName, DomainType: 'Authoritative' })),
      { before, others },
    )
    assert.deepEqual(
      plan.items.map(({ name, action, reason }) => [name, action, reason]),
      [
        [
          'fabrikam.com',
          'aside',
          'it is registered here with "Fabrikam": it can be imported once that is removed or delegated',
        ],
        ['free.example', 'added', null],
        [
          'kept.adatum.com',
          'aside',
          'it is below adatum.com, which is registered here with "Adatum": it can be imported once that is removed or delegated',
        ],
        [
          'mail.fabrikam.com',
          'aside',
          'it is below fabrikam.com, which is registered here with "Fabrikam": it can be imported once that is removed or delegated',
        ],
        ['x.given.adatum.com', 'added', null],
      ],
    )
  })

  it('says when what is set aside is registered here, and that it stays', () => {
    const plan = json([{ ...CONNECTOR, TlsSenderCertificateName: '*' }], { before })
    assert.deepEqual(plan.items[0]?.notes, ['what is registered here under that name stays'])
    assert.equal(plan.after, null)
  })

  it('warns when a connector that is not imported falls into the trap by it', () => {
    const trapped = {
      ...before,
      inboundConnectors: before.inboundConnectors.slice(0, 1),
      acceptedDomains: [
        domain('Contoso', 'contoso.com', { domainType: 'InternalRelay', matchSubDomains: true }),
      ],
    }
    const plan = json([{ DomainName: 'contoso.com', DomainType: 'Authoritative', MatchSubDomains: false }], {
      before: trapped,
    })
    assert.match(
      plan.warnings.join('\n'),
      /certificate domain mail\.contoso\.com of connector "Exchange" is not an accepted domain/,
    )
    // What was so before is no news.
    assert.deepEqual(
      json([{ DomainName: 'new.example', DomainType: 'Authoritative' }], { before }).warnings,
      [],
    )
  })

  it('is refused under a name that no organisation can have', () => {
    for (const name of ['', ' x', 'x'.repeat(65), 'a\nb']) {
      assert.throws(() => json([CONNECTOR], { name }), /^ExportRefused: --organization is refused: /)
    }
  })
})

describe('an address in an export', () => {
  const addresses = (given: readonly string[], map: readonly string[]): readonly string[] | undefined =>
    json([{ ...CONNECTOR, TlsSenderCertificateName: null, SenderIPAddresses: given }], { map }).after
      ?.inboundConnectors[0]?.senderIPAddresses

  it('is replaced by what the server sees in its place, where it is exactly that', () => {
    const rows: readonly (readonly [given: string[], map: string[], expected: string[]])[] = [
      [['203.0.113.7'], ['203.0.113.7=10.1.2.0/24'], ['10.1.2.0/24']],
      [['203.0.113.7/32'], ['203.0.113.7=10.1.2.1,10.1.2.2'], ['10.1.2.1/32', '10.1.2.2/32']],
      [['203.0.113.7', '203.0.113.8'], ['203.0.113.7=10.1.2.1'], ['10.1.2.1/32', '203.0.113.8/32']],
      [['198.51.100.30/29'], ['198.51.100.24/29=10.1.2.1'], ['10.1.2.1/32']],
      [['203.0.113.7', '203.0.113.8'], ['203.0.113.7=10.1.2.1', '203.0.113.8=10.1.2.1'], ['10.1.2.1/32']],
      [['2001:db8::7'], ['2001:DB8:0::7=fd00:1::/64'], ['fd00:1::/64']],
      [['203.0.113.7'], ['203.0.113.7=203.0.113.7'], ['203.0.113.7/32']],
    ]
    for (const [given, map, expected] of rows)
      assert.deepEqual(addresses(given, map), expected, map.join(' '))
  })

  it('that was said to be right is not warned about', () => {
    const warnings = (map: readonly string[]): number =>
      json([{ ...CONNECTOR, TlsSenderCertificateName: null, SenderIPAddresses: ['203.0.113.7'] }], { map })
        .items[0]?.warnings.length ?? -1
    assert.equal(warnings([]), 1)
    assert.equal(warnings(['203.0.113.7=203.0.113.7']), 0)
    assert.equal(warnings(['203.0.113.7=10.0.0.1']), 0)
  })

  it('is public when nobody has it to himself', () => {
    const inside = [
      '10.0.0.1',
      '172.31.0.0/24',
      '192.168.1.1',
      '127.0.0.1',
      '169.254.1.1',
      '100.64.0.1',
      'fd00::1',
      'fe80::1',
      '::1',
      '::ffff:10.0.0.1',
    ]
    const outside = [
      '8.8.8.8',
      '172.32.0.0/24',
      '192.0.2.1',
      '2001:db8::/48',
      '2606:4700::1',
      '::ffff:8.8.4.4',
    ]
    assert.deepEqual(publicRanges(inside), [])
    assert.deepEqual(publicRanges([...outside, 'nonsense', '8.8.8.8/32']), [
      '8.8.8.8',
      '172.32.0.0/24',
      '192.0.2.1',
      '2001:db8::/48',
      '2606:4700::1',
      '8.8.4.4',
    ])
  })

  it('that is mapped is told by the pair that nothing was mapped by, and a pair that is none is refused', () => {
    const map = new AddressMap(['203.0.113.7=10.0.0.1', '203.0.113.8=10.0.0.2'])
    map.apply(['203.0.113.7', '203.0.113.0/24'])
    assert.deepEqual(map.unused(), ['203.0.113.8'])
    for (const pair of [
      '',
      '=',
      '203.0.113.7',
      '203.0.113.7=',
      '=10.0.0.1',
      'a=b',
      '1.2.3.4=10.0.0.1=10.0.0.2',
      '1.2.3.4=10.0.0.1,',
      '1.2.3.4=10.0.0.0/33',
      'mail.contoso.com=10.0.0.1',
      '\u001b[2J=1.2.3.4',
    ]) {
      assert.throws(() => new AddressMap([pair]), AddressMapError, pair)
    }
    assert.throws(() => new AddressMap(['1.2.3.4=10.0.0.1', '1.2.3.4/32=10.0.0.2']), /given twice/)
  })
})
