/** outbound-connector, as an administrator types it, on both stores. */

import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { registerExplain } from '../../src/cli/commands/explain.ts'
import { registerOutboundConnector } from '../../src/cli/commands/outbound-connector.ts'
import { findNames } from '../../src/cli/completion/names.ts'
import type { DeliveryRecord } from '../../src/journal/record.ts'
import { deliveryRecord } from '../support/delivery-record.ts'
import { runCommand } from '../support/one-command.ts'
import type { Finished, Instance } from '../support/smarthost.ts'
import { makeInstance } from '../support/smarthost.ts'
import { onBothStores, onEitherStore } from '../support/stores.ts'

const TEXT = `# Whom we relay for.
organizations:
  - name: contoso # the parent
    acceptedDomains:
      - domainName: contoso.com # since 1999
    inboundConnectors:
      - name: Scanners
        connectorType: OnPremises
        senderIPAddresses: [127.0.0.2]
    outboundConnectors:
      # Third floor.
      - name: To partners
        recipientDomains: [fabrikam.com] # the bank
        smartHosts: [smtp.fabrikam.com]
  - name: Fabrikam
    acceptedDomains:
      - domainName: adatum.com
# The end.
`

const ctl = ({ folder }: Pick<Instance, 'folder'>, verb: string, ...args: string[]): Promise<Finished> =>
  runCommand(registerOutboundConnector, 'outbound-connector', verb, '--instance', folder, ...args)

function ok({ code, stderr, stdout }: Finished): string {
  assert.equal(code, 0, stderr)
  return stdout
}

function failed({ code, stderr, stdout }: Finished, expected: number, why: RegExp): void {
  assert.equal(code, expected, stderr)
  assert.match(stderr, why)
  assert.equal(stdout, '')
}

const CONTOSO = ['--organization', 'contoso'] as const

