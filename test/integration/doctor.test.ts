/** connectorctl doctor on real instances with one thing broken in each. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { chmod, cp, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { after, describe, it } from 'node:test'
import type { JournalRecord } from '../../src/journal/record.ts'
import { openJournal } from '../../src/journal/writer.ts'
import { Authority, CA } from '../support/authority.ts'
import type { StillInstance } from '../support/doctor.ts'
import { doctor, examined, Moulds, runDoctor } from '../support/doctor.ts'
import { atEnd, makeInstance, startInstance } from '../support/smarthost.ts'

const DAY = 86_400_000

const moulds = new Moulds()
after(() => moulds.remove())

interface Case {
  readonly name: string
  readonly code: string
  readonly severity: 'error' | 'warning' | 'info'
  readonly evidence: RegExp
  readonly organizations?: string
  /** Breaks it. */
  readonly breakIt?: (instance: StillInstance, t: TestContext) => unknown
}

function newAuthority(t: TestContext): Authority {
  const authority = new Authority()
  atEnd(t, () => {
    authority.close()
  })
  return authority
}

/** Replaces the server's own certificate. */
async function ownCertificate({ path }: StillInstance, t: TestContext, days: number): Promise<void> {
  const made = newAuthority(t).make({ name: 'smarthost.test', issuer: null, days })
  await writeFile(path('tls_cert.pem'), made.pem)
  await writeFile(path('tls_key.pem'), await readFile(made.keyFile))
}

/** A revocation list of last year. */
function staleList(authority: Authority, { file, keyFile }: { file: string; keyFile: string }): string {
  const config = '[ca]\ndefault_ca=d\n[d]\ndatabase=stale.index\ndefault_md=sha256\n'
  writeFileSync(join(authority.folder, 'stale.cnf'), config)
  writeFileSync(join(authority.folder, 'stale.index'), '')
  const times = ['-crl_lastupdate', '20250101000000Z', '-crl_nextupdate', '20250201000000Z']
  return authority.openssl(
    'ca',
    '-gencrl',
    '-config',
    'stale.cnf',
    '-cert',
    file,
    '-keyfile',
    keyFile,
    ...times,
  )
}

/** Trusts a CA of this age alone. */
async function trustedCa({ path }: StillInstance, t: TestContext, days: number): Promise<void> {
  const made = newAuthority(t).make({ name: 'CA of Contoso', issuer: null, extensions: CA, days })
  await writeFile(path('contoso-ca.pem'), made.pem)
  const text = await readFile(path('connectors.ini'), 'utf8')
  await writeFile(path('connectors.ini'), text.replace(/^ca = .*/m, 'ca = contoso-ca.pem'))
}

const setting =
  (file: string, from: string | RegExp, to: string) =>
  async ({ path }: StillInstance): Promise<void> => {
    const text = await readFile(path(file), 'utf8')
    assert.match(
      text,
      from instanceof RegExp ? from : new RegExp(from.replaceAll(/[[\]$*.]/g, String.raw`\$&`)),
    )
    await writeFile(path(file), text.replace(from, to))
  }

