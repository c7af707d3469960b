/** `connectorctl client-setup` as a person types it: what it says of the directory, in both stores, and what it refuses. */

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { hasPrograms } from '../support/programs.ts'
import { applied, makeNode } from '../support/redis-node.ts'
import { REDIS_SERVER, startRedis } from '../support/redis.ts'
import type { Instance } from '../support/smarthost.ts'
import { connectorctl, makeInstance, ROOT, run, runWith, temporaryFolder } from '../support/smarthost.ts'

interface Told {
  readonly kind: string
  readonly script: string
  readonly notes: readonly {
    readonly severity: string
    readonly text: string
    readonly commands: readonly string[]
  }[]
}

const TARGET = ['--organization', 'contoso', '--smart-host', 'smtp.contoso.com', '--port', '25']

const STORES: readonly (readonly [name: string, make: (t: TestContext) => Promise<Instance | null>])[] = [
  ['the file', (t) => makeInstance(t)],
  [
    'Redis',
    async (t) => {
      if (!hasPrograms(t, REDIS_SERVER)) return null
      const instance = await makeNode(t, await startRedis(t))
      await applied(instance, instance.path('organizations.yaml'))
      return instance
    },
  ],
]

async function told(kind: string, instance: Instance, ...flags: readonly string[]): Promise<Told> {
  const target = ['--smart-host', 'localhost', '--port', '25', '--ca-file', '/etc/ca.pem', '--json']
  const args = ['client-setup', kind, '--instance', instance.folder, ...target, ...flags]
  const { code, stderr, stdout } = await connectorctl(...args)
  assert.deepEqual([code, stderr], [0, ''])
  const parsed = JSON.parse(stdout) as Told
  assert.deepEqual(Object.keys(parsed), ['kind', 'script', 'notes'])
  return parsed
}

/** Runs a command that was printed, in a shell, with this instance. */
async function runPrinted(command: string, instance: Instance): Promise<void> {
  const program = join(ROOT, 'bin', 'connectorctl.js')
  const shell = 'connectorctl() { "$program" "$script" "$@" --instance "$instance"; }'
  const whole = `${shell}; ${command}`
  const environment = { program: process.execPath, script: program, instance: instance.folder }
  const { code, stderr } = await runWith(environment, 'bash', '-c', whole)
  assert.equal(code, 0, stderr)
}

