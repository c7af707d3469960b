/** What the commands that manage records refuse, warn about and recommend; the journal's word on what used them. */

import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { Command } from 'commander'
import { connectorAddition, connectorEdit } from '../../src/cli/manage/connector-change.ts'
import { carryOut, prepareChange } from '../../src/cli/manage/change.ts'
import { domainAddition, domainEdit } from '../../src/cli/manage/domain-change.ts'
import { addPropertyOptions, flagOf, readListChanges, readProperties } from '../../src/cli/manage/flags.ts'
import { CONNECTOR_FLAGS, DOMAIN_FLAGS } from '../../src/cli/manage/properties.ts'
import { usageLines } from '../../src/cli/manage/usage.ts'
import { nameChoices } from '../../src/cli/wizard/certificate-names.ts'
import type { OpenEditor } from '../../src/cli/editor.ts'
import { openFileEditor } from '../../src/directory/file/file-editor.ts'
import type { Organization } from '../../src/directory/model.ts'
import {
  CONNECTOR_PROPERTIES,
  DOMAIN_PROPERTIES,
  IDLE_CONNECTOR_PROPERTIES,
  IDLE_DOMAIN_PROPERTIES,
} from '../../src/directory/properties.ts'
import { readSettings } from '../../src/instance/settings.ts'
import { goneText } from '../../src/journal/gone.ts'
import type { PresentNames } from '../../src/journal/gone.ts'
import type { UsageQuestion, UsageReport } from '../../src/journal/usage.ts'
import { countUsage, usesOfConnector, usesOfDomain, usesOfOrganization } from '../../src/journal/usage.ts'
import { temporaryFolder } from '../support/smarthost.ts'

const TEXT = `# ours
organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
      - domainName: old.example # soon gone
        pendingRemoval: true
      - {domainName: wide.example, matchSubDomains: true, domainType: InternalRelay}
    inboundConnectors:
      - name: Exchange
        connectorType: OnPremises
        tlsSenderCertificateName: "*.contoso.com"
      - name: Scanners
        connectorType: OnPremises
        senderIPAddresses: [10.1.2.0/24, 10.1.3.7] # two floors
  - name: fabrikam
    acceptedDomains: [{domainName: fabrikam.com}]
`

interface House {
  readonly open: OpenEditor
  readonly path: string
  readonly contoso: Organization
}

async function house(t: TestContext): Promise<House> {
  const instance = await temporaryFolder(t)
  await mkdir(join(instance, 'config'))
  const path = join(instance, 'config', 'organizations.yaml')
  await writeFile(path, TEXT)
  const editor = await openFileEditor(path)
  const open = { instance, settings: readSettings(instance).settings, editor, replicas: 0 }
  const stored = await editor.read('contoso')
  assert.ok(stored !== null)
  return { open, path, contoso: stored.organization }
}

function parsed(flags: typeof CONNECTOR_FLAGS, args: readonly string[], forSet = true) {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined })
  addPropertyOptions(command, flags, forSet)
  command.parse([...args], { from: 'user' })
  const options = command.opts()
  return { given: readProperties(options, flags), lists: readListChanges(options, flags) }
}