const CASES: readonly Case[] = [
  {
    name: 'what check finds in the settings',
    code: 'check-settings',
    severity: 'error',
    evidence: /^config\/connectors\.ini:\d+:\d+: .*store/,
    breakIt: setting('connectors.ini', 'store = file', 'store = files'),
  },
  {
    name: 'what check finds in the directory',
    code: 'check-directory',
    severity: 'error',
    evidence: /^config\/organizations\.yaml:\d+:\d+: /,
    organizations: 'organizations: [{ name: contoso, colour: red }]\n',
  },
  {
    name: 'a check that cannot be done',
    code: 'check-failed',
    severity: 'error',
    evidence: /^queue: ENOTDIR/,
    breakIt: async ({ folder }) => {
      await rm(join(folder, 'queue'), { recursive: true })
      await writeFile(join(folder, 'queue'), '')
    },
  },
  {
    name: 'a smarthost that stays root',
    code: 'runs-as-root',
    severity: 'warning',
    evidence: /names no user/,
  },
  {
    name: "the server's own certificate when it has expired",
    code: 'server-certificate-expired',
    severity: 'error',
    evidence: /^config\/tls_cert\.pem: CN=smarthost\.test expired on /,
    breakIt: (instance, t) => ownCertificate(instance, t, -1),
  },
  {
    name: "the server's own certificate before it expires",
    code: 'server-certificate-expiring',
    severity: 'warning',
    evidence: /^config\/tls_cert\.pem: CN=smarthost\.test expires on \S+, in (?:9|10) days/,
    breakIt: (instance, t) => ownCertificate(instance, t, 10),
  },
  {
    name: 'the only CA when it has expired',
    code: 'authority-expired',
    severity: 'error',
    evidence: /^config\/contoso-ca\.pem: CN=CA of Contoso expired on /,
    breakIt: (instance, t) => trustedCa(instance, t, -1),
  },
  {
    name: 'a CA before it expires',
    code: 'authority-expiring',
    severity: 'warning',
    evidence: /^config\/contoso-ca\.pem: CN=CA of Contoso expires on /,
    breakIt: (instance, t) => trustedCa(instance, t, 10),
  },
  {
    name: "a connector's own CA when it has expired",
    code: 'authority-expired',
    severity: 'error',
    evidence: /^connector "Datacentre Exchange" of contoso: CN=Private CA expired on /,
    breakIt: async (instance, t) => {
      const made = newAuthority(t).make({ name: 'Private CA', issuer: null, extensions: CA, days: -1 })
      await writeFile(instance.path('private.pem'), made.pem)
      await setting(
        'organizations.yaml',
        'tlsSenderCertificateName: "*.contoso.com"',
        'tlsSenderCertificateName: "*.contoso.com"\n        trustedCertificateAuthorities: [private.pem]',
      )(instance)
    },
  },
  {
    name: 'a revocation list that is out of date',
    code: 'crl-stale',
    severity: 'error',
    evidence: /^config\/contoso\.crl: the list of CN=CA of Contoso is stale since /,
    breakIt: async (instance, t) => {
      const authority = newAuthority(t)
      const ca = authority.make({ name: 'CA of Contoso', issuer: null, extensions: CA })
      await writeFile(instance.path('contoso.crl'), staleList(authority, ca))
      await setting('connectors.ini', /^crl =.*/m, 'crl = contoso.crl')(instance)
      await setting('connectors.ini', /^crl_policy =.*/m, 'crl_policy = require')(instance)
    },
  },
  {
    name: "a client's certificate that expires",
    code: 'client-certificate-expiring',
    severity: 'warning',
    evidence:
      /^the certificate of mail\.contoso\.com \(192\.0\.2\.1, connector "Exchange" of contoso\) expires on /,
    breakIt: async ({ folder }) => {
      await mkdir(join(folder, 'data', 'expiring'))
      const noted = {
        fingerprint: 'AA',
        names: ['mail.contoso.com'],
        notAfter: Date.now() + 5 * DAY,
        address: '192.0.2.1',
        organization: 'contoso',
        connector: 'Exchange',
        day: new Date().toISOString().slice(0, 10),
      }
      await writeFile(join(folder, 'data', 'expiring', 'aa.json'), JSON.stringify(noted))
    },
  },
  {
    name: 'a smarthost that is down',
    code: 'not-running',
    severity: 'warning',
    evidence: /^127\.0\.0\.1:\d+, /,
  },
  {
    name: 'a smarthost that nobody reaches',
    code: 'loopback-only',
    severity: 'info',
    evidence: /^127\.0\.0\.1:/,
  },
  {
    name: 'a key that others read',
    code: 'key-readable-by-others',
    severity: 'error',
    evidence: /config\/tls_key\.pem has mode 644$/,
    breakIt: ({ path }) => chmod(path('tls_key.pem'), 0o644),
  },
  {
    name: 'a key that a group reads',
    code: 'key-readable-by-others',
    severity: 'warning',
    evidence: /config\/tls_key\.pem has mode 640: its group can read it$/,
    breakIt: ({ path }) => chmod(path('tls_key.pem'), 0o640),
  },
  {
    name: 'a password that others read',
    code: 'secret-readable-by-others',
    severity: 'error',
    evidence: /config\/redis\.ini has mode 644$/,
    breakIt: async (instance) => {
      await setting('redis.ini', /^password =$/m, 'password = geheim')(instance)
      await chmod(instance.path('redis.ini'), 0o644)
    },
  },
  {
    name: 'a password in a file that others read',
    code: 'secret-readable-by-others',
    severity: 'error',
    evidence: /config\/redis-password has mode 604$/,
    breakIt: async (instance) => {
      await writeFile(instance.path('redis-password'), 'geheim\n')
      await chmod(instance.path('redis-password'), 0o604)
      await setting('redis.ini', /^password_file =$/m, 'password_file = redis-password')(instance)
    },
  },
  {
    name: 'a key that the server cannot read',
    code: 'not-readable-by-server',
    severity: 'error',
    evidence:
      /config\/tls_key\.pem belongs to user 0, mode 600; the server runs as nobody \(\d+\) and has to read it$/,
    breakIt: setting('smtp.ini', ';user=haraka', 'user=nobody'),
  },
  {
    name: 'settings that others write',
    code: 'config-writable-by-others',
    severity: 'error',
    evidence: /config\/organizations\.yaml has mode 666$/,
    breakIt: ({ path }) => chmod(path('organizations.yaml'), 0o666),
  },
  {
    name: 'a journal that others read',
    code: 'mail-readable-by-others',
    severity: 'warning',
    evidence: /data has mode 755$/,
    breakIt: ({ folder }) => chmod(join(folder, 'data'), 0o755),
  },
  {
    name: 'a clock that was set back',
    code: 'time-in-the-future',
    severity: 'warning',
    evidence: /^data\/ is of a time \d{4} s from now$/,
    breakIt: ({ folder }) => utimes(join(folder, 'data'), new Date(), new Date(Date.now() + 3_600_000)),
  },
  {
    name: 'that there is no other clock',
    code: 'clock-not-compared',
    severity: 'info',
    evidence: /is a file/,
  },
  { name: 'that the DNS was not asked', code: 'dns-skipped', severity: 'info', evidence: /--no-dns/ },
  {
    name: 'lines of the journal that are damaged',
    code: 'journal-damaged',
    severity: 'warning',
    evidence: /data\/journal: 1 lines$/,
    breakIt: async ({ folder }) => {
      await mkdir(join(folder, 'data', 'journal'), { recursive: true })
      await writeFile(join(folder, 'data', 'journal', '20261101T000000.000Z-1-1.jsonl'), '{"time":\n')
    },
  },
]

