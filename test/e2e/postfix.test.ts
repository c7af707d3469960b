/**
 * The three cases of KB 3169958 as they happen for real: Debian's Postfix is the company's mail server, and the
 * smarthost is its relayhost.
 */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { describe, it } from 'node:test'
import type { Postfix } from '../support/postfix.ts'
import { startPostfix } from '../support/postfix.ts'
import { hasPrograms } from '../support/programs.ts'
import type { TestSink } from '../support/sink.ts'
import { startTestSink } from '../support/sink.ts'
import { startSmarthost } from '../support/smarthost.ts'
import { SmtpClient } from '../support/smtp-client.ts'

interface Company {
  readonly postfix: Postfix
  readonly sink: TestSink
}

/** contoso's Postfix, known to the smarthost by its certificate or by its address. */
async function startCompany(t: TestContext, known: 'certificate' | 'address'): Promise<Company> {
  const sink = await startTestSink(t)
  const server = await startSmarthost(t, { smartHost: sink.port })
  const identity =
    known === 'certificate'
      ? [
          `smtp_tls_cert_file = ${server.path('demo', 'mail.contoso.com.cert.pem')}`,
          `smtp_tls_key_file = ${server.path('demo', 'mail.contoso.com.key.pem')}`,
        ]
      : ['smtp_bind_address = 127.0.10.5']
  const postfix = await startPostfix(t, {
    main: [
      'myhostname = mail.contoso.com',
      'mydestination = contoso.com',
      `relayhost = [127.0.0.1]:${server.smtp}`,
      'smtp_tls_security_level = encrypt',
      ...identity,
      // Mail for people who are not there is taken, and bounces.
      'local_recipient_maps =',
      'virtual_alias_maps = inline:{ { kate@contoso.com = kate@tailspintoys.com } }',
    ],
  })
  return { postfix, sink }
}

/** Somebody hands a message to Postfix. */
async function submit({ postfix }: Company, from: string, to: string, subject: string): Promise<void> {
  const client = await SmtpClient.connect({ port: postfix.port })
  await client.ehlo()
  assert.match(await client.envelope(from, to), /^250/)
  assert.match(
    await client.message(`From: <${from}>\r\nTo: <${to}>\r\nSubject: ${subject}\r\n\r\n${subject}\r\n`),
    /^250/,
  )
  await client.quit()
}

const POSTFIX = '/usr/sbin/postfix'

describe('Postfix behind a certificate connector', () => {
  it('gets its bounces, its applications and its forwarded mail through', async (t) => {
    if (!hasPrograms(t, POSTFIX)) return
    const company = await startCompany(t, 'certificate')

    await t.test('a non-delivery report that Postfix itself writes, with the null sender', async () => {
      await submit(company, 'john@fabrikam.com', 'nobody-there@contoso.com', 'a letter')
      const report = await company.sink.message(({ to }) => to.includes('john@fabrikam.com'))
      assert.equal(report.from, '')
      assert.match(report.message.toString(), /Undelivered Mail Returned to Sender/)
      assert.match(report.message.toString(), /nobody-there@contoso\.com/)
    })

    await t.test('an application that sends as fabrikam.com', async () => {
      await submit(company, 'app@fabrikam.com', 'customer@tailspintoys.com', 'an invoice')
      const invoice = await company.sink.message(({ to }) => to.includes('customer@tailspintoys.com'))
      assert.equal(invoice.from, 'app@fabrikam.com')
    })

    await t.test('mail that an alias forwards from john@fabrikam.com to kate@tailspintoys.com', async () => {
      await submit(company, 'john@fabrikam.com', 'kate@contoso.com', 'forwarded')
      const forwarded = await company.sink.message(({ to }) => to.includes('kate@tailspintoys.com'))
      assert.equal(forwarded.from, 'john@fabrikam.com')
      assert.match(forwarded.message.toString(), /\r\nSubject: forwarded\r\n/)
    })
  })
})

describe('Postfix behind a connector by address', () => {
  it('logs our 5.7.64 for all three, and registered senders get through', async (t) => {
    if (!hasPrograms(t, POSTFIX)) return
    const company = await startCompany(t, 'address')
    const denied = (to: string, reason: string): Promise<string> =>
      company.postfix.logged(
        new RegExp(`to=<${to}>.*status=bounced .*550 5\\.7\\.64 .*ATTR36.*\\[${reason} `),
      )

    await submit(company, 'app@fabrikam.com', 'customer@tailspintoys.com', 'an invoice')
    await denied('customer@tailspintoys\\.com', 'sender-domain-not-accepted')

    await submit(company, 'john@fabrikam.com', 'kate@contoso.com', 'forwarded')
    await denied('kate@tailspintoys\\.com', 'sender-domain-not-accepted')

    await submit(company, 'jane@fabrikam.com', 'nobody-there@contoso.com', 'a letter')
    await denied('jane@fabrikam\\.com', 'null-sender')

    await submit(company, 'scanner@contoso.com', 'customer@tailspintoys.com', 'a scan')
    const scan = await company.sink.message(() => true)
    assert.equal(scan.from, 'scanner@contoso.com')
    assert.equal(company.sink.arrived.length, 1, 'and nothing else')
  })
})