describe('flags of the cmdlets', () => {
  it('are the parameters in kebab case', () => {
    for (const [property, flag] of [
      ['tlsSenderCertificateName', '--tls-sender-certificate-name'],
      ['senderIPAddresses', '--sender-ip-addresses'],
      ['restrictDomainsToIPAddresses', '--restrict-domains-to-ip-addresses'],
      ['efSkipLastIP', '--ef-skip-last-ip'],
      ['efSkipIPs', '--ef-skip-ips'],
      ['enableNego2Authentication', '--enable-nego2-authentication'],
    ] as const) {
      assert.equal(flagOf(property), flag)
    }
  })

  it('are of properties that the file has, every one that can be set among them', () => {
    const flags = (of: typeof CONNECTOR_FLAGS, idle: boolean) =>
      of.filter((flag) => (flag.idle === true) === idle).map(({ property }) => property)
    const elsewhere = ['reportOnlyUntil', 'domainName', 'proof']
    assert.deepEqual(
      flags(CONNECTOR_FLAGS, false).toSorted(),
      CONNECTOR_PROPERTIES.filter((property) => !elsewhere.includes(property)).toSorted(),
    )
    assert.deepEqual(
      flags(DOMAIN_FLAGS, false).toSorted(),
      DOMAIN_PROPERTIES.filter((property) => !elsewhere.includes(property)).toSorted(),
    )
    for (const property of flags(CONNECTOR_FLAGS, true)) {
      assert.ok((IDLE_CONNECTOR_PROPERTIES as readonly string[]).includes(property), property)
    }
    for (const property of flags(DOMAIN_FLAGS, true)) {
      assert.ok((IDLE_DOMAIN_PROPERTIES as readonly string[]).includes(property), property)
    }
  })

  it('take lists with commas and repeated, booleans as PowerShell writes them, and choices in any case', () => {
    const { given, lists } = parsed(CONNECTOR_FLAGS, [
      '--sender-ip-addresses',
      '10.0.0.1, 10.0.0.2',
      '--sender-ip-addresses',
      '2001:db8::1',
      '--enabled',
      '$False',
      '--connector-type',
      'partner',
      '--comment',
      '',
      '--add-certificate-pins',
      'a,b',
      '--remove-certificate-pins',
      'c',
    ])
    assert.deepEqual(Object.fromEntries(given), {
      senderIPAddresses: ['10.0.0.1', '10.0.0.2', '2001:db8::1'],
      enabled: false,
      connectorType: 'Partner',
      comment: null,
    })
    assert.deepEqual(
      lists.map(({ flag, add, remove }) => [flag.property, add, remove]),
      [['certificatePins', ['a', 'b'], ['c']]],
    )
  })

  it('refuse a boolean that is none, and a list that is given as a whole and in parts', () => {
    assert.throws(
      () => parsed(CONNECTOR_FLAGS, ['--enabled', 'yes']),
      /--enabled "yes" is neither true nor false/,
    )
    assert.throws(
      () =>
        parsed(CONNECTOR_FLAGS, [
          '--sender-ip-addresses',
          '10.0.0.1',
          '--add-sender-ip-addresses',
          '10.0.0.2',
        ]),
      /gives the whole list/,
    )
  })
})

const TYPE = ['--connector-type', 'OnPremises'] as const
const PARTNER = ['--connector-type', 'Partner', '--sender-domains', '*'] as const
const NAMED = [...TYPE, '--tls-sender-certificate-name', '*.contoso.com'] as const

