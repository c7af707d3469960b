/** What `init` writes and `start` prepares, and that the repository's own config/ is exactly that. */

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { cp, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { after, before, describe, it } from 'node:test'
import { formatProblem } from '../../src/directory/model.ts'
import { checkInstance } from '../../src/instance/check.ts'
import type { InitOptions } from '../../src/instance/init.ts'
import { initInstance, renderConfig } from '../../src/instance/init.ts'
import { prepareInstance } from '../../src/instance/prepare.ts'
import { readSettings } from '../../src/instance/settings.ts'
import { loadTrust } from '../../src/instance/trust.ts'
import { certificatesIn } from '../../src/certificate/pem.ts'
import { ROOT, temporaryFolder } from '../support/smarthost.ts'

const at = (host: string, port: number): { host: string; port: number } => ({ host, port })

const DEMO: InitOptions = {
  smtp: at('127.0.0.1', 2525),
  smtps: at('127.0.0.1', 2465),
  smartHost: null,
  workers: 0,
  hostname: null,
  user: null,
  group: null,
  demo: true,
  sink: at('127.0.0.1', 2526),
}

const PLAIN: InitOptions = { ...DEMO, demo: false, smtps: null }

/** What git keeps of config/. */
const MADE_AT_START = new Set(['tls_key.pem', 'tls_cert.pem', 'demo-ca.pem', 'demo', 'internalcmd_key', 'me'])

/** Keys take their time: what is not about making them starts from a copy. */
const originals = mkdtempSync(join(tmpdir(), 'connectors-originals-'))
before(async () => {
  await initInstance(join(originals, 'demo'), DEMO)
  await initInstance(join(originals, 'plain'), PLAIN)
})
after(() => rm(originals, { recursive: true, force: true }))

async function instance(t: TestContext, options: InitOptions): Promise<string> {
  const folder = join(await temporaryFolder(t), 'instance')
  const original = options === DEMO ? 'demo' : options === PLAIN ? 'plain' : null
  if (original === null) await initInstance(folder, options)
  else await cp(join(originals, original), folder, { recursive: true })
  return folder
}

const errorsOf = (folder: string): string[] =>
  checkInstance(folder)
    .problems.filter(({ severity }) => severity === 'error')
    .map((problem) => formatProblem(problem))

const warningsOf = (folder: string): string =>
  checkInstance(folder)
    .problems.filter(({ severity }) => severity === 'warning')
    .map((problem) => formatProblem(problem))
    .join('\n')

async function change(folder: string, file: string, from: string | RegExp, to: string): Promise<void> {
  const path = join(folder, 'config', file)
  const text = await readFile(path, 'utf8')
  const changed = text.replace(from, to)
  assert.notEqual(changed, text, `nothing to change in ${file}`)
  await writeFile(path, changed)
}

describe('the repository', () => {
  it('has in config/ what init --demo writes', async () => {
    const files = await renderConfig(DEMO)
    const kept = readdirSync(join(ROOT, 'config')).filter((name) => !MADE_AT_START.has(name))
    assert.deepEqual(kept.toSorted(), [...files.keys()].toSorted())
    for (const [name, text] of files)
      assert.equal(readFileSync(join(ROOT, 'config', name), 'utf8'), text, name)
  })
})

describe('init', () => {
  it('makes an instance that check finds no error in, demonstration or not', async (t) => {
    assert.deepEqual(errorsOf(await instance(t, DEMO)), [])
    const plain = await instance(t, PLAIN)
    assert.deepEqual(errorsOf(plain), [])
    assert.match(warningsOf(plain), /organizations\.yaml.*: warning: there are no organisations/)
    assert.deepEqual(await readdir(join(plain, 'config')).then((names) => names.includes('demo')), false)
  })

  it('writes what its flags say where Haraka reads it', async (t) => {
    const folder = await instance(t, {
      ...PLAIN,
      smtp: at('192.0.2.1', 25),
      smtps: at('2001:db8::1', 465),
      smartHost: at('mail.contoso.com', 26),
      workers: 3,
      hostname: 'smtp.contoso.com',
    })
    const { haraka, settings } = checkInstance(folder)
    assert.deepEqual(haraka.listen, [
      { host: '192.0.2.1', port: 25, implicitTls: false },
      { host: '2001:db8::1', port: 465, implicitTls: true },
    ])
    assert.equal(haraka.workers, 3)
    assert.deepEqual(settings.outbound.smartHost, at('mail.contoso.com', 26))
    assert.equal(await readFile(join(folder, 'config', 'me'), 'utf8'), 'smtp.contoso.com\n')
    const certificate = new X509Certificate(await readFile(join(folder, 'config', 'tls_cert.pem')))
    assert.match(certificate.subjectAltName ?? '', /DNS:smtp\.contoso\.com/)
  })

  it('refuses a folder that holds something, and changes nothing in it', async (t) => {
    const folder = await temporaryFolder(t)
    await writeFile(join(folder, 'letter.txt'), 'x')
    await assert.rejects(initInstance(folder, PLAIN), /is not empty: choose a new folder/)
    assert.deepEqual(await readdir(folder), ['letter.txt'])
    const other = await instance(t, PLAIN)
    await assert.rejects(initInstance(other, PLAIN), /holds an instance already/)
  })
})

describe('preparing an instance', () => {
  it('keeps every key to its owner', async (t) => {
    const folder = await instance(t, DEMO)
    const secret = [
      'tls_key.pem',
      'internalcmd_key',
      ...(await readdir(join(folder, 'config', 'demo'))).map((name) => join('demo', name)),
    ]
    for (const name of secret) {
      assert.equal((await stat(join(folder, 'config', name))).mode & 0o777, 0o600, name)
    }
    for (const name of ['queue', 'data'])
      assert.equal((await stat(join(folder, name))).mode & 0o777, 0o700, name)
  })

  it("makes the demonstration's certificates so that its CA verifies them, and nobody else's", async (t) => {
    const config = join(await instance(t, DEMO), 'config')
    const { settings } = readSettings(join(config, '..'))
    const { sets } = loadTrust(join(config, '..'), settings)
    const verdictOn = async (name: string) =>
      sets.verifierFor().verify(certificatesIn(await readFile(join(config, 'demo', `${name}.cert.pem`))))
    const good = await verdictOn('mail.contoso.com')
    assert.ok(good.ok)
    assert.deepEqual(good.names, ['mail.contoso.com'])
    const bad = await verdictOn('untrusted.mail.contoso.com')
    assert.ok(!bad.ok)
    assert.equal(bad.reason, 'intermediate-missing')
  })

  it('leaves certificates and keys that are there alone, and does nothing twice', async (t) => {
    const folder = await instance(t, DEMO)
    const files = ['tls_key.pem', 'tls_cert.pem', 'demo-ca.pem', 'internalcmd_key']
    const before = await Promise.all(files.map((name) => readFile(join(folder, 'config', name), 'utf8')))
    assert.deepEqual(await prepareInstance(folder), [])
    const after = await Promise.all(files.map((name) => readFile(join(folder, 'config', name), 'utf8')))
    assert.deepEqual(after, before)
    await rm(join(folder, 'config', 'tls_cert.pem'))
    assert.deepEqual(await prepareInstance(folder), [])
    assert.equal(await readFile(join(folder, 'config', 'tls_key.pem'), 'utf8'), before[0])
    assert.match(errorsOf(folder).join('\n'), /tls_cert\.pem: error: is missing/)
  })

  it('begins again where it was cut off', async (t) => {
    const folder = await instance(t, DEMO)
    await rm(join(folder, 'config', 'demo-ca.pem'))
    assert.equal((await prepareInstance(folder)).length, 1)
    assert.deepEqual(errorsOf(folder), [])
  })

  it('says so when the folder is no instance', async (t) => {
    await assert.rejects(
      prepareInstance(await temporaryFolder(t)),
      /is no instance: .*connectorctl init DIR makes one/,
    )
  })
})

describe('check', () => {
  const widened: readonly (readonly [
    what: string,
    file: string,
    from: string | RegExp,
    to: string,
    expected: RegExp,
  ])[] = [
    [
      'relaying that other plugins allow',
      'connectors.ini',
      'respect_relaying = false',
      'respect_relaying = true',
      /whoever another plugin lets relay/,
    ],
    [
      'a listener on the network',
      'smtp.ini',
      'listen=127.0.0.1:2525',
      'listen=0.0.0.0:2525',
      /0\.0\.0\.0:2525 can be reached from the network/,
    ],
    [
      'a plugin that may answer RCPT',
      'plugins',
      'relay_access',
      'rcpt_to.in_host_list\nrelay_access',
      /rcpt_to\.in_host_list may answer RCPT/,
    ],
    [
      'plugins that may be missing',
      'smtp.ini',
      /^/,
      'ignore_bad_plugins=1\n',
      /a plugin that does not load is left out/,
    ],
    [
      'proxies by the thousand',
      'connection.ini',
      /\[haproxy\]/,
      '[haproxy]\nhosts[] = 10.0.0.0/8\n',
      /every server in 10\.0\.0\.0\/8 may say that it is another/,
    ],
    ['a missing postmaster', 'connectors.ini', /^\[relay\]/m, '[relay]', /postmaster is not set/],
  ]
  for (const [what, file, from, to, expected] of widened) {
    it(`warns about ${what}`, async (t) => {
      const folder = await instance(t, PLAIN)
      if (String(from) !== '/^\\[relay\\]/m') await change(folder, file, from, to)
      assert.match(warningsOf(folder), expected)
    })
  }

  it('warns while the demonstration is on, and start would refuse it on the network', async (t) => {
    const folder = await instance(t, DEMO)
    assert.match(warningsOf(folder), /the demonstration's CA is trusted: its key lies in config\/demo/)
    assert.match(
      warningsOf(folder),
      /the demonstration's organisations are in the directory \(contoso, adatum\)/,
    )
    await change(folder, 'smtp.ini', 'listen=127.0.0.1:2525', 'listen=[::]:2525')
    assert.equal(
      errorsOf(folder).filter((line) => /\[::\]:2525 can be reached from the network/.test(line)).length,
      2,
    )
  })

  it('warns about every Partner connector and every property without effect', async (t) => {
    const folder = await instance(t, PLAIN)
    await writeFile(
      join(folder, 'config', 'organizations.yaml'),
      'organizations:\n  - name: a\n    inboundConnectors:\n      - {name: P, connectorType: Partner, senderDomains: ["*"], requireTls: true}\n',
    )
    const said = checkInstance(folder)
      .problems.map((problem) => formatProblem(problem))
      .join('\n')
    assert.match(said, /warning: .*mail that Exchange Online refused will be taken/)
    assert.match(said, /notice: requireTls has no effect here/)
  })

  const broken: readonly (readonly [
    what: string,
    breakIt: (config: string) => Promise<void>,
    expected: RegExp,
  ])[] = [
    [
      'a key of another certificate',
      async (config) => {
        await writeFile(
          join(config, 'tls_key.pem'),
          await readFile(join(config, 'demo', 'mail.contoso.com.key.pem')),
        )
      },
      /tls_cert\.pem: error: does not belong to the key/,
    ],
    [
      'a key that is none',
      (config) => writeFile(join(config, 'tls_key.pem'), 'x'),
      /is no private key that can be read/,
    ],
    [
      'a certificate that is none',
      (config) => writeFile(join(config, 'tls_cert.pem'), 'x'),
      /is no certificate that can be read/,
    ],
    ['a CA that is missing', (config) => rm(join(config, 'demo-ca.pem')), /ca: demo-ca\.pem does not exist/],
    [
      'a CA that is damaged',
      (config) =>
        writeFile(
          join(config, 'demo-ca.pem'),
          '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
        ),
      /holds a damaged certificate \(number 1: it is not DER\)/,
    ],
    ['a CA that is empty', (config) => writeFile(join(config, 'demo-ca.pem'), ''), /holds no certificate/],
    [
      'a missing directory',
      (config) => rm(join(config, 'organizations.yaml')),
      /organizations\.yaml: error: is missing/,
    ],
    [
      'a directory that is a folder',
      async (config) => {
        await rm(join(config, 'organizations.yaml'))
        await mkdir(join(config, 'organizations.yaml'))
      },
      /organizations\.yaml: error: cannot be read: EISDIR/,
    ],
    [
      'a plugin that is not listed',
      (config) => writeFile(join(config, 'plugins'), 'tls\nrelay_access\noutbound_connector\n'),
      /inbound_connector is not listed \(add the line inbound_connector\)/,
    ],
    [
      'the wrong order',
      (config) =>
        writeFile(join(config, 'plugins'), 'relay_access\ntls\ninbound_connector\noutbound_connector\n'),
      /the order is wrong/,
    ],
    [
      'the way out before what opens the directory',
      (config) =>
        writeFile(join(config, 'plugins'), 'tls\noutbound_connector\ninbound_connector\nrelay_access\n'),
      /the order is wrong \(list tls, then inbound_connector, then relay_access and outbound_connector\)/,
    ],
    [
      'no client certificates',
      (config) => writeFile(join(config, 'tls.ini'), 'requestCert=false\n'),
      /requestCert is false/,
    ],
    [
      'a list that keeps Haraka from starting',
      (config) => writeFile(join(config, 'tls.ini'), 'requestCert=true\ncrl=revoked.pem\n'),
      /tls\.ini: error: crl keeps Haraka from starting/,
    ],
    [
      'an address that is none',
      (config) => writeFile(join(config, 'smtp.ini'), 'listen=a b\n'),
      /listen: "a b" is no HOST:PORT/,
    ],
    [
      'a CA outside of config/',
      async (config) => {
        const path = join(config, 'connectors.ini')
        await writeFile(
          path,
          (await readFile(path, 'utf8')).replace('ca = demo-ca.pem', 'ca = ../../etc/ca.pem'),
        )
      },
      /is not under config\//,
    ],
  ]
  for (const [what, breakIt, expected] of broken) {
    it(`finds ${what}`, async (t) => {
      const folder = await instance(t, DEMO)
      await breakIt(join(folder, 'config'))
      assert.match(errorsOf(folder).join('\n'), expected)
    })
  }
})
