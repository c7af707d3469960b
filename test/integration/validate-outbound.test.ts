/** validate-outbound, as an administrator types it, against next hops that are good, wrong or hostile. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { after, describe, it } from 'node:test'
import { stringify } from 'yaml'
import { registerValidateOutbound } from '../../src/cli/commands/validate-outbound.ts'
import type { Step } from '../../src/cli/validating/steps.ts'
import type { Made } from '../support/authority.ts'
import { Authority, CA, LEAF } from '../support/authority.ts'
import type { NextHop, NextHopOptions } from '../support/hostile-next-hop.ts'
import { DROP, SILENCE, startNextHop } from '../support/hostile-next-hop.ts'
import { runCommand } from '../support/one-command.ts'
import type { Finished, Instance } from '../support/smarthost.ts'
import { freePort, makeInstance } from '../support/smarthost.ts'

const authority = new Authority()
after(() => {
  authority.close()
})
const ca = authority.make({ name: 'Hop CA', issuer: null, extensions: CA })
const certificateFor = (name: string, days = 365): Made =>
  authority.make({ name, issuer: ca, days, extensions: [...LEAF, `subjectAltName=DNS:${name}`] })
const tlsOf = (made: Made): { cert: string; key: string } => ({
  cert: made.pem,
  key: readFileSync(made.keyFile, 'utf8'),
})
const RIGHT = tlsOf(certificateFor('mail.hop.test'))
const OLD = tlsOf(certificateFor('mail.hop.test', 10))
const WRONG = tlsOf(certificateFor('other.hop.test'))
const client = authority.make({
  name: 'smarthost.contoso.com',
  issuer: ca,
  extensions: ['basicConstraints=critical,CA:false', 'extendedKeyUsage=clientAuth'],
})

const VALIDATED = {
  tlsSettings: 'DomainValidation',
  tlsDomain: 'mail.hop.test',
  trustedCertificateAuthorities: ['hop-ca.pem'],
}

interface World {
  readonly instance: Instance
  readonly hop: NextHop
}

type Given = Readonly<Record<string, unknown>>

/** An instance whose only connector leads to the next hop. */
async function world(t: TestContext, options: Partial<NextHopOptions>, given: Given = {}): Promise<World> {
  const hop = await startNextHop(t, { tls: RIGHT, ...options })
  const connector = {
    name: 'Filter',
    recipientDomains: ['fabrikam.com'],
    smartHosts: [`127.0.0.1:${hop.port}`],
  }
  return { hop, instance: await instanceWith(t, { ...connector, ...given }) }
}

async function instanceWith(t: TestContext, connector: Given): Promise<Instance> {
  const organization = {
    name: 'contoso',
    acceptedDomains: [{ domainName: 'contoso.com' }],
    outboundConnectors: [connector],
  }
  return makeInstance(t, {
    demo: false,
    organizations: stringify({ organizations: [organization] }),
    files: { 'hop-ca.pem': ca.pem },
  })
}

const validate = ({ folder }: Instance, ...args: string[]): Promise<Finished> =>
  runCommand(registerValidateOutbound, 'validate-outbound', 'Filter', '--instance', folder, ...args)

const TO = ['--recipient', 'kate@fabrikam.com'] as const

async function stepsOf(
  instance: Instance,
  ...args: string[]
): Promise<{ code: number | null; steps: Step[] }> {
  const { code, stderr, stdout } = await validate(instance, '--json', '--timeout', '5', ...args)
  assert.equal(stderr, '')
  const { ok, steps } = JSON.parse(stdout) as { ok: boolean; steps: Step[] }
  assert.equal(ok, code === 0)
  return { code, steps }
}

/** `what result` of each step, and the details of those that are not well. */
const briefly = (steps: readonly Step[]): string[] => steps.map(({ result, what }) => `${what} ${result}`)

function failedOf(steps: readonly Step[]): Step {
  const [first] = steps.filter(({ result }) => result === 'failed')
  return first ?? assert.fail('nothing failed')
}