describe('a new connector', () => {
  const refused: readonly (readonly [what: string, flags: readonly string[], why: RegExp, name?: string])[] =
    [
      ['without a name and addresses', TYPE, /matches no server/],
      ['of an unknown type', ['--connector-type', 'OnPremise'], /did you mean OnPremises\?/],
      ['for a bare star', [...TYPE, '--tls-sender-certificate-name', '*'], /would match every certificate/],
      [
        'with a wildcard inside',
        [...TYPE, '--tls-sender-certificate-name', 'mail.*.contoso.com'],
        /wildcard in the wrong place/,
      ],
      ['for a public suffix', [...TYPE, '--tls-sender-certificate-name', '*.co.uk'], /public suffix/],
      [
        'for issuer and subject',
        [...TYPE, '--tls-sender-certificate-name', '<I>CN=x<S>CN=y'],
        /names issuer and subject/,
      ],
      ['with a dash range', [...TYPE, '--sender-ip-addresses', '10.0.0.1-10.0.0.9'], /no CIDR range/],
      ['with a very wide range', [...TYPE, '--sender-ip-addresses', '0.0.0.0/0'], /wider than \/8/],
      ['with a pin that is none', [...NAMED, '--certificate-pins', 'abc'], /no SHA-256/],
      ['of a partner without domains', ['--connector-type', 'Partner'], /needs senderDomains/],
      [
        'of a partner that is treated as internal',
        [...PARTNER, '--treat-messages-as-internal', 'true'],
        /treatMessagesAsInternal is for OnPremises connectors only/,
      ],
      [
        'that is treated as internal and keeps the headers of the cloud',
        [...NAMED, '--treat-messages-as-internal', 'true', '--cloud-services-mail-enabled', 'true'],
        /exclude each other/,
      ],
      [
        'restricted to a certificate without its name',
        [...PARTNER, '--restrict-domains-to-certificate', 'true'],
        /needs a name \(add --tls-sender-certificate-name\)/,
      ],
      [
        'restricted to addresses without any',
        [...PARTNER, '--restrict-domains-to-ip-addresses', 'true'],
        /needs addresses \(add --sender-ip-addresses\)/,
      ],
      [
        'for a domain that is not accepted',
        [...NAMED, '--associated-accepted-domains', 'contoso.com,fabrikam.com'],
        /fabrikam\.com is no accepted domain of contoso/,
      ],
      [
        'with a wildcard inside senderDomains',
        [...NAMED, '--sender-domains', 'domain.*.contoso.com'],
        /is no domain/,
      ],
      ['whose name is taken', NAMED, /inbound-connector "Exchange" of contoso is there already/, 'EXCHANGE'],
      ['whose name is too long', NAMED, /longer than 64 characters/, 'x'.repeat(65)],
      [
        'whose name would move the cursor',
        NAMED,
        /"a\\x1b\[2J" of an inbound connector holds control characters/,
        'a\u001b[2J',
      ],
    ]
  for (const [what, flags, why, name = 'New'] of refused) {
    it(`${what} is refused, and nothing is changed`, async (t) => {
      const { contoso, open, path } = await house(t)
      const { given } = parsed(CONNECTOR_FLAGS, flags, false)
      await assert.rejects(
        carryOut(open, connectorAddition({ owner: contoso, name, given }).change),
        (error: Error) => {
          assert.match(error.message, why)
          assert.match(error.message, /nothing was changed/)
          return true
        },
      )
      assert.equal(await readFile(path, 'utf8'), TEXT)
    })
  }

  const warned: readonly (readonly [what: string, flags: readonly string[], about: RegExp])[] = [
    [
      'with a property that nothing comes of',
      [...NAMED, '--require-tls', 'true'],
      /^requireTls has no effect here and is not kept$/,
    ],
    [
      'in the trap of the KB',
      [...TYPE, '--tls-sender-certificate-name', 'mail.contoso.com'],
      /\(write tlsSenderCertificateName: "\*\.contoso\.com"/,
    ],
    [
      'for a domain that is on its way out',
      [...TYPE, '--tls-sender-certificate-name', '*.old.example'],
      /is pending removal/,
    ],
    ['with a name and addresses', [...NAMED, '--sender-ip-addresses', '10.0.0.1'], /is read as OR/],
    [
      'with sender domains',
      [...NAMED, '--sender-domains', '*'],
      /^senderDomains has no effect on an OnPremises connector$/,
    ],
    ['of a partner', PARTNER, /restrictions of a Partner connector are not enforced yet/],
    [
      'of a partner with a name and addresses',
      [...PARTNER, '--tls-sender-certificate-name', 'a.example', '--sender-ip-addresses', '192.0.2.1'],
      /Microsoft advises against it/,
    ],
    [
      'with host bits',
      [...TYPE, '--sender-ip-addresses', '192.168.0.1/25'],
      /read as the whole range 192\.168\.0\.0\/25/,
    ],
  ]
  for (const [what, flags, about] of warned) {
    it(`${what} is taken with a warning`, async (t) => {
      const { contoso, open } = await house(t)
      const { given } = parsed(CONNECTOR_FLAGS, flags, false)
      const { change, find, warnings } = connectorAddition({ owner: contoso, name: 'New', given })
      const carried = await carryOut(open, change)
      const all = [...warnings(), ...carried.warnings]
      assert.ok(
        all.some((warning) => about.test(warning)),
        all.join('\n'),
      )
      assert.notEqual(find(carried.after), null)
    })
  }

  it('takes IPv6 and any CIDR size, which Exchange does not', async (t) => {
    const { contoso, open } = await house(t)
    const { given } = parsed(
      CONNECTOR_FLAGS,
      [...TYPE, '--sender-ip-addresses', '2001:db8::/48,10.0.0.0/9'],
      false,
    )
    const { change, find, warnings } = connectorAddition({ owner: contoso, name: 'New', given })
    const carried = await carryOut(open, change)
    assert.deepEqual([...warnings(), ...carried.warnings], [])
    assert.deepEqual(find(carried.after)?.senderIPAddresses, ['2001:db8::/48', '10.0.0.0/9'])
  })
})

describe('a connector that is there', () => {
  it('keeps what was not given, and every comment and line of the file', async (t) => {
    const { contoso, open, path } = await house(t)
    const { given, lists } = parsed(CONNECTOR_FLAGS, [
      '--add-sender-ip-addresses',
      '10.9.0.0/16,10.1.3.7/32',
      '--remove-sender-ip-addresses',
      '10.1.2.0/24',
      '--comment',
      'third floor',
    ])
    await carryOut(open, connectorEdit({ owner: contoso, name: 'scanners', given, lists }).change)
    const before = 'senderIPAddresses: [10.1.2.0/24, 10.1.3.7] # two floors'
    const after = 'senderIPAddresses: [10.1.3.7, 10.9.0.0/16] # two floors\n        comment: third floor'
    assert.equal(await readFile(path, 'utf8'), TEXT.replace(before, after))
  })

  it('in the trap is warned of at each change, and nothing is said of the others', async (t) => {
    const { contoso, open } = await house(t)
    const trapped = parsed(
      CONNECTOR_FLAGS,
      [...TYPE, '--tls-sender-certificate-name', 'mail.contoso.com'],
      false,
    )
    await carryOut(open, connectorAddition({ owner: contoso, name: 'New', given: trapped.given }).change)
    const given = new Map([['comment', 'x']])
    const changed = await carryOut(open, connectorEdit({ owner: contoso, name: 'New', given }).change)
    assert.match(
      changed.warnings.join('\n'),
      /^the certificate domain mail\.contoso\.com of connector "New"[^\n]*$/,
    )
    const other = await carryOut(open, connectorEdit({ owner: contoso, name: 'Scanners', given }).change)
    assert.deepEqual(other.warnings, [])
  })

  it('loses the domains of a partner when it becomes OnPremises', async (t) => {
    const { contoso, open } = await house(t)
    const { given } = parsed(
      CONNECTOR_FLAGS,
      [...PARTNER, '--tls-sender-certificate-name', '*.contoso.com'],
      false,
    )
    await carryOut(open, connectorAddition({ owner: contoso, name: 'New', given }).change)
    const { change, warnings } = connectorEdit({
      owner: contoso,
      name: 'New',
      given: parsed(CONNECTOR_FLAGS, TYPE).given,
    })
    const carried = await carryOut(open, change)
    assert.deepEqual([...warnings(), ...carried.warnings], [])
  })

  it('cannot lose an address that it has not, nor get the name of another', async (t) => {
    const { contoso, open, path } = await house(t)
    const { given, lists } = parsed(CONNECTOR_FLAGS, ['--remove-sender-ip-addresses', '10.7.7.7'])
    await assert.rejects(
      carryOut(open, connectorEdit({ owner: contoso, name: 'Scanners', given, lists }).change),
      /10\.7\.7\.7 is not in senderIPAddresses/,
    )
    const renamed = parsed(CONNECTOR_FLAGS, ['--name', 'exchange']).given
    await assert.rejects(
      carryOut(open, connectorEdit({ owner: contoso, name: 'Scanners', given: renamed }).change),
      /inbound-connector "Exchange" of contoso is there already/,
    )
    assert.equal(await readFile(path, 'utf8'), TEXT)
  })

  it('is not changed by who agreed to what it was before', async (t) => {
    const { contoso, open, path } = await house(t)
    const shown = contoso.inboundConnectors.find(({ name }) => name === 'Scanners') ?? null
    const byHand = TEXT.replace('10.1.3.7', '10.1.3.8')
    await writeFile(path, byHand)
    const { given } = parsed(CONNECTOR_FLAGS, ['--comment', 'x'])
    await assert.rejects(
      carryOut(open, connectorEdit({ owner: contoso, name: 'Scanners', given, shown }).change),
      /changed by somebody else meanwhile/,
    )
    assert.equal(await readFile(path, 'utf8'), byHand)
  })
})

describe('a domain', () => {
  for (const [name, why] of [
    ['*', /open relay/],
    ['*.contoso.com', /is a wildcard/],
    ['com', /single label/],
    ['co.uk', /public suffix/],
    ['kate@contoso.com', /is a mail address \(write contoso\.com\)/],
    ['[10.0.0.1]', /is an IP address/],
    ['a b.example', /is no domain name/],
  ] as const) {
    it(`${name} is refused`, async (t) => {
      const { contoso, open, path } = await house(t)
      await assert.rejects(carryOut(open, domainAddition(contoso, name, new Map())), why)
      assert.equal(await readFile(path, 'utf8'), TEXT)
    })
  }

  it('is kept in A-label form, and ExternalRelay is refused', async (t) => {
    const { contoso, open } = await house(t)
    const { after } = await carryOut(open, domainAddition(contoso, 'Bücher.Example.', new Map()))
    assert.ok(after?.acceptedDomains.some(({ domainName }) => domainName === 'xn--bcher-kva.example'))
    const { given } = parsed(DOMAIN_FLAGS, ['--domain-type', 'externalrelay'])
    await assert.rejects(
      prepareChange(open, domainAddition(contoso, 'x.example', given)),
      /exists in on-premises Exchange only \(write InternalRelay\)/,
    )
  })

  it('on its way out warns of the connectors that fall into the trap by it', async (t) => {
    const { contoso, open } = await house(t)
    const [shown] = contoso.acceptedDomains
    assert.ok(shown !== undefined)
    const { given } = parsed(DOMAIN_FLAGS, ['--pending-removal', 'true'])
    const { warnings } = await prepareChange(open, domainEdit(contoso, shown, { given }))
    assert.equal(warnings.length, 1)
    assert.match(
      warnings[0] ?? '',
      /certificate domain contoso\.com of connector "Exchange" is pending removal/,
    )
  })
})

describe('the names in a certificate', () => {
  const rows: readonly (readonly [
    what: string,
    names: readonly string[],
    best: string,
    accepted: boolean,
  ])[] = [
    ['a host of a registered domain', ['mail.contoso.com'], '*.contoso.com', true],
    ['the registered domain itself', ['contoso.com', 'mail.contoso.com'], 'contoso.com', true],
    ['a wildcard certificate', ['*.contoso.com'], '*.contoso.com', true],
    ['a host below matchSubDomains', ['mail.wide.example'], 'mail.wide.example', true],
    [
      'a stranger first, a registered domain later',
      ['mx.host.example', 'mail.contoso.com'],
      '*.contoso.com',
      true,
    ],
    ['a domain that is on its way out', ['mail.old.example'], 'mail.old.example', false],
    ['a domain of another organisation', ['mail.fabrikam.com'], 'mail.fabrikam.com', false],
  ]
  for (const [what, names, best, accepted] of rows) {
    it(`${what}: ${best} is the first choice`, async (t) => {
      const { contoso } = await house(t)
      const [first] = nameChoices(names, contoso)
      assert.deepEqual([first?.name, first?.accepted], [best, accepted])
      assert.match(first?.because ?? '', accepted ? /accepted domain|sub-domains/ : /the trap/)
    })
  }
})

const HOUR = 3_600_000
const NOW = Date.now()

function at(hours: number): string {
  return new Date(NOW - hours * HOUR).toISOString()
}

interface Line {
  readonly hours: number
  readonly from?: string
  readonly to?: string
  readonly connector?: string | null
  readonly organization?: string
  readonly reason?: string
  readonly outcome?: string
  readonly address?: string
  readonly names?: readonly string[]
}

async function report(question: UsageQuestion, present: PresentNames): Promise<UsageReport> {
  const counted = await countUsage(question)
  return counted.settled ?? counted.settle(present)
}

async function journal(t: TestContext, lines: readonly Line[], more = ''): Promise<string> {
  const folder = await temporaryFolder(t)
  const records = lines.map(
    ({ hours, from, to, connector, organization, reason, outcome, address, names }, index) =>
      JSON.stringify({
        time: at(hours),
        id: `ID.${index}`,
        peer: {
          address: address ?? '10.1.2.3',
          helo: 'x',
          tls: null,
          certificate: { state: 'no-tls', fingerprint: null, names: names ?? [], why: null },
        },
        organization: organization ?? 'contoso',
        connector: connector ?? null,
        via: connector === null ? null : 'address',
        sender: from ?? '',
        recipient: to ?? 'x@elsewhere.example',
        outcome: outcome ?? 'relay',
        reason: reason ?? 'sender-domain-accepted',
        reply: '250 ok',
        revision: '1',
      }),
  )
  const name = `${at(lines[0]?.hours ?? 0).replaceAll(/[-:]/g, '')}-1-1.jsonl`
  await writeFile(join(folder, name), `${records.join('\n')}\n${more}`)
  return folder
}

describe('the traffic of the last seven days', () => {
  const question = { copies: [], since: new Date(NOW - 168 * HOUR), until: new Date(NOW) }

  it('is counted for a connector, without regard to case, and not what is older', async (t) => {
    const { contoso, open } = await house(t)
    const own = await journal(
      t,
      [
        { hours: 200, connector: 'Scanners' },
        { hours: 20, connector: 'scanners' },
        { hours: 10, connector: 'Scanners', outcome: 'deny', address: '10.1.2.9' },
        { hours: 9, connector: 'Scanners', organization: 'fabrikam' },
        { hours: 8, connector: 'Exchange' },
      ],
      'not a record\n',
    )
    const [, scanners] = contoso.inboundConnectors
    assert.ok(scanners !== undefined)
    const counted = await report({ ...question, own, uses: usesOfConnector(scanners) }, open.editor)
    const found = counted.usage.get('connector')
    assert.equal(found?.decisions, 2)
    assert.deepEqual(
      [...(found?.outcomes ?? [])],
      [
        ['relay', 1],
        ['deny', 1],
      ],
    )
    assert.equal(found?.last, at(10))
    assert.deepEqual(found?.addresses, ['10.1.2.3', '10.1.2.9'])
    // The damaged line may have been another.
    assert.deepEqual(counted.gaps, [{ directory: own, kind: 'damaged', time: '' }])
    assert.equal(counted.nodes[0]?.damaged, 1)
    assert.equal(counted.gone, null)
  })

  it('is counted for a domain as sender, as recipient and as the domain of a certificate', async (t) => {
    const { contoso, open } = await house(t)
    const rows: readonly Line[] = [
      { hours: 200 },
      { hours: 5, from: 'a@Contoso.COM' },
      { hours: 5, from: 'a@sub.contoso.com' },
      { hours: 5, to: 'b@contoso.com' },
      { hours: 5, from: '', connector: 'Exchange', reason: 'certificate-domain-accepted' },
      { hours: 5, from: '', connector: 'Scanners', reason: 'certificate-domain-accepted' },
      { hours: 5, from: 'x@deep.down.wide.example' },
    ]
    const own = await journal(t, rows)
    const counts = async (index: number) => {
      const domain = contoso.acceptedDomains[index]
      assert.ok(domain !== undefined)
      const { usage } = await report({ ...question, own, uses: usesOfDomain(domain, contoso) }, open.editor)
      return Object.fromEntries([...usage].map(([use, { decisions }]) => [use, decisions]))
    }
    assert.deepEqual(await counts(0), { sender: 1, recipient: 1, certificate: 1 })
    assert.deepEqual(await counts(2), { sender: 1 })
    const { usage } = await report({ ...question, own, uses: usesOfOrganization(contoso) }, open.editor)
    assert.equal(usage.get('connector')?.decisions, 2)
    assert.equal(usage.get('sender')?.decisions, 2)
  })

  it('is unknown before the journal begins, after a copy ends, and where there is none', async (t) => {
    const { contoso, open } = await house(t)
    const uses = usesOfOrganization(contoso)
    const gaps = async (own: string, ...copies: string[]) =>
      (await report({ ...question, own, copies, uses }, open.editor)).gaps.map(({ kind, time }) => [
        kind,
        time,
      ])
    const whole = await journal(t, [{ hours: 200 }, { hours: 30 }])
    const young = await journal(t, [{ hours: 100 }, { hours: 1 }])
    assert.deepEqual(await gaps(whole), [])
    assert.deepEqual(await gaps(young), [['before', at(100)]])
    assert.deepEqual(await gaps(whole, young), [['before', at(100)]])
    // The instance's own goes on until now; a copy ends where it was made.
    assert.deepEqual(await gaps(whole, await journal(t, [{ hours: 200 }, { hours: 30 }])), [
      ['after', at(30)],
    ])
    assert.deepEqual(await gaps(await temporaryFolder(t)), [['nothing', '']])
  })

  it('is that of a connector or organisation that was renamed, and what may have been of it is unknown', async (t) => {
    const { contoso, open } = await house(t)
    const [exchange, scanners] = contoso.inboundConnectors
    const [domain] = contoso.acceptedDomains
    assert.ok(exchange !== undefined && scanners !== undefined && domain !== undefined)
    const relied = { reason: 'certificate-domain-accepted', from: '', names: ['mail.contoso.com'] }
    const rows: readonly (readonly [
      what: string,
      uses: UsageQuestion['uses'],
      Line,
      used: number,
      unknown: string | null,
    ])[] = [
      [
        'renamed, its address fits',
        usesOfConnector(scanners),
        { hours: 5, connector: 'By address' },
        1,
        null,
      ],
      [
        'renamed, a name fits',
        usesOfConnector(exchange),
        { hours: 5, connector: 'Old', names: ['MX.Contoso.com'] },
        1,
        null,
      ],
      [
        'renamed or removed',
        usesOfConnector(scanners),
        { hours: 5, connector: 'By address', address: '10.9.9.9' },
        0,
        'unknown: 1 decision was for connectors that are not there any more ("By address")',
      ],
      [
        'of another connector that is there',
        usesOfConnector(scanners),
        { hours: 5, connector: 'Exchange' },
        0,
        null,
      ],
      [
        'of another organisation that is there',
        usesOfConnector(scanners),
        { hours: 5, connector: 'x', organization: 'Fabrikam' },
        0,
        null,
      ],
      ['of nobody', usesOfConnector(scanners), { hours: 5, connector: null }, 0, null],
      [
        "the organisation's was the recipient's",
        usesOfConnector(scanners),
        { hours: 5, connector: 'x', reason: 'no-route', outcome: 'defer' },
        0,
        null,
      ],
      [
        'organisation renamed',
        usesOfConnector(scanners),
        { hours: 5, connector: 'Scanners', organization: 'Old' },
        1,
        null,
      ],
      [
        'organisation renamed',
        usesOfOrganization(contoso),
        { hours: 5, connector: 'x', organization: 'Old' },
        1,
        null,
      ],
      [
        'organisation renamed or removed',
        usesOfOrganization(contoso),
        { hours: 5, connector: 'x', organization: 'Old\u001b', address: '10.9.9.9' },
        0,
        'unknown: 1 decision was for connectors that are not there any more (those of organisation "Old\\\\x1b")',
      ],
      [
        'certificate of a renamed one',
        usesOfDomain(domain, contoso),
        { ...relied, hours: 5, connector: 'Old' },
        1,
        null,
      ],
      [
        'certificate of a renamed one with another name',
        usesOfDomain(domain, contoso),
        { ...relied, hours: 5, connector: 'Old', names: ['mail.example.org'] },
        0,
        'unknown: 1 decision was for connectors that are not there any more ("Old")',
      ],
    ]
    for (const [what, uses, line, used, unknown] of rows) {
      const own = await journal(t, [{ hours: 200, connector: null }, line])
      const { gone, usage, ...rest } = await report({ ...question, own, uses }, open.editor)
      assert.equal(usage.get(uses.formerly.use)?.decisions ?? 0, used, what)
      assert.equal(gone === null ? null : goneText(gone), unknown, what)
      const lines = usageLines({ ...rest, gone, usage }, [uses.formerly.use])
      assert.equal(lines[0]?.startsWith('not used'), used === 0 && unknown === null, what)
    }
  })

  it('is never said to have been read backwards', async (t) => {
    const { contoso, open } = await house(t)
    const [, scanners] = contoso.inboundConnectors
    assert.ok(scanners !== undefined)
    const own = await journal(t, [{ hours: 200 }, { hours: 1 }])
    const old = await journal(t, [{ hours: 500 }, { hours: 400 }])
    const copies = [old]
    const read = usageLines(
      await report({ ...question, own, copies, uses: usesOfConnector(scanners) }, open.editor),
      ['connector'],
    ).filter((line) => line.startsWith('read: '))
    assert.deepEqual(read, [
      `read: ${own} from ${question.since.toISOString()} to ${question.until.toISOString()}, 1 decisions`,
      `read: ${old}, which ends before the period, at ${at(400)}, 0 decisions`,
    ])
  })
})
