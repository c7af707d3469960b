/** organization, domain and inbound-connector, as an administrator types them, on both stores. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { hasPrograms } from '../support/programs.ts'
import { NSD, startNsd } from '../support/nsd.ts'
import { until } from '../support/redis-node.ts'
import {
  connectorctl,
  makeInstance,
  ROOT,
  run,
  startInstance,
  temporaryFolder,
} from '../support/smarthost.ts'
import type { Finished } from '../support/smarthost.ts'
import type { Stored } from '../support/stores.ts'
import { onBothStores } from '../support/stores.ts'
import { SCRIPT, Terminal } from '../support/terminal.ts'

const TEXT = `# Whom we relay for.
organizations:
  - name: contoso # the parent
    acceptedDomains:
      - domainName: contoso.com # since 1999
    inboundConnectors:
      # Third floor.
      - name: Scanners
        connectorType: OnPremises
        senderIPAddresses: [127.0.0.2] # the new ones
  - name: Fabrikam
    acceptedDomains:
      - domainName: fabrikam.com
# The end.
`

function ok({ code, stderr, stdout }: Finished): string {
  assert.equal(code, 0, stderr)
  return stdout
}

async function json(stored: Stored, ...args: string[]): Promise<unknown> {
  return JSON.parse(ok(await stored.ctl(...args, '--json'))) as unknown
}

function failed({ code, stderr, stdout }: Finished, expected: number, why: RegExp): void {
  assert.equal(code, expected, stderr)
  assert.match(stderr, why)
  assert.equal(stdout, '')
}

/** One decision as the server writes it. */
function decision(hours: number, more: object = {}): string {
  const certificate = { state: 'no-tls', fingerprint: null, names: [], why: null }
  const record = {
    time: new Date(Date.now() - hours * 3_600_000).toISOString(),
    id: `A.${hours}`,
    peer: { address: '127.0.0.2', helo: 'x', tls: null, certificate },
    organization: 'contoso',
    connector: 'Scanners',
    via: 'address',
    sender: 'kate@contoso.com',
    recipient: 'john@elsewhere.example',
    outcome: 'relay',
    reason: 'sender-domain-accepted',
    reply: '250 2.1.5',
    revision: '1',
    ...more,
  }
  return `${JSON.stringify(record)}\n`
}

async function journal(folder: string, lines: readonly string[]): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, '20261101T000000.000Z-1-1.jsonl'), lines.join(''))
}

