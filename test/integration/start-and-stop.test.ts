/** `connectorctl start` as an operator meets it: it says where it listens, stops cleanly, or says in one line why not. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { hasPrograms } from '../support/programs.ts'
import type { Instance, Smarthost } from '../support/smarthost.ts'
import { connectorctl, makeInstance, run, startInstance, startSmarthost } from '../support/smarthost.ts'
import { certificateFiles, SmtpClient } from '../support/smtp-client.ts'

const start = (instance: Instance) => connectorctl('start', '--instance', instance.folder)

/** One line for a person, no stack of Node's. */
function assertOneLine(stderr: string, pattern: RegExp): void {
  assert.match(stderr, pattern)
  assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
  assert.doesNotMatch(stderr, /\n\s+at /)
}

describe('start', () => {
  it('says where it listens, whom it knows, whom it trusts, and what to try', async (t) => {
    const server = await startSmarthost(t)
    await server.printed('Stop with Ctrl-C.')
    const text = server.output()
    assert.match(text, new RegExp(`127\\.0\\.0\\.1:${server.smtp} \\(STARTTLS\\)`))
    assert.match(text, new RegExp(`127\\.0\\.0\\.1:${server.smtps} \\(implicit TLS\\)`))
    assert.match(text, /Organisations: contoso, adatum/)
    assert.match(text, /Trusted CAs for client certificates: demo-ca\.pem/)
    const line = /^Try: (.*)$/m.exec(text)?.[1] ?? ''
    if (!hasPrograms(t, '/usr/bin/curl')) return
    const { code } = await run('bash', '-c', `set -o pipefail; ${line} -sS`)
    assert.equal(code, 0)
    await server.printed(/arrived at the sink: from <kate@contoso\.com> to <john@fabrikam\.com>, .*"hello"/)
  })

  for (const workers of [0, 2]) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      it(`ends with exit code 0 at ${signal}, with ${workers === 0 ? 'one process' : `${workers} workers`}`, async (t) => {
        const flags = workers === 0 ? [] : ['--workers', String(workers)]
        const server = await startSmarthost(t, { flags })
        const client = await SmtpClient.connect({ port: server.smtp })
        await client.ehlo()
        assert.equal(await server.stop(signal), 0)
        assert.match(server.output(), /^stopped$/m)
        assert.doesNotMatch(server.output(), /\n\s+at /)
        client.close()
        await assert.rejects(SmtpClient.connect({ port: server.smtp }))
      })
    }

    const mode = workers === 0 ? 'one process' : `${workers} workers`
    const flags = workers === 0 ? [] : ['--workers', String(workers)]

    it(`says which port is in use, and ends with exit code 1, with ${mode}`, async (t) => {
      const taken = createServer()
      taken.listen(0, '127.0.0.1')
      await once(taken, 'listening')
      t.after(() => taken.close())
      const { port } = taken.address() as { port: number }
      const instance = await makeInstance(t, { smtp: port, flags })
      const { code, stderr } = await start(instance)
      assert.equal(code, 1)
      assertOneLine(
        stderr,
        new RegExp(
          `cannot listen on 127\\.0\\.0\\.1:${port}: the port is in use; stop the other server, or change listen`,
        ),
      )
    })

    it(`says that a key cannot be read, with ${mode}`, async (t) => {
      const instance = await makeInstance(t, { flags })
      await writeFile(instance.path('tls_key.pem'), 'this is no key')
      const { code, stderr } = await start(instance)
      assert.equal(code, 1)
      assertOneLine(stderr, /config\/tls_key\.pem: error: is no private key that can be read/)
    })

    it(`says what is wrong with a setting, with ${mode}`, async (t) => {
      const instance = await makeInstance(t, {
        flags,
        config: { 'connectors.ini': (text) => text.replace('max_days = 30', 'max_days = thirty') },
      })
      const { code, stderr } = await start(instance)
      assert.equal(code, 1)
      assertOneLine(
        stderr,
        /connectors\.ini:\d+:1: error: \[journal\] max_days must be a whole number from 1 to \d+, not "thirty"/,
      )
    })

    it(`refuses to show the demonstration to the network, with ${mode}`, async (t) => {
      const instance = await makeInstance(t, {
        flags,
        config: { 'smtp.ini': (text) => text.replaceAll('127.0.0.1', '0.0.0.0') },
      })
      const { code, stderr, stdout } = await start(instance)
      assert.equal(code, 1)
      assert.match(
        stderr,
        /the demonstration's CA is trusted, and 0\.0\.0\.0:\d+.* can be reached from the network/,
      )
      assert.match(stderr, /the demonstration's organisations are in the directory/)
      assert.doesNotMatch(stdout, /the smarthost is up/)
    })
  }

  it('says so when the directory is missing or bad', async (t) => {
    const instance = await makeInstance(t, { organizations: 'organizations: [{name: a, x: 1}, {}]\n' })
    const bad = await start(instance)
    assert.equal(bad.code, 1)
    assert.match(bad.stderr, /organizations\.yaml:1:\d+: error: unknown key "x"/)
    assert.match(bad.stderr, /an organisation needs a name/)
    await rm(instance.path('organizations.yaml'))
    const missing = await start(instance)
    assert.equal(missing.code, 1)
    assertOneLine(
      missing.stderr,
      /organizations\.yaml: error: is missing \(write one with "organizations: \[\]"/,
    )
  })

  it('starts with no organisations at all, and then nobody may relay', async (t) => {
    const server = await startSmarthost(t, { demo: false })
    await server.printed('Organisations: none: nobody may relay')
    const client = await SmtpClient.connect({ port: server.smtp })
    await client.ehlo()
    assert.match(await client.envelope('a@contoso.com', 'b@fabrikam.com'), /^550 5\.7\.64 TenantAttribution/)
    await client.quit()
  })

  it('says so in a folder that is no instance', async (t) => {
    const instance = await makeInstance(t)
    const { code, stderr } = await connectorctl('start', '--instance', join(instance.folder, 'data'))
    assert.equal(code, 1)
    assertOneLine(stderr, /is no instance: there is no config\/smtp\.ini/)
  })
})

