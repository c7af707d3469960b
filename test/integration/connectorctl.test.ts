/** connectorctl as a person types it: what it says, and its exit code. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Finished } from '../support/smarthost.ts'
import { connectorctl, makeInstance, ROOT, startSmarthost, temporaryFolder } from '../support/smarthost.ts'
import { certificateFiles, SmtpClient } from '../support/smtp-client.ts'

interface Explained {
  readonly outcome: string
  readonly reason: string
  readonly reply: string
  readonly organization: string | null
  readonly connector: string | null
  readonly steps: readonly { readonly rule: string; readonly result: string; readonly detail: string }[]
}

function assertUsage({ code, stderr, stdout }: Finished, pattern: RegExp): void {
  assert.equal(code, 2, stderr)
  assert.match(stderr, pattern)
  assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
  assert.equal(stdout, '')
}

describe('explain', () => {
  it('tells what the server would do, rule by rule, as JSON and as a story', async (t) => {
    const { folder, path } = await makeInstance(t)
    const explain = (...args: string[]) =>
      connectorctl('explain', '--instance', folder, '--to', 'bob@example.net', ...args)
    const json = async (...args: string[]): Promise<Explained> => {
      const { code, stdout, stderr } = await explain('--json', ...args)
      assert.equal(code, 0, stderr)
      return JSON.parse(stdout) as Explained
    }
    const certificate = (name: string): string => path('demo', `${name}.cert.pem`)
    const denied = /^550 5\.7\.64 .*\[\S+ simulated\]$/
    const rows: readonly (readonly [
      args: readonly string[],
      outcome: string,
      reason: string,
      who: string | null,
    ])[] = [
      [
        ['--from', '', '--certificate', certificate('mail.contoso.com')],
        'relay',
        'certificate-domain-accepted',
        'Datacentre Exchange',
      ],
      [
        ['--from', '', '--certificate-name', 'mail.contoso.com'],
        'relay',
        'certificate-domain-accepted',
        'Datacentre Exchange',
      ],
      [
        ['--from', '', '--certificate-name', 'x.example', '--certificate-name', '*.contoso.com'],
        'relay',
        'certificate-domain-accepted',
        'Datacentre Exchange',
      ],
      [
        ['--from', 'kate@contoso.com', '--ip', '127.0.10.9'],
        'relay',
        'sender-domain-accepted',
        'Branch scanners',
      ],
      [
        ['--from', 'kate@contoso.com', '--ip', '::ffff:127.0.10.9', '--no-tls'],
        'relay',
        'sender-domain-accepted',
        'Branch scanners',
      ],
      [['--from', '', '--ip', '127.0.10.9'], 'deny', 'null-sender', 'Branch scanners'],
      [['--from', 'kate@contoso.com'], 'deny', 'no-certificate', null],
      [['--from', 'kate@contoso.com', '--no-tls'], 'deny', 'no-tls', null],
      [
        ['--from', 'kate@contoso.com', '--certificate', certificate('untrusted.mail.contoso.com')],
        'deny',
        'certificate-not-verified',
        null,
      ],
      [
        ['--from', 'kate@contoso.com', '--certificate', certificate('mail.fabrikam.com')],
        'deny',
        'no-connector-for-certificate',
        null,
      ],
      [
        ['--from', '', '--certificate', certificate('mail.adatum.com'), '--helo', 'mail.adatum.com'],
        'deny',
        'certificate-domain-not-accepted',
        'Hybrid wizard',
      ],
    ]
    for (const [args, outcome, reason, connector] of rows) {
      const told = await json(...args)
      assert.deepEqual(
        [told.outcome, told.reason, told.connector],
        [outcome, reason, connector],
        args.join(' '),
      )
      assert.match(told.reply, outcome === 'relay' ? /^250 2\.1\.5 / : denied)
      assert.deepEqual(Object.keys(told), [
        'outcome',
        'reason',
        'reply',
        'organization',
        'connector',
        'route',
        'steps',
        'remedies',
      ])
      for (const step of told.steps) {
        assert.deepEqual(Object.keys(step), ['rule', 'result', 'detail'])
        assert.ok(['yes', 'no', 'skipped', 'unknown'].includes(step.result))
      }
    }
    const delivered = await connectorctl(
      'explain',
      '--instance',
      folder,
      '--from',
      '<john@fabrikam.com>',
      '--to',
      'kate@CONTOSO.com',
    )
    assert.equal(delivered.code, 0)
    assert.match(delivered.stdout, /would be DELIVERED to an accepted domain/)
    const trapped = await explain('--from', '', '--certificate-name', 'mail.adatum.com')
    assert.match(trapped.stdout, /would be DENIED/)
    assert.match(
      trapped.stdout,
      /Reply: +550 5\.7\.64 Relay Access Denied ATTR36.*\[certificate-domain-not-accepted simulated\]/,
    )
    assert.doesNotMatch(trapped.stdout, /Otherwise in Microsoft 365/)
    const deep = await explain('--from', '', '--certificate-name', 'a.mail.contoso.com')
    assert.match(deep.stdout, /would be RELAYED.*[^]*Otherwise in Microsoft 365: .*one level only/)
    const byAddress = await explain(
      '--from',
      '',
      '--ip',
      '127.0.10.9',
      '--certificate-name',
      'mail.fabrikam.com',
    )
    assert.match(
      byAddress.stdout,
      /would be DENIED.*[^]*Otherwise in Microsoft 365: .*apart from the connector/,
    )
    assert.match(trapped.stdout, /To change it: Change tlsSenderCertificateName to "\*\."/)
  })

  it('is what the running server does', async (t) => {
    const server = await startSmarthost(t)
    const client = await SmtpClient.connect({
      port: server.smtp,
      certificate: certificateFiles(server.path('demo'), 'mail.adatum.com'),
    })
    await client.greet(true)
    const reply = await client.envelope('', 'bob@example.net')
    await client.quit()
    const { stdout } = await connectorctl(
      'explain',
      '--instance',
      server.folder,
      '--json',
      '--from',
      '',
      '--to',
      'bob@example.net',
      '--certificate',
      server.path('demo', 'mail.adatum.com.cert.pem'),
    )
    const told = JSON.parse(stdout) as Explained
    assert.equal(told.reply, reply.replace(/ [0-9A-F-]+\.1\]$/, ' simulated]'))
  })

  it('answers a wrong command line in one line, with exit code 2', async (t) => {
    const { folder, path } = await makeInstance(t, { demo: false })
    const explain = (...args: string[]) => connectorctl('explain', '--instance', folder, ...args)
    const both = ['--from', 'a@contoso.com', '--to', 'b@example.net']
    assertUsage(
      await explain('--from', 'a@contoso.com'),
      /say what to explain: --from and --to describe a message/,
    )
    assertUsage(await explain('--from', 'a@', '--to', 'b@example.net'), /--from "a@" is no mail address/)
    assertUsage(
      await explain('--from', 'a@contoso.com', '--to', 'b c@example.net'),
      /--to "b c@example\.net" is no mail address/,
    )
    assertUsage(await explain(...both, '--ip', '10.0.0'), /--ip "10\.0\.0" is no IPv4 or IPv6 address/)
    assertUsage(
      await explain(...both, '--certificate', 'x', '--certificate-name', 'y.example'),
      /exclude each other/,
    )
    assertUsage(await explain(...both, '--no-tls', '--certificate-name', 'y.example'), /--no-tls excludes/)
    assertUsage(await explain(...both, '--certificate-name', '*'), /"\*" is no name that counts/)
    assertUsage(await explain(...both, '--helicopter'), /unknown option '--helicopter'/)
    assertUsage(await explain(...both, 'more'), /too many arguments/)

    const missing = await explain(...both, '--certificate', join(folder, 'none.pem'))
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /^connectorctl: .*none\.pem.*\n$/)
    await writeFile(path('organizations.yaml'), 'organizations: 7\n')
    const broken = await explain(...both)
    assert.equal(broken.code, 1)
    assert.match(broken.stderr, /organizations\.yaml:1:\d+: error: organizations must be a list/)
  })
})

describe('every command', () => {
  it('answers unknown commands, flags and folders in one line', async (t) => {
    const empty = await temporaryFolder(t)
    assertUsage(await connectorctl('fly'), /unknown command 'fly'/)
    assertUsage(await connectorctl('start', '--port', '25'), /unknown option '--port'/)
    assertUsage(
      await connectorctl('journal', '--since', 'yesterday', '--instance', empty),
      /--since "yesterday" is no time/,
    )
    assertUsage(
      await connectorctl('journal', '--since', '999999999d', '--instance', empty),
      /--since "999999999d" is no time/,
    )
    assertUsage(
      await connectorctl('journal', '--outcome', 'perhaps', '--instance', empty),
      /--outcome "perhaps" is none of relay, deliver, deny, defer/,
    )
    for (const command of [
      ['check'],
      ['journal'],
      ['explain', '--from', '', '--to', 'a@b.example'],
      ['start'],
    ]) {
      const { code, stderr } = await connectorctl(...command, '--instance', empty)
      assert.equal(code, 1)
      assert.match(stderr, /is no instance/)
      assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
    }
  })

  it('explains itself with --help, and says its version', async () => {
    for (const command of [[], ['start'], ['init'], ['check'], ['explain'], ['journal']]) {
      const { code, stdout } = await connectorctl(...command, '--help')
      assert.equal(code, 0)
      assert.match(stdout, /^Usage: connectorctl/)
    }
    const { stdout } = await connectorctl('--version')
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
  })
})

describe('init', () => {
  it('refuses wrong flags, and makes nothing', async (t) => {
    const folder = join(await temporaryFolder(t), 'instance')
    const init = (...args: string[]) => connectorctl('init', folder, ...args)
    assertUsage(await init('--smtp', '25'), /--smtp "25" is no HOST:PORT/)
    assertUsage(await init('--smtps', '127.0.0.1:2525'), /different ports/)
    assertUsage(await init('--workers', 'many'), /--workers "many" is no number from 1 to 999/)
    assertUsage(await init('--hostname', 'a_b'), /--hostname "a_b" is no DNS name/)
    assertUsage(await init('--group', 'mail'), /--group needs --user/)
    assertUsage(await init('--user', 'a b'), /is no account name/)
    const { code, stderr } = await init('--user', 'nobodyhere')
    assert.equal(code, 1)
    assert.match(stderr, /there is no user nobodyhere: make it first/)
    const again = await init()
    assert.equal(again.code, 0)
    assert.equal((await init()).code, 1)
  })
})

describe('check', () => {
  it('ends with 1 when there are errors and 0 when there are warnings only', async (t) => {
    const { folder, path } = await makeInstance(t)
    const good = await connectorctl('check', '--instance', folder)
    assert.equal(good.code, 0)
    assert.match(
      good.stdout,
      /2 organisations, 2 accepted domains, 3 inbound connectors: 0 errors, \d+ warnings/,
    )
    await writeFile(path('organizations.yaml'), 'organizations: [{}]\n')
    const bad = await connectorctl('check', '--instance', folder, '--json')
    assert.equal(bad.code, 1)
    assert.equal(bad.stderr, '')
    const problems = JSON.parse(bad.stdout) as { severity: string; line: number }[]
    assert.ok(problems.some(({ severity, line }) => severity === 'error' && line === 1))
  })
})

describe('journal', () => {
  it("finds a denial by the id in the server's reply, and says what it was about", async (t) => {
    const server = await startSmarthost(t)
    const client = await SmtpClient.connect({
      port: server.smtp,
      certificate: certificateFiles(server.path('demo'), 'mail.adatum.com'),
    })
    await client.greet(true)
    const reply = await client.envelope('', 'bob@example.net')
    await client.quit()
    const id = /\[\S+ (\S+)\]$/.exec(reply)?.[1] ?? ''
    const journal = (...args: string[]) => connectorctl('journal', '--instance', server.folder, ...args)
    const found = await journal('--id', id)
    assert.equal(found.code, 0)
    assert.match(
      found.stdout,
      /deny {4}certificate-domain-not-accepted <> -> <bob@example\.net> from 127\.0\.0\.1/,
    )
    assert.match(found.stdout, /verified for mail\.adatum\.com/)
    assert.match(found.stdout, /TLSv1\.3/)
    assert.match(found.stdout, /SHA-256: +(?:[0-9A-F]{2}:){31}[0-9A-F]{2}/)
    assert.match(found.stdout, /to change it: Change tlsSenderCertificateName/)
    // The whole tail of the reply may be pasted.
    assert.equal((await journal('--id', `[certificate-domain-not-accepted ${id}]`)).code, 0)

    const record = JSON.parse(
      (await journal('--json', '--outcome', 'deny', '--since', '1h')).stdout,
    ) as Record<string, unknown>
    assert.equal(record['id'], id)
    assert.equal(record['reply'], reply)
    const none = await journal('--id', 'NONE.1')
    assert.equal(none.code, 1)
    assert.match(none.stderr, /^connectorctl: no such decision in .*\n$/)
  })

  it('follows until Ctrl-C', async (t) => {
    const server = await startSmarthost(t)
    const child = spawn(process.execPath, [
      join(ROOT, 'bin', 'connectorctl.js'),
      'journal',
      '--follow',
      '--instance',
      server.folder,
    ])
    t.after(() => child.kill('SIGKILL'))
    const client = await SmtpClient.connect({ port: server.smtp })
    await client.ehlo()
    const line = once(child.stdout, 'data') as Promise<[Buffer]>
    await client.envelope('a@contoso.com', 'b@example.net')
    await client.quit()
    assert.match((await line)[0].toString(), /deny {4}no-tls <a@contoso\.com> -> <b@example\.net>/)
    child.kill('SIGINT')
    const [code] = (await once(child, 'exit')) as [number]
    assert.equal(code, 0)
  })
})
