/** One SMTP conversation up to RCPT, as a sending server has it, told step by step. Nothing is sent. */

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { connect as connectTls } from 'node:tls'
import { messageOf } from '../text/message-of.ts'

export interface ProbeOptions {
  readonly host: string
  readonly port: number
  readonly implicitTls: boolean
  /** PEM; without it none is presented. */
  readonly certificate: {
    readonly cert: string | Buffer
    readonly key: Buffer
    readonly passphrase?: string
  } | null
  readonly helo: string
  readonly from: string
  readonly to: string
  /** How long each step may take. */
  readonly timeoutMilliseconds: number
}

export interface ProbeResult {
  /** Each command and its reply, in order; '' is the greeting's command. */
  readonly dialogue: readonly { readonly command: string; readonly reply: string }[]
  readonly tls: {
    readonly protocol: string
    readonly cipher: string
    /** What the server presented. */
    readonly server: { readonly subject: string; readonly issuer: string; readonly validTo: string } | null
  } | null
  /** The reply to RCPT; null when it did not come to that. */
  readonly reply: string | null
  /** What ended it before; null when nothing did. */
  readonly failure: string | null
}

/**
 * @param options where to, and as whom
 * @returns what was said; never rejects for what the server does
 */
export async function probe(options: ProbeOptions): Promise<ProbeResult> {
  const conversation = new Conversation(options)
  let reply: string | null = null
  let failure: string | null = null
  try {
    reply = await conversation.run()
  } catch (error) {
    failure = messageOf(error)
  } finally {
    conversation.close()
  }
  const { dialogue, tls } = conversation
  return { dialogue, tls, reply, failure }
}

/** RFC 5321 section 4.2: lines of a reply, the last without the hyphen. */
const REPLY = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/
const MOST_CHARACTERS = 65_536

class Conversation {
  readonly dialogue: { command: string; reply: string }[] = []
  tls: ProbeResult['tls'] = null
  readonly #options: ProbeOptions
  #socket: Socket
  #text = ''
  #error: Error | null = null
  #wake: () => void = () => undefined

  constructor(options: ProbeOptions) {
    this.#options = options
    this.#socket = connect({ host: options.host, port: options.port })
    this.#listen()
  }

  async run(): Promise<string> {
    const { from, helo, implicitTls, to } = this.#options
    await this.#within('the connection', once(this.#socket, 'connect'))
    if (implicitTls) await this.#secure()
    await this.#expect('', '220')
    const features = await this.#expect(`EHLO ${helo}`, '250')
    if (!implicitTls) {
      if (!/^250[- ]STARTTLS\r?$/im.test(features)) throw new Error('the server does not offer STARTTLS')
      await this.#expect('STARTTLS', '220')
      await this.#secure()
      await this.#expect(`EHLO ${helo}`, '250')
    }
    await this.#expect(`MAIL FROM:<${from}>`, '250')
    const reply = await this.#ask(`RCPT TO:<${to}>`)
    await this.#ask('QUIT').catch(() => '')
    return reply
  }

  close(): void {
    this.#socket.destroy()
  }

  async #expect(command: string, code: string): Promise<string> {
    const reply = await this.#ask(command)
    if (reply.startsWith(code)) return reply
    throw new Error(`${command === '' ? 'the greeting' : command} was answered: ${reply}`)
  }

  async #ask(command: string): Promise<string> {
    if (command !== '') this.#socket.write(`${command}\r\n`)
    const what = command === '' ? 'the greeting' : `the reply to ${command}`
    const reply = await this.#within(what, this.#reply(what))
    this.dialogue.push({ command, reply })
    return reply
  }

  async #reply(what: string): Promise<string> {
    for (;;) {
      const match = REPLY.exec(this.#text)
      if (match !== null) {
        this.#text = this.#text.slice(match[0].length)
        return match[0].replaceAll('\r', '').trimEnd()
      }
      if (this.#error !== null) throw new Error(`before ${what}: ${this.#error.message}`)
      if (this.#text.length > MOST_CHARACTERS) throw new Error(`${what} is too long`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Whether the server is who it says is not asked here: that is the sender's business. */
  async #secure(): Promise<void> {
    const { certificate, host } = this.#options
    this.#socket.removeAllListeners()
    const secure = connectTls({
      socket: this.#socket,
      rejectUnauthorized: false,
      ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
      ...certificate,
    })
    this.#socket = secure
    this.#text = ''
    this.#listen()
    await this.#within('the TLS handshake', once(secure, 'secureConnect'))
    this.tls = describeTls(secure)
  }

  #listen(): void {
    const end = (error: Error): void => {
      this.#error ??= error
      this.#wake()
    }
    this.#socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1')
      this.#wake()
    })
    this.#socket.on('error', end)
    this.#socket.on('close', () => {
      end(new Error('the server closed the connection'))
    })
  }

  async #within<T>(what: string, promise: Promise<T>): Promise<T> {
    const { timeoutMilliseconds } = this.#options
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`${what} took longer than ${timeoutMilliseconds / 1000} seconds`))
      }, timeoutMilliseconds)
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }
}

function describeTls(socket: TLSSocket): NonNullable<ProbeResult['tls']> {
  const server = socket.getPeerCertificate()
  return {
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().name,
    server:
      Object.keys(server).length === 0
        ? null
        : { subject: nameText(server.subject), issuer: nameText(server.issuer), validTo: server.valid_to },
  }
}

function nameText(name: PeerCertificate['subject'] | undefined): string {
  return Object.entries(name ?? {})
    .map(([key, value]) => `${key}=${[value].flat().join('+')}`)
    .join(', ')
}
