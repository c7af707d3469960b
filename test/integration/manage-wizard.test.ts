/** The wizard, as somebody at a terminal goes through it. */

import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import { Authority, CA } from '../support/authority.ts'
import { hasPrograms } from '../support/programs.ts'
import type { Instance } from '../support/smarthost.ts'
import { atEnd, connectorctl, makeInstance } from '../support/smarthost.ts'
import { CTRL_C, CTRL_D, SCRIPT, Terminal } from '../support/terminal.ts'

const CONTOSO = `organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
`

async function record(instance: Instance, name: string): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await connectorctl(
    'inbound-connector',
    'show',
    name,
    '--organization',
    'contoso',
    '--json',
    '--instance',
    instance.folder,
  )
  assert.notEqual(stdout, '', stderr)
  return JSON.parse(stdout) as Record<string, unknown>
}

/** The file of a certificate for these names, of a CA that nobody knows. */
function certificateFile(t: TestContext, names: readonly string[]): string {
  const authority = new Authority()
  atEnd(t, () => {
    authority.close()
  })
  const root = authority.make({ name: 'Test CA', issuer: null, extensions: CA })
  const alternative = `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`
  const extensions = ['extendedKeyUsage=serverAuth', alternative]
  return authority.make({ name: names[0] ?? '', issuer: root, extensions }).file
}

