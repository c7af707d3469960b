/** docs/migrate-from-exchange-online.md, start to end: every command in it is run, in its order, against real servers. */

import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { Authority, CA, LEAF } from '../support/authority.ts'
import type { TestSink } from '../support/sink.ts'
import { startTestSink } from '../support/sink.ts'
import type { Finished, Instance } from '../support/smarthost.ts'
import { atEnd, freePort, ROOT, runWith, startInstance, temporaryFolder } from '../support/smarthost.ts'
import { SmtpClient } from '../support/smtp-client.ts'

const DOCUMENT = join(ROOT, 'docs', 'migrate-from-exchange-online.md')

/** What the cmdlets print, as PowerShell 7 does. */
const EXPORTS = {
  'inbound.json': [
    {
      Enabled: true,
      ConnectorType: 'OnPremises',
      ConnectorSource: 'HybridWizard',
      SenderIPAddresses: [],
      SenderDomains: ['smtp:*;1'],
      RequireTls: true,
      CloudServicesMailEnabled: true,
      TlsSenderCertificateName: 'mail.contoso.com',
      Name: 'Inbound from on-premises',
    },
    {
      Enabled: true,
      ConnectorType: 'OnPremises',
      ConnectorSource: 'AdminUI',
      SenderIPAddresses: ['203.0.113.7'],
      SenderDomains: ['smtp:*;1'],
      RequireTls: false,
      TlsSenderCertificateName: null,
      Name: 'Scanners by IP',
    },
  ],
  'domains.json': [
    { DomainName: 'contoso.com', DomainType: 'Authoritative', MatchSubDomains: false, Default: true },
    { DomainName: 'contoso.onmicrosoft.com', DomainType: 'Authoritative', InitialDomain: true },
  ],
  'outbound.json': {
    Enabled: true,
    ConnectorType: 'OnPremises',
    RecipientDomains: ['contoso.com'],
    SmartHosts: ['mail.contoso.com'],
    UseMXRecord: false,
    TlsSettings: 'DomainValidation',
    TlsDomain: '*.contoso.com',
    RouteAllMessagesViaOnPremises: false,
    Name: 'Outbound to on-premises',
  },
} as const

/** The blocks of shell in a document, each with the heading that it stands under. */
async function blocksIn(path: string): Promise<{ step: string; script: string }[]> {
  const text = await readFile(path, 'utf8')
  return text.split(/^## /m).flatMap((section) => {
    const step = section.split('\n', 1)[0] ?? ''
    return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, script = '']) => ({ step, script }))
  })
}

interface Journey {
  readonly instance: Instance
  readonly certificate: { readonly cert: string; readonly key: string }
  readonly ca: string
  readonly sink: TestSink
  run(script: string): Promise<Finished>
}

async function begin(t: TestContext): Promise<Journey> {
  const folder = await temporaryFolder(t)
  const exports = join(folder, 'exports')
  await mkdir(exports)
  for (const [name, value] of Object.entries(EXPORTS)) {
    await writeFile(join(exports, name), JSON.stringify(value, null, 2))
  }
  const sink = await startTestSink(t)
  const authority = new Authority()
  atEnd(t, () => {
    authority.close()
  })
  const ca = authority.make({ name: 'Contoso CA', issuer: null, extensions: CA })
  const server = authority.make({
    name: 'mail.contoso.com',
    issuer: ca,
    extensions: [...LEAF, 'subjectAltName=DNS:mail.contoso.com'],
  })
  const path = join(folder, 'server.pem')
  await writeFile(path, server.pem)
  const [smtp, smtps] = [await freePort(), await freePort()]
  const home = join(folder, 'smarthost')
  const environment = {
    SMARTHOST: home,
    EXPORTS: exports,
    SERVER: path,
    NEXT_HOP: `127.0.0.1:${sink.port}`,
    LISTEN: `127.0.0.1:${smtp}`,
    LISTEN_TLS: `127.0.0.1:${smtps}`,
  }
  const program = `connectorctl() { '${process.execPath}' '${join(ROOT, 'bin', 'connectorctl.js')}' "$@"; }`
  return {
    instance: {
      folder: home,
      host: '127.0.0.1',
      smtp,
      smtps,
      sink: sink.port,
      path: (...names) => join(home, 'config', ...names),
    },
    certificate: { cert: server.pem, key: await readFile(server.keyFile, 'utf8') },
    ca: ca.pem,
    sink,
    run: (script) => runWith(environment, 'bash', '-euo', 'pipefail', '-c', `${program}\n${script}`),
  }
}