describe('connectorctl doctor', () => {
  for (const { breakIt, code, evidence, name, organizations = null, severity } of CASES) {
    it(`finds ${name} (${code})`, async (t) => {
      const instance = await moulds.copy(t, organizations)
      await breakIt?.(instance, t)
      const { of } = await doctor(instance.folder)
      const found = of(code)
      assert.ok(
        found.some((finding) => finding.severity === severity && evidence.test(finding.evidence)),
        JSON.stringify(found, null, 2),
      )
    })
  }

  it('finds no error in the demonstration while it runs, and what it offers is looked at', async (t) => {
    const instance = await makeInstance(t)
    await startInstance(t, instance)
    const { code, findings, of } = await doctor(instance.folder)
    assert.equal(code, 0, JSON.stringify(findings, null, 2))
    assert.deepEqual(of('not-running'), [])
    assert.deepEqual(of('queue-foreign'), [])
    const { stdout } = await runDoctor('--instance', instance.folder, '--no-dns')
    assert.match(stdout, /nothing to mend: (?:.*, )?listeners/)
  })

  it('finds a full disk and one without inodes', async (t) => {
    const instance = await moulds.copy(t, null)
    const queue = join(instance.folder, 'queue')
    try {
      execFileSync('/usr/bin/mount', ['-t', 'tmpfs', '-o', 'size=50m,nr_inodes=100', 'tmpfs', queue], {
        stdio: 'ignore',
      })
    } catch {
      t.skip('SKIPPED: no right to mount')
      return
    }
    atEnd(t, () => execFileSync('/usr/bin/umount', [queue]))
    const { of } = await doctor(instance.folder)
    const [disk] = of('disk-full')
    const [inodes] = of('inodes-exhausted')
    assert.equal(disk?.severity, 'error')
    assert.match(disk?.evidence ?? '', /^queue\/: 50 MiB left$/)
    assert.equal(inodes?.severity, 'error')
    assert.match(inodes?.evidence ?? '', /^queue\/: 99 inodes left$/)
  })

  it('says usage errors in one line, and prints nothing then', async (t) => {
    const instance = await moulds.copy(t, null)
    for (const [flags, said] of [
      [['--since', 'yesterday'], /--since "yesterday" is no time/],
      [['--resolver', 'dns.contoso.com'], /--resolver "dns\.contoso\.com" is no address/],
      [['--address', '1.2.3'], /--address "1\.2\.3" is no IPv4 or IPv6 address/],
      [['--domain', 'a b'], /--domain "a b" is no domain name/],
    ] as const) {
      const { code, stdout, stderr } = await runDoctor('--instance', instance.folder, ...flags)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, said)
    }
  })

  it('refuses a journal that is not there: what it holds would be taken for nothing', async (t) => {
    const instance = await moulds.copy(t, null)
    const { code, stdout, stderr } = await runDoctor(
      '--instance',
      instance.folder,
      '--journal',
      '/nonexistent',
    )
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /--journal \/nonexistent: there is no such folder/)
  })

  it('refuses a folder that is no instance', async (t) => {
    const { folder } = await moulds.copy(t, null)
    const { code, stdout, stderr } = await runDoctor('--instance', join(folder, 'config'))
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /is no instance/)
  })

  it('tells people errors first, each with its remedy, and what is fine in one line', async (t) => {
    const instance = await moulds.copy(t, null)
    await chmod(instance.path('tls_key.pem'), 0o644)
    const { code, stdout, stderr } = await runDoctor('--instance', instance.folder, '--no-dns')
    assert.equal(code, 1)
    assert.equal(stderr, '')
    assert.match(
      stdout,
      /^ERRORS \(1\)\n {2}key-readable-by-others: .*\n {4}-> chmod 600[^\n]*\n\nWARNINGS \(\d+\)\n[^]*FOR INFORMATION[^]*\nLooked at, and nothing to mend: .*certificates.*\.\n1 errors, \d+ warnings, \d+ for information\. docs\/doctor\.md explains each code\.\n$/,
    )
  })
})

