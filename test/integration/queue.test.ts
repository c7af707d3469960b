/** Nothing that was accepted is lost: a next hop that is down, a restart, a stop in the middle, a full disk. */

import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startTestSink } from '../support/sink.ts'
import type { Smarthost } from '../support/smarthost.ts'
import { freePort, makeInstance, startInstance, startSmarthost } from '../support/smarthost.ts'
import { certificateFiles, SmtpClient } from '../support/smtp-client.ts'

async function connect(server: Smarthost): Promise<SmtpClient> {
  const client = await SmtpClient.connect({
    port: server.smtp,
    certificate: certificateFiles(server.path('demo'), 'mail.contoso.com'),
  })
  await client.greet(true)
  return client
}

async function send(server: Smarthost, subject: string): Promise<string> {
  const client = await connect(server)
  await client.envelope('kate@contoso.com', 'john@fabrikam.com')
  const reply = await client.message(`Subject: ${subject}\r\n\r\n${subject}\r\n`)
  client.close()
  return reply
}

const queued = async (server: { folder: string }): Promise<string[]> =>
  (await readdir(join(server.folder, 'queue'), { recursive: true })).filter((name) => name.endsWith('.msg'))

/** Tries again every second instead of every minute. */
const SOON = {
  'connectors.ini': (text: string) => text.replace(/^retry_intervals = .*$/m, 'retry_intervals = 1s'),
}

describe('the queue', () => {
  it('keeps accepted mail while the next hop is down, over restarts, and delivers it once afterwards', async (t) => {
    const port = await freePort()
    const instance = await makeInstance(t, { smartHost: port, config: SOON })
    const first = await startInstance(t, instance)
    for (const subject of ['one', 'two', 'three']) assert.match(await send(first, subject), /^250/)
    await first.printed(/ECONNREFUSED/)
    assert.equal(await first.stop('SIGTERM'), 0)
    assert.equal((await queued(instance)).length, 3)

    // Killed outright: what is on disk is still whole.
    const second = await startInstance(t, instance)
    await second.printed(/ECONNREFUSED/)
    await second.stop('SIGKILL')
    assert.equal((await queued(instance)).length, 3)

    const sink = await startTestSink(t, port)
    const third = await startInstance(t, instance)
    for (const subject of ['one', 'two', 'three']) {
      await sink.message(({ message }) => message.toString().includes(`\r\n\r\n${subject}\r\n`))
    }
    assert.equal(sink.arrived.length, 3)
    assert.equal(await third.stop('SIGTERM'), 0)
    assert.deepEqual(await queued(instance), [])
  })

  it('answers 451 to a message that does not fit on the disk, keeps nothing of it, and goes on', async (t) => {
    const sink = await startTestSink(t)
    const instance = await makeInstance(t, { smartHost: sink.port })
    const server = await startInstance(t, instance, { largestFile: 200 })
    const big = 'x'.repeat(70) + '\r\n'
    const client = await connect(server)
    await client.envelope('kate@contoso.com', 'john@fabrikam.com')
    assert.match(await client.message(`Subject: big\r\n\r\n${big.repeat(10_000)}`), /^451 4\.3\.0/)
    await client.envelope('kate@contoso.com', 'john@fabrikam.com')
    assert.match(await client.message('Subject: small\r\n\r\nsmall\r\n'), /^250/)
    await client.quit()
    await sink.message(({ message }) => message.toString().includes('small'))
    assert.equal(await server.stop(), 0)
    assert.equal(sink.arrived.length, 1)
    assert.deepEqual(await readdir(join(server.folder, 'queue')), [])
  })

  it('is not given up by a stop while a client is in the middle of a message', async (t) => {
    const sink = await startTestSink(t)
    const server = await startSmarthost(t, { smartHost: sink.port })
    const client = await connect(server)
    await client.envelope('kate@contoso.com', 'john@fabrikam.com')
    assert.match(await client.command('DATA'), /^354/)
    client.write('Subject: slow\r\n\r\n')
    const stopped = server.stop('SIGTERM')
    await assert.rejects(connect(server), 'no new connection is taken')
    client.write('the rest\r\n')
    assert.match(await client.command('.'), /^250/)
    client.close()
    assert.equal(await stopped, 0)
    const kept = (await queued(server)).length + sink.arrived.length
    assert.equal(kept, 1, 'said 250, so it is in the queue or has arrived')
  })

  it('sends mail for an accepted domain nowhere by MX: 451 4.4.4 while there is no smart host', async (t) => {
    const server = await startSmarthost(t, {
      config: { 'connectors.ini': (text) => text.replace(/^smart_host = .*$/m, 'smart_host =') },
    })
    const client = await connect(server)
    assert.match(await client.envelope('john@fabrikam.com', 'kate@contoso.com'), /^451 4\.4\.4 .*\[no-route /)
    await client.quit()
  })
})