/** Said between two steps by hand in the document: whose client certificates count. */
async function trust({ ca, instance }: Journey): Promise<void> {
  await writeFile(instance.path('contoso-ca.pem'), ca)
  const settings = instance.path('connectors.ini')
  const text = await readFile(settings, 'utf8')
  await writeFile(settings, text.replace(/^ca = system$/m, 'ca = contoso-ca.pem'))
}

async function send(client: SmtpClient, from: string, subject: string): Promise<string> {
  const reply = await client.envelope(from, 'bob@example.net')
  if (!reply.startsWith('250')) {
    await client.command('RSET')
    return reply
  }
  return client.message(`From: <a@contoso.com>\r\nSubject: ${subject}\r\n\r\nx\r\n`)
}

/** What the document promises of each step, in the words that it prints. */
const PROMISED: readonly (readonly [step: RegExp, printed: readonly RegExp[]])[] = [
  [
    /^3\. /,
    [/mail\.contoso\.com/, /203\.0\.113\.7/, /contoso\.onmicrosoft\.com/, /Outbound to on-premises/, /aside/],
  ],
  [/^4\. /, [/would be DENIED/, /would be RELAYED/]],
  [/^5\. /, [/reportOnlyUntil: +20\d\d-\d\d-\d\dT.* \(in force\)/]],
  [/^6\. /, [/smtp_tls_cert_file/]],
]

describe('the journey from Exchange Online', () => {
  it('works as docs/migrate-from-exchange-online.md says, command by command, until everything is enforced', async (t) => {
    const journey = await begin(t)
    const blocks = await blocksIn(DOCUMENT)
    assert.ok(blocks.length >= 9, 'a document that shrinks shows less')
    const printed = new Map<string, string>()
    const step = async (wanted: RegExp): Promise<string> => {
      let text = ''
      for (const { script, step: name } of blocks.filter((block) => wanted.test(block.step))) {
        const { code, stderr, stdout } = await journey.run(script)
        assert.equal(code, 0, `${script}\n${stdout}\n${stderr}`)
        text += `${stdout}\n${stderr}`
        printed.set(name, text)
      }
      assert.notEqual(text, '', String(wanted))
      return text
    }

    await step(/^2\. /)
    await trust(journey)
    for (const number of [3, 4, 5, 6]) await step(new RegExp(`^${number}\\. `))
    for (const [wanted, patterns] of PROMISED) {
      const text = [...printed].find(([name]) => wanted.test(name))?.[1] ?? ''
      for (const pattern of patterns) assert.match(text, pattern)
    }
    const script = await readFile(join(journey.instance.folder, 'data', 'smarthost.ps1'), 'latin1')
    assert.match(script, /New-SendConnector/)

    await startInstance(t, journey.instance)
    const { certificate, instance, sink } = journey
    const exchange = await SmtpClient.connect({ port: instance.smtp, certificate })
    await exchange.greet(true)
    assert.match(await send(exchange, '', 'non-delivery report of Exchange'), /^250/)
    const scanner = await SmtpClient.connect({ port: instance.smtp, localAddress: '127.0.20.5' })
    await scanner.ehlo()
    assert.match(await send(scanner, 'scan@contoso.com', 'scan'), /^250/)
    assert.match(await send(scanner, '', 'non-delivery report of a scanner'), /^250/)
    await sink.message(({ message }) => message.includes('non-delivery report of a scanner'))

    const seen = await step(/^7\. /)
    assert.match(seen, /relay +report-only \(would be denied: null-sender\)/)
    const impact = await step(/^8\. /)
    assert.match(impact, /Scanners by IP/)
    assert.match(impact, /somebody would be refused/)

    // Step 8 switched it off: within a second it counts, and what was foretold is refused.
    let reply = ''
    for (const until = Date.now() + 10_000; Date.now() < until && !reply.startsWith('550');) {
      reply = await send(scanner, '', 'refused')
    }
    assert.match(reply, /^550 5\.7\.64 .*\[null-sender /)
    assert.match(await send(scanner, 'scan@contoso.com', 'scan again'), /^250/)
    assert.match(await send(exchange, '', 'another report'), /^250/)
    await Promise.all([exchange.quit(), scanner.quit()])
  })
})
