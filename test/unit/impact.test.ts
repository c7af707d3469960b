/** Who would be refused, and why: told from the journal exactly, and never guessed. */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import type { Directory } from '../../src/directory/directory.ts'
import { buildDirectory } from '../../src/directory/memory-directory.ts'
import type { Organization } from '../../src/directory/model.ts'
import { nameKey } from '../../src/directory/model.ts'
import type { Impact, ImpactQuestion } from '../../src/impact/measure.ts'
import { readProposal } from '../../src/impact/proposal.ts'
import { enforcing, overlaid, wholeDirectory } from '../../src/impact/proposed-directory.ts'
import type { Judged, ReplayOptions } from '../../src/impact/replay.ts'
import { Replay } from '../../src/impact/replay.ts'
import { impactText } from '../../src/impact/tell.ts'
import type { JournalRecord } from '../../src/journal/record.ts'
import type { PeerCertificate } from '../../src/policy/types.ts'
import type { Mail } from '../support/impact.ts'
import {
  DAY,
  directoryOf,
  HOUR,
  measure,
  NOW,
  organizationsOf,
  record,
  recordsOf,
  SETTINGS,
  writeJournal,
} from '../support/impact.ts'
import { BASES, BELOW, RANGES, randomDirectory } from '../support/random-directory.ts'
import { Random } from '../support/random.ts'
import { run, temporaryFolder } from '../support/smarthost.ts'

const SHORT = process.env['PROOF'] !== 'whole'

/** In report-only mode until so many days after NOW. */
const reportOnly = (days: number): string => new Date(NOW.getTime() + days * DAY).toISOString()

const verified = (...names: string[]): PeerCertificate => ({ state: 'verified', names })
const unverified = (...names: string[]): PeerCertificate => ({
  state: 'not-verified',
  names,
  why: 'self-signed',
})

const contoso = (more = '', domains = '{ domainName: contoso.com }'): string => `
organizations:
  - name: contoso
    ${more}
    acceptedDomains: [${domains}]
    inboundConnectors:
      - { name: Scanners, connectorType: OnPremises, senderIPAddresses: [10.1.0.0/16] }
      - { name: Exchange, connectorType: OnPremises, tlsSenderCertificateName: '*.contoso.com' }
`

/** `contoso/Scanners null: report-only > deny (null-sender), 3 messages, 1 server` */
function lineOf({
  connector,
  from,
  messages,
  organization,
  reason,
  recipientDomain,
  recipients,
  senderDomain,
  senderKind,
  servers,
  to,
}: Impact['changes'][number]): string {
  const mail =
    senderKind === 'domain' ? senderDomain : senderKind === 'any' ? `to ${recipientDomain}` : senderKind
  return `${organization ?? '-'}/${connector ?? '-'} ${mail}: ${from} > ${to} (${reason}), ${messages} messages to ${recipients}, ${servers.length} servers`
}

interface Case {
  readonly name: string
  readonly present: string
  /** Organisations as they shall be; report-only mode off where there are none. */
  readonly proposed?: string
  readonly prune?: boolean
  readonly at?: Date
  readonly mails: readonly Mail[]
  readonly settings?: ImpactQuestion['settings']
  readonly changes: readonly string[]
  readonly commands?: readonly string[]
  /** The advice of the first change. */
  readonly advice?: RegExp
}

const RESPECTED = { ...SETTINGS, relay: { ...SETTINGS.relay, respectRelaying: true } }
const PROOF_WANTED = { ...SETTINGS, relay: { ...SETTINGS.relay, requireDomainProof: true } }