describe('inbound-connector', () => {
  onBothStores(
    'is added, listed, shown, changed, disabled, enabled and removed',
    TEXT,
    async (_t, stored) => {
      const { ctl, instance } = stored
      const added = await ctl(
        'inbound-connector',
        'add',
        'Exchange',
        '--organization',
        'CONTOSO',
        '--connector-type',
        'OnPremises',
        '--tls-sender-certificate-name',
        'Mail.Contoso.com',
        '--comment',
        'a "b": #c',
        '--require-tls',
        'true',
      )
      assert.match(
        ok(added),
        /^inbound-connector "Exchange" of contoso added; in force within a second \(revision \S+\)\n$/,
      )
      assert.match(
        added.stderr,
        /^warning: requireTls has no effect here and is not kept\nwarning: the certificate domain mail\.contoso\.com .*5\.7\.64.*\n$/,
      )

      const listed = ok(await ctl('inbound-connector', 'list')).split('\n')
      assert.match(
        listed[0] ?? '',
        /^ORGANIZATION {2}NAME {6}TYPE {8}ENABLED {2}CERTIFICATE NAME {2}ADDRESSES/,
      )
      const rows = listed.slice(1, -1).toSorted()
      assert.match(rows[0] ?? '', /^contoso {7}Exchange {2}OnPremises {2}yes {6}mail\.contoso\.com$/)
      assert.match(rows[1] ?? '', /^contoso {7}Scanners {2}OnPremises {2}yes {24}127\.0\.0\.2\/32$/)

      const changed = await ctl(
        'inbound-connector',
        'set',
        'exchange',
        '--organization',
        'contoso',
        '--report-only',
        '--comment',
        '',
        '--tls-sender-certificate-name',
        '*.contoso.com',
      )
      assert.match(ok(changed), /changed \(.*\); in force/)
      assert.equal(changed.stderr, '')
      const shown = (await json(
        stored,
        'inbound-connector',
        'show',
        'EXCHANGE',
        '--organization',
        'contoso',
      )) as Record<string, unknown>
      const inNinetyDays = new Date(Date.now() + 90 * 86_400_000).toISOString().slice(0, 8)
      assert.ok(String(shown['reportOnlyUntil']).startsWith(inNinetyDays))
      assert.deepEqual(
        [shown['tlsSenderCertificateName'], shown['comment'], shown['warnings']],
        ['*.contoso.com', null, []],
      )

      ok(
        await ctl(
          'inbound-connector',
          'set',
          'Exchange',
          '--organization',
          'contoso',
          '--no-report-only',
          '--name',
          'Mail',
        ),
      )
      assert.match(
        ok(await ctl('inbound-connector', 'disable', 'mail', '--organization', 'contoso')),
        /"Mail" of contoso disabled/,
      )
      assert.match(
        ok(await ctl('inbound-connector', 'disable', 'Mail', '--organization', 'contoso')),
        /^nothing to change/,
      )
      const told = ok(await ctl('inbound-connector', 'show', 'Mail', '--organization', 'contoso'))
      assert.match(told, /enabled: +false\n[^]*reportOnlyUntil: +none\n/)
      assert.match(
        ok(await ctl('inbound-connector', 'enable', 'Mail', '--organization', 'contoso')),
        /enabled; in force/,
      )

      const remove = ['inbound-connector', 'remove', 'Mail', '--organization', 'contoso', '--yes']
      const refused = await ctl(...remove)
      assert.equal(refused.code, 1)
      assert.match(refused.stderr, /what used it in the last 7 days is not known .*add --force/)
      assert.match(ok(await ctl(...remove, '--force')), /"Mail" of contoso removed/)
      assert.deepEqual(
        ((await json(stored, 'inbound-connector', 'list')) as { name: string }[]).map(({ name }) => name),
        ['Scanners'],
      )
      if (stored.store === 'file')
        assert.equal(await readFile(instance.path('organizations.yaml'), 'utf8'), TEXT)
    },
  )

  it('says in one line what is missing, unknown or ambiguous', async (t) => {
    const { folder } = await makeInstance(t, { organizations: TEXT })
    const rows: readonly (readonly [args: readonly string[], code: number, why: RegExp])[] = [
      [
        ['inbound-connector', 'show', 'Scaners', '--organization', 'contoso'],
        1,
        /^connectorctl: there is no inbound-connector "Scaners" of contoso; did you mean "Scanners"\?\n$/,
      ],
      [
        ['inbound-connector', 'show', 'Scanners'],
        2,
        /^connectorctl: there are several organisations: add --organization NAME, one of .*\n$/,
      ],
      [['inbound-connector', 'list', '--organization', 'contosso'], 1, /did you mean "contoso"\?\n$/],
      [
        ['inbound-connector', 'add', 'X', '--organization', 'contoso'],
        2,
        /^connectorctl: missing: --connector-type, --tls-sender-certificate-name or --sender-ip-addresses; on a terminal the command asks for it\n$/,
      ],
      [
        ['inbound-connector', 'set', 'Scanners', '--organization', 'contoso'],
        2,
        /^connectorctl: nothing to set: /,
      ],
      [['domain', 'show', 'www.contoso.com'], 1, /is no accepted domain; contoso\.com of contoso is one\n$/],
      [['domain', 'show', 'fabricam.com'], 1, /did you mean "fabrikam\.com"\?\n$/],
      [
        ['organization', 'remove', '\u001b[2J'],
        1,
        /^connectorctl: there is no organization "\\x1b\[2J"; there is [^\u001b]*\n$/,
      ],
    ]
    for (const [args, code, why] of rows) failed(await connectorctl(...args, '--instance', folder), code, why)
  })

  onBothStores(
    'changes what a running smarthost lets through within a second',
    TEXT,
    async (t, { ctl, instance }) => {
      const smarthost = await startInstance(t, instance)
      await until(smarthost, 'kate@contoso.com', /^250/, 5000)
      ok(await ctl('inbound-connector', 'disable', 'Scanners', '--organization', 'contoso'))
      await until(smarthost, 'kate@contoso.com', /^550 5\.7\.64 TenantAttribution/, 1000)
      ok(await ctl('organization', 'enable', 'contoso'))
      await until(smarthost, 'kate@contoso.com', /^250/, 1000)
      ok(await ctl('domain', 'disable', 'contoso.com'))
      await until(smarthost, 'kate@contoso.com', /^550 5\.7\.64 .*\[sending-disabled /, 1000)
      ok(await ctl('domain', 'enable', 'contoso.com'))
      await until(smarthost, 'kate@contoso.com', /^250/, 1000)
      await until(smarthost, 'kate@sales.contoso.com', /^550/, 1000)
      ok(await ctl('domain', 'set', 'contoso.com', '--match-sub-domains', 'true'))
      await until(smarthost, 'kate@sales.contoso.com', /^250/, 1000)
      ok(await ctl('organization', 'set', 'contoso', '--report-only'))
      await until(smarthost, 'stranger@elsewhere.example', /^250/, 1000)
      // What it decided is in its journal now.
      const shown = ok(await ctl('inbound-connector', 'show', 'Scanners', '--organization', 'contoso'))
      assert.match(
        shown,
        /mail through it: \d+ recipients \(\d+ relay.*from 127\.0\.0\.2\n {2}unknown before /,
      )
      await smarthost.stop()
    },
  )

  it('takes CAs as a file, and keeps their text', async (t) => {
    const instance = await makeInstance(t)
    const file = instance.path('demo-ca.pem')
    const set = [
      'inbound-connector',
      'set',
      'Hybrid wizard',
      '--organization',
      'adatum',
      '--instance',
      instance.folder,
    ]
    ok(await connectorctl(...set, '--trusted-certificate-authorities', file))
    assert.match(
      await readFile(instance.path('organizations.yaml'), 'utf8'),
      /trustedCertificateAuthorities:\n +- \|\n +-----BEGIN CERTIFICATE-----/,
    )
    failed(
      await connectorctl(...set, '--trusted-certificate-authorities', instance.path('smtp.ini')),
      1,
      /smtp\.ini holds no certificate\n$/,
    )
    ok(await connectorctl(...set, '--trusted-certificate-authorities', ''))
    assert.doesNotMatch(await readFile(instance.path('organizations.yaml'), 'utf8'), /BEGIN/)
  })
})

describe('domain and organization', () => {
  onBothStores('are added, shown, changed, renamed and removed', TEXT, async (_t, stored) => {
    const { ctl } = stored
    const org = (await json(stored, 'organization', 'add', 'Adatum', '--comment', 'new')) as Record<
      string,
      unknown
    >
    assert.equal(org['changed'], true)
    failed(await ctl('organization', 'add', 'ADATUM'), 1, /organization Adatum is there already\n$/)
    const add = ['domain', 'add', 'Bücher.example', '--organization', 'adatum', '--no-dns']
    failed(
      await ctl(...add),
      1,
      /^the public MX of xn--bcher-kva\.example was not asked for \(--no-dns\)\nconnectorctl: nothing was changed: .*add --yes\n$/,
    )
    assert.match(
      ok(await ctl(...add, '--yes', '--match-sub-domains', 'true')),
      /^domain xn--bcher-kva\.example of Adatum added/,
    )
    failed(await ctl(...add, '--yes'), 1, /is registered already, with Adatum/)
    failed(
      await ctl('domain', 'add', 'mail.contoso.com', '--organization', 'adatum', '--no-dns', '--yes'),
      1,
      /is below contoso\.com, which belongs to contoso/,
    )
    ok(await ctl('domain', 'set', 'CONTOSO.com.', '--add-delegated-sub-domains', 'mail.contoso.com'))
    ok(await ctl('domain', 'add', 'mail.contoso.com', '--organization', 'adatum', '--no-dns', '--yes'))
    ok(await ctl('organization', 'set', 'adatum', '--name', 'Adatum Ltd'))
    const shown = (await json(stored, 'domain', 'show', 'bücher.example')) as Record<string, unknown>
    assert.deepEqual(
      [shown['organization'], shown['matchSubDomains'], shown['proof'], shown['counts']],
      ['Adatum Ltd', true, null, true],
    )
    failed(
      await ctl('organization', 'set', 'contoso', '--name', 'ADATUM LTD'),
      1,
      /Adatum Ltd is there already, nothing was changed/,
    )
    assert.match(ok(await ctl('organization', 'list')), /^NAME +DOMAINS[^]*Adatum Ltd +2 +0/)
    const removed = ok(await ctl('organization', 'remove', 'adatum ltd', '--yes', '--force'))
    assert.match(
      removed,
      /domains that go with it: 2: [^]*connectors that go with it: none\n[^]*organization Adatum Ltd removed/,
    )
    failed(await ctl('domain', 'show', 'bücher.example'), 1, /is no accepted domain/)
  })

  it('asks for the public MX, and takes what is delivered here without --yes', async (t) => {
    if (!hasPrograms(t, NSD)) return
    const instance = await makeInstance(t, { organizations: TEXT })
    const { address, port } = await startNsd(t, {
      example: [
        '@ NS ns1',
        'ns1 A 127.0.0.1',
        'ours MX 10 smarthost.test.',
        'theirs MX 20 mx2.theirs',
        'theirs MX 10 mx1.theirs',
        'mx1.theirs A 192.0.2.1',
        'silent MX 0 .',
        'web A 192.0.2.80',
      ],
    })
    const add = (domain: string, ...more: string[]): Promise<Finished> =>
      connectorctl(
        'domain',
        'add',
        domain,
        '--organization',
        'contoso',
        '--instance',
        instance.folder,
        '--resolver',
        `${address}:${port}`,
        ...more,
      )
    const ours = await add('ours.example')
    assert.match(ok(ours), /^domain ours\.example of contoso added/)
    assert.match(ours.stderr, /^the public MX of ours\.example is smarthost\.test .*: this server\n$/)
    for (const [domain, told] of [
      [
        'theirs.example',
        /the public MX of theirs\.example is mx1\.theirs\.example \(192\.0\.2\.1\), mx2\.theirs\.example \(without an address\), and not this server; there is no terminal/,
      ],
      ['silent.example', /takes no mail/],
      ['web.example', /no public MX: its mail goes to its own address, 192\.0\.2\.80/],
      ['nobody.example', /the public DNS knows no nobody\.example/],
      ['refused.test', /could not be asked for \(127\.0\.0\.1:\d+: /],
    ] as const) {
      failed(await add(domain), 1, told)
    }
    const forced = await add('theirs.example', '--yes')
    assert.match(ok(forced), /added/)
    failed(await add('x.example', '--resolver', 'dns.example'), 2, /--resolver "dns\.example" is no address/)
  })

  it('says that a domain counts for nothing until it is proven, where proof is required', async (t) => {
    const instance = await makeInstance(t, {
      organizations: TEXT,
      config: {
        'connectors.ini': (text) =>
          text.replace('require_domain_proof = false', 'require_domain_proof = true'),
      },
    })
    const at = ['--instance', instance.folder]
    const added = await connectorctl(
      'domain',
      'add',
      'new.example',
      '--organization',
      'contoso',
      '--no-dns',
      '--yes',
      ...at,
    )
    ok(added)
    assert.match(
      added.stderr,
      /warning: new\.example counts for nothing until .*connectorctl domain verify new\.example\n/,
    )
    assert.match(
      ok(await connectorctl('domain', 'show', 'new.example', ...at)),
      /proof: +unverified: it counts for nothing until connectorctl domain verify/,
    )
  })
})

describe('removing a record', () => {
  it('names the traffic, the nodes and the period, and wants --force where these do not reach', async (t) => {
    const instance = await makeInstance(t, { organizations: TEXT })
    const at = ['--instance', instance.folder]
    const own = join(instance.folder, 'data', 'journal')
    const copy = await temporaryFolder(t)
    await journal(own, [decision(200), decision(50), decision(2), decision(1, { outcome: 'deny' })])
    await journal(copy, [decision(100), decision(3)])
    const remove = ['inbound-connector', 'remove', 'Scanners', '--organization', 'contoso', ...at]
    const asked = await connectorctl(...remove)
    assert.equal(asked.code, 1)
    assert.match(
      asked.stdout,
      /mail through it: 3 recipients \(2 relay, 1 deny\), the last at \S+, from 127\.0\.0\.2\n {2}read: \S+\/data\/journal from \S+Z to \S+Z, 3 decisions\n/,
    )
    assert.match(asked.stderr, /there is no terminal to ask on: add --yes\n$/)
    const beyond = await connectorctl(...remove, '--yes', '--journal', copy)
    assert.equal(beyond.code, 1)
    assert.match(
      beyond.stdout,
      new RegExp(`mail through it: 5 recipients[^]*unknown before \\S+ in ${copy}\\n`),
    )
    assert.match(beyond.stderr, /add --force/)
    failed(
      await connectorctl(...remove, '--yes', '--journal', join(copy, 'x')),
      1,
      /--journal \S+ is no folder\n$/,
    )
    const domain = await connectorctl('domain', 'remove', 'fabrikam.com', '--yes', ...at)
    assert.match(ok(domain), /not used in the last 7 days\n[^]*domain fabrikam\.com of Fabrikam removed/)
    const before = await connectorctl('domain', 'remove', 'contoso.com', ...at)
    assert.match(before.stdout, /mail from it: 3 recipients/)
    const { usage } = JSON.parse(
      ok(
        await connectorctl(
          'inbound-connector',
          'show',
          'Scanners',
          '--organization',
          'contoso',
          '--json',
          ...at,
        ),
      ),
    ) as { usage: { covered: boolean; counts: { connector: { decisions: number } } } }
    assert.deepEqual([usage.covered, usage.counts.connector.decisions], [true, 3])
    assert.match(ok(await connectorctl(...remove, '--yes')), /removed/)
  })

  onBothStores('is not told that a renamed connector is unused', TEXT, async (_t, { ctl, instance }) => {
    const own = join(instance.folder, 'data', 'journal')
    await journal(own, [decision(200), decision(50), decision(2)])
    const of = ['--organization', 'contoso']
    ok(await ctl('inbound-connector', 'set', 'Scanners', ...of, '--name', 'Printers'))
    const shown = ok(await ctl('inbound-connector', 'show', 'Printers', ...of))
    assert.match(
      shown,
      /mail through it: 2 recipients \(2 relay\), the last at \S+, from 127\.0\.0\.2\n {2}read: /,
    )
    ok(await ctl('organization', 'set', 'contoso', '--name', 'Contoso Ltd'))
    assert.match(ok(await ctl('organization', 'show', 'Contoso Ltd')), /mail through it: 2 recipients/)

    // Whoever sent then fits nothing now: it may have been the same connector, with other addresses.
    const certificate = { state: 'no-tls', fingerprint: null, names: [], why: null }
    const peer = { address: '127.0.0.9', helo: 'x', tls: null, certificate }
    await journal(own, [decision(200), decision(50, { peer, organization: 'Contoso Ltd' })])
    const remove = ['inbound-connector', 'remove', 'Printers', '--organization', 'Contoso Ltd', '--yes']
    const kept = await ctl(...remove)
    assert.equal(kept.code, 1)
    assert.match(
      kept.stderr,
      /1 decision was for connectors that are not there any more \("Scanners"\)\); add --force/,
    )
    assert.match(kept.stdout, /\n {2}no use is known\n/)
    assert.match(ok(await ctl(...remove, '--force')), /removed/)
  })

  onBothStores('removes only what was shown when it was agreed to', TEXT, async (t, stored) => {
    if (!hasPrograms(t, SCRIPT)) return
    const { ctl, instance } = stored
    const remove = [
      'inbound-connector',
      'remove',
      'Scanners',
      '--organization',
      'contoso',
      '--force',
      '--instance',
      instance.folder,
    ]
    const terminal = Terminal.start(t, ...remove)
    await terminal.shows(/Remove inbound-connector "Scanners" of contoso\? \[y\/N\] /)
    ok(
      await ctl(
        'inbound-connector',
        'set',
        'Scanners',
        '--organization',
        'contoso',
        '--comment',
        'still needed',
      ),
    )
    terminal.press('y\r')
    assert.equal(await terminal.end(), 1)
    assert.match(terminal.text, /"Scanners" of contoso was changed by somebody else meanwhile/)
    const again = Terminal.start(t, ...remove)
    await again.shows(/\[y\/N\] /)
    // Another record is none of what was shown.
    ok(await ctl('organization', 'set', 'contoso', '--comment', 'x'))
    again.press('y\r')
    assert.equal(await again.end(), 0, again.text)
    assert.deepEqual(await json(stored, 'inbound-connector', 'list'), [])
  })
})

describe('the directory while it is changed', () => {
  onBothStores('loses nothing of eight administrators at once', TEXT, async (_t, stored) => {
    const { ctl } = stored
    const commands = [1, 2, 3, 4].flatMap((number) => [
      ['domain', 'add', `d${number}.example`, '--organization', 'contoso', '--no-dns', '--yes'],
      [
        'inbound-connector',
        'set',
        'Scanners',
        '--organization',
        'contoso',
        '--add-sender-ip-addresses',
        `10.0.0.${number}`,
      ],
    ])
    for (const finished of await Promise.all(commands.map((args) => ctl(...args)))) ok(finished)
    const [connector] = (await json(stored, 'inbound-connector', 'list')) as { senderIPAddresses: string[] }[]
    assert.equal(connector?.senderIPAddresses.length, 5)
    const domains = (await json(stored, 'domain', 'list', '--organization', 'contoso')) as unknown[]
    assert.equal(domains.length, 5)
  })

  it('keeps what somebody writes by hand between the question and the answer, and refuses a broken file', async (t) => {
    if (!hasPrograms(t, SCRIPT)) return
    const instance = await makeInstance(t, { organizations: TEXT })
    const path = instance.path('organizations.yaml')
    const remove = ['domain', 'remove', 'fabrikam.com', '--force', '--instance', instance.folder]
    const broken = `${TEXT}  - name: [\n`
    const first = Terminal.start(t, ...remove)
    await first.shows(/\[y\/N\] /)
    await writeFile(path, broken)
    first.press('y\r')
    assert.equal(await first.end(), 1)
    assert.match(first.text, /organizations\.yaml:\d+:\d+: error: /)
    assert.equal(await readFile(path, 'utf8'), broken)
    await writeFile(path, TEXT)
    const second = Terminal.start(t, ...remove)
    await second.shows(/\[y\/N\] /)
    const byHand = TEXT.replace('# since 1999', '# since 1998')
    await writeFile(path, byHand)
    second.press('y\r')
    assert.equal(await second.end(), 0, second.text)
    const after = byHand.replace(
      '    acceptedDomains:\n      - domainName: fabrikam.com\n',
      '    acceptedDomains: []\n',
    )
    assert.equal(await readFile(path, 'utf8'), after)
  })

  it('stays as it was in a folder that may only be read, and says so', async (t) => {
    if (!hasPrograms(t, '/usr/bin/setpriv')) return
    const instance = await makeInstance(t, { organizations: TEXT })
    await run('chmod', '-R', 'a+rX', join(instance.folder, '..'))
    const nobody = (...args: string[]): Promise<Finished> =>
      run(
        ...([
          '/usr/bin/setpriv',
          '--reuid=65534',
          '--regid=65534',
          '--clear-groups',
          process.execPath,
        ] as const),
        join(ROOT, 'bin', 'connectorctl.js'),
        ...args,
        '--instance',
        instance.folder,
      )
    assert.match(ok(await nobody('inbound-connector', 'list')), /Scanners/)
    const refused = await nobody('inbound-connector', 'disable', 'Scanners', '--organization', 'contoso')
    failed(
      refused,
      1,
      /^connectorctl: config\/organizations\.yaml cannot be written: EACCES; nothing was changed; .*\n$/,
    )
    assert.equal(await readFile(instance.path('organizations.yaml'), 'utf8'), TEXT)
  })

  it('stays as it was on a full disk, and says so', async (t) => {
    if (!hasPrograms(t, '/usr/bin/unshare')) return
    const instance = await makeInstance(t, { organizations: TEXT })
    const steps = [
      'set -e',
      'cp -a "$1/config" "$1/kept"',
      'mount -t tmpfs -o size=256k tmpfs "$1/config"',
      'cp -a "$1/kept/." "$1/config/"',
      'dd if=/dev/zero of="$1/config/filler" bs=4k 2>/dev/null || true',
      'set +e',
      '"$2" "$3" inbound-connector disable Scanners --organization contoso --instance "$1"; code=$?',
      'ls "$1/config" | grep organizations; cat "$1/config/organizations.yaml"; exit $code',
    ]
    const program = join(ROOT, 'bin', 'connectorctl.js')
    const words = ['-m', 'bash', '-c', steps.join('\n'), 'bash', instance.folder, process.execPath, program]
    const { code, stderr, stdout } = await run('/usr/bin/unshare', ...words)
    assert.equal(code, 1, stderr)
    assert.match(stderr, /cannot be written: ENOSPC; nothing was changed; make room on the disk\n$/)
    assert.equal(stdout, `organizations.yaml\n${TEXT}`)
  })

  onBothStores('is the old one or the new one after a kill -9 at any moment', TEXT, async (_t, stored) => {
    const { instance, redis } = stored
    for (let round = 0; round < 4; round++) {
      const args = ['domain', 'add', `k${round}.example`, '--organization', 'contoso', '--no-dns', '--yes']
      const child = spawn(
        process.execPath,
        [join(ROOT, 'bin', 'connectorctl.js'), ...args, '--instance', instance.folder],
        { stdio: 'ignore' },
      )
      const ended = once(child, 'exit')
      const isWriting = async (): Promise<boolean> => {
        if (redis !== null) {
          const clients = String(await redis.client.client('LIST'))
          // In even rounds as soon as it is connected, in odd ones as soon as it has written.
          return round % 2 === 0 ? clients.trim().split('\n').length > 1 : clients.includes('cmd=eval')
        }
        const names = await readdir(instance.path())
        return names.some((name) => (round % 2 === 0 ? name.endsWith('.lock') : name.endsWith('.new')))
      }
      while (child.exitCode === null && !(await isWriting())) await delay(0)
      child.kill('SIGKILL')
      await ended
      const names = (
        (await json(stored, 'domain', 'list', '--organization', 'contoso')) as { domainName: string }[]
      ).map(({ domainName }) => domainName)
      assert.ok(names.includes('contoso.com'))
      assert.ok(
        names.every((name) => name === 'contoso.com' || /^k\d\.example$/.test(name)),
        names.join(),
      )
    }
    const ctl = stored.ctl
    ok(await ctl('inbound-connector', 'disable', 'Scanners', '--organization', 'contoso'))
    if (redis !== null) assert.match(ok(await ctl('directory', 'verify')), /^sound/)
    else {
      const text = await readFile(instance.path('organizations.yaml'), 'utf8')
      assert.match(
        text,
        /# Whom we relay for\.[^]*# the parent[^]*# since 1999[^]*# Third floor\.[^]*# the new ones[^]*# The end\./,
      )
      assert.deepEqual(
        (await readdir(instance.path())).filter((name) => /lock|\.new$/.test(name)),
        [],
      )
    }
  })
})

describe('output', () => {
  it('shows no escape of a record on the terminal, and colours only there', async (t) => {
    if (!hasPrograms(t, SCRIPT)) return
    const hostile = TEXT.replace('# Third floor.', '').replace(
      'connectorType: OnPremises\n',
      'connectorType: OnPremises\n        comment: "\\e[2J\\u202Eevil"\n',
    )
    const instance = await makeInstance(t, { organizations: hostile })
    const show = [
      'inbound-connector',
      'show',
      'Scanners',
      '--organization',
      'contoso',
      '--instance',
      instance.folder,
    ]
    assert.match(
      ok(await connectorctl(...show)),
      /^inbound-connector "Scanners"[^]*comment: +\\x1b\[2J\\u202eevil\n/,
    )
    const terminal = Terminal.start(t, ...show)
    assert.equal(await terminal.end(), 0)
    assert.ok(terminal.raw.includes('\u001b[1minbound-connector "Scanners" of contoso\u001b[0m'))
    assert.ok(!terminal.raw.includes('\u001b[2J'))
    const plain = Terminal.startWith(t, { NO_COLOR: '1' }, ...show)
    assert.equal(await plain.end(), 0)
    assert.ok(!plain.raw.includes('\u001b'))
  })
})