describe('a stop behind a proxy', () => {
  const proxy = '127.0.20.1'
  const behind = (server: Smarthost, source: string): Promise<SmtpClient> =>
    SmtpClient.connect({
      port: server.smtp,
      localAddress: proxy,
      preamble: `PROXY TCP4 ${source} 192.0.2.25 40000 25\r\n`,
      silent: true,
    })
  const greeting = async (server: Smarthost, source: string): Promise<string> => {
    const client = await behind(server, source)
    const said = await client.reply()
    client.close()
    return said
  }
  const drained = (seconds: number) => ({
    'connection.ini': (text: string) => text.replace('hosts[] =', `hosts[] = ${proxy}`),
    'connectors.ini': (text: string) => text.replace(/^drain = .*$/m, `drain = ${seconds}`),
  })

  for (const workers of [0, 2]) {
    it(`is told to the health check first, while mail is taken, with ${workers} workers`, async (t) => {
      const flags = workers === 0 ? [] : ['--workers', String(workers)]
      const server = await startSmarthost(t, { flags, config: drained(3) })
      assert.match(await greeting(server, proxy), /^220/)
      const stopped = server.stop('SIGTERM')
      // Each worker hears of it by itself.
      let told = 0
      while (told < 10) told = (await greeting(server, proxy)).startsWith('421') ? told + 1 : 0
      const client = await behind(server, '127.0.10.7')
      await client.expect(/^220/)
      await client.ehlo()
      assert.match(await client.envelope('scan@contoso.com', 'bob@example.net'), /^250/)
      assert.match(await client.message('Subject: late\r\n\r\nlate\r\n'), /^250/)
      client.close()
      assert.equal(await stopped, 0)
      await assert.rejects(behind(server, '127.0.10.7'))
    })
  }

  it('ends at once when it is asked for twice', async (t) => {
    const server = await startSmarthost(t, { config: drained(600) })
    const stopped = server.stop('SIGTERM')
    while (!(await greeting(server, proxy)).startsWith('421'));
    server.process.kill('SIGTERM')
    assert.equal(await stopped, 0)
  })
})

