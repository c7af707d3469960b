/** SMTP AUTH (RFC 4954), under TLS only: PLAIN, LOGIN and CRAM-MD5, the first that is offered. */

import { createHmac } from 'node:crypto'
import type { ClientIdentity } from '../types.ts'
import type { Conversation } from './conversation.ts'
import type { Reply } from './reply.ts'

type Credentials = NonNullable<ClientIdentity['credentials']>
type Mechanism = (
  conversation: Conversation,
  credentials: Credentials,
  milliseconds: number,
) => Promise<Reply>

const GO_ON = 334

const MECHANISMS: readonly (readonly [name: string, run: Mechanism])[] = [
  // RFC 4616.
  [
    'PLAIN',
    (conversation, { password, user }, milliseconds) =>
      conversation.ask(`AUTH PLAIN ${base64(`\0${user}\0${password}`)}`, milliseconds),
  ],
  [
    'LOGIN',
    async (conversation, { password, user }, milliseconds) => {
      const asked = await conversation.ask('AUTH LOGIN', milliseconds)
      if (asked.code !== GO_ON) return asked
      const askedAgain = await conversation.ask(base64(user), milliseconds)
      if (askedAgain.code !== GO_ON) return askedAgain
      return conversation.ask(base64(password), milliseconds)
    },
  ],
  // RFC 2195.
  [
    'CRAM-MD5',
    async (conversation, { password, user }, milliseconds) => {
      const challenge = await conversation.ask('AUTH CRAM-MD5', milliseconds)
      if (challenge.code !== GO_ON) return challenge
      const bytes = Buffer.from(challenge.lines[0] ?? '', 'base64')
      const digest = createHmac('md5', password).update(bytes).digest('hex')
      return conversation.ask(base64(`${user} ${digest}`), milliseconds)
    },
  ],
]

/**
 * @param conversation one that is under TLS
 * @param offered mechanisms that the server offers
 * @param credentials whom to sign in as
 * @param milliseconds how long each reply may take
 * @returns the last reply, 235 where it is done; null when nothing that is offered is known here
 * @throws Lost
 */
export async function authenticate(
  conversation: Conversation,
  offered: readonly string[],
  credentials: Credentials,
  milliseconds: number,
): Promise<Reply | null> {
  const [, run] = MECHANISMS.find(([name]) => offered.includes(name)) ?? []
  return run === undefined ? null : run(conversation, credentials, milliseconds)
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}
