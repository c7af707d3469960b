/** CAs and pins of one connector: they count for that connector and for no other. */

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { after, describe, it } from 'node:test'
import { parseCertificate } from '../../src/certificate/parse.ts'
import { pinOf } from '../../src/certificate/pin.ts'
import type { Made } from '../support/authority.ts'
import { Authority, CA } from '../support/authority.ts'
import type { Way } from '../support/presenting.ts'
import { askPresenting, WAYS } from '../support/presenting.ts'
import type { Smarthost } from '../support/smarthost.ts'
import { connectorctl, startSmarthost } from '../support/smarthost.ts'

const authority = new Authority()
after(() => {
  authority.close()
})

const publicCa = authority.make({ name: 'Public root', issuer: null, extensions: CA })
const fabrikamCa = authority.make({ name: 'Fabrikam root', issuer: null, extensions: CA })
const self = authority.make({ name: 'mail.tailspin.example', issuer: null })

const connector = (name: string, certificate: string, more: readonly string[] = []): string =>
  [
    `      - name: ${name}`,
    '        connectorType: OnPremises',
    `        tlsSenderCertificateName: "${certificate}"`,
    ...more.map((line) => `        ${line}`),
  ].join('\n')

const organization = (name: string, domain: string, ...connectors: string[]): string =>
  [
    `  - name: ${name}`,
    '    acceptedDomains:',
    `      - domainName: ${domain}`,
    '    inboundConnectors:',
    ...connectors,
  ].join('\n')

/** contoso trusts the default CAs, fabrikam its own CA only, tailspin pins a key. */
const organizations = (pin: string): string =>
  [
    'organizations:',
    organization('contoso', 'contoso.example', connector('Contoso', '*.contoso.example')),
    organization(
      'fabrikam',
      'fabrikam.example',
      connector('Fabrikam', '*.fabrikam.example', ['trustedCertificateAuthorities: [fabrikam-ca.pem]']),
    ),
    organization(
      'tailspin',
      'tailspin.example',
      connector('Tailspin', '*.tailspin.example', [`certificatePins: ["${pin}"]`]),
    ),
    '',
  ].join('\n')

const pinned = organizations(pinOf(parseCertificate(self.der)))

function start(t: TestContext): Promise<Smarthost> {
  return startSmarthost(t, {
    organizations: pinned,
    config: { 'connectors.ini': (text) => text.replace('ca = demo-ca.pem', 'ca = public.pem') },
    files: { 'public.pem': publicCa.pem, 'fabrikam-ca.pem': fabrikamCa.pem },
  })
}

function ask(server: Smarthost, own: Made, way: Way = 'STARTTLS'): Promise<string> {
  return askPresenting(server, way, [own])
}

const leaf = (name: string, issuer: Made | null): Made => authority.make({ name, issuer })

describe('the CA of one connector', () => {
  it("counts for it in place of the default ones, and gives nobody another organisation's names", async (t) => {
    const server = await start(t)
    for (const way of WAYS) {
      const reply = (own: Made): Promise<string> => ask(server, own, way)
      assert.match(await reply(leaf('mail.contoso.example', publicCa)), /^250 /)
      assert.match(await reply(leaf('mail.fabrikam.example', fabrikamCa)), /^250 /)
      // The private CA issues another organisation's name; a public one issues fabrikam's.
      assert.match(await reply(leaf('mail.contoso.example', fabrikamCa)), /\[certificate-not-verified /)
      assert.match(await reply(leaf('mail.fabrikam.example', publicCa)), /\[certificate-not-verified /)
    }
    // One certificate with both names is fabrikam's only.
    const both = authority.make({
      name: 'mail.contoso.example',
      issuer: fabrikamCa,
      extensions: [
        'basicConstraints=critical,CA:false',
        'subjectAltName=DNS:mail.fabrikam.example,DNS:mail.contoso.example',
      ],
    })
    assert.match(await ask(server, both), /^250 /)
    const { stdout } = await connectorctl('journal', '--instance', server.folder, '--json')
    const last = stdout.trim().split('\n').at(-1) ?? ''
    assert.match(last, /"organization":"fabrikam"/)
  })

  it('is read again within a second of a change, and a bad one changes nothing', async (t) => {
    const server = await start(t)
    const stranger = leaf('mail.fabrikam.example', publicCa)
    assert.match(await ask(server, stranger), /certificate-not-verified/)
    const saved = Date.now()
    await writeFile(server.path('fabrikam-ca.pem'), fabrikamCa.pem + publicCa.pem)
    await server.printed('config/organizations.yaml is in force')
    assert.ok(Date.now() - saved < 1000, 'within a second')
    assert.match(await ask(server, stranger), /^250 /)
    await writeFile(server.path('fabrikam-ca.pem'), 'nothing')
    await server.printed(
      /cannot be used, revision .* stays in force: .*fabrikam-ca\.pem.* holds no certificate/,
    )
    assert.match(await ask(server, stranger), /^250 /)
  })
})

describe('a pinned key', () => {
  it('lets a self-signed certificate count for its connector and the names it holds, within its validity', async (t) => {
    const server = await start(t)
    for (const way of WAYS) {
      assert.match(await ask(server, self, way), /^250 /)
      const others = [
        leaf('mail.tailspin.example', null),
        leaf('mail.tailspin.example', publicCa),
        // The pinned key with a name of another organisation.
        authority.make({ name: 'mail.contoso.example', issuer: null, keyOf: self }),
        authority.make({ name: 'mail.fabrikam.example', issuer: null, keyOf: self }),
        authority.make({ name: 'mail.tailspin.example', issuer: null, keyOf: self, days: -1 }),
      ]
      for (const own of others) assert.match(await ask(server, own, way), /certificate-not-verified/)
    }
    const renewed = authority.make({ name: 'mail.tailspin.example', issuer: null, keyOf: self })
    assert.match(await ask(server, renewed), /^250 /)
  })

  it('is told by explain and inspect, and counts no more when it is taken away', async (t) => {
    const server = await start(t)
    const other = leaf('mail.tailspin.example', null)
    const message = ['--from', '', '--to', 'bob@example.net', '--certificate', other.file]
    const told = await connectorctl('explain', '--instance', server.folder, ...message)
    assert.match(
      told.stdout,
      /not verified under its own CAs and pins \(not-pinned: the pin of its key is [0-9a-f]{64}\)/,
    )
    const seen = await connectorctl('certificate', 'inspect', self.file, '--instance', server.folder)
    assert.match(seen.stdout, /connector "Tailspin" of tailspin .*condition \(b\) holds/)
    assert.match(seen.stdout, /it counts under the connector's own CAs and pins/)

    await writeFile(server.path('organizations.yaml'), organizations(pinOf(parseCertificate(other.der))))
    await server.printed('config/organizations.yaml is in force')
    assert.match(await ask(server, self), /certificate-not-verified/)
    assert.match(await ask(server, other), /^250 /)
  })
})
