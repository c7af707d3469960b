/** What connectorctl doctor sees on the ports of an instance: its own server, and what stands in its place. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import type { Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { after, describe, it } from 'node:test'
import { createSecureContext, createServer as createTlsServer, TLSSocket } from 'node:tls'
import type { Doctored, StillInstance } from '../support/doctor.ts'
import { doctor, examined, Moulds } from '../support/doctor.ts'
import { atEnd, startSmarthost } from '../support/smarthost.ts'

const moulds = new Moulds()
after(() => moulds.remove())

async function listening(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(t, () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Answers each line by what stands for its first word, '' being the greeting. */
function speaking(replies: Readonly<Record<string, string>>, startTls?: (socket: Socket) => void): Server {
  return createServer((socket) => {
    socket.write(replies[''] ?? '')
    socket.on('data', (chunk: Buffer) => {
      const [verb = ''] = chunk.toString().trim().split(' ')
      socket.write(replies[verb] ?? '500 what?\r\n')
      if (verb !== 'STARTTLS' || startTls === undefined) return
      socket.removeAllListeners('data')
      startTls(socket)
    })
  })
}

const GREETING = { '': '220 hello\r\n', EHLO: '250-hello\r\n250 STARTTLS\r\n', STARTTLS: '220 go on\r\n' }

async function withPorts(t: TestContext, smtp: number, smtps: number): Promise<Doctored> {
  const instance = await moulds.copy(t, null)
  const lines = [
    `listen=127.0.0.1:${smtp}${smtps === 0 ? '' : `,127.0.0.1:${smtps}`}`,
    `smtps_port=${smtps}`,
    '',
  ]
  await writeFile(instance.path('smtp.ini'), lines.join('\n'))
  return examined(instance.folder)
}

async function contextOf({ path }: StillInstance): Promise<ReturnType<typeof createSecureContext>> {
  return createSecureContext({
    key: await readFile(path('tls_key.pem')),
    cert: await readFile(path('tls_cert.pem')),
  })
}

describe('connectorctl doctor, of the ports,', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`finds nothing wrong with the server itself, by ${version} at the least`, async (t) => {
      const { folder } = await startSmarthost(t, {
        config: { 'tls.ini': (text) => text.replace('minVersion=TLSv1.2', `minVersion=${version}`) },
      })
      const { findings, of } = await doctor(folder)
      const about =
        /^(?:not-running|listener-refused|starttls-not-offered|certificate-not-requested|tls-failed)$/
      assert.deepEqual(
        findings.filter(({ code }) => about.test(code)),
        [],
      )
      // Nothing was asked that is decided.
      assert.match(of('journal-coverage')[0]?.evidence ?? '', /it holds no decision at all$/)
    })
  }

  it('finds that a client of a listed proxy is refused', async (t) => {
    const { folder } = await startSmarthost(t, {
      config: { 'connection.ini': (text) => text.replace('hosts[] =', 'hosts[] = 127.0.0.1') },
    })
    const { of } = await doctor(folder)
    assert.equal(of('listener-refused').length > 0, true)
    assert.equal(of('listener-refused')[0]?.severity, 'warning')
  })

  it('finds a port that does not offer STARTTLS', async (t) => {
    const port = await listening(t, speaking({ '': '220 hello\r\n', EHLO: '250-hello\r\n250 8BITMIME\r\n' }))
    const [found] = (await withPorts(t, port, 0)).of('starttls-not-offered')
    assert.equal(found?.severity, 'error')
    assert.match(found?.evidence ?? '', /^127\.0\.0\.1:\d+: 250-hello\\x0a250 8BITMIME$/)
  })

  it('finds handshakes that ask for no certificate, after STARTTLS and without it', async (t) => {
    const secureContext = await contextOf(await moulds.copy(t, null))
    const server = speaking(GREETING, (socket) => {
      new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => undefined)
    })
    const implicit = createTlsServer(
      { SNICallback: (_name, done) => done(null, secureContext) },
      (socket) => {
        socket.on('error', () => undefined)
        socket.write('220 hello\r\n')
      },
    )
    implicit.setSecureContext({
      key: await readFile((await moulds.copy(t, null)).path('tls_key.pem')),
      cert: await readFile((await moulds.copy(t, null)).path('tls_cert.pem')),
    })
    // Of two instances the keys are the same: they are copies.
    const found = await withPorts(t, await listening(t, server), await listening(t, implicit))
    assert.deepEqual(
      found
        .of('certificate-not-requested')
        .map(({ evidence, severity }) => [severity, evidence.replace(/:\d+:/, ':')]),
      [
        ['error', '127.0.0.1: TLSv1.3'],
        ['error', '127.0.0.1: TLSv1.3'],
      ],
    )
  })

  it('finds a handshake that fails', async (t) => {
    const port = await listening(
      t,
      speaking(GREETING, (socket) => socket.end('what?\r\n')),
    )
    const [found] = (await withPorts(t, port, 0)).of('tls-failed')
    assert.equal(found?.severity, 'error')
  })

  it('ends when a port takes the connection and says nothing', async (t) => {
    const port = await listening(t, createServer())
    assert.match(
      (await withPorts(t, port, 0)).of('listener-refused')[0]?.evidence ?? '',
      /^127\.0\.0\.1:\d+: it does not answer in time$/,
    )
  })
})