describe('two workers', () => {
  it('both see a change of the directory, and the journal is read across them', async (t) => {
    const server = await startSmarthost(t, { flags: ['--workers', '2'] })
    const certificate = certificateFiles(server.path('demo'), 'mail.adatum.com')
    const ask = async (): Promise<string> => {
      const client = await SmtpClient.connect({ port: server.smtp, certificate })
      await client.greet(true)
      const reply = await client.envelope('', 'bob@example.net')
      await client.quit()
      return reply
    }
    assert.match(await ask(), /certificate-domain-not-accepted/)
    const file = server.path('organizations.yaml')
    const text = await readFile(file, 'utf8')
    const saved = Date.now()
    await writeFile(
      file,
      text.replace('tlsSenderCertificateName: mail.adatum.com', 'tlsSenderCertificateName: "*.adatum.com"'),
    )
    await server.printed(/(?:[\s\S]*organizations\.yaml is in force){2}/)
    assert.ok(Date.now() - saved < 1000, 'within a second in every worker')
    const replies = await Promise.all(Array.from({ length: 12 }, ask))
    for (const reply of replies) assert.match(reply, /^250 /)

    const journal = await connectorctl('journal', '--instance', server.folder, '--from', '', '--json')
    const lines = journal.stdout.trimEnd().split('\n')
    assert.equal(lines.length, 13)
    const files = await readdir(join(server.folder, 'data', 'journal'))
    assert.equal(files.length, 2, 'each worker writes a file of its own, and both had work')
  })
})

describe('a server that drops its privileges', () => {
  it('runs as that user with its group alone, and its queue, keys and journal belong to it', async (t) => {
    if (process.getuid?.() !== 0) {
      t.skip('needs root')
      return
    }
    const instance = await makeInstance(t, {
      flags: ['--user', 'nobody', '--group', 'nogroup', '--workers', '2'],
    })
    // nobody must be able to get there.
    await chmod(join(instance.folder, '..'), 0o755)
    const server = await startInstance(t, instance)
    const client = await SmtpClient.connect({
      port: server.smtp,
      certificate: certificateFiles(server.path('demo'), 'mail.contoso.com'),
    })
    await client.greet(true)
    assert.match(await client.envelope('kate@contoso.com', 'bob@example.net'), /^250 /)
    assert.match(await client.message('Subject: x\r\n\r\nx\r\n'), /^250 /)
    await client.quit()
    await server.printed('arrived at the sink')
    const uid = 65_534
    for (const path of ['queue', 'data', 'config/tls_key.pem', 'config/internalcmd_key']) {
      assert.equal((await stat(join(server.folder, path))).uid, uid, path)
    }
    for (const name of await readdir(join(server.folder, 'data', 'journal'))) {
      assert.equal((await stat(join(server.folder, 'data', 'journal', name))).uid, uid)
    }
    const workers = (
      await readFile(`/proc/${server.process.pid}/task/${server.process.pid}/children`, 'utf8')
    )
      .trim()
      .split(' ')
    const states = await Promise.all(
      workers.map((pid) => readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')),
    )
    const dropped = states.filter((status) => /^Uid:\s65534\s65534\s65534/m.test(status))
    assert.ok(dropped.length >= 2)
    for (const status of dropped) {
      assert.match(status, /^Gid:\s65534\s65534\s65534/m)
      assert.match(status, /^Groups:\s(?:65534)?\s*$/m)
    }
    assert.equal(await server.stop(), 0)
  })
})