const CASES: readonly Case[] = [
  {
    name: 'report-only mode ends: non-delivery reports of scanners need a certificate',
    present: contoso(`reportOnlyUntil: '${reportOnly(5)}'`),
    mails: [
      { from: '', times: 3 },
      { from: '', ip: '10.1.0.8', to: ['a@tailspintoys.com', 'b@tailspintoys.com'] },
      { from: 'scanner@contoso.com', times: 5 },
      { from: '', certificate: verified('mail.contoso.com'), times: 2 },
    ],
    changes: ['contoso/Scanners null: report-only > deny (null-sender), 4 messages to 5, 2 servers'],
    advice:
      /^certificate: let these servers present one that connector "Exchange" recognises \(\*\.contoso\.com\)/,
    commands: [],
  },
  {
    name: 'a sender domain that is not registered',
    present: contoso(`reportOnlyUntil: '${reportOnly(5)}'`),
    mails: [{ from: 'fax@fabrikam.com', times: 2 }, { from: 'x@contoso.com' }],
    changes: [
      'contoso/Scanners fabrikam.com: report-only > deny (sender-domain-not-accepted), 2 messages to 2, 1 servers',
    ],
    advice:
      /^when fabrikam\.com is the organisation's own, register it; else \(forwarded mail, for instance\) certificate: /,
    commands: [
      'connectorctl domain add fabrikam.com --organization contoso',
      "connectorctl inbound-connector add 'Scanners by certificate' --organization contoso --connector-type OnPremises --tls-sender-certificate-name '*.contoso.com'",
    ],
  },
  {
    name: 'a sub-domain that is not covered',
    present: contoso(`reportOnlyUntil: '${reportOnly(5)}'`),
    mails: [{ from: 'fax@sales.contoso.com' }],
    changes: [
      'contoso/Scanners sales.contoso.com: report-only > deny (sender-sub-domain-not-covered), 1 messages to 1, 1 servers',
    ],
    commands: ['connectorctl domain set contoso.com --match-sub-domains true'],
  },
  {
    name: 'the trap of the KB',
    present: `
organizations:
  - name: adatum
    reportOnlyUntil: '${reportOnly(5)}'
    acceptedDomains: [{ domainName: adatum.com }]
    inboundConnectors:
      - { name: Hybrid wizard, connectorType: OnPremises, tlsSenderCertificateName: mail.adatum.com }
`,
    mails: [{ from: '', certificate: verified('mail.adatum.com') }],
    changes: [
      'adatum/Hybrid wizard null: report-only > deny (certificate-domain-not-accepted), 1 messages to 1, 1 servers',
    ],
    advice:
      /^the trap of KB 3169958: the connector's name mail\.adatum\.com stands for mail\.adatum\.com, which is not registered/,
    commands: [
      "connectorctl inbound-connector set 'Hybrid wizard' --organization adatum --tls-sender-certificate-name '*.adatum.com'",
    ],
  },
  {
    name: 'report-only mode that ends before the day that is asked for, and one that does not',
    present: `
organizations:
  - name: contoso
    acceptedDomains: [{ domainName: contoso.com }]
    inboundConnectors:
      - { name: Soon, connectorType: OnPremises, senderIPAddresses: [10.1.0.0/24], reportOnlyUntil: '${reportOnly(3)}' }
      - { name: Later, connectorType: OnPremises, senderIPAddresses: [10.2.0.0/24], reportOnlyUntil: '${reportOnly(30)}' }
`,
    at: new Date(NOW.getTime() + 10 * DAY),
    mails: [{ from: '' }, { from: '', ip: '10.2.0.7' }],
    changes: ['contoso/Soon null: report-only > deny (null-sender), 1 messages to 1, 1 servers'],
  },
  {
    name: 'the day on which an unproven domain has had its time',
    present: contoso(
      '',
      `{ domainName: contoso.com, proof: { countsUntil: '${reportOnly(3)}' } }, { domainName: fabrikam.com, proof: { token: a, domain: fabrikam.com, provenAt: '2026-01-01' } }`,
    ),
    at: new Date(NOW.getTime() + 10 * DAY),
    settings: PROOF_WANTED,
    mails: [
      { from: 'x@contoso.com' },
      { from: 'x@fabrikam.com' },
      { from: 'x@tailspintoys.com', certificate: verified('mail.contoso.com'), ip: '10.9.0.1' },
      { from: 'x@tailspintoys.com', to: 'kate@contoso.com', ip: '10.9.0.1' },
    ],
    changes: [
      'contoso/- to contoso.com: deliver > deny (no-tls), 1 messages to 1, 1 servers',
      'contoso/Exchange tailspintoys.com: relay > deny (certificate-domain-not-proven), 1 messages to 1, 1 servers',
      'contoso/Scanners contoso.com: relay > deny (sender-domain-not-proven), 1 messages to 1, 1 servers',
    ],
  },
  {
    name: 'a connector that is taken away, and others that come',
    present: contoso(),
    proposed: `
organizations:
  - name: Contoso
    acceptedDomains: [{ domainName: contoso.com }]
    inboundConnectors:
      - { name: Others, connectorType: OnPremises, senderIPAddresses: [10.2.0.0/16] }
`,
    mails: [
      { from: 'x@contoso.com' },
      { from: 'x@contoso.com', ip: '10.2.0.1', times: 2 },
      { from: '', certificate: verified('mail.contoso.com'), ip: '10.3.0.1' },
    ],
    changes: [
      'Contoso/Others contoso.com: deny > relay (sender-domain-accepted), 2 messages to 2, 1 servers',
      'contoso/Exchange null: relay > deny (no-connector-for-certificate), 1 messages to 1, 1 servers',
      'contoso/Scanners contoso.com: relay > deny (no-tls), 1 messages to 1, 1 servers',
    ],
    commands: [],
  },
  {
    name: 'a domain that is registered: what was only reported is relayed for good',
    present: contoso(`reportOnlyUntil: '${reportOnly(5)}'`),
    proposed: contoso(
      `reportOnlyUntil: '${reportOnly(5)}'`,
      '{ domainName: contoso.com }, { domainName: fabrikam.com }',
    ),
    mails: [{ from: 'fax@fabrikam.com' }, { from: '' }],
    changes: [
      'contoso/Scanners fabrikam.com: report-only > relay (sender-domain-accepted), 1 messages to 1, 1 servers',
    ],
    commands: [],
  },
  {
    name: 'a domain that another organisation delegates, and gets nothing of any more',
    present: `
organizations:
  - name: contoso
    acceptedDomains: [{ domainName: contoso.com, matchSubDomains: true }]
    inboundConnectors: [{ name: Scanners, connectorType: OnPremises, senderIPAddresses: [10.1.0.0/16] }]
  - name: fabrikam
    inboundConnectors: [{ name: Fax, connectorType: OnPremises, senderIPAddresses: [10.2.0.0/16] }]
`,
    proposed: `
organizations:
  - name: contoso
    acceptedDomains: [{ domainName: contoso.com, matchSubDomains: true, delegatedSubDomains: [eu.contoso.com] }]
    inboundConnectors: [{ name: Scanners, connectorType: OnPremises, senderIPAddresses: [10.1.0.0/16] }]
  - name: fabrikam
    acceptedDomains: [{ domainName: eu.contoso.com }]
    inboundConnectors: [{ name: Fax, connectorType: OnPremises, senderIPAddresses: [10.2.0.0/16] }]
`,
    mails: [
      { from: 'x@eu.contoso.com' },
      { from: 'x@us.contoso.com' },
      { from: 'x@eu.contoso.com', ip: '10.2.0.1' },
    ],
    changes: [
      'contoso/Scanners eu.contoso.com: relay > deny (sender-domain-not-accepted), 1 messages to 1, 1 servers',
      'fabrikam/Fax eu.contoso.com: deny > relay (sender-domain-accepted), 1 messages to 1, 1 servers',
    ],
    advice: /^eu\.contoso\.com belongs to "fabrikam"\. certificate: /,
  },
  {
    name: 'a directory that has nobody else any more',
    present: `${contoso()}  - name: fabrikam
    acceptedDomains: [{ domainName: fabrikam.com }]
    inboundConnectors: [{ name: Fax, connectorType: OnPremises, senderIPAddresses: [10.2.0.0/16] }]
`,
    proposed: contoso(),
    prune: true,
    mails: [
      { from: 'x@fabrikam.com', ip: '10.2.0.1' },
      { from: 'x@contoso.com' },
      { from: 'x@tailspintoys.com', to: 'y@fabrikam.com' },
    ],
    changes: [
      'contoso/Scanners to fabrikam.com: deliver > deny (sender-domain-not-accepted), 1 messages to 1, 1 servers',
      'fabrikam/Fax fabrikam.com: relay > deny (no-tls), 1 messages to 1, 1 servers',
    ],
  },
  {
    name: 'a domain that is barred from sending, and one that is leaving',
    present: contoso('', '{ domainName: contoso.com }, { domainName: old.example }'),
    proposed: contoso(
      '',
      '{ domainName: contoso.com, sendingFromDomainDisabled: true }, { domainName: old.example, pendingRemoval: true }',
    ),
    mails: [{ from: 'x@contoso.com' }, { from: 'x@old.example' }],
    changes: [
      'contoso/Scanners contoso.com: relay > deny (sending-disabled), 1 messages to 1, 1 servers',
      'contoso/Scanners old.example: relay > deny (sender-domain-not-accepted), 1 messages to 1, 1 servers',
    ],
    commands: [
      'connectorctl domain enable contoso.com',
      'connectorctl domain set old.example --pending-removal false',
    ],
  },
  {
    name: 'a connector by certificate for servers that had one all the time',
    present: contoso().replace(/      - \{ name: Exchange.*\n/, ''),
    proposed: contoso(),
    mails: [
      { from: '', certificate: verified('mail.contoso.com') },
      { from: '', certificate: unverified('mail.contoso.com') },
      { from: '', certificate: verified('mail.contoso.com'), ip: '192.0.2.1' },
    ],
    changes: [
      'contoso/Exchange null: deny > relay (certificate-domain-accepted), 1 messages to 1, 1 servers',
      'contoso/Scanners null: deny > relay (certificate-domain-accepted), 1 messages to 1, 1 servers',
    ],
  },
  {
    name: 'mail to an accepted domain, whoever sends it',
    present: contoso(),
    proposed: contoso('', '{ domainName: fabrikam.com }'),
    mails: [
      { from: 'a@one.example', to: 'x@contoso.com', ip: '192.0.2.1' },
      { from: 'a@two.example', to: 'x@contoso.com', ip: '192.0.2.2' },
      { from: 'a@two.example', to: 'x@fabrikam.com', ip: '192.0.2.2' },
    ],
    changes: [
      'contoso/- to contoso.com: deliver > deny (no-tls), 2 messages to 2, 2 servers',
      'contoso/- to fabrikam.com: deny > deliver (recipient-domain-accepted), 1 messages to 1, 1 servers',
    ],
  },
  {
    name: 'odd envelopes: source routes, routing characters, <postmaster>, literals, quotes',
    present: contoso(`reportOnlyUntil: '${reportOnly(5)}'`),
    mails: [
      { from: 'x@contoso.com', to: ['@a.example:b@tailspintoys.com', 'b%c@tailspintoys.com', 'postmaster'] },
      { from: 'x@[192.0.2.1]', to: 'y@[192.0.2.1]' },
      { from: '"a@b"@contoso.com', to: '"c@d"@tailspintoys.com' },
      { from: 'postmaster' },
    ],
    changes: [
      'contoso/Scanners [192.0.2.1]: report-only > deny (sender-domain-not-accepted), 1 messages to 1, 1 servers',
      'contoso/Scanners bare: report-only > deny (sender-domain-not-accepted), 1 messages to 1, 1 servers',
    ],
  },
]

async function proposalOf({ at = NOW, present, proposed, prune = false }: Case): Promise<{
  readonly directory: Directory
  readonly proposed: ImpactQuestion['proposed']
}> {
  const directory = directoryOf(present)
  const now = at.toISOString()
  if (proposed === undefined) {
    return {
      directory,
      proposed: { directory: at === NOW ? enforcing(directory) : directory, now, isOther: false },
    }
  }
  const organizations = await readProposal(sourceOf(proposed), directory, prune, () => undefined)
  const other = prune ? wholeDirectory(organizations) : overlaid(directory, organizations)
  return { directory, proposed: { directory: other, now, isOther: true } }
}

function sourceOf(text: string): Parameters<typeof readProposal>[0] {
  return {
    organizations: async function* organizations() {
      for (const organization of organizationsOf(text)) yield { organization, warnings: [], read: 0 }
    },
  }
}

describe('impact', () => {
  for (const one of CASES) {
    it(`tells ${one.name}`, async (t) => {
      const { directory, proposed } = await proposalOf(one)
      const { settings = SETTINGS } = one
      const records = await recordsOf(directory, one.mails, settings)
      const own = await writeJournal(await temporaryFolder(t), records)
      const found = await measure(own, { directory, proposed, settings })
      assert.deepEqual(found.changes.map((change) => lineOf(change)).toSorted(), [...one.changes].toSorted())
      assert.deepEqual(found.uncertain, [])
      assert.equal(found.otherwiseThen, 0)
      assert.equal(found.decisions, records.length)
      const changed = found.changes.reduce((sum, { recipients }) => sum + recipients, 0)
      assert.equal(found.unchanged, records.length - changed)
      if (one.commands !== undefined) {
        assert.deepEqual(found.changes.flatMap(({ fix }) => fix.commands).toSorted(), one.commands.toSorted())
      }
      if (one.advice !== undefined) assert.match(found.changes[0]?.fix.advice ?? '', one.advice)
      assert.ok(found.changes.every(({ fix, isLoss }) => isLoss === (fix.advice !== '')))
    })
  }

  it('counts what was decided otherwise then apart, and compares with the directory as it is', async (t) => {
    const before = directoryOf(contoso())
    const records = await recordsOf(before, [{ from: 'x@fabrikam.com', times: 4 }, { from: 'x@contoso.com' }])
    const own = await writeJournal(await temporaryFolder(t), records)
    // fabrikam.com was registered since.
    const directory = directoryOf(contoso('', '{ domainName: contoso.com }, { domainName: fabrikam.com }'))
    const found = await measure(own, {
      directory,
      proposed: { directory, now: NOW.toISOString(), isOther: false },
    })
    assert.deepEqual(found.changes, [])
    assert.equal(found.otherwiseThen, 4)
    assert.match(impactText(found, 'with it'), /4 decisions came out otherwise then than they would now/)
  })

  it('tells only what hangs on one organisation when it is asked for one', async (t) => {
    const directory = directoryOf(`${contoso(`reportOnlyUntil: '${reportOnly(5)}'`)}  - name: fabrikam
    reportOnlyUntil: '${reportOnly(5)}'
    inboundConnectors: [{ name: Fax, connectorType: OnPremises, senderIPAddresses: [10.2.0.0/16] }]
`)
    const records = await recordsOf(directory, [
      { from: '' },
      { from: '', ip: '10.2.0.1' },
      { from: 'x@y.example', ip: '192.0.2.1' },
    ])
    const own = await writeJournal(await temporaryFolder(t), records)
    const found = await measure(own, {
      directory,
      proposed: { directory: enforcing(directory), now: NOW.toISOString(), isOther: false },
      organization: 'FABRIKAM',
    })
    assert.deepEqual(
      found.changes.map(({ organization }) => organization),
      ['fabrikam'],
    )
    assert.equal(found.decisions, 1)
  })

  it('reads a quoted address without a domain as one', async (t) => {
    const directory = directoryOf(contoso())
    const refused = record({ recipient: '"a@b"', outcome: 'deny', reason: 'recipient-without-domain' })
    const own = await writeJournal(await temporaryFolder(t), [refused])
    const proposed = { directory, now: NOW.toISOString(), isOther: false }
    assert.equal((await measure(own, { directory, proposed })).otherwiseThen, 0)
  })

  it("takes a listed proxy's own address for nobody's", async (t) => {
    const directory = directoryOf(contoso(`reportOnlyUntil: '${reportOnly(5)}'`))
    const records = [
      record({ organization: null, connector: null, via: null, outcome: 'deny', reason: 'no-tls' }),
    ]
    const own = await writeJournal(await temporaryFolder(t), records)
    const question = {
      directory,
      proposed: { directory: enforcing(directory), now: NOW.toISOString(), isOther: false },
    }
    assert.equal((await measure(own, { ...question, proxies: ['10.1.0.0/24'] })).otherwiseThen, 0)
    assert.equal((await measure(own, question)).otherwiseThen, 1)
  })
})

describe('impact does not guess', () => {
  const OWN_TRUST = `
organizations:
  - name: contoso
    acceptedDomains: [{ domainName: contoso.com }]
    inboundConnectors:
      - name: Exchange
        connectorType: OnPremises
        tlsSenderCertificateName: '*.contoso.com'
        trustedCertificateAuthorities: [private.pem]
`
  const DEFAULT_TRUST = OWN_TRUST.replace('        trustedCertificateAuthorities: [private.pem]\n', '')
  const OTHER_TRUST = OWN_TRUST.replace('private.pem', 'other.pem')
  const TRUSTS = [OWN_TRUST, DEFAULT_TRUST, OTHER_TRUST]

  interface Doubt {
    readonly name: string
    readonly present: string
    readonly proposed: string
    readonly records?: readonly JournalRecord[]
    readonly mails?: readonly Mail[]
    readonly settings?: ImpactQuestion['settings']
    /** reason, and whether it may be refused. */
    readonly uncertain: readonly (readonly [reason: string, mayBeRefused: boolean, messages: number])[]
    readonly changes?: readonly string[]
  }

  const many = Array.from({ length: 20 }, (_, index) => `mail${index}.fabrikam.com`)

  const DOUBTS: readonly Doubt[] = [
    ...TRUSTS.flatMap((present) =>
      TRUSTS.filter((proposed) => proposed !== present).map((proposed): Doubt => ({
        name: `whether a certificate is verified under other CAs (${TRUSTS.indexOf(present)} to ${TRUSTS.indexOf(proposed)})`,
        present,
        proposed,
        mails: [
          { from: '', certificate: verified('mail.contoso.com'), times: 2 },
          { from: '', certificate: unverified('mail.contoso.com') },
          { from: '', certificate: verified('mail.fabrikam.com') },
        ],
        uncertain: [
          ['other-trust', true, 2],
          ['other-trust', false, 1],
        ],
      })),
    ),
    {
      name: 'the same CAs under another name, where nothing is uncertain',
      present: OWN_TRUST,
      proposed: OWN_TRUST.replace('name: Exchange', 'name: Hybrid'),
      mails: [{ from: '', certificate: verified('mail.contoso.com') }],
      uncertain: [],
    },
    {
      name: 'what was verified for a connector that is gone, where it hangs on it',
      present: DEFAULT_TRUST.replace('name: Exchange', 'name: Hybrid'),
      proposed: 'organizations: [{ name: contoso, acceptedDomains: [{ domainName: contoso.com }] }]',
      records: [
        record({
          connector: 'Exchange',
          via: 'certificate',
          sender: '',
          reason: 'certificate-domain-accepted',
          peer: {
            ...record().peer,
            address: '192.0.2.1',
            certificate: { state: 'verified', fingerprint: 'AB', names: ['mail.contoso.com'], why: null },
          },
        }),
      ],
      uncertain: [['connector-gone', true, 1]],
    },
    {
      name: 'names that the journal does not keep',
      present: DEFAULT_TRUST,
      proposed: `${DEFAULT_TRUST}  - name: fabrikam
    acceptedDomains: [{ domainName: fabrikam.com }]
`,
      mails: [
        { from: '', certificate: verified(...many), to: ['a@tailspintoys.com', 'b@contoso.com'] },
        { from: '', certificate: verified(...many.slice(1)) },
      ],
      uncertain: [['names-cut', true, 1]],
    },
    {
      name: 'addresses that are longer than the journal keeps',
      present: DEFAULT_TRUST,
      proposed: DEFAULT_TRUST,
      records: [record({ sender: 'x'.repeat(1000), organization: null, connector: null, via: null })],
      uncertain: [['address-cut', true, 1]],
    },
    {
      name: 'whether another plugin had allowed relaying',
      present: contoso(),
      proposed: contoso('', '{ domainName: adatum.com }'),
      settings: RESPECTED,
      records: [
        record({
          organization: 'contoso',
          connector: null,
          via: null,
          recipient: 'a@contoso.com',
          outcome: 'deliver',
          reason: 'recipient-domain-accepted',
          peer: { ...record().peer, address: '192.0.2.1' },
        }),
        record({
          id: '2',
          organization: null,
          connector: null,
          via: null,
          reason: 'relaying-respected',
          peer: { ...record().peer, address: '192.0.2.1' },
        }),
        record({
          id: '3',
          organization: null,
          connector: null,
          via: null,
          outcome: 'deny',
          reason: 'no-tls',
          peer: { ...record().peer, address: '192.0.2.1' },
        }),
      ],
      uncertain: [['relaying-unknown', true, 1]],
    },
  ]

  for (const one of DOUBTS) {
    it(`says that it cannot be told: ${one.name}`, async (t) => {
      const { settings = SETTINGS } = one
      const directory = directoryOf(one.present)
      const records = one.records ?? (await recordsOf(directory, one.mails ?? [], settings))
      const own = await writeJournal(await temporaryFolder(t), records)
      const proposed = {
        directory: overlaid(directory, organizationsOf(one.proposed)),
        now: NOW.toISOString(),
        isOther: true,
      }
      const found = await measure(own, { directory, proposed, settings })
      assert.deepEqual(
        found.uncertain.map(({ mayBeRefused, messages, reason }) => [reason, mayBeRefused, messages]),
        one.uncertain,
      )
      assert.deepEqual(
        found.changes.map((change) => lineOf(change)),
        one.changes ?? [],
      )
      const text = impactText(found, 'with it')
      assert.equal(/^Cannot be told:$/m.test(text), one.uncertain.length > 0)
    })
  }

  it('takes the certificate for what the record says where the record shows it', async (t) => {
    // Had the certificate been verified for "Pinned", the mail would have been that connector's.
    const directory = directoryOf(`
organizations:
  - name: contoso
    reportOnlyUntil: '${reportOnly(5)}'
    acceptedDomains: [{ domainName: contoso.com }]
    inboundConnectors:
      - { name: Scanners, connectorType: OnPremises, senderIPAddresses: [10.1.0.0/16] }
      - name: Pinned
        connectorType: OnPremises
        tlsSenderCertificateName: '*.contoso.com'
        trustedCertificateAuthorities: [private.pem]
`)
    const seen = record({
      sender: '',
      reason: 'report-only',
      wouldBe: 'null-sender',
      peer: {
        ...record().peer,
        certificate: { state: 'verified', fingerprint: 'AB', names: ['mail.contoso.com'], why: null },
      },
    })
    const own = await writeJournal(await temporaryFolder(t), [seen])
    const proposed = { directory: enforcing(directory), now: NOW.toISOString(), isOther: false }
    const found = await measure(own, { directory, proposed })
    assert.deepEqual(
      found.changes.map((change) => lineOf(change)),
      ['contoso/Scanners null: report-only > deny (null-sender), 1 messages to 1, 1 servers'],
    )
    assert.deepEqual(found.uncertain, [])
  })

  it('says what could not be looked up', async (t) => {
    const working = directoryOf(contoso())
    const fact = { unknown: true, why: 'Redis is away' } as const
    const away: Directory = {
      ...working,
      ask: () => Promise.resolve({ connectors: fact, domain: () => fact, outboundConnectors: () => fact }),
    }
    const own = await writeJournal(await temporaryFolder(t), [record()])
    const found = await measure(own, {
      directory: away,
      proposed: { directory: enforcing(away), now: NOW.toISOString(), isOther: false },
    })
    assert.deepEqual(
      found.uncertain.map(({ reason }) => reason),
      ['directory-unavailable'],
    )
    await assert.rejects(
      readProposal(sourceOf(contoso()), away, false, () => undefined),
      /contoso\.com cannot be looked up: Redis is away/,
    )
  })
})

describe('a proposed directory', () => {
  const RUNS = SHORT ? 60 : 600

  /** Few names and servers, so that chance meets all of it. */
  const names = BASES.flatMap((base) => [base, ...BELOW.map((label) => `${label}.${base}`), `a.b.${base}`])
  const addresses = RANGES.map((range) => range.split('/')[0] ?? '')

  function randomCertificate(random: Random): JournalRecord['peer']['certificate'] {
    const state = random.pick(['no-tls', 'no-tls', 'no-certificate', 'verified', 'not-verified'] as const)
    const named = state === 'verified' || state === 'not-verified'
    return { state, fingerprint: null, names: named ? random.some(names, 2) : [], why: null }
  }

  function essence(judged: Judged | undefined): unknown {
    const { judgement, question } = judged ?? {}
    const { facts: _facts, ...rest } = judgement ?? {}
    return [rest, question]
  }

  function randomOrganizations(random: Random): readonly Organization[] {
    return organizationsOf(
      randomDirectory(random, { privateCa: 'private', pin: 'ab'.repeat(32) }, 'marker.example').text,
    )
  }

  it('answers like one that was read as a whole, whatever is put in front of it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = new Random(seed)
        const base = randomOrganizations(random)
        const other = randomOrganizations(random)
        const replacing = random.some(other, random.between(1, other.length))
        const replaced = new Set(replacing.map(({ name }) => nameKey(name)))
        const merged = [...base.filter(({ name }) => !replaced.has(nameKey(name))), ...replacing]
        const owners = merged.flatMap(({ acceptedDomains }) =>
          acceptedDomains.map(({ domainName }) => domainName),
        )
        // apply refuses a domain that two organisations would have.
        fc.pre(new Set(owners).size === owners.length)
        const whole = buildDirectory(merged, 'whole')
        const overlay = overlaid(wholeDirectory(base), replacing)
        const question = {
          presentedNames: random.some(names, 2),
          address: random.pick(addresses),
          domains: random.some(names, 6),
        }
        const [expected, answer] = [whole.ask(question), await overlay.ask(question)]
        const found = Array.isArray(answer.connectors) ? answer.connectors : []
        const listed = (matches: unknown): string[] =>
          (Array.isArray(matches) ? matches : []).map((match) => JSON.stringify(match)).toSorted()
        assert.deepEqual(listed(found), listed(expected.connectors))
        for (const name of question.domains) assert.deepEqual(answer.domain(name), expected.domain(name))
        for (const { by, connector } of whole.findConnectors(question.presentedNames, null)) {
          const name = connector.tlsSenderCertificateName?.replace(/^\*\./, '') ?? ''
          if (by.via === 'certificate') assert.deepEqual(answer.domain(name), expected.domain(name))
        }
      }),
      { numRuns: RUNS },
    )
  })

  it('is asked once for what is alike, and nothing that is not alike is taken for it', async () => {
    const proxies = new Set([addresses[2], addresses[6]])
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = new Random(seed)
        const present = wholeDirectory(randomOrganizations(random))
        const options: ReplayOptions = {
          present: { directory: present, now: NOW.toISOString() },
          proposed: {
            directory: random.chance(0.3) ? enforcing(present) : wholeDirectory(randomOrganizations(random)),
            now: new Date(NOW.getTime() + random.pick([0, 20, 100]) * DAY).toISOString(),
          },
          settings: random.pick([SETTINGS, PROOF_WANTED, RESPECTED]),
          isOtherDirectory: true,
          isProxy: (address) => proxies.has(address),
        }
        // They all say the same of what was decided, so that nothing else tells them apart.
        const records = Array.from({ length: 60 }, (_, index) =>
          record({
            id: String(index),
            organization: null,
            connector: null,
            via: null,
            outcome: 'defer',
            reason: 'directory-unavailable',
            sender: random.pick(['', 'bare', `a@${random.pick(names)}`, 'a@one.example', 'a@two.example']),
            recipient: random.pick([
              'b@one.example',
              'b%c@one.example',
              'postmaster',
              'bare',
              `b@${random.pick(names)}`,
            ]),
            peer: {
              ...record().peer,
              address: random.pick([...addresses, '192.0.2.1', '192.0.2.2']),
              certificate: randomCertificate(random),
            },
          }),
        )
        const together = await new Replay(options).judge(records)
        for (const [index, one] of records.entries()) {
          const [alone] = await new Replay(options).judge([one])
          assert.deepEqual(essence(together[index]), essence(alone), JSON.stringify(one))
        }
      }),
      { numRuns: RUNS / 2 },
    )
  })

  it('that is the same changes nothing, whatever the directory and the mail', async (t) => {
    const folder = await temporaryFolder(t)
    let round = 0
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const random = new Random(seed)
        const organizations = randomOrganizations(random)
        const directory = wholeDirectory(organizations)
        const settings = random.pick([SETTINGS, PROOF_WANTED])
        const mails = Array.from({ length: 12 }, (): Mail => ({
          ip: random.pick(addresses),
          certificate: random.pick<PeerCertificate>([
            { state: 'no-tls' },
            { state: 'no-certificate' },
            verified(...random.some(names, 2)),
            unverified(...random.some(names, 2)),
          ]),
          from: random.chance(0.3) ? '' : `a@${random.pick(names)}`,
          to: `b@${random.pick([...names, 'tailspintoys.com'])}`,
        }))
        round += 1
        const own = await writeJournal(
          join(folder, String(round)),
          await recordsOf(directory, mails, settings),
        )
        for (const proposed of [
          overlaid(directory, random.some(organizations, 2)),
          overlaid(directory, organizations),
          wholeDirectory(organizations),
        ]) {
          const found = await measure(own, {
            directory,
            settings,
            proposed: { directory: proposed, now: NOW.toISOString(), isOther: true },
          })
          assert.deepEqual([found.changes, found.uncertain, found.otherwiseThen], [[], [], 0])
          assert.equal(found.unchanged, mails.length)
        }
      }),
      { numRuns: RUNS / 4 },
    )
  })

  it('is refused when it takes the domain of an organisation that stays', async () => {
    const base = directoryOf(contoso())
    const taking = 'organizations: [{ name: fabrikam, acceptedDomains: [{ domainName: contoso.com }] }]'
    await assert.rejects(
      readProposal(sourceOf(taking), base, false, () => undefined),
      /contoso\.com is registered already, with "contoso"[\s\S]*apply would refuse it/,
    )
    assert.equal((await readProposal(sourceOf(taking), base, true, () => undefined)).length, 1)
  })

  it('keeps the proofs that the file does not mention', async () => {
    const proof = `proof: { token: a, domain: contoso.com, provenAt: '2026-01-01' }`
    const base = directoryOf(contoso('', `{ domainName: contoso.com, ${proof} }`))
    const [kept] = await readProposal(sourceOf(contoso()), base, false, () => undefined)
    assert.equal(kept?.acceptedDomains[0]?.proof?.token, 'a')
    const other = 'organizations: [{ name: fabrikam, acceptedDomains: [{ domainName: contoso.com }] }]'
    const [moved] = await readProposal(sourceOf(other), base, true, () => undefined)
    assert.equal(moved?.acceptedDomains[0]?.proof, null)
  })
})