const CONTOSO = `  - name: contoso
    acceptedDomains: [{ domainName: contoso.com }]
    inboundConnectors:`

interface DirectoryCase {
  readonly name: string
  readonly code: string
  readonly severity: 'error' | 'warning' | 'info'
  readonly evidence: RegExp
  readonly organizations: string
  /** Decisions of the journal. */
  readonly records?: readonly Partial<JournalRecord>[]
  /** Days since when the journal is complete; 0 for a new one. */
  readonly complete?: number
  readonly require?: boolean
}

const inDays = (days: number): string => new Date(Date.now() + days * DAY).toISOString()

const refused = (sender: string, more: Partial<JournalRecord> = {}): Partial<JournalRecord> => ({
  organization: 'contoso',
  connector: 'Scanners',
  via: 'address',
  sender,
  outcome: 'deny',
  reason: sender === '' ? 'null-sender' : 'sender-domain-not-accepted',
  ...more,
})

const SCANNERS = `organizations:
${CONTOSO}
      - { name: Scanners, connectorType: OnPremises, senderIPAddresses: [10.1.0.0/16] }
`

const DIRECTORY_CASES: readonly DirectoryCase[] = [
  {
    name: "a connector for Docker's bridge",
    code: 'docker-bridge',
    severity: 'warning',
    evidence: /^connector "Scanners" of contoso has 172\.16\.0\.0\/12, which holds 172\.\d+\.0\.1$/,
    organizations: SCANNERS.replace('10.1.0.0/16', '172.16.0.0/12'),
  },
  {
    name: 'the trap, with what it costs',
    code: 'certificate-domain-trap',
    severity: 'warning',
    evidence:
      /^connector "Exchange" of contoso is for mail\.contoso\.com, and mail\.contoso\.com is no accepted domain of contoso; refused since \S+: 1 with the null sender \(non-delivery reports\), 2 with foreign senders$/,
    organizations: `organizations:
${CONTOSO}
      - { name: Exchange, connectorType: OnPremises, tlsSenderCertificateName: mail.contoso.com }
`,
    records: ['', 'a@fabrikam.com', 'b@fabrikam.com'].map((sender) =>
      refused(sender, {
        connector: 'exchange',
        via: 'certificate',
        reason: 'certificate-domain-not-accepted',
      }),
    ),
    complete: 40,
  },
  {
    name: 'a connector by address that loses reports',
    code: 'address-connector-loses-mail',
    severity: 'warning',
    evidence:
      /^connector "Scanners" of contoso, for 10\.1\.0\.0\/16: refused since \S+: 2 with the null sender \(non-delivery reports\), 1 with foreign senders, of which report-only mode relayed 1$/,
    organizations: SCANNERS,
    records: [
      refused(''),
      refused('', { outcome: 'relay', reason: 'report-only', wouldBe: 'null-sender' }),
      refused('a@fabrikam.com'),
    ],
    complete: 40,
  },
  {
    name: 'connectors by address that lost nothing, as far as is known',
    code: 'address-connector-loses-mail',
    severity: 'info',
    evidence:
      /^by address only, and none was refused since \S+ \(before that nothing is known\): connector "Scanners" of contoso$/,
    organizations: SCANNERS,
    records: [refused('kate@contoso.com', { outcome: 'relay', reason: 'sender-domain-accepted' })],
    complete: 5,
  },
  {
    name: 'a connector with a name and addresses',
    code: 'connector-name-and-addresses',
    severity: 'warning',
    evidence: /^connector "Both" of contoso is for \*\.contoso\.com and for 10\.1\.0\.0\/16$/,
    organizations: `organizations:
${CONTOSO}
      - { name: Both, connectorType: OnPremises, tlsSenderCertificateName: '*.contoso.com', senderIPAddresses: [10.1.0.0/16] }
`,
  },
  {
    name: 'a Partner connector',
    code: 'partner-not-enforced',
    severity: 'warning',
    evidence: /^connector "Bank" of contoso is of type Partner$/,
    organizations: `organizations:
${CONTOSO}
      - { name: Bank, connectorType: Partner, senderDomains: [contosobank.com] }
`,
  },
  {
    name: 'connectors of two organisations for one address',
    code: 'connectors-overlap',
    severity: 'warning',
    evidence:
      /^10\.1\.2\.0\/24, which lies in 10\.1\.0\.0\/16, is in connector "Branch" of fabrikam; and in connector "Scanners" of contoso\. Chosen: the one whose organisation has the sender's domain; else the narrower range$/,
    organizations: `${SCANNERS}  - name: fabrikam
    acceptedDomains: [{ domainName: fabrikam.com }]
    inboundConnectors:
      - { name: Branch, connectorType: OnPremises, senderIPAddresses: [10.1.2.0/24] }
`,
  },
  {
    name: 'connectors of one organisation for one name',
    code: 'connectors-overlap',
    severity: 'info',
    evidence:
      /^mail\.contoso\.com, which \*\.contoso\.com matches as well, is in connector "B" of contoso; and in connector "A" of contoso\. Chosen: the one whose certificate domain is accepted; else mail\.contoso\.com before \*\.contoso\.com$/,
    organizations: `organizations:
  - name: contoso
    acceptedDomains: [{ domainName: contoso.com, matchSubDomains: true }]
    inboundConnectors:
      - { name: A, connectorType: OnPremises, tlsSenderCertificateName: '*.contoso.com' }
      - { name: B, connectorType: OnPremises, tlsSenderCertificateName: mail.contoso.com }
`,
  },
  {
    name: 'a connector that another heals',
    code: 'connector-unreachable',
    severity: 'warning',
    evidence:
      /^connector "B" of contoso: connector "A" of contoso is chosen for every certificate that it matches/,
    organizations: `organizations:
${CONTOSO}
      - { name: A, connectorType: OnPremises, tlsSenderCertificateName: '*.contoso.com' }
      - { name: B, connectorType: OnPremises, tlsSenderCertificateName: mail.contoso.com }
`,
  },
  {
    name: 'a connector for addresses that nobody connects from',
    code: 'connector-unreachable',
    severity: 'warning',
    evidence: /^connector "Scanners" of contoso: no server connects from 224\.0\.0\.1\/32 \(multicast\)$/,
    organizations: SCANNERS.replace('10.1.0.0/16', '224.0.0.1'),
  },
  {
    name: 'a connector for IPv6 where nobody listens on it',
    code: 'connector-unreachable',
    severity: 'warning',
    evidence:
      /^connector "Scanners" of contoso: 2001:db8::1\/128 is of IPv6, and the smarthost listens on IPv4/,
    organizations: SCANNERS.replace('10.1.0.0/16', "'2001:db8::1'"),
  },
  {
    name: 'a connector that is disabled',
    code: 'connector-disabled',
    severity: 'info',
    evidence: /^connector "Scanners" of contoso is disabled$/,
    organizations: SCANNERS.replace('senderIP', 'enabled: false, senderIP'),
  },
  {
    name: 'an organisation without domains',
    code: 'organization-without-domains',
    severity: 'warning',
    evidence: /^organisation contoso has 1 connectors and no accepted domain$/,
    organizations: SCANNERS.replace('[{ domainName: contoso.com }]', '[]'),
  },
  {
    name: 'an organisation whose domains do not count',
    code: 'organization-without-domains',
    severity: 'warning',
    evidence: /^organisation contoso has 1 connectors and 1 accepted domains, of which none counts now$/,
    organizations: SCANNERS.replace('contoso.com }', 'contoso.com, pendingRemoval: true }'),
  },
  {
    name: 'a public address that was not seen yet',
    code: 'public-address-unmatched',
    severity: 'warning',
    evidence:
      /^connector "Scanners" of contoso names 203\.0\.113\.7\/32, and no decision of the journal was for it by address$/,
    organizations: SCANNERS.replace('10.1.0.0/16', '203.0.113.7'),
  },
  {
    name: 'a connector that nobody uses',
    code: 'connector-unused',
    severity: 'info',
    evidence: /^connector "Scanners" of contoso: nothing since \S+ in \S+data\/journal$/,
    organizations: SCANNERS,
    complete: 40,
  },
  {
    name: 'a domain that nobody uses',
    code: 'domain-unused',
    severity: 'info',
    evidence: /^contoso\.com of contoso: nothing since \S+ in \S+data\/journal$/,
    organizations: SCANNERS,
    records: [refused('a@contoso.com')],
    complete: 40,
  },
  {
    name: 'that what was not seen may have been used before',
    code: 'usage-unknown',
    severity: 'info',
    evidence:
      /^unknown before \S+ in \S+data\/journal; asked for since \S+: 1 connectors and 1 domains were not seen in \S+$/,
    organizations: SCANNERS,
    complete: 5,
  },
  {
    name: 'what was read',
    code: 'journal-coverage',
    severity: 'info',
    evidence: /data\/journal: 2 decisions since \S+; nothing is missing since \S+, and the last is of \S+$/,
    organizations: SCANNERS,
    records: [refused('')],
    complete: 5,
  },
  {
    name: 'report-only mode that ends soon',
    code: 'report-only',
    severity: 'warning',
    evidence: /^connector "Scanners" of contoso: until \S+; 1 decisions hung on it, since \S+/,
    organizations: SCANNERS.replace('senderIP', `reportOnlyUntil: '${inDays(5)}', senderIP`),
    records: [refused('', { outcome: 'relay', reason: 'report-only', wouldBe: 'null-sender' })],
    complete: 40,
  },
  {
    name: "report-only mode of an organisation's connectors",
    code: 'report-only',
    severity: 'info',
    evidence: /^connector "Scanners" of contoso: until \S+; 0 decisions hung on it$/,
    organizations: SCANNERS.replace('name: contoso', `name: contoso\n    reportOnlyUntil: '${inDays(50)}'`),
  },
  {
    name: 'report-only mode that has ended',
    code: 'report-only-ended',
    severity: 'info',
    evidence: /^organisation contoso: ended on \S+$/,
    organizations: SCANNERS.replace('name: contoso', `name: contoso\n    reportOnlyUntil: '2026-01-01'`),
  },
  {
    name: 'organisations that trust one another',
    code: 'proof-not-required',
    severity: 'warning',
    evidence: /^2 organisations have accepted domains$/,
    organizations: `${SCANNERS}  - { name: fabrikam, acceptedDomains: [{ domainName: fabrikam.com }] }\n`,
  },
  {
    name: 'a domain that nobody has proven',
    code: 'domain-unproven',
    severity: 'error',
    evidence: /^contoso\.com of contoso: it was never proven$/,
    organizations: SCANNERS,
    require: true,
  },
  {
    name: 'a domain that counts without proof for some time',
    code: 'domain-proof-grace',
    severity: 'warning',
    evidence: /^contoso\.com of contoso: not proven, and counts until /,
    organizations: SCANNERS.replace('contoso.com }', `contoso.com, proof: { countsUntil: '${inDays(5)}' } }`),
    require: true,
  },
  {
    name: 'a domain whose proof is gone',
    code: 'domain-proof-lost',
    severity: 'warning',
    evidence: /^contoso\.com of contoso: the record is gone since \S+, and it counts until /,
    organizations: SCANNERS.replace(
      'contoso.com }',
      `contoso.com, proof: { token: abc, domain: contoso.com, provenAt: '2026-01-01', lostAt: '${inDays(-9)}', countsUntil: '${inDays(5)}' } }`,
    ),
    require: true,
  },
  {
    name: 'a domain whose proof is gone for too long',
    code: 'domain-proof-lost',
    severity: 'error',
    evidence: /^contoso\.com of contoso: the record is gone since \S+, and it does not count any more$/,
    organizations: SCANNERS.replace(
      'contoso.com }',
      `contoso.com, proof: { token: abc, domain: contoso.com, provenAt: '2026-01-01', lostAt: '${inDays(-19)}', countsUntil: '${inDays(-5)}' } }`,
    ),
    require: true,
  },
]

