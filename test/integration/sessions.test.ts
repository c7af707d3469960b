/** One running smarthost, and everything a client can do on a connection that bears on who it is. */

import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import type { TLSSocket } from 'node:tls'
import type { ClientOptions } from '../support/smtp-client.ts'
import { certificateFiles, SmtpClient } from '../support/smtp-client.ts'
import type { Smarthost } from '../support/smarthost.ts'
import { makeInstance, startInstance, startSmarthost } from '../support/smarthost.ts'

const OUT = 'bob@example.net'
const BRANCH = '127.0.10.7'

type Way = 'plain text' | 'STARTTLS' | 'implicit TLS'

async function connect(
  server: Smarthost,
  way: Way,
  certificate: string | null,
  more: Partial<ClientOptions> = {},
): Promise<SmtpClient> {
  const client = await SmtpClient.connect({
    port: way === 'implicit TLS' ? server.smtps : server.smtp,
    implicitTls: way === 'implicit TLS',
    ...(certificate === null ? {} : { certificate: certificateFiles(server.path('demo'), certificate) }),
    ...more,
  })
  await client.greet(way === 'STARTTLS')
  return client
}

/** The reason code at the end of a denial, or the code of an acceptance. */
function outcome(reply: string): string {
  return /\[(\S+) [0-9A-F-]+\.\d+\]$/.exec(reply)?.[1] ?? reply.slice(0, 3)
}

async function ask(
  server: Smarthost,
  way: Way,
  certificate: string | null,
  more: Partial<ClientOptions> = {},
): Promise<string> {
  const client = await connect(server, way, certificate, more)
  const reply = outcome(await client.envelope('', OUT))
  await client.quit()
  return reply
}

async function journal(server: Smarthost): Promise<string> {
  const folder = join(server.folder, 'data', 'journal')
  const files = await readdir(folder)
  return (await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')))).join('')
}

describe('identity over every way of connecting', () => {
  it('is the same over STARTTLS and implicit TLS, with TLS 1.2 and 1.3', async (t: TestContext) => {
    const server = await startSmarthost(t)
    for (const way of ['STARTTLS', 'implicit TLS'] as const) {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const tls = { tls: { minVersion: version, maxVersion: version } }
        assert.equal(await ask(server, way, 'mail.contoso.com', tls), '250', `${way} ${version}`)
        assert.equal(await ask(server, way, null, tls), 'no-certificate')
        assert.equal(await ask(server, way, 'untrusted.mail.contoso.com', tls), 'certificate-not-verified')
        assert.equal(await ask(server, way, 'mail.fabrikam.com', tls), 'no-connector-for-certificate')
        assert.equal(await ask(server, way, 'mail.adatum.com', tls), 'certificate-domain-not-accepted')
      }
    }
    assert.equal(await ask(server, 'plain text', null), 'no-tls')
    assert.equal(await ask(server, 'plain text', null, { localAddress: BRANCH }), 'null-sender')
  })

  it('survives a session that is offered for resumption, and never comes from one without a certificate', async (t) => {
    const server = await startSmarthost(t)
    for (const way of ['STARTTLS', 'implicit TLS'] as const) {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        for (const certificate of ['mail.contoso.com', null]) {
          const options = { minVersion: version, maxVersion: version } as const
          const sessions: Buffer[] = []
          const first = await connect(server, way, certificate, { tls: options })
          ;(first.socket as TLSSocket).on('session', (session) => sessions.push(session))
          const expected = outcome(await first.envelope('', OUT))
          assert.equal(expected, certificate === null ? 'no-certificate' : '250')
          const session = sessions[0] ?? (first.socket as TLSSocket).getSession()
          await first.quit()
          const again = await connect(server, way, certificate, {
            tls: { ...options, ...(session === undefined ? {} : { session }) },
          })
          assert.equal(outcome(await again.envelope('', OUT)), expected, `${way} ${version}`)
          await again.quit()
        }
      }
    }
  })

  it('asks the same CAs whichever name the client gives (SNI), also where config/tls/ has a certificate for it', async (t) => {
    const instance = await makeInstance(t)
    const other = certificateFiles(instance.path('demo'), 'mail.fabrikam.com')
    await mkdir(instance.path('tls'))
    await writeFile(instance.path('tls', 'other.pem'), `${other.key}\n${other.cert}\n`)
    const server = await startInstance(t, instance)
    const client = await connect(server, 'STARTTLS', null, { tls: { servername: 'mail.fabrikam.com' } })
    assert.equal((client.socket as TLSSocket).getPeerCertificate().subject.CN, 'mail.fabrikam.com')
    await client.quit()
    for (const servername of ['smarthost.test', 'mail.fabrikam.com', 'nobody.example']) {
      assert.equal(await ask(server, 'STARTTLS', 'mail.contoso.com', { tls: { servername } }), '250')
      assert.equal(
        await ask(server, 'implicit TLS', 'untrusted.mail.contoso.com', { tls: { servername } }),
        'certificate-not-verified',
      )
    }
  })
})