describe('the period of an impact report', () => {
  const present = contoso(`reportOnlyUntil: '${reportOnly(5)}'`)
  const directory = directoryOf(present)
  const proposed = { directory: enforcing(directory), now: NOW.toISOString(), isOther: false }
  const ago = (milliseconds: number): string => new Date(NOW.getTime() - milliseconds).toISOString()
  /** A non-delivery report. */
  const lost = (time: string, id: string): JournalRecord =>
    record({ time, id, sender: '', reason: 'report-only', wouldBe: 'null-sender' })

  it('is what the journals cover: figures a day are of that, and the rest is unknown', async (t) => {
    const own = await writeJournal(await temporaryFolder(t), [
      ...Array.from({ length: 20 }, (_, index) => lost(ago(10 * DAY - index), `a${index}`)),
      ...Array.from({ length: 20 }, (_, index) => lost(ago(HOUR - index), `b${index}`)),
    ])
    const found = await measure(own, { directory, proposed })
    assert.equal(found.changes[0]?.messages, 40)
    assert.equal(Math.round(found.changes[0]?.perDay ?? 0), 4)
    assert.deepEqual(found.period.gaps, [{ directory: own, kind: 'before', time: ago(10 * DAY) }])
    assert.match(impactText(found, 'with it'), /unknown before 2026-11-15T12:00:00\.000Z in /)
  })

  it('is what all nodes cover, and a copy that ends earlier is unknown after its end', async (t) => {
    const own = await writeJournal(await temporaryFolder(t), [lost(ago(40 * DAY), 'a'), lost(ago(HOUR), 'b')])
    const copy = await writeJournal(await temporaryFolder(t), [
      lost(ago(20 * DAY), 'c'),
      lost(ago(15 * DAY), 'd'),
      lost(ago(10 * DAY), 'e'),
    ])
    const empty = await temporaryFolder(t)
    const found = await measure(own, { directory, proposed, copies: [copy, empty, own] })
    assert.deepEqual(
      found.period.gaps.map(({ kind, time }) => [kind, time]),
      [
        ['before', ago(20 * DAY)],
        ['after', ago(10 * DAY)],
        ['nothing', ''],
      ],
    )
    assert.deepEqual(found.period.covered, { from: ago(20 * DAY), to: ago(10 * DAY), days: 10 })
    assert.equal(found.changes[0]?.messages, 4)
    assert.equal(found.changes[0]?.perDay, 3 / 10)
    assert.equal(found.nodes.length, 3)
  })

  it('says nothing of a day where no time is covered by all', async (t) => {
    const own = await writeJournal(await temporaryFolder(t), [lost(ago(DAY), 'a')])
    const copy = await writeJournal(await temporaryFolder(t), [lost(ago(20 * DAY), 'b')])
    const found = await measure(own, { directory, proposed, copies: [copy] })
    assert.equal(found.changes[0]?.perDay, null)
    assert.match(impactText(found, 'with it'), /how much it is a day cannot be told/)
  })

  it('counts damaged lines, and decisions that a copy has as well', async (t) => {
    const own = await writeJournal(await temporaryFolder(t), [lost(ago(HOUR), 'a')], ['{"time":', 'x'])
    const copy = await writeJournal(await temporaryFolder(t), [lost(ago(HOUR), 'a')])
    const found = await measure(own, { directory, proposed, copies: [copy] })
    assert.equal(found.decisions, 1)
    assert.deepEqual(
      found.nodes.map(({ damaged, repeated }) => [damaged, repeated]),
      [
        [2, 0],
        [0, 1],
      ],
    )
    assert.match(impactText(found, 'with it'), /2 damaged lines passed over/)
  })
})

