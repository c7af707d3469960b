/**
 * Clients that send distinct messages without a pause over crashes of the server; each envelope goes in one packet
 * (RFC 2920).
 */

import { setTimeout as pause } from 'node:timers/promises'
import type { DistinctMessage, DistinctMessages } from './distinct-messages.ts'
import { SmtpClient } from './smtp-client.ts'

export interface SentMessage {
  readonly message: DistinctMessage
  /** Whom the server took it for: those whose RCPT was answered 250. */
  readonly to: readonly string[]
  /** What came after the final dot; null while nothing did. */
  reply: string | null
}

export interface SenderOptions {
  readonly host: string
  readonly port: number
  readonly localAddress: string
  readonly clients: number
  readonly messages: DistinctMessages
  /** How large the next body is to be. */
  readonly size: () => number
  readonly recipients: () => readonly string[]
  /** Told of each 250 after a final dot. */
  readonly accepted?: () => void
}

/**
 * A worker that is killed takes a connection with it that its master had just given it: node's master neither closes it
 * nor gives it to another. Clients wait for the greeting, and come again (RFC 5321 section 4.5.3.2.1).
 */
const GREETING_MILLISECONDS = 10_000

export class SteadySender {
  /** Everything whose final dot was sent, or begun to be, by id. */
  readonly sent = new Map<string, SentMessage>()
  /** Replies to anything that were not expected, by their text. */
  readonly refusals = new Map<string, number>()
  readonly #options: SenderOptions
  readonly #clients: readonly Promise<void>[]
  #stopping = false

  constructor(options: SenderOptions) {
    this.#options = options
    this.#clients = Array.from({ length: options.clients }, () => this.#run())
  }

  /** Ends what is under way. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#clients)
  }

  accepted(): SentMessage[] {
    return [...this.sent.values()].filter(({ reply }) => reply?.startsWith('250') === true)
  }

  async #run(): Promise<void> {
    const { host, localAddress, port } = this.#options
    while (!this.#stopping) {
      const silent = { host, port, localAddress, silent: true }
      const client = await SmtpClient.connect(silent).catch(() => null)
      if (client === null) {
        await pause(20)
        continue
      }
      try {
        const greeting = await Promise.race([client.reply(), pause(GREETING_MILLISECONDS, '')])
        if (greeting.startsWith('220')) {
          await client.ehlo()
          await this.#session(client)
        } else this.#refused(greeting === '' ? 'no greeting' : greeting)
      } catch {
        // It was killed.
      } finally {
        client.close()
      }
    }
  }

  async #session(client: SmtpClient): Promise<void> {
    let to = this.#options.recipients()
    client.write(group(to))
    for (;;) {
      const taken = await this.#envelope(client, to)
      if (taken === null) return
      const message = this.#options.messages.make(this.#options.size())
      const sent: SentMessage = { message, to: taken, reply: null }
      this.sent.set(message.id, sent)
      client.write(message.wire)
      const reply = await client.reply()
      if (reply === '') return
      sent.reply = reply
      if (reply.startsWith('250')) this.#options.accepted?.()
      else this.#refused(reply)
      if (this.#stopping) return
      to = this.#options.recipients()
      client.write(group(to))
    }
  }

  /** @returns those that were taken; null when the connection has to end */
  async #envelope(client: SmtpClient, to: readonly string[]): Promise<string[] | null> {
    const mail = await client.reply()
    if (!mail.startsWith('250')) this.#refused(mail)
    const taken: string[] = []
    for (const recipient of to) {
      const reply = await client.reply()
      if (reply.startsWith('250')) taken.push(recipient)
      else this.#refused(reply)
    }
    const data = await client.reply()
    if (data.startsWith('354')) return taken
    this.#refused(data)
    return null
  }

  #refused(reply: string): void {
    if (reply === '') return
    const text = reply.replaceAll(/[0-9A-F]{8}-[0-9A-F-]{27}[.\d]*/g, 'ID')
    this.refusals.set(text, (this.refusals.get(text) ?? 0) + 1)
  }
}

function group(to: readonly string[]): string {
  const recipients = to.map((address) => `RCPT TO:<${address}>\r\n`).join('')
  return `MAIL FROM:<kate@contoso.com> BODY=8BITMIME\r\n${recipients}DATA\r\n`
}
