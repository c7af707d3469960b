/** The server's side of TLS: sessions that are offered again, renewed certificates, handshakes that fail. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { connect as connectTcp } from 'node:net'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { after, describe, it } from 'node:test'
import { Authority, CA, LEAF } from '../support/authority.ts'
import type { Way } from '../support/presenting.ts'
import { connectPresenting, WAYS } from '../support/presenting.ts'
import { startSmarthost } from '../support/smarthost.ts'
import type { SmtpClient } from '../support/smtp-client.ts'

const authority = new Authority()
after(() => {
  authority.close()
})

const root = authority.make({ name: 'Private root', issuer: null, extensions: CA })
const intermediate = authority.make({ name: 'Private intermediate', issuer: root, extensions: CA })
const mail = authority.make({ name: 'mail.contoso.com', issuer: intermediate })

const secured = (client: SmtpClient): TLSSocket => client.socket as TLSSocket

describe('a session that is offered again', () => {
  it('gives the same identity, with intermediates, on any worker, also after the trust was read anew', async (t) => {
    const server = await startSmarthost(t, {
      config: {
        'connectors.ini': (text) => text.replace('ca = demo-ca.pem', 'ca = private.pem'),
        'smtp.ini': (text) => `${text.replace(/^nodes=.*$/m, '')}\nnodes=2\n`,
      },
      files: { 'private.pem': root.pem },
    })
    const sessions: { way: Way; tls: ConnectionOptions; session: Buffer }[] = []
    for (const way of WAYS) {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        for (const servername of [undefined, 'smarthost.test']) {
          const tls: ConnectionOptions = {
            minVersion: version,
            maxVersion: version,
            ...(servername === undefined ? {} : { servername }),
          }
          const first = await connectPresenting(server, way, [mail, intermediate], tls)
          const offered: Buffer[] = []
          secured(first).on('session', (session) => offered.push(session))
          assert.match(await first.envelope('', 'bob@example.net'), /^250 /)
          const session = offered[0] ?? secured(first).getSession()
          await first.quit()
          if (session !== undefined) sessions.push({ way, tls, session })
        }
      }
    }
    assert.equal(sessions.length, 8)
    const again = async (): Promise<void> => {
      for (const { way, tls, session } of sessions) {
        const client = await connectPresenting(server, way, [mail, intermediate], { ...tls, session })
        assert.match(await client.envelope('', 'bob@example.net'), /^250 /, JSON.stringify([way, tls]))
        await client.quit()
      }
    }
    // The connections go round the two workers.
    await again()
    await again()
    await writeFile(server.path('private.pem'), `${root.pem}\n`)
    await server.printed('the trusted certificates are in force')
    await again()
  })
})

describe("the server's certificate", () => {
  it('is renewed without a restart when both files were written, and open connections stay open', async (t) => {
    const server = await startSmarthost(t)
    const shown = async (way: Way, tls: ConnectionOptions = {}): Promise<string> => {
      const client = await connectPresenting(server, way, [], tls)
      const { subject } = secured(client).getPeerCertificate()
      await client.quit()
      return String(subject.CN)
    }
    const open = await Promise.all(WAYS.map((way) => connectPresenting(server, way)))
    const renewed = authority.make({ name: 'renewed.smarthost.test', issuer: root, key: 'rsa' })
    const before = await shown('STARTTLS')
    await writeFile(server.path('tls_cert.pem'), renewed.pem)
    await server.printed(/is not used, those before stay in force: .*key values mismatch/)
    for (const way of WAYS) assert.equal(await shown(way), before)

    const saved = Date.now()
    await writeFile(server.path('tls_key.pem'), readFileSync(renewed.keyFile))
    await server.printed(
      /the server's certificate is in force: CN=renewed\.smarthost\.test, valid until \d{4}-/,
    )
    assert.ok(Date.now() - saved < 1000, 'within a second')
    for (const way of WAYS) {
      assert.equal(await shown(way), 'renewed.smarthost.test')
      assert.equal(await shown(way, { servername: 'smarthost.test' }), 'renewed.smarthost.test')
    }
    for (const client of open) {
      assert.match(await client.command('NOOP'), /^250 /)
      await client.quit()
    }
  })
})

describe('a handshake that fails', () => {
  /** Lines about TLS. */
  const lines = (text: string): string[] =>
    text.split('\n').filter((line) => line.includes('TLS') && line.includes('] ['))

  it('costs one line of the log that says why, and no stack', async (t) => {
    const server = await startSmarthost(t)
    const names = Array.from({ length: 10_000 }, (_, index) => `DNS:n${index}.contoso.com`).join(',')
    const many = authority.make({
      name: 'mail.contoso.com',
      issuer: null,
      extensions: [...LEAF, `subjectAltName=${names}`],
    })
    let count = 0
    for (const way of WAYS) {
      const port = way === 'STARTTLS' ? server.smtp : server.smtps
      const begin = async (): Promise<ReturnType<typeof connectTcp>> => {
        const socket = connectTcp(port, '127.0.0.1')
        socket.on('error', () => undefined)
        await once(socket, 'connect')
        if (way !== 'STARTTLS') return socket
        for (const command of ['', 'EHLO client.test\r\n', 'STARTTLS\r\n']) {
          socket.write(command)
          await once(socket, 'data')
        }
        return socket
      }
      const clients: [what: string, act: () => Promise<void>, why: RegExp][] = [
        [
          'it goes away',
          async () => {
            ;(await begin()).destroy()
          },
          /the client went away/,
        ],
        [
          'it goes away in the middle',
          async () => {
            const socket = await begin()
            socket.end(Buffer.from('16030100', 'hex'))
          },
          /the client went away/,
        ],
        [
          'it speaks something else',
          async () => {
            ;(await begin()).write('GET / HTTP/1.0\r\n\r\n')
          },
          /http request/,
        ],
        [
          'its certificate is too large for OpenSSL',
          async () => {
            await assert.rejects(connectPresenting(server, way, [many]))
          },
          /excessive message size/i,
        ],
      ]
      for (const [what, act, why] of clients) {
        await act()
        count += 1
        await server.printed(new RegExp(`(?:the TLS handshake failed[^]*){${count}}`))
        const found = lines(server.output())
        assert.equal(found.length, count, `${way}, ${what}: ${found.join('\n')}`)
        assert.match(found.at(-1) ?? '', why, `${way}, ${what}`)
        assert.match(found.at(-1) ?? '', /\[NOTICE\].*the TLS handshake failed ip=127\.0\.0\.1/)
      }
    }
    assert.equal(lines(server.output()).length, count)
    assert.doesNotMatch(server.output(), /\n\s+at /)
  })
})
