/** Clients that present certificates, on both ways to TLS. */

import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import type { Made } from './authority.ts'
import type { Instance } from './smarthost.ts'
import { SmtpClient } from './smtp-client.ts'

export const WAYS = ['STARTTLS', 'implicit TLS'] as const
export type Way = (typeof WAYS)[number]

/** A client that has said EHLO over TLS; it presents these, its own certificate first, or none. */
export async function connectPresenting(
  server: Instance,
  way: Way,
  presented: readonly Made[] = [],
  tls: ConnectionOptions = {},
): Promise<SmtpClient> {
  const [own] = presented
  const client = await SmtpClient.connect({
    port: way === 'STARTTLS' ? server.smtp : server.smtps,
    implicitTls: way !== 'STARTTLS',
    tls,
    ...(own === undefined
      ? {}
      : {
          certificate: {
            cert: presented.map(({ pem }) => pem).join(''),
            key: readFileSync(own.keyFile, 'utf8'),
          },
        }),
  })
  await client.greet(way === 'STARTTLS')
  return client
}

/** What a null sender to the Internet is answered. */
export async function askPresenting(server: Instance, way: Way, presented: readonly Made[]): Promise<string> {
  const client = await connectPresenting(server, way, presented)
  const reply = await client.envelope('', 'bob@example.net')
  await client.quit()
  return reply
}
