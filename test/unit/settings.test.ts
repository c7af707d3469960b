/** config/connectors.ini: its defaults, and one clear message for everything that is wrong. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { formatProblem } from '../../src/directory/model.ts'
import { formatEndpoint, isLoopback, parseEndpoint } from '../../src/instance/endpoint.ts'
import { readIni, setIniValue } from '../../src/instance/ini.ts'
import { parseSettings } from '../../src/instance/settings.ts'

const TEMPLATE = readFileSync(new URL('../../src/instance/template/connectors.ini', import.meta.url), 'utf8')

const said = (text: string): string =>
  parseSettings(text)
    .problems.map((problem) => formatProblem(problem))
    .join('\n')

describe('connectors.ini', () => {
  it('as it is shipped says what the defaults are', () => {
    const shipped = parseSettings(TEMPLATE)
    assert.deepEqual(shipped.problems, [])
    assert.deepEqual(shipped.settings, parseSettings('').settings)
  })

  it('has a comment for every setting, and every setting stands in it', () => {
    const ini = readIni(TEMPLATE)
    const lines = TEMPLATE.split('\n')
    const wanted = [
      'directory.store',
      'certificates.ca',
      'certificates.accept_eku',
      'certificates.allow',
      'certificates.crl',
      'certificates.crl_policy',
      'certificates.max_certificates',
      'certificates.max_bytes',
      'certificates.max_intermediates',
      'certificates.max_signatures',
      'certificates.max_names',
      'certificates.max_name_comparisons',
      'relay.accept_inbound',
      'relay.respect_relaying',
      'relay.require_domain_proof',
      'relay.postmaster',
      'domains.resolver',
      'replies.tenant_attribution',
      'replies.attr36',
      'replies.help_url',
      'outbound.smart_host',
      'outbound.ca',
      'outbound.resolver',
      'outbound.max_connections',
      'outbound.max_connections_per_destination',
      'outbound.messages_per_connection',
      'outbound.idle',
      'outbound.connect_timeout',
      'outbound.reply_timeout',
      'queue.retry_intervals',
      'queue.lifetime',
      'queue.report_lifetime',
      'queue.delay_warning',
      'queue.buffer_bytes',
      'message.max_received',
      'connection.lookup_rdns',
      'journal.max_bytes',
      'journal.max_days',
      'shutdown.drain',
      'shutdown.grace',
      'demonstration.sink',
    ]
    const found = ini.sections().flatMap((section) => ini.keys(section).map((key) => `${section}.${key}`))
    assert.deepEqual(found.toSorted(), wanted.toSorted())
    for (const section of ini.sections()) {
      if (section === 'main') continue
      assert.match(lines[ini.line(section)] ?? '', /^; \S/, `[${section}] has no comment`)
    }
  })

  it('is read: lists, addresses, flags in any case', () => {
    const { settings, problems } = parseSettings(
      [
        '[certificates]',
        'ca = system, own/ca.pem',
        '[relay]',
        'accept_inbound = No',
        'respect_relaying = TRUE',
        'postmaster = Admin@CONTOSO.com',
        '[domains]',
        'resolver = [2001:db8::53]:5353',
        '[outbound]',
        'smart_host = [2001:DB8::1]:2525',
        '[journal]',
        'max_bytes = 2000000',
        'max_days = 7',
      ].join('\n'),
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(settings.certificates.ca, ['system', 'own/ca.pem'])
    assert.deepEqual(settings.relay, {
      acceptInbound: false,
      respectRelaying: true,
      requireDomainProof: false,
      postmaster: 'Admin@contoso.com',
    })
    assert.deepEqual(settings.domains.resolver, { address: '2001:db8::53', port: 5353 })
    assert.deepEqual(settings.outbound.smartHost, { host: '2001:db8::1', port: 2525 })
    assert.deepEqual(settings.journal, { maxBytes: 2_000_000, maxDays: 7 })
  })

  const bad: readonly (readonly [text: string, expected: RegExp])[] = [
    [
      '[relay]\naccept_inbound = maybe',
      /:2:1: error: \[relay\] accept_inbound must be true or false, not "maybe" \(write true or false\)/,
    ],
    [
      '[relay]\naccept_imbound = true',
      /:2:1: error: unknown setting "accept_imbound" in \[relay\] \(did you mean accept_inbound\?\)/,
    ],
    ['[rely]\naccept_inbound = true', /:1:1: error: unknown section \[rely\] \(did you mean relay\?\)/],
    ['accept_inbound = true', /unknown settings before any section/],
    [
      '[relay]\npostmaster = nobody',
      /postmaster "nobody" is no mail address \(write e\.g\. postmaster@contoso\.com\)/,
    ],
    ['[directory]\nstore = ldap', /"ldap" is no store/],
    [
      '[outbound]\nsmart_host = mail.contoso.com:99999',
      /smart_host "mail\.contoso\.com:99999" is no HOST:PORT/,
    ],
    ['[outbound]\nsmart_host = a b', /is no HOST:PORT/],
    ['[message]\nmax_received = 0', /must be a whole number from 1 to 500, not "0"/],
    ['[journal]\nmax_days = 30 days', /must be a whole number/],
    ['[journal]\nmax_bytes = 1e9', /must be a whole number/],
    ['[replies]\nattr36 = Zugriff verweigert für alle', /holds characters that an SMTP reply cannot carry/],
    [
      `[replies]\nhelp_url = https://contoso.com/${'x'.repeat(600)}`,
      /makes a reply of more than 512 octets \(shorten it by \d+ characters\)/,
    ],
    [
      '[domains]\nresolver = dns.contoso.com',
      /"dns\.contoso\.com" is no address of a name server \(write e\.g\. 192\.0\.2\.53, /,
    ],
    ['[demonstration]\nsink = 192.0.2.1:2526', /sink 192\.0\.2\.1 is not on loopback/],
    ['[relay]\njust words', /ini:2:1: error: this line is no setting/],
  ]
  for (const [text, expected] of bad) {
    it(`refuses ${JSON.stringify(text.slice(0, 60))}`, () => {
      assert.match(said(text), expected)
      assert.match(said(text), /^config\/connectors\.ini:/)
    })
  }

  it('says all of it at once', () => {
    assert.equal(said('[relay]\naccept_inbound = x\npostmaster = y\nz = 1').split('\n').length, 3)
  })
})

describe('an .ini file that is changed', () => {
  it('keeps its comments, and takes a value that was commented out', () => {
    const text = '; about\n[main]\n;user=haraka\n[a]\nkey = 1\n[b]\nkey = 2\n'
    assert.equal(setIniValue(text, 'b', 'key', '3'), text.replace('key = 2', 'key = 3'))
    assert.equal(setIniValue(text, 'main', 'user', 'smtp'), text.replace(';user=haraka', 'user = smtp'))
    assert.throws(() => setIniValue(text, 'a', 'none', '1'), /no none in \[a\]/)
  })
})

describe('HOST:PORT', () => {
  const rows: readonly (readonly [text: string, expected: string | null])[] = [
    ['127.0.0.1:25', '127.0.0.1:25'],
    ['[::1]:25', '[::1]:25'],
    ['[2001:DB8::1]', '[2001:db8::1]:25'],
    ['Mail.Contoso.com', 'mail.contoso.com:25'],
    ['localhost:2525', 'localhost:2525'],
    ['::1:25', null],
    ['127.0.0.1:0', null],
    ['127.0.0.1:65536', null],
    ['300.0.0.1:25', null],
    [':25', null],
    ['', null],
    ['[127.0.0.1]:25', null],
  ]
  for (const [text, expected] of rows) {
    it(`${text} is ${expected ?? 'none'}`, () => {
      const parsed = parseEndpoint(text, 25)
      assert.equal(parsed === null ? null : formatEndpoint(parsed), expected)
    })
  }

  it('is on loopback or not', () => {
    assert.deepEqual(
      ['127.0.0.1', '127.9.9.9', '::1', 'localhost', '0.0.0.0', '::', '10.0.0.1', '127.evil.example'].map(
        (host) => isLoopback(host),
      ),
      [true, true, true, true, false, false, false, false],
    )
  })
})
