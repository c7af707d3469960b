/** The scripts for the on-premises side, and what they say of the directory. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import type { Attribute, DistinguishedName } from '../../src/certificate/general-name.ts'
import { parseCertificate } from '../../src/certificate/parse.ts'
import { clientCertificateIn } from '../../src/client-setup/client-certificate.ts'
import { tlsCertificateName, windowsName } from '../../src/client-setup/distinguished-name.ts'
import { exchangeScript, thumbprintOf } from '../../src/client-setup/exchange.ts'
import { eximLines } from '../../src/client-setup/exim.ts'
import { certificateNotes, connectorNotes } from '../../src/client-setup/notes.ts'
import { postfixLines } from '../../src/client-setup/postfix.ts'
import { serverNotes } from '../../src/client-setup/server-notes.ts'
import type { ClientSetup, SetupNote } from '../../src/client-setup/setup.ts'
import { DEFAULT_PATHS } from '../../src/client-setup/setup.ts'
import type { Organization } from '../../src/directory/model.ts'
import { printable } from '../../src/text/printable.ts'
import type { Made } from '../support/authority.ts'
import { Authority, CA, LEAF } from '../support/authority.ts'
import type { World } from '../support/policy-world.ts'
import { attributeMessage, connector, domain } from '../support/policy-world.ts'
import { assignedTo, invocationsIn, tokenize, valueOf } from '../support/powershell.ts'
import { CMDLET_PARAMETERS } from '../support/send-connector-parameters.ts'
import { ROOT } from '../support/smarthost.ts'

const authority = new Authority()
after(() => {
  authority.close()
})

const root = authority.make({ name: 'Root', issuer: null, extensions: CA })
const middle = authority.make({ name: 'Intermediate', issuer: root, extensions: CA })
const made = (name: string): Made =>
  authority.make({
    name,
    issuer: middle,
    extensions: [...LEAF, 'subjectAltName=DNS:mail.contoso.com'],
  })
const leaf = made('mail.contoso.com')
const certificateOf = (...chain: readonly Made[]) =>
  clientCertificateIn(Buffer.from(chain.map(({ pem }) => pem).join('')), '')

function setupOf(more: Partial<ClientSetup> = {}): ClientSetup {
  return {
    organization: 'contoso',
    smartHost: 'smtp.contoso.com',
    port: 25,
    implicitTls: false,
    tlsDomain: 'smtp.contoso.com',
    fqdn: null,
    certificate: null,
    certificatePath: '/etc/ssl/mail.pem',
    keyPath: '/etc/ssl/mail.key',
    caPath: null,
    notes: [],
    ...more,
  }
}

describe('the script for Exchange Server', () => {
  const scripts = [
    setupOf(),
    setupOf({ certificate: certificateOf(leaf, middle, root), fqdn: 'mail.contoso.com' }),
    setupOf({ caPath: "C:\\Company's CA.cer", smartHost: '192.0.2.1', port: 2525 }),
  ].map(exchangeScript)

  it('uses only parameters that the cmdlets have', () => {
    for (const script of scripts) {
      const invocations = invocationsIn(tokenize(script))
      assert.ok(invocations.length > 20)
      for (const { cmdlet, parameters } of invocations) {
        const known = CMDLET_PARAMETERS.get(cmdlet)
        assert.ok(known, `${cmdlet} is not among the cmdlets that were looked up`)
        for (const parameter of parameters) assert.ok(known.has(parameter), `${cmdlet} -${parameter}`)
      }
    }
  })

  it('makes the send connector as step 3 of the KB says', () => {
    const [, script = ''] = scripts
    const made = invocationsIn(tokenize(script)).find(({ cmdlet }) => cmdlet === 'New-SendConnector')
    const where = [
      'AddressSpaces',
      'DNSRoutingEnabled',
      'SmartHosts',
      'Port',
      'Fqdn',
      'SourceTransportServers',
    ]
    const how = ['RequireTLS', 'TlsAuthLevel', 'TlsDomain', 'TlsCertificateName', 'CloudServicesMailEnabled']
    for (const parameter of [...where, ...how]) {
      assert.ok(made?.parameters.includes(parameter), parameter)
    }
    assert.match(script, /-DNSRoutingEnabled \$false /)
    assert.match(script, /-RequireTLS \$true -TlsAuthLevel DomainValidation /)
    assert.match(script, /-CloudServicesMailEnabled \$false /)
    assert.match(script, /Enable-ExchangeCertificate -Thumbprint \$thumbprint -Services SMTP\n/)
    assert.match(script, /-CertStoreLocation Cert:\\LocalMachine\\CA /)
  })

  it('fills in the certificate: its thumbprint, its names as Windows writes them, its intermediates but no root', () => {
    const [, script = ''] = scripts
    const tokens = tokenize(script)
    const said = authority.openssl('x509', '-in', leaf.file, '-noout', '-fingerprint', '-sha1')
    const thumbprint = said.replace(/^.*=/, '').replaceAll(':', '').trim()
    assert.equal(valueOf(assignedTo(tokens, '$thumbprint')), thumbprint)
    assert.equal(thumbprintOf(parseCertificate(leaf.der)), thumbprint)
    assert.equal(
      valueOf(assignedTo(tokens, '$tlsCertificateName')),
      '<I>CN=Intermediate<S>CN=mail.contoso.com',
    )
    assert.equal(valueOf(assignedTo(tokens, '$fqdn')), 'mail.contoso.com')
    assert.ok(script.includes(`'${middle.der.toString('base64')}'`))
    assert.ok(!script.includes(root.der.toString('base64')))
  })

  it('asks for the certificate where none was given, so that it runs as it is', () => {
    const [script = ''] = scripts
    const tokens = tokenize(script)
    assert.equal(valueOf(assignedTo(tokens, '$thumbprint')), '')
    assert.equal(valueOf(assignedTo(tokens, '$tlsCertificateName')), '')
    assert.doesNotMatch(script, /<[a-z ]+>/)
    assert.ok(invocationsIn(tokens).some(({ cmdlet }) => cmdlet === 'Read-Host'))
  })

  it('runs the same commands whatever the organisation, the notes and the subject are called', () => {
    const plain = JSON.stringify(invocationsIn(tokenize(exchangeScript(setupOf()))))
    const note = (text: string): SetupNote => ({ severity: 'warning', text, commands: [] })
    const name = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 64 }),
      fc.string({
        unit: fc.constantFrom(...`'"\`$(){};#\\ \u2018\u2019\u201c\u00e9\u0152x`.split('')),
        maxLength: 40,
      }),
    )
    fc.assert(
      fc.property(name, (text) => {
        const organization = printable(text, 1000)
        const setup = setupOf({ organization, notes: [note(text)] })
        const script = exchangeScript(setup)
        assert.match(script, /^[ -~\n]*$/)
        const tokens = tokenize(script)
        assert.equal(JSON.stringify(invocationsIn(tokens)), plain)
        assert.ok(valueOf(assignedTo(tokens, '$comment'))?.endsWith(`organisation ${organization}`))
        // A line of comment stays one, and never takes the next line with it.
        for (const lines of [script, postfixLines(setup), eximLines(setup)]) {
          const above = lines.slice(0, lines.indexOf('\n\n')).split('\n')
          for (const line of above) assert.match(line, /^#(?:.*[^\\])?$/)
        }
      }),
      { numRuns: 500 },
    )
    const subjects = ['\u2019; Remove-Item C:; \u2018', "it's $(reboot) `reboot`", '"a", <S>CN=other']
    for (const subject of subjects) {
      const script = exchangeScript(setupOf({ certificate: certificateOf(made(subject)) }))
      const tokens = tokenize(script)
      assert.equal(JSON.stringify(invocationsIn(tokens)), plain)
      const quoted = /[",;]/.test(subject) ? `"${subject.replaceAll('"', '""')}"` : subject
      assert.equal(valueOf(assignedTo(tokens, '$tlsCertificateName')), `<I>CN=Intermediate<S>CN=${quoted}`)
    }
  })

  it('names no certificate itself that cannot be written in one line', () => {
    const script = exchangeScript(setupOf({ certificate: certificateOf(made('a\u0007b')) }))
    assert.equal(valueOf(assignedTo(tokenize(script), '$tlsCertificateName')), '')
  })
})

describe('the pages of docs/on-premises', () => {
  it('show what is printed, line by line', () => {
    for (const [page, lines] of [
      ['postfix.md', postfixLines(setupOf(DEFAULT_PATHS.postfix))],
      ['exim.md', eximLines(setupOf(DEFAULT_PATHS.exim))],
    ] as const) {
      const text = readFileSync(join(ROOT, 'docs', 'on-premises', page), 'utf8')
      assert.ok(text.includes(`\n\`\`\`text\n${lines}\`\`\`\n`), page)
    }
  })

  it('name every cmdlet of Exchange that the script uses', () => {
    const text = readFileSync(join(ROOT, 'docs', 'on-premises', 'exchange.md'), 'utf8')
    for (const { cmdlet } of invocationsIn(tokenize(exchangeScript(setupOf())))) {
      if (/-(?:SendConnector|ExchangeCertificate|Certificate)$/.test(cmdlet))
        assert.ok(text.includes(cmdlet), cmdlet)
    }
  })
})

describe('a distinguished name', () => {
  const nameOf = (
    ...rdns: readonly (readonly (readonly [type: string, text: string | null])[])[]
  ): DistinguishedName => ({
    key: '',
    rdns: rdns.map((rdn) => rdn.map(([type, text]): Attribute => ({ type, text, key: '' }))),
  })
  const [CN, C, L, S, O, OU] = ['2.5.4.3', '2.5.4.6', '2.5.4.7', '2.5.4.8', '2.5.4.10', '2.5.4.11']

  it('is written as Windows does: the last first, state as S, quotes where it has them', () => {
    const rows: readonly (readonly [name: DistinguishedName, expected: string | null])[] = [
      [
        nameOf(
          [[C, 'US']],
          [[S, 'Arizona']],
          [[L, 'Scottsdale']],
          [[O, 'GoDaddy.com, Inc.']],
          [[OU, 'http://certs.godaddy.com/repository/']],
          [[CN, 'Go Daddy Secure Certificate Authority - G2']],
        ),
        'CN=Go Daddy Secure Certificate Authority - G2, OU=http://certs.godaddy.com/repository/, O="GoDaddy.com, Inc.", L=Scottsdale, S=Arizona, C=US',
      ],
      [nameOf([[C, 'US']], [[O, "Let's Encrypt"]], [[CN, 'R3']]), "CN=R3, O=Let's Encrypt, C=US"],
      [
        nameOf(
          [['0.9.2342.19200300.100.1.25', 'com']],
          [['0.9.2342.19200300.100.1.25', 'contoso']],
          [[CN, 'CA']],
        ),
        'CN=CA, DC=contoso, DC=com',
      ],
      [
        nameOf(
          [['1.3.6.1.4.1.311.60.2.1.3', 'US']],
          [['2.5.4.5', '42']],
          [['1.2.840.113549.1.9.1', 'a@b.example']],
        ),
        'E=a@b.example, SERIALNUMBER=42, OID.1.3.6.1.4.1.311.60.2.1.3=US',
      ],
      [
        nameOf([
          [CN, 'Joe "Cool"'],
          ['2.5.4.12', 'Programmer, Manager'],
        ]),
        'CN="Joe ""Cool""" + T="Programmer, Manager"',
      ],
      [nameOf([[CN, ' a']], [[O, '']]), 'O="", CN=" a"'],
      [
        nameOf([[CN, 'a#b']], [[O, 'x;y']], [[OU, 'x=y']], [[L, 'x<y']]),
        'L="x<y", OU="x=y", O="x;y", CN="a#b"',
      ],
      [nameOf(), ''],
      [nameOf([[CN, null]]), null],
      [nameOf([[CN, 'a\nb']]), null],
    ]
    for (const [name, expected] of rows) assert.equal(windowsName(name), expected)
    const [issuer, subject] = [nameOf([[CN, 'CA']]), nameOf([[CN, 'x']])]
    assert.equal(tlsCertificateName(issuer, subject), '<I>CN=CA<S>CN=x')
    assert.equal(tlsCertificateName(nameOf([[CN, null]]), subject), null)
  })
})

describe('what the directory makes of the certificate', () => {
  const trust = { key: 'x', certificateAuthorities: [], certificatePins: [] }
  const look = (
    world: World,
    names: readonly string[],
    { why = null, requireDomainProof = false }: { why?: string | null; requireDomainProof?: boolean } = {},
  ): SetupNote[] => {
    const organization: Organization = {
      name: 'contoso',
      comment: null,
      acceptedDomains: world.domains.filter((one) => one.organization === 'contoso'),
      inboundConnectors: world.connectors
        .filter((one) => one.organization === 'contoso')
        .map((one) => ({ ...one, senderDomains: [], allowWideAddresses: false, comment: null })),
      outboundConnectors: [],
    }
    const certificate = { state: 'verified', names } as const
    const { matched, passedOver } = attributeMessage(world, {
      certificate,
      from: '',
      to: '',
      requireDomainProof,
    })
    const candidates = [
      ...(matched === null ? [] : [matched]),
      ...passedOver.map(({ candidate }) => candidate),
    ]
    return certificateNotes(
      organization,
      names,
      candidates.map((candidate) => ({ candidate, why })),
    )
  }
  const named = (tlsSenderCertificateName: string, more = {}) =>
    connector('contoso', 'Exchange', { tlsSenderCertificateName, ...more })
  const contoso = domain('contoso', 'contoso.com')

  it('says what mail will get through, what not, and the command that mends it', () => {
    const rows: readonly (readonly [
      what: string,
      world: World,
      names: readonly string[],
      said: RegExp,
      commands: readonly string[],
    ])[] = [
      [
        'recognised, and its domain accepted',
        { domains: [contoso], connectors: [named('*.contoso.com')] },
        ['mail.contoso.com'],
        /^info: inbound connector "Exchange" \(\*\.contoso\.com\) recognises it, and contoso\.com is an accepted domain: any sender/,
        [],
      ],
      [
        'the trap',
        { domains: [contoso], connectors: [named('mail.contoso.com')] },
        ['mail.contoso.com'],
        /^warning: .*only registered senders may relay.*mail\.contoso\.com is no accepted domain, contoso\.com alone/,
        [
          "connectorctl inbound-connector set Exchange --organization contoso --tls-sender-certificate-name '*.contoso.com'",
        ],
      ],
      [
        'the trap without any domain near',
        { domains: [], connectors: [named('mail.contoso.com')] },
        ['mail.contoso.com'],
        /^warning: .*mail\.contoso\.com is no accepted domain$/,
        ['connectorctl domain add mail.contoso.com --organization contoso'],
      ],
      [
        'a domain that is going away',
        {
          domains: [domain('contoso', 'contoso.com', { pendingRemoval: true })],
          connectors: [named('*.contoso.com')],
        },
        ['mail.contoso.com'],
        /^warning: .*contoso\.com is pending removal$/,
        [],
      ],
      [
        "somebody else's domain",
        { domains: [domain('fabrikam', 'contoso.com')], connectors: [named('*.contoso.com')] },
        ['mail.contoso.com'],
        /^warning: .*contoso\.com is registered with somebody else$/,
        [],
      ],
      [
        'no connector, with an accepted domain',
        { domains: [contoso], connectors: [named('*.other.example')] },
        ['x.example', 'mail.contoso.com'],
        /^warning: no inbound connector recognises it, so it may not relay\. One for \*\.contoso\.com would:$/,
        [
          "connectorctl inbound-connector add 'Servers of contoso.com' --organization contoso --connector-type OnPremises --tls-sender-certificate-name '*.contoso.com'",
        ],
      ],
      [
        'no connector, no accepted domain',
        { domains: [], connectors: [] },
        ['contoso.com'],
        /^warning: no inbound connector recognises it.* One for contoso\.com would:$/,
        [
          'connectorctl domain add contoso.com --organization contoso',
          "connectorctl inbound-connector add 'Servers of contoso.com' --organization contoso --connector-type OnPremises --tls-sender-certificate-name contoso.com",
        ],
      ],
      [
        'a connector that is disabled',
        { domains: [contoso], connectors: [named('*.contoso.com', { enabled: false })] },
        ['mail.contoso.com'],
        /^warning: inbound connector "Exchange" \(\*\.contoso\.com\) would recognise it, but is disabled$/,
        ['connectorctl inbound-connector enable Exchange --organization contoso'],
      ],
      [
        'a Partner connector',
        { domains: [contoso], connectors: [named('*.contoso.com', { connectorType: 'Partner' })] },
        ['mail.contoso.com'],
        /^warning: no inbound connector recognises it.*is a Partner connector, which never grants relaying/,
        [
          "connectorctl inbound-connector add 'Servers of contoso.com' --organization contoso --connector-type OnPremises --tls-sender-certificate-name '*.contoso.com'",
        ],
      ],
    ]
    for (const [what, world, names, said, commands] of rows) {
      const notes = look(world, names).filter(({ text }) => !text.startsWith('the certificate is for'))
      assert.equal(notes.length, 1, what)
      assert.match(notes.map(({ severity, text }) => `${severity}: ${text}`).join('\n'), said, what)
      assert.deepEqual(notes[0]?.commands, commands, what)
    }
  })

  it('says when the domain counts for nothing until it is proven', () => {
    const world = { domains: [contoso], connectors: [named('*.contoso.com')] }
    const notes = look(world, ['mail.contoso.com'], { requireDomainProof: true })
    assert.match(notes[1]?.text ?? '', /contoso\.com counts for nothing until it is proven/)
    assert.deepEqual(notes[1]?.commands, ['connectorctl domain verify contoso.com'])
  })

  it('says when the certificate does not count under the trust of the connector', () => {
    const world = { domains: [contoso], connectors: [named('*.contoso.com', { trust })] }
    const notes = look(world, ['mail.contoso.com'], { why: 'no-path: the issuer is missing' })
    assert.match(
      notes.at(-1)?.text ?? '',
      /does not count for inbound connector "Exchange".*its own CAs and pins: no-path: the issuer is missing$/,
    )
  })

  it('names nobody else, since the script goes to whoever runs the sending server', () => {
    const world = {
      domains: [contoso, domain('fabrikam', 'fabrikam.com')],
      connectors: [
        named('*.contoso.com'),
        connector('fabrikam', 'Secret', { tlsSenderCertificateName: 'mail.contoso.com' }),
      ],
    }
    const text = JSON.stringify(look(world, ['mail.contoso.com']))
    assert.doesNotMatch(text, /fabrikam|Secret/)
    assert.match(text, /another organisation's inbound connector recognises this certificate, too/)
  })

  it('says when no name in it counts, and which names would when no certificate was given', () => {
    assert.match(look({ domains: [], connectors: [] }, [])[0]?.text ?? '', /holds no name that counts/)
    const organization: Organization = {
      name: 'contoso',
      comment: null,
      acceptedDomains: [contoso],
      inboundConnectors: [],
      outboundConnectors: [],
    }
    assert.deepEqual(
      connectorNotes(organization).map(({ commands }) => commands.length),
      [1],
    )
    const inboundConnectors = [
      { ...named('*.contoso.com'), senderDomains: [], allowWideAddresses: false, comment: null },
    ]
    const [note] = connectorNotes({ ...organization, inboundConnectors })
    assert.match(note?.text ?? '', /"Exchange" \(\*\.contoso\.com\)/)
  })
})

describe("the smarthost's own certificate", () => {
  it('is warned about when the sending server would not take it', () => {
    const own = (name: string, issuer: Made | null): ReturnType<typeof parseCertificate> =>
      parseCertificate(
        authority.make({ name, issuer, extensions: [...LEAF, `subjectAltName=DNS:${name},IP:192.0.2.1`] })
          .der,
      )
    const said = (tlsDomain: string, caPath: string | null, issuer: Made | null): string =>
      serverNotes({ tlsDomain, caPath }, own('smtp.contoso.com', issuer))
        .map(({ text }) => (text.includes('self-signed') ? 'self-signed' : 'name'))
        .join(' ')
    assert.equal(said('smtp.contoso.com', null, middle), '')
    assert.equal(said('192.0.2.1', null, middle), '')
    assert.equal(said('relay.contoso.com', null, middle), 'name')
    assert.equal(said('smtp.contoso.com', null, null), 'self-signed')
    assert.equal(said('smtp.contoso.com', '/ca.pem', null), '')
    assert.deepEqual(serverNotes({ tlsDomain: 'x.example', caPath: null }, null), [])
  })
})