describe('several messages on one connection', () => {
  it('decides each recipient for itself: one granted, the next not', async (t) => {
    const server = await startSmarthost(t)
    const client = await connect(server, 'plain text', null)
    assert.equal(outcome(await client.envelope('john@example.net', 'kate@contoso.com')), '250')
    assert.equal(outcome(await client.command(`RCPT TO:<${OUT}>`)), 'no-tls')
    assert.equal(outcome(await client.command('RCPT TO:<u%example.net@contoso.com>')), 'routing-characters')
    assert.equal(outcome(await client.command('RCPT TO:<"u@example.net"@contoso.com>')), 'routing-characters')
    assert.equal(outcome(await client.command('RCPT TO:<@a.example:kate@contoso.com>')), 'source-route')
    assert.equal(outcome(await client.command('RCPT TO:<postmaster>')), '250')
    assert.match(await client.message('Subject: two of six\r\n\r\nhello\r\n'), /^250 2\.0\.0 /)
    await server.printed(/arrived at the sink: from <john@example\.net> to .*kate@contoso\.com.*two of six/)
    await client.quit()
  })

  it('never lets a grant in one transaction feed the next, also with respect_relaying = true', async (t) => {
    const server = await startSmarthost(t, {
      config: {
        'connectors.ini': (text) => text.replace('respect_relaying = false', 'respect_relaying = true'),
      },
    })
    const client = await connect(server, 'plain text', null, { localAddress: BRANCH })
    assert.equal(outcome(await client.envelope('scan@contoso.com', OUT)), '250')
    assert.equal(outcome(await client.command(`RCPT TO:<another@example.net>`)), '250')
    assert.match(await client.command('RSET'), /^250/)
    assert.equal(outcome(await client.envelope('app@fabrikam.com', OUT)), 'sender-domain-not-accepted')
    assert.match(await client.command('RSET'), /^250/)
    assert.equal(outcome(await client.envelope('scan@contoso.com', OUT)), '250')
    assert.match(await client.message('Subject: third\r\n\r\nhello\r\n'), /^250 /)
    assert.equal(outcome(await client.envelope('', OUT)), 'null-sender')
    await client.quit()
  })

  it('takes pipelined commands one by one', async (t) => {
    const server = await startSmarthost(t)
    const client = await connect(server, 'STARTTLS', 'mail.contoso.com')
    client.write(
      [
        'MAIL FROM:<>',
        `RCPT TO:<${OUT}>`,
        'RCPT TO:<@x:y@z.example>',
        'RCPT TO:<kate@contoso.com>',
        'DATA',
        '',
      ].join('\r\n'),
    )
    const replies = [
      await client.reply(),
      await client.reply(),
      await client.reply(),
      await client.reply(),
      await client.reply(),
    ]
    assert.deepEqual(
      replies.map((reply) => reply.slice(0, 3)),
      ['250', '250', '501', '250', '354'],
    )
    client.write('Subject: pipelined\r\n\r\nhello\r\n.\r\n')
    assert.match(await client.reply(), /^250 /)
    client.write(
      ['MAIL FROM:<a@fabrikam.com>', 'RCPT TO:<bob>', 'RSET', 'MAIL FROM:<>', `RCPT TO:<${OUT}>`, ''].join(
        '\r\n',
      ),
    )
    const second = [
      await client.reply(),
      await client.reply(),
      await client.reply(),
      await client.reply(),
      await client.reply(),
    ]
    assert.deepEqual(
      second.map((reply) => reply.slice(0, 3)),
      ['250', '501', '250', '250', '250'],
    )
    await client.quit()
  })

  it('forgets at STARTTLS what it knew before', async (t) => {
    const server = await startSmarthost(t)
    const client = await connect(server, 'plain text', 'mail.contoso.com', { localAddress: BRANCH })
    assert.equal(outcome(await client.envelope('', OUT)), 'null-sender')
    await client.starttls()
    assert.match(await client.command('MAIL FROM:<>'), /^503/)
    await client.ehlo()
    assert.equal(outcome(await client.envelope('', OUT)), '250')
    await client.quit()
    const text = await journal(server)
    assert.match(text, /"state":"no-tls"[^\n]*null-sender/)
    assert.match(text, /"state":"verified"[^\n]*certificate-domain-accepted/)
  })

  it('sees a change of the directory at the next transaction of an open connection', async (t) => {
    const server = await startSmarthost(t)
    const client = await connect(server, 'STARTTLS', 'mail.adatum.com')
    assert.equal(outcome(await client.envelope('', OUT)), 'certificate-domain-not-accepted')
    assert.match(await client.command('RSET'), /^250/)
    const file = server.path('organizations.yaml')
    const text = await readFile(file, 'utf8')
    const saved = Date.now()
    await writeFile(
      file,
      text.replace('tlsSenderCertificateName: mail.adatum.com', 'tlsSenderCertificateName: "*.adatum.com"'),
    )
    await server.printed('organizations.yaml is in force')
    assert.ok(Date.now() - saved < 1000, 'within a second')
    assert.equal(outcome(await client.envelope('', OUT)), '250')
    assert.match(await client.command('RSET'), /^250/)

    await writeFile(file, text.replace('connectorType: OnPremises', 'connectorType: OnPremisess'))
    await server.printed(/organizations\.yaml cannot be used, revision \w+ stays in force: .*OnPremisess/)
    assert.equal(outcome(await client.envelope('', OUT)), '250')
    await client.quit()
  })
})