/** Decisions of yesterday, and one that makes the journal complete from a day on. */
function writeJournal(
  { folder }: StillInstance,
  records: readonly Partial<JournalRecord>[],
  complete: number,
): Promise<void> {
  // A file that was opened more than a day before: nothing is known of that day.
  const opened = new Date(Date.now() - (complete + 1) * DAY)
  let time = opened.getTime()
  const journal = openJournal({
    directory: join(folder, 'data', 'journal'),
    maxBytes: 1e9,
    maxDays: 1000,
    log: (text) => assert.fail(text),
    now: () => time,
  })
  const record: JournalRecord = {
    time: opened.toISOString(),
    id: 'A.1',
    peer: {
      address: '10.1.0.7',
      helo: 'scanner',
      tls: null,
      certificate: { state: 'no-tls', fingerprint: null, names: [], why: null },
    },
    organization: null,
    connector: null,
    via: null,
    sender: 'eve@evil.example',
    recipient: 'kate@tailspintoys.com',
    outcome: 'deny',
    reason: 'no-tls',
    reply: '550 5.7.64',
    revision: 'abc',
  }
  journal.write(record)
  journal.close()
  time = Date.now() - DAY
  for (const [index, more] of records.entries()) {
    journal.write({ ...record, time: new Date(time).toISOString(), id: `B.${index}`, ...more })
  }
  journal.close()
  return Promise.resolve()
}

