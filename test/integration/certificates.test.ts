/** Certificates of real clients, over real handshakes, and connectorctl certificate. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Authority, CA, LEAF } from '../support/authority.ts'
import { askPresenting, WAYS } from '../support/presenting.ts'
import type { Smarthost } from '../support/smarthost.ts'
import { connectorctl, freePort, run, startSmarthost } from '../support/smarthost.ts'

const authority = new Authority()
after(() => {
  authority.close()
})

const root = authority.make({ name: 'Private root', issuer: null, extensions: CA })
const intermediate = authority.make({ name: 'Private intermediate', issuer: root, extensions: CA })
const mail = authority.make({ name: 'mail.contoso.com', issuer: intermediate })
const other = authority.make({ name: 'Another root', issuer: null, extensions: CA })

const privateCa = {
  'connectors.ini': (text: string): string =>
    text.replace('ca = demo-ca.pem', 'ca = demo-ca.pem, private.pem'),
}

async function start(t: Parameters<typeof startSmarthost>[0]): Promise<Smarthost> {
  return startSmarthost(t, {
    config: privateCa,
    files: { 'private.pem': root.pem },
  })
}

describe('a client certificate', () => {
  it('made for serverAuth only counts with its intermediates in any order, and the journal says why another does not', async (t) => {
    const server = await start(t)
    const self = authority.make({ name: 'mail.contoso.com', issuer: null })
    const wrong = authority.make({
      name: 'mail.contoso.com',
      issuer: intermediate,
      extensions: [...LEAF.slice(0, 2), 'extendedKeyUsage=codeSigning'],
    })
    for (const way of WAYS) {
      assert.match(await askPresenting(server, way, [mail, intermediate]), /^250 /)
      assert.match(await askPresenting(server, way, [mail, other, root, intermediate]), /^250 /)
      for (const [presented, why] of [
        [[mail], 'intermediate-missing: its issuer CN=Private intermediate was not presented'],
        [[self], 'self-signed: CN=mail.contoso.com is no trusted CA'],
        [[wrong, intermediate], 'extended-key-usage: it permits codeSigning only'],
      ] as const) {
        const reply = await askPresenting(server, way, presented)
        assert.match(reply, /TenantAttribution.*\[certificate-not-verified /)
        const id = /\[\S+ (\S+)\]$/.exec(reply)?.[1] ?? ''
        const { stdout } = await connectorctl('journal', '--instance', server.folder, '--id', id)
        assert.ok(stdout.includes(why), stdout)
      }
    }
  })

  it('is probed as its server would present it: what was said, what came back, what follows', async (t) => {
    const server = await start(t)
    const chain = join(authority.folder, 'chain.pem')
    await writeFile(chain, mail.pem + intermediate.pem)
    for (const [port, more] of [
      [server.smtp, []],
      [server.smtps, ['--implicit-tls']],
    ] as const) {
      const target = `127.0.0.1:${port}`
      const own = ['--key', mail.keyFile, '--instance', server.folder, ...more]
      const good = await connectorctl('certificate', 'probe', target, '--certificate', chain, ...own)
      assert.equal(good.code, 0, good.stdout + good.stderr)
      assert.match(good.stdout, /\* TLSv1\.3, /)
      assert.match(good.stdout, /presented to it: CN=mail\.contoso\.com <- CN=Private intermediate/)
      assert.match(good.stdout, /> RCPT TO:<nobody@example\.com>\n< 250 /)
      assert.match(good.stdout, /the certificate counts\n.*connector "Datacentre Exchange" of contoso/)
      const bad = await connectorctl('certificate', 'probe', target, '--certificate', mail.file, ...own)
      assert.equal(bad.code, 1)
      assert.match(bad.stdout, /Reason: certificate-not-verified: /)
      assert.match(bad.stdout, /the certificate does not count: intermediate-missing: /)
      const none = await connectorctl('certificate', 'probe', target, ...more, '--json')
      const { accepted, reason, tls } = JSON.parse(none.stdout) as Record<string, unknown>
      assert.deepEqual([none.code, accepted, reason], [1, false, 'no-certificate'])
      assert.ok(tls !== null)
    }
    // They expire in 30 days.
    await server.printed(/the certificate of mail\.contoso\.com \(127\.0\.0\.1, .* expires on /)
    const checked = await connectorctl('check', '--instance', server.folder)
    assert.match(
      checked.stdout,
      /data\/expiring: warning: the certificate of mail\.contoso\.com .* expires on /,
    )
  })

  it('is probed in vain where nobody listens, speaks TLS or answers, and with bad flags', async (t) => {
    const silent = createServer().listen(0, '127.0.0.1')
    t.after(() => silent.close())
    const rude = createServer((socket) => socket.end('220 hello\r\n500 no\r\n')).listen(0, '127.0.0.1')
    t.after(() => rude.close())
    await Promise.all([once(silent, 'listening'), once(rude, 'listening')])
    const port = (server: typeof silent): number => (server.address() as AddressInfo).port
    const free = await freePort()
    for (const [args, code, text] of [
      [[`127.0.0.1:${free}`], 1, /It failed: .*ECONNREFUSED/],
      [
        [`127.0.0.1:${port(silent)}`, '--timeout', '1'],
        1,
        /It failed: the greeting took longer than 1 seconds/,
      ],
      [[`127.0.0.1:${port(rude)}`], 1, /It failed: EHLO .* was answered: 500 no/],
      [['127.0.0.1'], 2, /is no HOST:PORT/],
      [['127.0.0.1:70000'], 2, /is no HOST:PORT/],
      [['127.0.0.1:25', '--timeout', 'x'], 2, /no number of seconds/],
      [['127.0.0.1:25', '--certificate', mail.file], 2, /belong together/],
      [['127.0.0.1:25', '--from', 'a\r\nDATA'], 2, /line break/],
      [['127.0.0.1:25', '--certificate', '/nowhere', '--key', '/nowhere'], 1, /cannot be read: ENOENT/],
    ] as const) {
      const { code: got, stderr, stdout } = await connectorctl('certificate', 'probe', ...args)
      assert.match(stdout + stderr, text)
      assert.equal(got, code, args.join(' '))
    }
  })

  it('is asked for without the name of any CA', async (t) => {
    const server = await start(t)
    const { stdout } = await run(
      'bash',
      '-c',
      `openssl s_client -connect 127.0.0.1:${server.smtps} < /dev/null 2>&1`,
    )
    assert.match(stdout, /No client certificate CA names sent/)
  })

  it('counts as soon as its CA is trusted, and no more when it is not; a bad file changes nothing', async (t) => {
    const server = await start(t)
    const stranger = authority.make({ name: 'mail.contoso.com', issuer: other })
    assert.match(await askPresenting(server, 'STARTTLS', [stranger]), /certificate-not-verified/)
    const saved = Date.now()
    await writeFile(server.path('private.pem'), root.pem + other.pem)
    await server.printed('the trusted certificates are in force')
    assert.ok(Date.now() - saved < 1000, 'within a second')
    assert.match(await askPresenting(server, 'STARTTLS', [stranger]), /^250 /)

    await writeFile(
      server.path('private.pem'),
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    )
    await server.printed(
      /are not used, those before stay in force: .*private\.pem holds a damaged certificate/,
    )
    assert.match(await askPresenting(server, 'STARTTLS', [stranger]), /^250 /)
  })

  it('counts no more when a list that is added names it', async (t) => {
    const server = await start(t)
    assert.match(await askPresenting(server, 'STARTTLS', [mail, intermediate]), /^250 /)
    await writeFile(server.path('private.crl'), authority.revoke(intermediate, [mail]))
    const ini = server.path('connectors.ini')
    await writeFile(ini, (await readFile(ini, 'utf8')).replace('crl =', 'crl = private.crl'))
    await server.printed('the trusted certificates are in force')
    const reply = await askPresenting(server, 'STARTTLS', [mail, intermediate])
    assert.match(reply, /certificate-not-verified/)
  })
})

describe('connectorctl certificate', () => {
  const json = async (...args: string[]): Promise<{ code: number | null; told: unknown }> => {
    const { code, stdout } = await connectorctl('certificate', 'verify', '--json', ...args)
    return { code, told: JSON.parse(stdout) as unknown }
  }

  it('verify finds a path, or says what is wrong, with exit codes 0 and 1', async () => {
    assert.deepEqual(
      await json('--certificate', mail.file, '--chain', intermediate.file, '--ca', root.file),
      {
        code: 0,
        told: {
          ok: true,
          reason: null,
          names: ['mail.contoso.com'],
          path: ['CN=mail.contoso.com', 'CN=Private intermediate', 'CN=Private root'],
        },
      },
    )
    const whole = ['--certificate', mail.file, '--chain', intermediate.file, '--ca', root.file]
    const fails = async (reason: string, ...args: string[]): Promise<void> => {
      const { code, told } = await json(...args)
      assert.equal(code, 1)
      assert.deepEqual([(told as { ok: boolean }).ok, (told as { reason: string }).reason], [false, reason])
    }
    await fails('intermediate-missing', '--certificate', mail.file, '--ca', root.file)
    await fails('intermediate-missing', '--certificate', mail.file, '--system-ca')
    await fails('expired', ...whole, '--at', '2040-01-01T00:00:00Z')
    await fails('extended-key-usage', ...whole, '--accept-eku', 'clientAuth')
    await fails('unreadable-file', '--certificate', join(authority.folder, 'none.pem'))
    const list = join(authority.folder, 'revoked.crl')
    await writeFile(list, authority.revoke(intermediate, [mail]))
    await fails('revoked', ...whole, '--crl', list)
    const told = await connectorctl('certificate', 'verify', '--certificate', mail.file, '--ca', root.file)
    assert.match(told.stdout, /It does not count: intermediate-missing: /)
  })

  it('verify takes 10,000 names, and one more is told as a bound that was met', async () => {
    const names = (count: number): string =>
      Array.from({ length: count }, (_, index) => `DNS:n${index}.contoso.com`).join(',')
    for (const [count, code, reason] of [
      [10_000, 0, null],
      [10_001, 1, 'too-many-names'],
    ] as const) {
      const extensions = [...LEAF, `subjectAltName=${names(count)}`]
      const { file } = authority.make({ name: 'Mail', issuer: root, extensions })
      const flags = ['--certificate', file, '--ca', root.file, '--json']
      const verified = await connectorctl('certificate', 'verify', ...flags)
      const told = JSON.parse(verified.stdout) as { reason: string | null; names: string[] }
      assert.deepEqual([verified.code, told.reason], [code, reason])
      assert.equal(told.names.length, 10_000)
    }
  })

  it('answers wrong flags in one line with exit code 2', async () => {
    for (const [args, pattern] of [
      [['--certificate', mail.file, '--at', 'noon'], /--at "noon" is no time/],
      [['--certificate', mail.file, '--accept-eku', 'mail'], /--accept-eku "mail" is none of/],
      [['--certificate', mail.file, '--ca', root.file, '--system-ca'], /cannot be used with option/],
      [[], /required option '--certificate <file>'/],
    ] as const) {
      const { code, stderr } = await connectorctl('certificate', 'verify', ...args)
      assert.equal(code, 2)
      assert.match(stderr, pattern)
      assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
    }
  })

  it('inspect tells what it is, whom it would be, and the trap', async (t) => {
    const server = await start(t)
    const trapped = authority.make({ name: 'mail.adatum.com', issuer: root })
    const { code, stdout } = await connectorctl(
      'certificate',
      'inspect',
      mail.file,
      trapped.file,
      '--instance',
      server.folder,
    )
    assert.equal(code, 0)
    assert.match(stdout, /subject: +CN=mail\.contoso\.com/)
    assert.match(stdout, /validity: .*\(29 days left\)/)
    assert.match(stdout, /"Datacentre Exchange" of contoso \(\*\.contoso\.com\): condition \(b\) holds/)
    assert.match(
      stdout,
      /"Hybrid wizard" of adatum \(mail\.adatum\.com\): the trap: mail\.adatum\.com is no accepted domain/,
    )
    const { code: missing, stderr } = await connectorctl(
      'certificate',
      'inspect',
      join(authority.folder, 'none.pem'),
    )
    assert.equal(missing, 1)
    assert.match(stderr, /none\.pem cannot be read: ENOENT/)
  })
})
