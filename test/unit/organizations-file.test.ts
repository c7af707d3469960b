/**
 * config/organizations.yaml: every error at once, with line, column, what is wrong and how to mend it. The files of
 * bad-organizations/ stand beside what is said about them; UPDATE=1 writes that anew, to be read before it is kept.
 */

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatProblem } from '../../src/directory/model.ts'
import { parseOrganizations } from '../../src/directory/schema.ts'

const FOLDER = join(import.meta.dirname, 'bad-organizations')
const FILE = 'config/organizations.yaml'

const parse = (text: string, file: string) =>
  parseOrganizations(text, file, (name) => (name === 'ca.pem' ? { pem: 'PEM' } : { wrong: 'does not exist' }))

const EXAMPLE = `
organizations:
  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
        domainType: Authoritative      # Authoritative (default) | InternalRelay
        matchSubDomains: false
    inboundConnectors:
      - name: Datacentre Exchange
        connectorType: OnPremises
        tlsSenderCertificateName: "*.contoso.com"
      - name: Branch scanners
        connectorType: OnPremises
        senderIPAddresses: [10.1.0.0/24, "2001:db8:1::/48"]
        enabled: true
    outboundConnectors:
      - name: To the internet
        recipientDomains: ["*"]
`

describe('an organizations file that is good', () => {
  it('is read with the defaults of the cmdlets and says nothing', () => {
    const { organizations, errors, warnings } = parse(EXAMPLE, FILE)
    assert.deepEqual([...errors, ...warnings], [])
    assert.deepEqual(organizations, [
      {
        name: 'contoso',
        comment: null,
        reportOnlyUntil: null,
        acceptedDomains: [
          {
            organization: 'contoso',
            domainName: 'contoso.com',
            domainType: 'Authoritative',
            matchSubDomains: false,
            sendingFromDomainDisabled: false,
            pendingRemoval: false,
            delegatedSubDomains: [],
            proof: null,
          },
        ],
        inboundConnectors: [
          {
            organization: 'contoso',
            name: 'Datacentre Exchange',
            connectorType: 'OnPremises',
            enabled: true,
            tlsSenderCertificateName: '*.contoso.com',
            senderIPAddresses: [],
            trust: null,
            reportOnlyUntil: null,
            organizationReportOnlyUntil: null,
            senderDomains: [],
            allowWideAddresses: false,
            comment: null,
          },
          {
            organization: 'contoso',
            name: 'Branch scanners',
            connectorType: 'OnPremises',
            enabled: true,
            tlsSenderCertificateName: null,
            senderIPAddresses: ['10.1.0.0/24', '2001:db8:1::/48'],
            trust: null,
            reportOnlyUntil: null,
            organizationReportOnlyUntil: null,
            senderDomains: [],
            allowWideAddresses: false,
            comment: null,
          },
        ],
        outboundConnectors: [
          {
            organization: 'contoso',
            name: 'To the internet',
            connectorType: 'Partner',
            enabled: true,
            recipientDomains: ['*'],
            allAcceptedDomains: false,
            routeAllMessagesViaOnPremises: false,
            useMXRecord: true,
            smartHosts: [],
            tlsSettings: null,
            tlsDomain: null,
            trust: null,
            tlsCertificateFile: null,
            tlsKeyFile: null,
            userName: null,
            passwordFile: null,
            comment: null,
          },
        ],
      },
    ])
  })

  it('says until when report-only mode lasts, a day or a time, in whatever zone', () => {
    const day = new Date(Date.now() + 20 * 86_400_000).toISOString().slice(0, 10)
    const text = EXAMPLE.replace('- name: contoso', `- name: contoso\n    reportOnlyUntil: ${day}`).replace(
      'connectorType: OnPremises',
      `connectorType: OnPremises\n        reportOnlyUntil: "${day}T06:00:00+02:00"`,
    )
    const { organizations, errors, warnings } = parse(text, FILE)
    assert.deepEqual([...errors, ...warnings], [])
    assert.equal(organizations[0]?.reportOnlyUntil, `${day}T00:00:00.000Z`)
    const [first, second] = organizations[0]?.inboundConnectors ?? []
    assert.equal(first?.reportOnlyUntil, `${day}T04:00:00.000Z`)
    assert.equal(second?.reportOnlyUntil, null)
    assert.equal(second?.organizationReportOnlyUntil, `${day}T00:00:00.000Z`)
  })

  it('is refused when report-only mode shall last for more than 90 days', () => {
    const day = new Date(Date.now() + 93 * 86_400_000).toISOString().slice(0, 10)
    const { errors } = parse(
      EXAMPLE.replace('- name: contoso', `- name: contoso\n    reportOnlyUntil: ${day}`),
      FILE,
    )
    assert.match(errors[0]?.message ?? '', /more than 90 days ahead/)
    assert.match(errors[0]?.mend ?? '', /^write \d{4}-\d\d-\d\d at the latest$/)
  })

  it('may be read with CRLF and a byte order mark', () => {
    const { organizations, errors } = parse(`\uFEFF${EXAMPLE.replaceAll('\n', '\r\n')}`, FILE)
    assert.deepEqual(errors, [])
    assert.equal(organizations.length, 1)
  })

  it('warns about the trap of the KB and says what to write', () => {
    const { errors, warnings } = parse(EXAMPLE.replace('*.contoso.com', 'mail.contoso.com'), FILE)
    assert.deepEqual(errors, [])
    assert.equal(warnings.length, 1)
    assert.match(
      formatProblem(warnings[0] ?? assert.fail()),
      /^config\/organizations\.yaml:9:\d+: warning: .*5\.7\.64.*\*\.contoso\.com/,
    )
  })
})

