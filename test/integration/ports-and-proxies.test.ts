/** Ports on which Haraka wants AUTH, and proxies that speak for others. */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { certificateFiles, SmtpClient } from '../support/smtp-client.ts'
import type { Smarthost } from '../support/smarthost.ts'
import { startSmarthost } from '../support/smarthost.ts'

const OUT = 'bob@example.net'
const BRANCH = '127.0.10.7'
/** The only listed proxy in these tests. */
const PROXY = '127.0.20.1'

const withProxy = (text: string): string => text.replace('hosts[] =', `hosts[] = ${PROXY}`)

function reason(reply: string): string {
  return /\[(\S+) [0-9A-F-]+\.\d+\]$/.exec(reply)?.[1] ?? reply.slice(0, 3)
}

async function startBehindProxy(t: TestContext): Promise<Smarthost> {
  return startSmarthost(t, {
    config: {
      'connection.ini': withProxy,
      // The proxy's own address is in a connector's range, and must not count.
      'organizations.yaml': (text) => text.replace('[127.0.10.0/24]', '[127.0.10.0/24, 127.0.20.0/24]'),
    },
  })
}

describe('ports 465 and 587', () => {
  it('take mail without AUTH from a matched connector, and deny the others with our reply', async (t) => {
    // Ports below 1024 on an address of its own: nobody else listens there.
    const server = await startSmarthost(t, { host: '127.0.65.87', smtp: 587, smtps: 465 })
    const certificate = certificateFiles(server.path('demo'), 'mail.contoso.com')
    for (const [port, implicitTls] of [
      [587, false],
      [465, true],
    ] as const) {
      const trusted = await SmtpClient.connect({ host: server.host, port, implicitTls, certificate })
      await trusted.greet(!implicitTls)
      assert.equal(reason(await trusted.envelope('', OUT)), '250')
      assert.match(await trusted.message('Subject: by certificate\r\n\r\nhello\r\n'), /^250 /)
      assert.equal(reason(await trusted.envelope('kate@contoso.com', OUT)), '250')
      await trusted.quit()
      const stranger = await SmtpClient.connect({ host: server.host, port, implicitTls })
      await stranger.greet(!implicitTls)
      assert.equal(reason(await stranger.envelope('', OUT)), 'no-certificate')
      assert.match(await stranger.command('MAIL FROM:<nonsense'), /^501/)
      await stranger.quit()
    }
  })

  it('are the same when they are the destination in a PROXY header', async (t) => {
    const server = await startBehindProxy(t)
    for (const destination of [465, 587]) {
      const client = await SmtpClient.connect({
        port: server.smtp,
        localAddress: PROXY,
        preamble: `PROXY TCP4 ${BRANCH} 192.0.2.25 40000 ${destination}\r\n`,
      })
      await client.ehlo()
      assert.equal(reason(await client.envelope('scan@contoso.com', OUT)), '250')
      assert.match(await client.command('RSET'), /^250/)
      assert.equal(reason(await client.envelope('', OUT)), 'null-sender')
      await client.quit()
    }
  })
})

