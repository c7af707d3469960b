/**
 * The very lines that `connectorctl client-setup` prints, in the configuration of a real Postfix and a real Exim: mail of
 * theirs is relayed by their certificate, and not handed to a server that is not the smarthost.
 */

import assert from 'node:assert/strict'
import { chmod, chown, copyFile, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { EXIM_ROUTER, EXIM_TRANSPORT } from '../../src/client-setup/exim.ts'
import { EXIM, startExim } from '../support/exim.ts'
import { startPostfix } from '../support/postfix.ts'
import { hasPrograms } from '../support/programs.ts'
import type { TestSink } from '../support/sink.ts'
import { startTestSink } from '../support/sink.ts'
import type { Smarthost } from '../support/smarthost.ts'
import { connectorctl, makeInstance, run, startSmarthost, temporaryFolder } from '../support/smarthost.ts'
import { SmtpClient } from '../support/smtp-client.ts'

interface House {
  readonly server: Smarthost
  readonly sink: TestSink
}

async function startHouse(t: TestContext): Promise<House> {
  const sink = await startTestSink(t)
  return { sink, server: await startSmarthost(t, { smartHost: sink.port }) }
}

/** What is printed for contoso, and the warnings. */
async function printed(
  { server }: House,
  kind: 'postfix' | 'exim',
  ...more: readonly string[]
): Promise<{ lines: string; warnings: string }> {
  const house = ['--instance', server.folder, '--organization', 'contoso', '--port', String(server.smtp)]
  const { code, stderr, stdout } = await connectorctl('client-setup', kind, ...house, ...more)
  assert.equal(code, 0, stderr)
  assert.match(stdout, /"Datacentre Exchange" .* recognises it, and contoso\.com is an accepted/)
  return { lines: stdout, warnings: stderr }
}

/** The files as they are on the sending server. */
interface Files {
  readonly certificate: string
  readonly key: string
  readonly ca: string
}

const filesOf = ({ server }: House): Files => ({
  certificate: server.path('demo', 'mail.contoso.com.cert.pem'),
  key: server.path('demo', 'mail.contoso.com.key.pem'),
  ca: server.path('tls_cert.pem'),
})

const identity = ({ certificate, key }: Files): string[] => ['--certificate', certificate, '--key', key]

/** Mail of a stranger, which only the certificate lets through. */
async function submit(port: number): Promise<void> {
  const client = await SmtpClient.connect({ port })
  await client.ehlo()
  assert.match(await client.envelope('app@fabrikam.com', 'customer@tailspintoys.com'), /^250/)
  assert.match(await client.message('Subject: an invoice\r\n\r\nan invoice\r\n'), /^250/)
  await client.quit()
}

async function relayed({ sink }: House): Promise<void> {
  const { from, message } = await sink.message(({ to }) => to.includes('customer@tailspintoys.com'))
  assert.equal(from, 'app@fabrikam.com')
  assert.match(message.toString(), /\r\nSubject: an invoice\r\n/)
}

const POSTFIX = '/usr/sbin/postfix'
const MAIN = ['myhostname = mail.contoso.com', 'mydestination =']

describe('the lines for Postfix', () => {
  it('relay by certificate, to a smarthost whose certificate is verified', async (t) => {
    if (!hasPrograms(t, POSTFIX)) return
    const house = await startHouse(t)
    const files = filesOf(house)
    const host = ['--smart-host', '127.0.0.1', '--tls-domain', 'smarthost.test', '--ca-file', files.ca]
    const { lines, warnings } = await printed(house, 'postfix', ...identity(files), ...host)
    assert.equal(warnings, '')
    const postfix = await startPostfix(t, { main: [...MAIN, lines] })
    await submit(postfix.port)
    await postfix.logged(/Verified TLS connection established to 127\.0\.0\.1/)
    await relayed(house)
  })

  it('relay over implicit TLS', async (t) => {
    if (!hasPrograms(t, POSTFIX)) return
    const house = await startHouse(t)
    const files = filesOf(house)
    const host = ['--smart-host', 'localhost', '--implicit-tls', '--port', String(house.server.smtps)]
    const { lines } = await printed(house, 'postfix', ...identity(files), ...host, '--ca-file', files.ca)
    const postfix = await startPostfix(t, { main: [...MAIN, 'smtp_host_lookup = native', lines] })
    await submit(postfix.port)
    await relayed(house)
  })

  it('hand nothing to a server whose certificate is for another name', async (t) => {
    if (!hasPrograms(t, POSTFIX)) return
    const house = await startHouse(t)
    const files = filesOf(house)
    const host = ['--smart-host', '127.0.0.1', '--tls-domain', 'smtp.contoso.com', '--ca-file', files.ca]
    const { lines, warnings } = await printed(house, 'postfix', ...identity(files), ...host)
    assert.match(
      warnings,
      /^connectorctl: warning: the smarthost's own certificate is not for smtp\.contoso\.com/,
    )
    const postfix = await startPostfix(t, { main: [...MAIN, lines] })
    await submit(postfix.port)
    await postfix.logged(/status=deferred \(Server certificate not verified\)/)
    assert.equal(house.sink.arrived.length, 0)
  })
})

/** Takes what is printed apart, at the lines that say where each part belongs. */
function partsOf(lines: string): { above: string; routers: string; transports: string } {
  const [above = '', rest = ''] = lines.split(`${EXIM_ROUTER}\n`)
  const [routers = '', transports = ''] = rest.split(`${EXIM_TRANSPORT}\n`)
  assert.ok(transports !== '')
  return { above, routers, transports }
}

/** Copies of the client's certificate and key and the smarthost's certificate that Exim's user may read. */
async function eximFiles(t: TestContext, house: House): Promise<Files & { readonly folder: string }> {
  const folder = await temporaryFolder(t)
  const { certificate, key, ca } = filesOf(house)
  const [, uid, gid] = /^Debian-exim:[^:]*:(\d+):(\d+):/m.exec(await readFile('/etc/passwd', 'utf8')) ?? []
  const copy = async (from: string, name: string): Promise<string> => {
    const to = join(folder, name)
    await copyFile(from, to)
    await chmod(to, 0o640)
    await chown(to, Number(uid), Number(gid))
    return to
  }
  return {
    folder,
    certificate: await copy(certificate, 'cert.pem'),
    key: await copy(key, 'key.pem'),
    ca: await copy(ca, 'ca.pem'),
  }
}

const EXIM_MAIN = ['primary_hostname = mail.contoso.com', 'domainlist local_domains = contoso.com']

describe('the lines for Exim', () => {
  const kinds: readonly (readonly [how: string, host: string, flags: (house: House) => readonly string[]])[] =
    [
      ['by its address', '127.0.0.1', () => []],
      ['by its name', 'localhost', () => []],
      [
        'by its name over implicit TLS',
        'localhost',
        ({ server }) => ['--implicit-tls', '--port', String(server.smtps)],
      ],
    ]
  for (const [how, host, flags] of kinds) {
    it(`relay by certificate, to a smarthost ${how} whose certificate is verified`, async (t) => {
      if (!hasPrograms(t, EXIM)) return
      const house = await startHouse(t)
      const { folder, ...files } = await eximFiles(t, house)
      const target = ['--smart-host', host, '--ca-file', files.ca, ...flags(house)]
      const { lines, warnings } = await printed(house, 'exim', ...identity(files), ...target)
      assert.equal(warnings, '')
      const { above, routers, transports } = partsOf(lines)
      const exim = await startExim(t, folder, { main: [...EXIM_MAIN, above], routers, transports })
      await submit(exim.port)
      await exim.logged(/=> customer@tailspintoys\.com .* T=connectors_smarthost .* CV=yes /)
      await relayed(house)
    })
  }

  it('find a smarthost that is an IPv6 address, and send mail of local domains nowhere else', async (t) => {
    if (!hasPrograms(t, EXIM)) return
    const instance = await makeInstance(t)
    const flags = ['--instance', instance.folder, '--organization', 'contoso', '--port', '25']
    const { stdout } = await connectorctl('client-setup', 'exim', ...flags, '--smart-host', '2001:db8::1')
    const { above, routers, transports } = partsOf(stdout)
    const config = instance.path('exim.conf')
    const main = 'keep_environment =\ndomainlist local_domains = contoso.com\n'
    await writeFile(config, `${main}${above}\nbegin routers\n${routers}\nbegin transports\n${transports}`)
    // Exim gives up root for it.
    for (const path of [dirname(instance.folder), instance.folder, instance.path()]) await chmod(path, 0o755)
    const routed = await run(EXIM, '-C', config, '-bt', 'customer@tailspintoys.com')
    assert.match(routed.stdout, /transport = connectors_smarthost\n +host 2001:db8::1 /)
    const local = await run(EXIM, '-C', config, '-bt', 'kate@contoso.com')
    assert.match(local.stdout, /^kate@contoso\.com is undeliverable/)
  })

  it('hand nothing to a server whose certificate is not of the CAs', async (t) => {
    if (!hasPrograms(t, EXIM)) return
    const house = await startHouse(t)
    const { folder, ...files } = await eximFiles(t, house)
    const { lines, warnings } = await printed(house, 'exim', ...identity(files), '--smart-host', 'localhost')
    assert.match(warnings, /^connectorctl: warning: the smarthost's own certificate is self-signed/)
    const { routers, transports } = partsOf(lines)
    const exim = await startExim(t, folder, { main: EXIM_MAIN, routers, transports })
    await submit(exim.port)
    await exim.logged(
      /== customer@tailspintoys\.com .*defer .*TLS session: \(certificate verification failed\)/,
    )
    assert.equal(house.sink.arrived.length, 0)
  })
})