describe('an organizations file that is bad', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'))
  it('stands in the corpus', () => {
    assert.ok(files.length >= 24)
  })

  for (const name of files) {
    it(`${name} is answered with every error at once, each with its place and how to mend it`, () => {
      const { errors, warnings } = parse(readFileSync(join(FOLDER, name), 'utf8'), FILE)
      const said = [...errors, ...warnings].map((problem) => `${formatProblem(problem)}\n`).join('')
      const path = join(FOLDER, `${name.replace(/\.yaml$/, '')}.txt`)
      if (process.env['UPDATE'] === '1') writeFileSync(path, said)
      assert.equal(said, readFileSync(path, 'utf8'))
      assert.ok(errors.length + warnings.length > 0)
      assert.doesNotMatch(said, /[\u0000-\u0009\u000b-\u001f]/)
      for (const { line, mend } of errors) assert.ok(line > 0 || mend !== '')
    })
  }

  it('never makes the reader throw, whatever stands in it', () => {
    const piece = fc.constantFrom(
      'organizations:',
      '- name: a',
      '  acceptedDomains:',
      '- domainName: a.example',
      '  inboundConnectors:',
      'connectorType: OnPremises',
      'tlsSenderCertificateName:',
      '"*.a.example"',
      '[',
      ']',
      '{',
      '}',
      '&a',
      '*a',
      '\n',
      '  ',
      '\t',
      ': ',
      '!!binary x',
      '? ',
      '|',
      '>',
      '---',
      '%YAML 1.2',
      '<<: *a',
      '1e999',
      '.nan',
      'null',
      '#',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece, { maxLength: 40 }).map((all) => all.join(' ')),
          fc.string({ unit: 'binary' }),
        ),
        (text) => {
          const { organizations, errors } = parse(text, FILE)
          assert.ok(Array.isArray(organizations))
          for (const problem of errors) assert.ok(formatProblem(problem).startsWith(FILE))
        },
      ),
      { numRuns: 1500 },
    )
  })

  it('with an alias bomb is refused at once', () => {
    const lines = ['a: &a [x, x, x, x, x, x, x, x, x]']
    for (let letter = 98; letter < 106; letter += 1) {
      const before = `*${String.fromCharCode(letter - 1)}`
      lines.push(
        `${String.fromCharCode(letter)}: &${String.fromCharCode(letter)} [${Array(9).fill(before).join(', ')}]`,
      )
    }
    const { errors } = parse(`${lines.join('\n')}\norganizations: *i\n`, FILE)
    assert.ok(errors.length > 0)
  })
})
