/** The server that connects: one message by nodemailer's SMTP client, and the reply that decided about it. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NodemailerError } from 'nodemailer'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import type { Story } from './stories.ts'

export interface Sent {
  readonly accepted: boolean
  /** The reply to RCPT TO when it was refused, else the reply to the message. */
  readonly reply: string
}

/**
 * @param instance the instance's folder, for the certificates of config/demo/
 * @param port where it listens
 * @param story who sends what to whom
 * @returns what became of it
 * @throws when there is no SMTP reply at all
 */
export async function sendMessage(instance: string, port: number, story: Story): Promise<Sent> {
  const { certificate, address } = story.speaker
  const pem = (kind: string): Buffer =>
    readFileSync(join(instance, 'config', 'demo', `${certificate ?? ''}.${kind}.pem`))
  const connection = new SMTPConnection({
    host: '127.0.0.1',
    port,
    localAddress: address,
    name: certificate ?? 'client.demonstration.invalid',
    requireTLS: true,
    // The demonstration's server has a certificate that it signed itself.
    tls: {
      rejectUnauthorized: false,
      ...(certificate === null ? {} : { cert: pem('cert'), key: pem('key') }),
    },
  })
  try {
    await new Promise<void>((resolve, reject) => {
      connection.once('error', reject)
      connection.connect((error) => {
        if (error === undefined || error === null) resolve()
        else reject(error)
      })
    })
    return await new Promise<Sent>((resolve, reject) => {
      connection.send({ from: story.from, to: [story.to] }, messageOf(story), (error, info) => {
        const refusal = error === null ? undefined : replyOf(error)
        if (error === null) resolve({ accepted: true, reply: info.response })
        else if (refusal === undefined) reject(error)
        else resolve({ accepted: false, reply: refusal })
      })
    })
  } finally {
    connection.quit()
  }
}

function replyOf(error: NodemailerError): string | undefined {
  const [first] = error.rejectedErrors ?? []
  return first?.response ?? error.response
}

function messageOf({ title, from, to }: Story): string {
  return [
    `From: <${from === '' ? 'postmaster@contoso.com' : from}>`,
    `To: <${to}>`,
    `Subject: ${title}`,
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'Sent by npm run demo.',
    '',
  ].join('\r\n')
}