describe('connectorctl doctor, of connectors and domains,', () => {
  for (const {
    code,
    complete = 0,
    evidence,
    name,
    organizations,
    records = [],
    require,
    severity,
  } of DIRECTORY_CASES) {
    it(`finds ${name} (${code})`, async (t) => {
      const instance = await moulds.copy(t, organizations)
      if (require === true)
        await setting(
          'connectors.ini',
          'require_domain_proof = false',
          'require_domain_proof = true',
        )(instance)
      if (complete > 0) await writeJournal(instance, records, complete)
      const { of } = await examined(instance.folder)
      const found = of(code)
      assert.ok(
        found.some((finding) => finding.severity === severity && evidence.test(finding.evidence)),
        JSON.stringify(found, null, 2),
      )
    })
  }

  it('calls nothing unused that the journal shows, through a certificate, a sub-domain or a recipient', async (t) => {
    const organizations = `organizations:
  - name: contoso
    acceptedDomains:
      - { domainName: contoso.com }
      - { domainName: sender.example, matchSubDomains: true }
      - { domainName: recipient.example }
      - { domainName: quiet.example }
    inboundConnectors:
      - { name: Exchange, connectorType: OnPremises, tlsSenderCertificateName: '*.contoso.com' }
`
    const instance = await moulds.copy(t, organizations)
    const byCertificate = {
      organization: 'contoso',
      connector: 'Exchange',
      via: 'certificate',
      outcome: 'relay',
    } as const
    await writeJournal(
      instance,
      [
        { ...byCertificate, reason: 'certificate-domain-accepted', sender: '' },
        { ...byCertificate, reason: 'certificate-domain-accepted', sender: 'a@sales.sender.example' },
        { outcome: 'deliver', reason: 'recipient-domain-accepted', recipient: 'kate@Recipient.example' },
        // Whoever is refused uses nothing.
        { sender: 'a@quiet.example', recipient: 'b@quiet.example' },
      ],
      40,
    )
    const { of } = await doctor(instance.folder)
    assert.deepEqual(
      of('domain-unused').map(({ evidence }) => evidence.split(' ')[0]),
      ['quiet.example'],
    )
    assert.deepEqual(of('connector-unused'), [])
    assert.deepEqual(of('usage-unknown'), [])
  })

  it('calls nothing unused that a copy which ends earlier, a damaged line, or a name that is gone may hide', async (t) => {
    const instance = await moulds.copy(t, SCANNERS)
    await writeJournal(instance, [], 40)
    const quiet = (await doctor(instance.folder)).of('connector-unused')
    assert.equal(quiet.length, 1)

    const copy = join(instance.folder, 'copy')
    const own = join(instance.folder, 'data', 'journal')
    const opened = new Date(Date.now() - 45 * DAY)
    await mkdir(copy)
    const [name = ''] = await readdir(own)
    const [first = ''] = (await readFile(join(own, name), 'utf8')).split('\n')
    const lines = [opened, new Date(Date.now() - 20 * DAY)].map((time, index) =>
      JSON.stringify({ ...(JSON.parse(first) as object), id: `Z.${index}`, time: time.toISOString() }),
    )
    await writeFile(join(copy, 'a.jsonl'), `${lines.join('\n')}\n`)
    const beside = await doctor(instance.folder, '--journal', copy)
    assert.deepEqual(beside.of('connector-unused'), [])
    assert.deepEqual(beside.of('domain-unused'), [])
    assert.match(
      beside.of('usage-unknown')[0]?.evidence ?? '',
      /^unknown after \S+ in \S+copy: the copy ends there; /,
    )

    await writeFile(join(own, 'b.jsonl'), `${lines[0] ?? ''}\ndamaged\n`)
    const damaged = await doctor(instance.folder)
    assert.deepEqual(damaged.of('connector-unused'), [])
    assert.match(damaged.of('usage-unknown')[0]?.evidence ?? '', /data\/journal holds damaged lines/)
  })

  it('does not call a connector unused that was renamed, nor its domain, and says what is not known', async (t) => {
    const formerly = {
      organization: 'contoso',
      connector: 'By address',
      via: 'address',
      outcome: 'relay',
    } as const
    const rows = [
      [formerly, '"By address"'],
      [{ ...formerly, organization: 'old', connector: 'Scanners' }, 'those of organisation "old"'],
    ] as const
    for (const [record, names] of rows) {
      const instance = await moulds.copy(t, SCANNERS.replace('10.1.0.0/16', '203.0.113.7'))
      const reason = 'sender-domain-accepted'
      await writeJournal(instance, [{ ...record, reason, sender: 'a@contoso.com' }], 40)
      const { of } = await doctor(instance.folder)
      const gone = `unknown: 1 decision was for connectors that are not there any more (${names})`
      assert.deepEqual(of('connector-unused'), [])
      // It relayed for the domain, whatever the connector is called.
      assert.deepEqual(of('domain-unused'), [])
      const [unknown] = of('usage-unknown')
      assert.ok(unknown?.evidence.endsWith(`, but ${gone}`), unknown?.evidence)
      const [unmatched] = of('public-address-unmatched')
      assert.ok(unmatched?.evidence.endsWith(`(${gone})`), unmatched?.evidence)
    }
  })

  it('counts what copies of a journal hold once, and names all that it read', async (t) => {
    const instance = await moulds.copy(t, SCANNERS)
    const other = await moulds.copy(t, SCANNERS)
    await writeJournal(instance, [refused('', { id: 'C.1' })], 40)
    await writeJournal(other, [refused('', { id: 'D.1' }), refused('a@fabrikam.com', { id: 'D.2' })], 40)
    const journal = join(other.folder, 'data', 'journal')
    const copy = join(other.folder, 'copy')
    await cp(join(instance.folder, 'data', 'journal'), copy, { recursive: true, preserveTimestamps: true })
    const named = [journal, copy, journal].flatMap((folder) => ['--journal', folder])
    const { of } = await doctor(instance.folder, ...named)
    assert.equal(of('journal-coverage').length, 3)
    assert.match(
      of('address-connector-loses-mail')[0]?.evidence ?? '',
      /: 2 with the null sender \(non-delivery reports\), 1 with foreign senders$/,
    )
  })

  it('is not misled by hostile names', async (t) => {
    const organizations = JSON.stringify({
      organizations: [
        {
          name: '__proto__',
          acceptedDomains: [{ domainName: 'constructor.example' }],
          inboundConnectors: [
            { name: '${x} %s `rm`', connectorType: 'OnPremises', senderIPAddresses: ['10.1.0.0/16'] },
            { name: 'constructor', connectorType: 'OnPremises', senderIPAddresses: ['10.2.0.0/16'] },
            { name: 'ünïcode ‮', connectorType: 'OnPremises', senderIPAddresses: ['10.3.0.0/16'] },
          ].filter(({ name }) => !name.includes('‮')),
        },
      ],
    })
    const instance = await moulds.copy(t, organizations)
    await writeJournal(
      instance,
      [
        refused('', { organization: '__proto__', connector: 'constructor' }),
        refused('"\u001b[31m"@__proto__', { organization: 'toString', connector: '__proto__' }),
      ],
      40,
    )
    await writeFile(join(instance.folder, 'queue', '\u001b[31mx\n'), '')
    const { of } = await doctor(instance.folder)
    assert.match(of('queue-foreign')[0]?.evidence ?? '', /^1 names: \\x1b\[31mx\\x0a$/)
    assert.match(
      of('address-connector-loses-mail').find(({ severity }) => severity === 'warning')?.evidence ?? '',
      /^connector "constructor" of __proto__, for 10\.2\.0\.0\/16: refused since \S+ \(unknown: .*\): 1 with the null sender/,
    )
    const { stdout } = await runDoctor('--instance', instance.folder, '--no-dns')
    assert.doesNotMatch(stdout, /\u001b/)
  })
})