describe('validate-outbound', () => {
  it('looks up, connects, starts TLS, judges the certificate and sends a message', async (t) => {
    const { hop, instance } = await world(t, {}, VALIDATED)
    const { code, stderr, stdout } = await validate(instance, ...TO)
    assert.equal(code, 0, `${stdout}${stderr}`)
    const lines = stdout.trimEnd().split('\n')
    assert.equal(lines[0], 'outbound-connector "Filter" of contoso')
    const patterns = [
      /^ok {6}route {8}kate@fabrikam\.com: mail to it goes through the connector$/,
      /^ok {6}connect {6}127\.0\.0\.1:\d+: 220 hop\.test ESMTP$/,
      /^ok {6}EHLO {9}127\.0\.0\.1:\d+: it offers PIPELINING/,
      /^ok {6}STARTTLS {5}127\.0\.0\.1:\d+: TLSv1\.3, TLS_/,
      /^ok {6}certificate {2}127\.0\.0\.1:\d+: for mail\.hop\.test, issued by CN=Hop CA, valid until \d{4}-/,
      /^ok {6}policy {7}127\.0\.0\.1:\d+: mail goes there under TLSv1\.3; the connector asks for TLS with a valid certificate for mail\.hop\.test/,
      /^ok {6}message {6}kate@fabrikam\.com: .*250 2\.0\.0 kept/,
      /^all is well$/,
    ]
    assert.equal(lines.length, patterns.length + 1, stdout)
    for (const [index, pattern] of patterns.entries()) {
      assert.match(lines[index + 1] ?? '', pattern)
    }
    await hop.allEnded()
    const [message] = hop.messages
    assert.equal(message?.secure, true)
    assert.match(message.mail, /^MAIL FROM:<postmaster@contoso\.com>/)
    assert.equal(message.rcpt[0]?.startsWith('RCPT TO:<kate@fabrikam.com>'), true)
    const content = message.content.toString()
    assert.match(content, /^From: <postmaster@contoso\.com>\r\nTo: <kate@fabrikam\.com>\r\n/)
    assert.match(content, /^Subject: Test of outbound connector Filter\r$/m)
    assert.match(content, /^Auto-Submitted: auto-generated\r$/m)
  })

  it('sends nothing without a recipient', async (t) => {
    const { hop, instance } = await world(t, {}, VALIDATED)
    assert.equal((await stepsOf(instance)).code, 0)
    await hop.allEnded()
    assert.ok(hop.connections.every(({ verbs }) => !verbs.includes('MAIL')))
  })

  it('fails where STARTTLS is not offered and the connector promises TLS, and sends nothing', async (t) => {
    const { hop, instance } = await world(t, { tls: null }, { tlsSettings: 'EncryptionOnly' })
    const { code, steps } = await stepsOf(instance, ...TO)
    assert.equal(code, 1)
    assert.deepEqual(briefly(steps), [
      'route ok',
      'connect ok',
      'EHLO ok',
      'STARTTLS failed',
      'policy failed',
      'message failed',
    ])
    assert.match(failedOf(steps).mend, /firewall between/)
    await hop.allEnded()
    assert.equal(hop.messages.length, 0)
    assert.ok(hop.connections.every(({ plain }) => !plain.includes('MAIL')))
  })

  it('says that mail goes in plain text where nothing is promised', async (t) => {
    const { hop, instance } = await world(t, { tls: null })
    const { code, steps } = await stepsOf(instance, ...TO)
    assert.equal(code, 0)
    const warning = steps.find(({ result }) => result === 'warning')
    assert.equal(warning?.what, 'STARTTLS')
    assert.match(warning.mend, /mail goes there in plain text/)
    assert.equal(hop.messages.length, 1)
  })

  it('tells of a certificate that is about to expire', async (t) => {
    const { instance } = await world(t, { tls: OLD }, VALIDATED)
    const { code, steps } = await stepsOf(instance)
    assert.equal(code, 0)
    const warning = steps.find(({ result }) => result === 'warning')
    assert.equal(warning?.what, 'certificate')
    assert.match(warning.detail, /: 9 days left$/)
  })

  it('fails where the certificate is for another name, says for which, and sends nothing', async (t) => {
    const { hop, instance } = await world(t, { tls: WRONG }, VALIDATED)
    const { code, steps } = await stepsOf(instance, ...TO)
    assert.equal(code, 1)
    const { detail, mend, what } = failedOf(steps)
    assert.equal(what, 'policy')
    assert.match(detail, /is for other\.hop\.test, not for mail\.hop\.test; nothing was sent$/)
    assert.match(mend, /set tlsDomain to other\.hop\.test if that is the server that is meant/)
    assert.equal(hop.messages.length, 0)
  })

  it('fails where the certificate leads to no trusted CA, and prints the pin that would do', async (t) => {
    const { hop, instance } = await world(t, {}, { tlsSettings: 'CertificateValidation' })
    const { code, steps } = await stepsOf(instance, ...TO)
    assert.equal(code, 1)
    const { mend, what } = failedOf(steps)
    assert.equal(what, 'policy')
    const [, pin = ''] = /--certificate-pins (\S+)$/.exec(mend) ?? []
    assert.equal(hop.messages.length, 0)

    const pinned = { tlsSettings: 'CertificateValidation', certificatePins: [pin] }
    const smartHosts = [`127.0.0.1:${hop.port}`]
    const again = await instanceWith(t, { name: 'Filter', recipientDomains: ['*'], smartHosts, ...pinned })
    assert.equal((await stepsOf(again, ...TO)).code, 0)
    assert.equal(hop.messages.length, 1)
  })

  it('passes on what the server says of a message that it refuses', async (t) => {
    const script = { RCPT: '550 5.7.64 TenantAttribution; Relay Access Denied' }
    const { hop, instance } = await world(t, { script }, VALIDATED)
    const { code, stdout } = await validate(instance, ...TO)
    assert.equal(code, 1)
    assert.match(
      stdout,
      /^FAILED {2}message {6}kate@fabrikam\.com: .*550 5\.7\.64 TenantAttribution; Relay Access Denied \(127\.0\.0\.1\)\n {21}the server refuses it/m,
    )
    assert.match(stdout, /1 step failed/)
    // DATA may have gone with RCPT (RFC 2920): then an empty content ends it.
    assert.ok(hop.messages.every(({ content }) => content.length === 0))
  })

  it('tells each recipient of its own, and of a server that will not have it now', async (t) => {
    const script = {
      RCPT: ({ line }: { line: string }) => (line.includes('mike') ? '451 4.2.1 later' : undefined),
    }
    const { instance } = await world(t, { script }, VALIDATED)
    const { code, steps } = await stepsOf(instance, ...TO, '--recipient', 'mike@fabrikam.com')
    assert.equal(code, 1)
    const told = steps.filter(({ what }) => what === 'message')
    assert.deepEqual(
      told.map((step) => `${step.with} ${step.result}`),
      ['kate@fabrikam.com ok', 'mike@fabrikam.com failed'],
    )
    assert.match(told[1]?.mend ?? '', /will not take it now/)
  })

  it('signs in with the password of the file, which is shown nowhere', async (t) => {
    const auth = { mechanisms: ['PLAIN'], user: 'contoso', password: 'hunter2' }
    const given = { ...VALIDATED, userName: 'contoso', passwordFile: 'contoso/password' }
    const { hop, instance } = await world(t, { auth }, given)
    const missing = await stepsOf(instance, ...TO)
    assert.equal(missing.code, 1)
    assert.deepEqual(briefly(missing.steps), ['identity failed'])
    assert.match(failedOf(missing.steps).detail, /contoso\/password under config\/ does not exist/)

    await mkdir(instance.path('contoso'))
    await writeFile(instance.path('contoso', 'password'), 'wrong\n')
    const wrong = await validate(instance, ...TO)
    assert.equal(wrong.code, 1)
    assert.match(wrong.stdout, /FAILED {2}AUTH .*\n {21}look at userName and the content of passwordFile/)
    assert.doesNotMatch(wrong.stdout, /wrong/)

    await writeFile(instance.path('contoso', 'password'), 'hunter2\n')
    const right = await validate(instance, ...TO)
    assert.equal(right.code, 0, right.stdout)
    assert.match(right.stdout, /^ok {6}AUTH {9}127\.0\.0\.1:\d+: signed in as contoso$/m)
    assert.doesNotMatch(right.stdout, /hunter2/)
    assert.equal(hop.connections.at(-1)?.user, 'contoso')
  })

  it('shows the certificate of the connector', async (t) => {
    const given = { ...VALIDATED, tlsCertificateFile: 'client.pem', tlsKeyFile: 'client.key' }
    const { hop, instance } = await world(t, { tls: { ...RIGHT, ca: ca.pem, requestCert: true } }, given)
    await writeFile(instance.path('client.pem'), client.pem)
    await writeFile(instance.path('client.key'), readFileSync(client.keyFile))
    const { code, steps } = await stepsOf(instance, ...TO)
    assert.equal(code, 0)
    assert.ok(briefly(steps).includes('identity ok'))
    assert.equal(hop.connections.at(-1)?.clientName, 'smarthost.contoso.com')
  })

  it('says of a server that is not there, ends at once or says nothing where it ended', async (t) => {
    const nobody = await freePort()
    const connector = { name: 'Filter', recipientDomains: ['*'], smartHosts: [`127.0.0.1:${nobody}`] }
    const refused = await stepsOf(await instanceWith(t, connector))
    assert.equal(refused.code, 1)
    assert.match(failedOf(refused.steps).detail, /ECONNREFUSED/)

    const dropping = await world(t, { script: { EHLO: DROP } })
    const dropped = await stepsOf(dropping.instance)
    assert.equal(failedOf(dropped.steps).what, 'EHLO')

    const silent = await world(t, { script: { CONNECT: SILENCE } })
    const { code, stdout } = await validate(silent.instance, '--timeout', '1')
    assert.equal(code, 1)
    assert.match(stdout, /^FAILED {2}connect .*took longer than 1 seconds?$/m)
  })

  it('prints nothing that a server says as it stands', async (t) => {
    const { instance } = await world(t, { script: { CONNECT: '220 \u001b[2J\u0007hop' } })
    const { stdout } = await validate(instance)
    assert.match(stdout, /220 \\x1b\[2J\\x07hop/)
    assert.doesNotMatch(stdout, /[\u0000-\u0009\u000b-\u001f]/)
  })

  it('refuses a server that is this very one, and a name that does not exist', async (t) => {
    const smtp = await freePort()
    const organizations = stringify({
      organizations: [
        {
          name: 'contoso',
          acceptedDomains: [{ domainName: 'contoso.com' }],
          outboundConnectors: [
            { name: 'Filter', recipientDomains: ['*'], smartHosts: [`127.0.0.1:${smtp}`, 'nowhere.invalid'] },
          ],
        },
      ],
    })
    const instance = await makeInstance(t, { demo: false, organizations, smtp })
    const { code, steps } = await stepsOf(instance)
    assert.equal(code, 1)
    const details = steps.filter(({ result }) => result === 'failed').map(({ detail }) => detail)
    assert.ok(details.some((detail) => detail === 'this server itself listens there: mail would loop'))
    assert.ok(details.some((detail) => /there is no such name|cannot be looked up/.test(detail)))
  })

  it('says where mail to the recipient really goes, when that is not through the connector', async (t) => {
    const { hop, instance } = await world(t, {}, { ...VALIDATED, enabled: false })
    const { code, steps } = await stepsOf(instance, ...TO)
    assert.equal(code, 0)
    const route = steps.find(({ what }) => what === 'route')
    assert.equal(route?.result, 'warning')
    assert.match(route.detail, /^the connector is disabled: mail to it goes to /)
    assert.equal(hop.messages.length, 1)
  })

  it('is refused with words for what cannot be tried', async (t) => {
    const { instance } = await world(t, {})
    const rows: readonly (readonly [args: readonly string[], why: RegExp])[] = [
      [['--recipient', 'kate'], /--recipient "kate" is no (?:mail )?address/],
      [['--recipient', 'kate@[192.0.2.1]'], /is no address in ASCII of a domain/],
      [['--recipient', 'käte@fabrikam.com'], /is no address in ASCII|is no mail address/],
      [[...TO, '--sender', 'a@b@c'], /--sender "a@b@c" is no/],
      [['--timeout', '0'], /--timeout "0" is no number of seconds from 1 to 999/],
      [Array.from({ length: 11 }, (_, index) => ['--recipient', `a${index}@b.example`]).flat(), /at most 10/],
    ]
    for (const [args, why] of rows) {
      const { code, stderr, stdout } = await validate(instance, ...args)
      assert.equal(code, 2, stderr)
      assert.match(stderr, why)
      assert.equal(stdout, '')
    }
    const { folder } = instance
    const other = await runCommand(
      registerValidateOutbound,
      'validate-outbound',
      'Filtre',
      '--instance',
      folder,
    )
    assert.equal(other.code, 1)
    assert.match(other.stderr, /there is no outbound-connector "Filtre" of contoso; did you mean "Filter"\?/)
  })

  it('asks for a recipient where the connector goes by the MX of every domain', async (t) => {
    const instance = await instanceWith(t, { name: 'Filter', recipientDomains: ['*'] })
    const { code, stderr } = await validate(instance)
    assert.equal(code, 2)
    assert.match(stderr, /name a recipient in one of them with --recipient/)
  })
})
