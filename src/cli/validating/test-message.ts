/** The message that `validate-outbound` sends: it says what it is, and that nobody shall answer. */

import { randomUUID } from 'node:crypto'
import { CRLF, field, messageDate, textField } from '../../outbound/report/mime.ts'
import type { Outgoing } from '../../outbound/types.ts'
import type { OutboundConnector } from '../../policy/types.ts'

export interface TestMessage {
  /** Never the null sender: a next hop treats that otherwise. */
  readonly sender: string
  readonly recipients: readonly { readonly address: string; readonly domain: string }[]
  /** This server's name. */
  readonly helo: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/**
 * @param connector the connector that is tried
 * @param message from whom, to whom
 * @returns it for the SMTP client, to all recipients
 */
export function testMessage(
  { name, organization }: Pick<OutboundConnector, 'name' | 'organization'>,
  { at, helo, recipients, sender }: TestMessage,
): Outgoing {
  const id = randomUUID().toUpperCase()
  const content = [
    field('From', `<${sender}>`),
    field('To', recipients.map(({ address }) => `<${address}>`).join(', ')),
    textField('Subject', `Test of outbound connector ${name}`),
    field('Date', messageDate(at)),
    field('Message-ID', `<${id}@${helo}>`),
    // RFC 3834: nobody's holiday shall answer it.
    field('Auto-Submitted', 'auto-generated'),
    field('MIME-Version', '1.0'),
    field('Content-Type', 'text/plain; charset=us-ascii'),
    CRLF,
    `This is a test: an administrator of ${helo} ran connectorctl validate-outbound.${CRLF}`,
    `Nothing has to be done about it.${CRLF}`,
  ].join('')
  return {
    envelope: {
      id,
      receivedAt: at,
      sender,
      recipients: recipients.map((recipient) => ({ ...recipient, notify: [], orcpt: null })),
      organization,
      connector: null,
      peer: null,
      mayBounce: false,
      reportOn: null,
      smtpUtf8: false,
      body: null,
      ret: null,
      envid: null,
    },
    recipients: recipients.map((_, index) => index),
    content: Buffer.from(content, 'latin1'),
  }
}