describe('behind a proxy', () => {
  it('the address of the PROXY header counts, over every way of connecting', async (t) => {
    const server = await startBehindProxy(t)
    const from = async (source: string, implicitTls: boolean): Promise<string> => {
      const client = await SmtpClient.connect({
        port: implicitTls ? server.smtps : server.smtp,
        localAddress: PROXY,
        implicitTls,
        preamble: `PROXY TCP4 ${source} 192.0.2.25 40000 25\r\n`,
      })
      await client.greet(!implicitTls)
      const reply = reason(await client.envelope('scan@contoso.com', OUT))
      await client.quit()
      return reply
    }
    for (const implicitTls of [false, true]) {
      assert.equal(await from(BRANCH, implicitTls), '250')
      assert.equal(await from('192.0.2.99', implicitTls), 'no-certificate')
      assert.equal(await from(PROXY, implicitTls), 'no-certificate', "the proxy's own address is nobody's")
    }
  })

  it('the client certificate counts as well', async (t) => {
    const server = await startBehindProxy(t)
    const client = await SmtpClient.connect({
      port: server.smtp,
      localAddress: PROXY,
      preamble: 'PROXY TCP6 2001:db8::7 2001:db8::25 40000 25\r\n',
      certificate: certificateFiles(server.path('demo'), 'mail.contoso.com'),
    })
    await client.greet(true)
    assert.equal(reason(await client.envelope('', OUT)), '250')
    await client.quit()
  })

  it('a PROXY header from anybody else is refused', async (t) => {
    const server = await startBehindProxy(t)
    const client = await SmtpClient.connect({ port: server.smtp, localAddress: '127.0.30.1' })
    assert.match(await client.command(`PROXY TCP4 ${BRANCH} 192.0.2.25 40000 25`), /^421 /)
    assert.ok(await client.closed())
    await assert.rejects(
      SmtpClient.connect({
        port: server.smtps,
        implicitTls: true,
        localAddress: '127.0.30.1',
        preamble: `PROXY TCP4 ${BRANCH} 192.0.2.25 40000 25\r\n`,
      }),
    )
  })

  it('a client behind the proxy cannot say with a header of its own that it is another', async (t) => {
    const server = await startBehindProxy(t)
    const own = `PROXY TCP4 ${BRANCH} 192.0.2.25 40000 25`
    const behind = (more: string, implicitTls = false): Promise<SmtpClient> =>
      SmtpClient.connect({
        port: implicitTls ? server.smtps : server.smtp,
        localAddress: PROXY,
        implicitTls,
        preamble: `PROXY TCP4 192.0.2.99 192.0.2.25 40000 25\r\n${more}`,
        silent: true,
      })
    for (const implicitTls of [false, true]) {
      for (const greeted of [false, true]) {
        const client = await behind('', implicitTls)
        await client.expect(/^220 /)
        if (greeted) await client.ehlo()
        assert.match(await client.command(own), /^421 /)
        assert.ok(await client.closed())
      }
    }
    const afterTls = await behind('')
    await afterTls.expect(/^220 /)
    await afterTls.greet(true)
    assert.match(await afterTls.command(own), /^421 /)
    // In one packet with the header of the proxy, before the greeting.
    const hasty = await behind(`${own}\r\nEHLO client.test\r\n`)
    const said = [await hasty.reply(), await hasty.reply()].join('\n')
    assert.doesNotMatch(said, /^250/m)
    await server.printed(/a client behind a proxy sent a PROXY header .*ip=192\.0\.2\.99/)
  })

  it('a health check that names the proxy itself leaves no lines in the log, a client behind it does', async (t) => {
    const server = await startBehindProxy(t)
    for (const source of [PROXY, '192.0.2.98']) {
      const preamble = `PROXY TCP4 ${source} 192.0.2.25 40000 25\r\n`
      const client = await SmtpClient.connect({ port: server.smtp, localAddress: PROXY, preamble })
      await client.ehlo()
      await client.quit()
    }
    await server.printed(/disconnect ip=192\.0\.2\.98/)
    assert.doesNotMatch(server.output(), new RegExp(`connect ip=${PROXY}`))
  })

  it('a listed proxy without a valid header gets 421 and is closed, on both ports', async (t) => {
    const server = await startBehindProxy(t)
    for (const preamble of [
      'EHLO proxy.test\r\n',
      'PROXY NONSENSE\r\n',
      'PROXY UNKNOWN\r\n',
      '\r\n',
      'x'.repeat(200),
    ]) {
      const client = await SmtpClient.connect({
        port: server.smtp,
        localAddress: PROXY,
        preamble,
        silent: true,
      })
      assert.match(await client.reply(), /^421 /, JSON.stringify(preamble))
      assert.ok(await client.closed())
    }
    const client = await SmtpClient.connect({
      port: server.smtps,
      localAddress: PROXY,
      implicitTls: true,
      silent: true,
    })
    assert.match(await client.reply(), /^421 /)
    assert.ok(await client.closed())
  })
})