describe('a journal full of what strangers sent', () => {
  const directory = directoryOf(contoso(`reportOnlyUntil: '${reportOnly(5)}'`))
  const proposed = { directory: enforcing(directory), now: NOW.toISOString(), isOther: false }

  it('does nothing to a terminal', async (t) => {
    const hostile = [
      'x\u001b[2J@evil.example',
      'x@evil\u001b]0;title\u0007.example',
      'x@__proto__',
      'constructor@constructor',
      'x@\u202egro.evil',
      '\u009b31m@a.example',
      '"\n\r@"@b.example',
    ]
    const records = hostile.map((sender, index) =>
      record({
        id: `${index}\u001b[31m`,
        sender,
        recipient: `${sender}\u0000`,
        peer: { ...record().peer, address: index === 0 ? '\u001b[5m' : '10.1.0.7' },
        reason: 'report-only',
        wouldBe: 'sender-domain-not-accepted',
      }),
    )
    const own = await writeJournal(await temporaryFolder(t), records)
    const found = await measure(own, { directory, proposed })
    assert.equal(found.decisions, hostile.length)
    const text = impactText(found, 'with \u001b[2J.yaml')
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/)
    assert.match(text, /\\x1b\[2J/)
  })

  it('keeps what is listed short, and the counts exact', async (t) => {
    const records = Array.from({ length: 6000 }, (_, index) =>
      record({
        id: `id${index}`,
        sender: `a@s${index}.example`,
        peer: { ...record().peer, address: `10.1.${index >> 8}.${index % 256}` },
        reason: 'report-only',
        wouldBe: 'sender-domain-not-accepted',
      }),
    )
    const own = await writeJournal(await temporaryFolder(t), records)
    const found = await measure(own, { directory, proposed })
    assert.equal(found.changes.length, 5001)
    const rest = found.changes.find(({ senderKind }) => senderKind === 'other')
    assert.deepEqual([rest?.messages, rest?.servers.length, rest?.moreServers], [1000, 50, 950])
    assert.equal(
      found.changes.reduce((sum, { messages }) => sum + messages, 0),
      6000,
    )
    assert.equal(found.lossServers.count, 6000)
    const text = impactText(found, 'with it')
    assert.ok(text.length < 100_000)
    assert.match(text, /more than 50 servers: /)
    assert.match(text, /^\.\.\. 4,941 more changes: --json has them$/m)
  })

  it('takes no more memory for many senders than for some', { timeout: 600_000 }, async () => {
    const count = SHORT ? 100_000 : 1_000_000
    const program = fileURLToPath(new URL('../support/impact-strangers.ts', import.meta.url))
    const { code, stderr, stdout } = await run(
      process.execPath,
      '--max-old-space-size=200',
      '--import',
      'tsx',
      program,
      String(count),
    )
    assert.equal(code, 0, stderr)
    assert.deepEqual(JSON.parse(stdout), { messages: count, groups: 5001 })
  })
})