describe('inbound-connector add on a terminal', () => {
  it('asks step by step, recommends *.contoso.com from the certificate file, and creates what was reviewed', async (t) => {
    if (!hasPrograms(t, SCRIPT)) return
    const instance = await makeInstance(t, { organizations: CONTOSO })
    const file = certificateFile(t, ['mail.contoso.com', 'autodiscover.contoso.com'])
    const terminal = Terminal.start(t, 'inbound-connector', 'add', '--instance', instance.folder)
    await terminal.answer(/Step 1 of 5[^]*Number \[1\]: /, '')
    await terminal.answer(/Step 2 of 5[^]*Name: /, 'Exchange')
    await terminal.answer(
      /Step 3 of 5[^]*1 {2}by its certificate, and the file is at hand[^]*Number \[1\]: /,
      '1',
    )
    await terminal.answer(/File of the certificate[^]*: /, '/nowhere.pem')
    await terminal.answer(/cannot be read: ENOENT[^]*File of the certificate[^]*: /, file)
    const told = await terminal.shows(/Use which name[^]*Number \[1\]: /)
    assert.match(told, /\*\.contoso\.com is recommended because contoso\.com is an accepted domain/)
    assert.match(told, /2 {2}mail\.contoso\.com: the trap:[^]*5\.7\.64/)
    terminal.press('\r')
    await terminal.answer(/Whom shall this connector trust\?[^]*: /, '3')
    await terminal.answer(/Report-only mode\? \[y\/N\] /, 'y')
    await terminal.answer(/Until \[\d{4}-\d\d-\d\d\]: /, 'tomorrow')
    await terminal.answer(/Write a day[^]*Until[^]*: /, '')
    const review = await terminal.shows(/Create it\? \[Y\/n\] /)
    assert.match(review, /Step 5 of 5: Review inbound-connector "Exchange" of contoso/)
    assert.match(review, /tlsSenderCertificateName: \*\.contoso\.com/)
    assert.doesNotMatch(await readFile(instance.path('organizations.yaml'), 'utf8'), /Exchange/)
    terminal.press('\r')
    await terminal.shows(/inbound-connector "Exchange" of contoso added; in force within a second/)
    assert.equal(await terminal.end(), 0)
    const made = await record(instance, 'Exchange')
    assert.equal(made['tlsSenderCertificateName'], '*.contoso.com')
    assert.equal(made['connectorType'], 'OnPremises')
    assert.match(String(made['reportOnlyUntil']), /^\d{4}-\d\d-\d\dT00:00:00\.000Z$/)
  })

  it('Ctrl-C and Ctrl-D at any question leave everything as it was', async (t) => {
    if (!hasPrograms(t, SCRIPT)) return
    const instance = await makeInstance(t, { organizations: CONTOSO })
    for (const [key, before] of [
      [CTRL_C, 0],
      [CTRL_C, 1],
      [CTRL_D, 1],
      [CTRL_C, 4],
    ] as const) {
      const terminal = Terminal.start(t, 'inbound-connector', 'add', '--instance', instance.folder)
      const answers = [
        [/Step 1 of 5[^]*Number \[1\]: /, '1'],
        [/Name: /, 'Scanner'],
        [/Step 3 of 5[^]*Number \[1\]: /, '3'],
        [/Addresses and ranges[^]*: /, '10.1.2.0/24'],
        [/Report-only mode\? \[y\/N\] /, 'n'],
        [/Create it\? \[Y\/n\] /, 'y'],
      ] as const
      for (const [question, text] of answers.slice(0, before)) await terminal.answer(question, text)
      await terminal.shows(answers[before]?.[0] ?? /never/)
      terminal.press(key)
      assert.equal(await terminal.end(), 1, terminal.text)
      assert.match(terminal.text, /\nconnectorctl: nothing was changed\n$/)
      assert.equal(await readFile(instance.path('organizations.yaml'), 'utf8'), CONTOSO)
    }
  })

  it('pins the key of a certificate that signs itself, where that is what is wanted', async (t) => {
    if (!hasPrograms(t, SCRIPT)) return
    const instance = await makeInstance(t, { organizations: CONTOSO })
    const authority = new Authority()
    atEnd(t, () => {
      authority.close()
    })
    const alternative = 'subjectAltName=DNS:printer.elsewhere.example'
    const { file } = authority.make({ name: 'printer', issuer: null, extensions: [alternative] })
    const add = ['inbound-connector', 'add', 'Printer', '--connector-type', 'OnPremises', '--report-only']
    const terminal = Terminal.start(t, ...add, '--instance', instance.folder)
    // What was given by flags is not asked for; what is typed before it is asked for counts.
    await terminal.shows(/Step 3 of 5[^]*Number \[1\]: /)
    terminal.press(`1\r${file}\r`)
    await terminal.answer(
      /No name in it is under an accepted domain of contoso[^]*the trap[^]*Number \[1\]: /,
      '',
    )
    await terminal.answer(/self-signed[^]*2 {2}this very key[^]*Number \[2\]: /, '')
    const review = await terminal.shows(/Create it\? \[Y\/n\] /)
    assert.match(review, /look at this: the certificate domain printer\.elsewhere\.example/)
    terminal.press('\r')
    assert.equal(await terminal.end(), 0, terminal.text)
    const { certificatePins, reportOnlyUntil } = await record(instance, 'Printer')
    assert.match(JSON.stringify(certificatePins), /^\["[0-9a-f]{64}"\]$/)
    assert.notEqual(reportOnlyUntil, null)
  })

  it('creates nothing when the page to review is not agreed to', async (t) => {
    if (!hasPrograms(t, SCRIPT)) return
    const instance = await makeInstance(t, { organizations: CONTOSO })
    const add = ['inbound-connector', 'add', '--organization', 'contoso', '--sender-ip-addresses', '10.1.2.3']
    const terminal = Terminal.start(t, ...add, '--instance', instance.folder)
    await terminal.answer(/Step 1 of 5[^]*Number \[1\]: /, '9')
    await terminal.answer(/Type a number from 1 to 2\.\nNumber \[1\]: /, '')
    await terminal.answer(/Name: /, ' ')
    await terminal.answer(/Name: /, 'A')
    await terminal.answer(/Report-only mode\? \[y\/N\] /, '')
    await terminal.answer(/Create it\? \[Y\/n\] /, 'n')
    assert.equal(await terminal.end(), 1)
    assert.equal(await readFile(instance.path('organizations.yaml'), 'utf8'), CONTOSO)
  })
})

const WITH_CONNECTOR = `${CONTOSO}    inboundConnectors:
      - name: Exchange # the old one
        connectorType: OnPremises
        tlsSenderCertificateName: mail.contoso.com
        comment: keep me
`