for (const [store, make] of STORES) {
  describe(`client-setup with the directory in ${store}`, () => {
    it('tells which connector recognises the certificate, and what heals the trap', async (t) => {
      const instance = await make(t)
      if (instance === null) return
      const certificate = (name: string): string[] => [
        '--certificate',
        instance.path('demo', `${name}.cert.pem`),
      ]
      for (const kind of ['exchange', 'postfix', 'exim']) {
        const { kind: same, notes } = await told(
          kind,
          instance,
          '--organization',
          'Contoso',
          ...certificate('mail.contoso.com'),
        )
        assert.equal(same, kind)
        assert.deepEqual(
          notes.map(({ severity }) => severity),
          ['info', 'info'],
        )
        assert.match(notes[1]?.text ?? '', /"Datacentre Exchange" \(\*\.contoso\.com\) recognises it/)
      }

      const adatum = ['--organization', 'adatum', ...certificate('mail.adatum.com')]
      const { notes, script } = await told('postfix', instance, ...adatum)
      const trap = notes.find(({ severity }) => severity === 'warning')
      assert.match(trap?.text ?? '', /only registered senders may relay, no non-delivery reports/)
      const [command = ''] = trap?.commands ?? []
      assert.match(command, /^connectorctl inbound-connector set 'Hybrid wizard' --organization adatum /)
      assert.ok(script.includes(`\n#     ${command}\n`), 'in a line of its own, to be copied')
      await runPrinted(command, instance)
      const healed = await told('postfix', instance, ...adatum)
      assert.deepEqual(
        healed.notes.map(({ severity }) => severity),
        ['info', 'info'],
      )

      const stranger = ['--organization', 'adatum', ...certificate('mail.contoso.com')]
      const unrecognised = await told('exim', instance, ...stranger)
      assert.match(JSON.stringify(unrecognised.notes), /no inbound connector recognises it/)
      assert.match(JSON.stringify(unrecognised.notes), /another organisation's inbound connector/)
    })
  })
}

describe('client-setup', () => {
  it('prints a script to stdout, and warnings to stderr as well', async (t) => {
    const { folder } = await makeInstance(t)
    const { code, stderr, stdout } = await connectorctl(
      'client-setup',
      'exchange',
      '--instance',
      folder,
      ...TARGET,
    )
    assert.equal(code, 0)
    assert.match(stdout, /^# For Exchange Server 2013 or later/)
    assert.match(stdout, /\$smartHosts = 'smtp\.contoso\.com'\n\$port = 25\n/)
    assert.match(stdout, /\n\$thumbprint = ''\n/)
    assert.deepEqual(
      stderr.split('\n').map((line) => line.slice(0, 72)),
      [
        "connectorctl: warning: the smarthost's own certificate is not for smtp.c",
        "connectorctl: warning: the smarthost's own certificate is self-signed, s",
        '',
      ],
    )
    assert.match(stdout, /\n# - WARNING: the smarthost's own certificate is self-signed, /)
  })

  it('says when the certificate would not count, as where its intermediate is missing or its CA is a stranger', async (t) => {
    const instance = await makeInstance(t)
    const file = instance.path('demo', 'untrusted.mail.contoso.com.cert.pem')
    const { notes } = await told('postfix', instance, '--organization', 'contoso', '--certificate', file)
    assert.match(notes.at(-1)?.text ?? '', /does not count for inbound connector "Datacentre Exchange"/)
  })

  it('reads PKCS#12, and says how Postfix and Exim get PEM out of it', async (t) => {
    const instance = await makeInstance(t)
    const folder = await temporaryFolder(t)
    const file = join(folder, "the company's.pfx")
    const [cert, key] = ['cert', 'key'].map((kind) =>
      instance.path('demo', `mail.contoso.com.${kind}.pem`),
    ) as [string, string]
    await run(
      'openssl',
      'pkcs12',
      '-export',
      '-in',
      cert,
      '-inkey',
      key,
      '-passout',
      'pass:secret',
      '-out',
      file,
    )
    const password = join(folder, 'password')
    await writeFile(password, 'secret\n')
    const flags = ['--organization', 'contoso', '--certificate', file, '--password-file', password]
    const exchange = await told('exchange', instance, ...flags)
    assert.match(exchange.script, /\n\$thumbprint = '[0-9A-F]{40}'\n/)
    assert.equal(exchange.notes.length, 2)

    const own = join(folder, 'key.pem')
    const { notes, script } = await told('postfix', instance, ...flags, '--key', own)
    assert.match(script, /\nsmtp_tls_cert_file = \/etc\/postfix\/smarthost\.cert\.pem\n/)
    const { commands = [], text = '' } = notes.at(-1) ?? {}
    assert.match(text, /^Postfix reads PEM, not PKCS#12/)
    assert.equal(commands.length, 3)
    const last = await run('bash', '-c', `${commands[2] ?? ''} -passin pass:secret`)
    assert.equal(last.code, 0, last.stderr)
    const { stdout } = await run('openssl', 'pkey', '-in', own, '-pubout')
    assert.equal(stdout, (await run('openssl', 'x509', '-in', cert, '-noout', '-pubkey')).stdout)

    const wrong = await connectorctl(
      'client-setup',
      'exchange',
      '--instance',
      instance.folder,
      '--certificate',
      file,
      ...TARGET,
    )
    assert.equal(wrong.code, 1)
    assert.match(wrong.stderr, /is protected by a password: give it with --password-file\n$/)
  })

  it('refuses, in one line, what it cannot do', async (t) => {
    const { folder, path } = await makeInstance(t)
    const control = join(await temporaryFolder(t), 'a\u0007b.pem')
    await writeFile(control, await readFile(path('demo', 'mail.contoso.com.cert.pem')))
    const whole = { '--organization': 'contoso', '--smart-host': 'smtp.contoso.com', '--port': '25' }
    const rows: readonly (readonly [
      kind: string,
      flags: Record<string, string>,
      code: number,
      said: RegExp,
    ])[] = [
      ['sendmail', {}, 2, /'sendmail' is invalid.*exchange, postfix, exim/],
      ['postfix', { '--organization': 'contso' }, 1, /no organisation "contso".*did you mean "contoso"\?$/],
      ['postfix', { '--smart-host': 'a b' }, 2, /--smart-host "a b" is no name and no address/],
      ['postfix', { '--smart-host': 'x\n[evil]:25' }, 2, /--smart-host "x\\x0a\[evil\]:25" is no name/],
      ['postfix', { '--port': '0' }, 2, /--port "0" is no number from 1 to 65535$/],
      ['postfix', { '--port': '65536' }, 2, /--port "65536"/],
      ['postfix', { '--port': '25x' }, 2, /--port "25x"/],
      [
        'postfix',
        { '--smart-host': '192.0.2.1' },
        2,
        /Postfix compares certificates with names only: add --tls-domain/,
      ],
      ['exchange', { '--smart-host': '192.0.2.1' }, 2, /Exchange compares certificates with names only/],
      [
        'exchange',
        { '--smart-host': '2001:db8::1', '--tls-domain': 'x.example' },
        2,
        /IPv6 address.*give a name$/,
      ],
      ['exchange', { '--port': '465' }, 2, /STARTTLS only/],
      ['exchange', { '--key': '/x' }, 2, /--key is for Postfix and Exim/],
      ['exim', { '--tls-domain': 'x.example' }, 2, /give that name as --smart-host/],
      ['exim', { '--key': 'key.pem' }, 2, /--key key\.pem is a path on the sending server/],
      ['exim', { '--ca-file': 'ca.pem' }, 2, /--ca-file ca\.pem is a path on the sending server/],
      ['exim', { '--fqdn': 'a_b' }, 2, /--fqdn "a_b" is no DNS name/],
      ['exim', { '--certificate': '/nowhere' }, 1, /\/nowhere cannot be read: ENOENT$/],
      ['exim', { '--certificate': path('organizations.yaml') }, 1, /holds no certificate$/],
      ['exim', { '--certificate': control }, 1, /path of a file holds control characters.*rename it$/],
      ['exim', { '--instance': '/nowhere' }, 1, /\/nowhere is no instance/],
    ]
    for (const [kind, flags, code, said] of rows) {
      const args = Object.entries({ '--instance': folder, ...whole, ...flags }).flat()
      const ended = await connectorctl('client-setup', kind, ...args)
      assert.equal(ended.code, code, ended.stderr)
      assert.equal(ended.stdout, '')
      assert.equal(ended.stderr.trimEnd().split('\n').length, 1, ended.stderr)
      assert.match(ended.stderr.trimEnd(), said)
    }
  })
})