describe('outbound-connector', () => {
  onBothStores(
    'is added, listed, shown, changed, renamed, disabled, enabled and removed',
    TEXT,
    async (_t, { instance, store }) => {
      const added = await ctl(
        instance,
        'add',
        'Exchange',
        '--organization',
        'CONTOSO',
        '--connector-type',
        'onpremises',
        '--all-accepted-domains',
        '$true',
        '--smart-hosts',
        'Mail.Contoso.com, [2001:DB8::1]:2525',
        '--tls-settings',
        'domainvalidation',
        '--tls-domain',
        '*.Contoso.com',
        '--comment',
        'a "b": #c',
        '--cloud-services-mail-enabled',
        'true',
      )
      assert.match(
        ok(added),
        /^outbound-connector "Exchange" of contoso added; in force within a second \(revision \S+\)\n$/,
      )
      assert.equal(added.stderr, 'warning: cloudServicesMailEnabled has no effect here and is not kept\n')

      const [header = '', ...rows] = ok(await ctl(instance, 'list'))
        .trimEnd()
        .split('\n')
      assert.match(header, /^ORGANIZATION {2}NAME +TYPE +ENABLED +FOR +TO +TLS$/)
      assert.deepEqual(rows.toSorted(), [
        'contoso       Exchange     OnPremises  yes      accepted domains  mail.contoso.com, [2001:db8::1]:2525  DomainValidation *.contoso.com',
        'contoso       To partners  Partner     yes      fabrikam.com      smtp.fabrikam.com',
      ])

      const changed = await ctl(
        instance,
        'set',
        'exchange',
        ...CONTOSO,
        '--tls-settings',
        'EncryptionOnly',
        '--add-smart-hosts',
        '10.0.0.1',
        '--remove-smart-hosts',
        'MAIL.contoso.com',
        '--name',
        'On premises',
      )
      assert.match(ok(changed), /changed \(name, tlsSettings, tlsDomain, smartHosts\); in force/)
      assert.equal(changed.stderr, '')
      const shown = JSON.parse(ok(await ctl(instance, 'show', 'ON PREMISES', ...CONTOSO, '--json'))) as object
      const { usage, ...record } = shown as { usage: { covered: boolean } }
      assert.equal(usage.covered, false)
      assert.deepEqual(record, {
        organization: 'contoso',
        name: 'On premises',
        connectorType: 'OnPremises',
        enabled: true,
        recipientDomains: [],
        allAcceptedDomains: true,
        routeAllMessagesViaOnPremises: false,
        useMXRecord: false,
        tlsSettings: 'EncryptionOnly',
        tlsDomain: null,
        tlsCertificateFile: null,
        tlsKeyFile: null,
        userName: null,
        passwordFile: null,
        smartHosts: ['[2001:db8::1]:2525', '10.0.0.1'],
        trustedCertificateAuthorities: [],
        certificatePins: [],
        comment: 'a "b": #c',
        warnings: [],
      })
      assert.match(
        ok(await ctl(instance, 'show', 'To partners', ...CONTOSO)),
        /^outbound-connector "To partners" of contoso\n {2}connectorType: +Partner\n[^]* {2}tlsSettings: +none: TLS where it is offered\n[^]*no use is known\n/,
      )

      assert.match(ok(await ctl(instance, 'disable', 'To partners', ...CONTOSO)), /disabled; in force/)
      assert.match(ok(await ctl(instance, 'disable', 'To partners', ...CONTOSO)), /nothing to change/)
      assert.match(ok(await ctl(instance, 'list')), /To partners +Partner +no /)
      assert.match(ok(await ctl(instance, 'enable', 'To partners', ...CONTOSO)), /enabled; in force/)

      failed(
        await ctl(instance, 'set', 'To partner', ...CONTOSO, '--comment', 'x'),
        1,
        /there is no outbound-connector "To partner" of contoso; did you mean "To partners"\?/,
      )
      const refused = await ctl(instance, 'remove', 'On premises', ...CONTOSO, '--yes')
      assert.equal(refused.code, 1)
      assert.match(refused.stderr, /what used it in the last 7 days is not known .*--force/)
      const removed = await ctl(instance, 'remove', 'On premises', ...CONTOSO, '--yes', '--force')
      assert.match(ok(removed), /^outbound-connector "On premises" of contoso removed; in force/m)

      if (store !== 'file') return
      assert.equal(await readFile(instance.path('organizations.yaml'), 'utf8'), TEXT)
    },
  )

  it('tells of each refusal in words, and changes nothing', async (t) => {
    const instance = await makeInstance(t, { demo: false, organizations: TEXT })
    const star = ['--recipient-domains', '*'] as const
    const named = [...star, '--smart-hosts', 'smtp.example'] as const
    const rows: readonly (readonly [flags: readonly string[], why: RegExp, code?: number])[] = [
      [[], /missing: --recipient-domains or --all-accepted-domains or --route-all/, 2],
      [[...star, '--use-mx-record', 'false'], /missing: --smart-hosts/, 2],
      [[...named, '--use-mx-record', 'true'], /useMXRecord: true and smartHosts exclude each other/],
      [[...named, '--use-mx-record', 'maybe'], /--use-mx-record "maybe" is neither true nor false/, 2],
      [[...named, '--tls-settings', 'Opportunistic'], /remove tlsSettings: TLS is used where it is offered/],
      [[...named, '--tls-settings', 'DomainValidation'], /DomainValidation needs tlsDomain/],
      [
        [...named, '--tls-domain', 'smtp.example'],
        /tlsDomain is looked at with tlsSettings: DomainValidation/,
      ],
      [
        ['--all-accepted-domains', 'true', '--smart-hosts', 'a.example'],
        /is for connectors of type OnPremises/,
      ],
      [[...star, '--smart-hosts', 'a b'], /smart host "a b" is more than one name/],
      [[...star, '--smart-hosts', '10.0.0.0/8,[::1]:0'], /"\[::1\]:0" is neither a name nor an address/],
      [[...named, '--user-name', 'contoso'], /userName and passwordFile need each other/],
      [
        [...named, '--user-name', 'contoso', '--password-file', 'secret'],
        /needs tlsSettings: the password could go in plain text/,
      ],
      [[...named, '--tls-certificate-file', 'x.pem'], /tlsCertificateFile and tlsKeyFile need each other/],
      [
        [...named, '--tls-certificate-file', '../../etc/x.pem', '--tls-key-file', 'x.key'],
        /"\.\.\/\.\.\/etc\/x\.pem" is not under config\//,
      ],
      [[...named, '--certificate-pins', 'x'], /no SHA-256/],
      [[...named, '--sender-rewriting-enabled', 'true'], /senderRewritingEnabled is for OnPremises/],
      [[...named, '--is-transport-rule-scoped', 'true'], /only mail-flow rules use the connector/],
      [[...named, '--test-mode', 'true'], /the connector takes no real mail/],
      [[...named, '--smtp-dane-mode', 'Mandatory'], /mail would go without DANE/],
      [
        [...named, '--trusted-certificate-authorities', '/missing.pem'],
        /\/missing\.pem cannot be read: .*ENOENT|\/missing\.pem/,
      ],
    ]
    for (const [flags, why, code = 1] of rows) {
      failed(await ctl(instance, 'add', 'New', ...CONTOSO, ...flags), code, why)
    }
    failed(await ctl(instance, 'add', 'TO PARTNERS', ...CONTOSO, ...named), 1, /is there already/)
    failed(
      await ctl(instance, 'add', 'a\u001b[2J', ...CONTOSO, ...named),
      1,
      /"a\\x1b\[2J" of an outbound connector holds control characters/,
    )
    failed(
      await ctl(instance, 'set', 'To partners', ...CONTOSO),
      2,
      /nothing to set: give at least one of --name/,
    )
    failed(await ctl(instance, 'list', '--organization', 'contso'), 1, /did you mean "contoso"/)
    assert.equal(await readFile(instance.path('organizations.yaml'), 'utf8'), TEXT)
  })

  it('of a disabled one keeps what would be refused of an enabled one, with a word', async (t) => {
    const instance = await makeInstance(t, { demo: false, organizations: TEXT })
    const flags = ['--recipient-domains', '*', '--enabled', 'false', '--test-mode', 'true'] as const
    const added = await ctl(instance, 'add', 'New', ...CONTOSO, ...flags)
    assert.equal(added.code, 0, added.stderr)
    assert.match(added.stderr, /^warning: testMode has no effect here and is not kept$/m)
  })

  it('warns of what another connector takes, of accepted domains by MX, and of files that are not there', async (t) => {
    const instance = await makeInstance(t, { demo: false, organizations: TEXT })
    const second = await ctl(instance, 'add', 'Bank', ...CONTOSO, '--recipient-domains', 'fabrikam.com')
    assert.match(
      second.stderr,
      /^warning: outbound connectors "Bank" and "To partners" are both for fabrikam\.com: "Bank" takes it/m,
    )
    const own = await ctl(instance, 'add', 'Ours', ...CONTOSO, '--recipient-domains', 'contoso.com')
    assert.match(own.stderr, /^warning: .*"Ours" never takes mail to contoso\.com: .*never goes by MX/)
    assert.doesNotMatch(own.stderr, /Bank/)
    const secret = [
      '--user-name',
      'contoso',
      '--password-file',
      'contoso/secret',
      '--tls-settings',
      'EncryptionOnly',
    ]
    const set = await ctl(instance, 'set', 'To partners', ...CONTOSO, ...secret)
    assert.match(
      set.stderr,
      /contoso\/secret under config\/ does not exist: its mail waits until that is mended/,
    )
    await mkdir(instance.path('contoso'))
    await writeFile(instance.path('contoso', 'secret'), 'hunter2\n')
    const shown = await ctl(instance, 'show', 'To partners', ...CONTOSO)
    assert.doesNotMatch(shown.stderr, /contoso\/secret/)
    assert.match(shown.stdout, /passwordFile: +contoso\/secret\n/)
    assert.doesNotMatch(shown.stdout, /hunter2/)
  })

  onEitherStore(
    'is removed only when it is known what it carried, also under a name that is gone',
    TEXT,
    async (_t, { instance }) => {
      const folder = join(instance.folder, 'data', 'journal')
      const line = (hours: number, more: Partial<DeliveryRecord> = {}): string => {
        const time = new Date(Date.now() - hours * 3_600_000).toISOString()
        return `${JSON.stringify(deliveryRecord(`A.${hours}`, { time, ...more }))}\n`
      }
      const write = async (...lines: string[]): Promise<void> => {
        await mkdir(folder, { recursive: true })
        await writeFile(join(folder, '20261101T000000.000Z-1-1.jsonl'), lines.join(''))
      }
      const old = line(24 * 9, { route: null })
      const through = [
        line(3, { recipients: ['a@fabrikam.com', 'b@fabrikam.com'] }),
        line(2, { event: 'deferred', remote: null }),
        line(1, { route: { via: 'mx', organization: null, connector: null } }),
      ]
      await write(old, ...through)
      const show = ok(await ctl(instance, 'show', 'To partners', ...CONTOSO))
      assert.match(
        show,
        /^ {2}mail through it: 2 delivered, 1 deferred \(recipients, each attempt\), the last at \S+, to mx\.tailspintoys\.com$/m,
      )
      assert.match(show, /^ {2}read: \S+ from \S+ to \S+, 3 deliveries$/m)

      await write(old, line(3, { route: { via: 'connector', organization: 'CONTOSO', connector: 'Once' } }))
      const gone = await ctl(instance, 'remove', 'To partners', ...CONTOSO, '--yes')
      assert.equal(gone.code, 1)
      assert.match(
        gone.stderr,
        /mail to 1 recipient went through outbound connectors that are not there any more \(Once\)/,
      )

      await write(old, line(3, { route: { via: 'connector', organization: 'Fabrikam', connector: 'Once' } }))
      const removed = await ctl(instance, 'remove', 'To partners', ...CONTOSO, '--yes')
      assert.match(ok(removed), /not used in the last 7 days\n[^]* removed; in force/)
    },
  )

  it('is completed by its name', async (t) => {
    const instance = await makeInstance(t, { demo: false, organizations: TEXT })
    const found = new Set<string>()
    const words = ['outbound-connector', 'show', '--instance', instance.folder]
    await findNames({ of: 'outbound-connector', words, beginning: 'to' }, found)
    assert.deepEqual([...found], ['To partners'])
  })
})

describe('explain', () => {
  it('says that mail would go back to the server that sends it, and that others may send it', async (t) => {
    const instance = await makeInstance(t, {
      organizations: `organizations:
  - name: contoso
    acceptedDomains: [{ domainName: contoso.com }]
    inboundConnectors:
      - { name: Servers, connectorType: OnPremises, senderIPAddresses: [10.1.0.0/24] }
    outboundConnectors:
      - { name: Exchange, connectorType: OnPremises, allAcceptedDomains: true, smartHosts: [10.1.0.7] }
`,
    })
    const explain = async (address: string): Promise<unknown> => {
      const question = ['--from', 'kate@contoso.com', '--to', 'john@contoso.com', '--ip', address, '--json']
      const { stderr, stdout } = await runCommand(
        registerExplain,
        'explain',
        '--instance',
        instance.folder,
        ...question,
      )
      assert.equal(stderr, '')
      const { outcome, reason } = JSON.parse(stdout) as { outcome: string; reason: string }
      return `${outcome} ${reason}`
    }
    assert.equal(await explain('10.1.0.7'), 'deny route-leads-back')
    assert.equal(await explain('10.1.0.8'), 'deliver recipient-domain-accepted')
  })
})