describe('set on a terminal', () => {
  it('asks for a connector with what it has as the answers, and offers the way out of the trap', async (t) => {
    if (!hasPrograms(t, SCRIPT)) return
    const instance = await makeInstance(t, { organizations: WITH_CONNECTOR })
    const set = ['inbound-connector', 'set', 'exchange', '--instance', instance.folder]
    const terminal = Terminal.start(t, ...set)
    await terminal.answer(/Step 1 of 5[^]*Number \[1\]: /, '')
    await terminal.answer(/Name \[Exchange\]: /, '')
    await terminal.answer(/1 {2}as it is: mail\.contoso\.com[^]*Number \[1\]: /, '3')
    await terminal.answer(/Name in the certificate[^]*\[mail\.contoso\.com\]: /, 'mail.*.contoso.com')
    await terminal.answer(/wildcard in the wrong place[^]*\[mail\.contoso\.com\]: /, '')
    await terminal.answer(/\*\.contoso\.com is recommended because[^]*Use \*\.contoso\.com\? \[Y\/n\] /, '')
    await terminal.answer(/Is it enabled\? \[Y\/n\] /, '')
    await terminal.answer(/Report-only mode\? \[y\/N\] /, '')
    await terminal.answer(/Comment[^]*\[keep me\]: /, '')
    const review = await terminal.shows(/Change it\? \[Y\/n\] /)
    assert.doesNotMatch(review, /look at this/)
    terminal.press('\r')
    await terminal.shows(/changed \(tlsSenderCertificateName\); in force/)
    assert.equal(await terminal.end(), 0)
    const text = await readFile(instance.path('organizations.yaml'), 'utf8')
    assert.equal(text, WITH_CONNECTOR.replace('mail.contoso.com', '"*.contoso.com"'))
  })

  it('refuses when somebody else changed the record while it was reviewed', async (t) => {
    if (!hasPrograms(t, SCRIPT)) return
    const instance = await makeInstance(t, { organizations: WITH_CONNECTOR })
    const terminal = Terminal.start(t, 'inbound-connector', 'set', 'Exchange', '--instance', instance.folder)
    await terminal.shows(/Step 1 of 5[^]*: /)
    // Everything stays, but for the name in the certificate.
    terminal.press(`1\rExchange\r3\r*.contoso.com\ry\rn\rkeep me\r`)
    await terminal.shows(/Change it\? \[Y\/n\] /)
    const byHand = WITH_CONNECTOR.replace('keep me', 'kept')
    await writeFile(instance.path('organizations.yaml'), byHand)
    terminal.press('y\r')
    assert.equal(await terminal.end(), 1)
    assert.match(
      terminal.text,
      /inbound-connector "Exchange" of contoso was changed by somebody else meanwhile/,
    )
    assert.equal(await readFile(instance.path('organizations.yaml'), 'utf8'), byHand)
  })

  it('asks for a domain and an organisation as well', async (t) => {
    if (!hasPrograms(t, SCRIPT)) return
    const instance = await makeInstance(t, { organizations: CONTOSO })
    const domain = Terminal.start(t, 'domain', 'set', 'contoso.com', '--instance', instance.folder)
    await domain.answer(/1 {2}Authoritative[^]*Number \[1\]: /, '2')
    await domain.answer(/sub-domains[^]*\[y\/N\] /, 'y')
    await domain.answer(/refused[^]*\[y\/N\] /, '')
    await domain.answer(/way out[^]*\[y\/N\] /, '')
    await domain.shows(/domain contoso\.com of contoso changed \(domainType, matchSubDomains\)/)
    assert.equal(await domain.end(), 0)
    const organization = Terminal.start(t, 'organization', 'set', 'contoso', '--instance', instance.folder)
    await organization.answer(/Name \[contoso\]: /, '')
    await organization.answer(/Comment: /, 'parent')
    await organization.answer(/\[y\/N\] /, 'n')
    await organization.shows(/organization contoso changed \(comment\)/)
    assert.equal(await organization.end(), 0)
  })
})

describe('a question at the end', () => {
  it('is asked for a domain whose mail goes elsewhere, of the organisation that was chosen', async (t) => {
    if (!hasPrograms(t, SCRIPT)) return
    const instance = await makeInstance(t, { organizations: `${CONTOSO}  - name: Fabrikam\n` })
    const terminal = Terminal.start(t, 'domain', 'add', '--no-dns', '--instance', instance.folder)
    await terminal.answer(/Which organisation\?\n {2}1 {2}contoso\n {2}2 {2}Fabrikam\nNumber \[1\]: /, '2')
    await terminal.answer(/Domain \(e\.g\. contoso\.com\): /, 'fabrikam.com')
    await terminal.answer(
      /was not asked for[^]*Register fabrikam\.com for Fabrikam all the same\? \[y\/N\] /,
      'y',
    )
    await terminal.shows(/domain fabrikam\.com of Fabrikam added/)
    assert.equal(await terminal.end(), 0)
  })

  it('ends in one line by Ctrl-C', async (t) => {
    if (!hasPrograms(t, SCRIPT)) return
    const instance = await makeInstance(t, { organizations: CONTOSO })
    const terminal = Terminal.start(
      t,
      'organization',
      'remove',
      'contoso',
      '--force',
      '--instance',
      instance.folder,
    )
    await terminal.shows(/Remove organization contoso\? \[y\/N\] /)
    terminal.press(CTRL_C)
    assert.equal(await terminal.end(), 1)
    assert.match(terminal.text, /\^C\nconnectorctl: nothing was changed\n$/)
    assert.equal(await readFile(instance.path('organizations.yaml'), 'utf8'), CONTOSO)
  })
})
