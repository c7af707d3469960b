/** One SMTP conversation up to the EHLO after STARTTLS: what a next hop offers and shows. Nothing is sent. */

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect, isIP } from 'node:net'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { connect as connectTls } from 'node:tls'
import { messageOf } from '../../text/message-of.ts'

export interface LookOptions {
  /** For SNI; an address where no name is known. */
  readonly host: string
  readonly address: string
  readonly port: number
  /** What is said at EHLO. */
  readonly helo: string
  /** What this server shows; null for nothing. */
  readonly certificate: { readonly cert: string; readonly key: string } | null
  /** How long each step may take. */
  readonly timeoutMilliseconds: number
  readonly signal: AbortSignal
}

/** All texts are the server's: not safe to print. */
export interface Seen {
  /** The first line of its greeting; null when there was none. */
  readonly greeting: string | null
  /** The lines of its last reply to EHLO, without the code and without its name. */
  readonly features: readonly string[] | null
  readonly tls: {
    readonly version: string
    readonly cipher: string
    /** What it showed, its own certificate first. */
    readonly chain: readonly Buffer[]
  } | null
  /** Where it ended before its end, and why. */
  readonly failure: { readonly at: 'connect' | 'EHLO' | 'STARTTLS'; readonly why: string } | null
}

/** RFC 5321 section 4.2: lines of a reply, the last without the hyphen. */
const REPLY = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\r?\n/
const MOST_CHARACTERS = 65_536
const MOST_CERTIFICATES = 20

/**
 * @param options where to, and as whom
 * @returns what was seen; never rejects for what the server does
 */
export async function look(options: LookOptions): Promise<Seen> {
  const conversation = new Conversation(options)
  try {
    await conversation.run()
  } catch (error) {
    conversation.fail(messageOf(error))
  } finally {
    conversation.close()
  }
  const { failure, features, greeting, tls } = conversation
  return { failure, features, greeting, tls }
}

class Conversation implements Seen {
  greeting: string | null = null
  features: string[] | null = null
  tls: Seen['tls'] = null
  failure: Seen['failure'] = null
  readonly #options: LookOptions
  #at: 'connect' | 'EHLO' | 'STARTTLS' = 'connect'
  #socket: Socket
  #text = ''
  #error: Error | null = null
  #wake: () => void = () => undefined

  constructor(options: LookOptions) {
    this.#options = options
    this.#socket = connect({ host: options.address, port: options.port })
    this.#listen()
  }

  async run(): Promise<void> {
    await this.#within('the connection', once(this.#socket, 'connect'))
    const greeting = await this.#expect('', '220')
    this.greeting = greeting.split('\n', 1)[0] ?? ''
    await this.#ehlo()
    if (this.features?.some((line) => line.trim().toUpperCase() === 'STARTTLS') !== true) return this.#quit()
    this.#at = 'STARTTLS'
    await this.#expect('STARTTLS', '220')
    if (this.#text !== '') throw new Error('it went on talking in plain text after its reply to STARTTLS')
    await this.#secure()
    await this.#ehlo()
    return this.#quit()
  }

  fail(why: string): void {
    this.failure ??= { at: this.#at, why }
  }

  close(): void {
    this.#socket.destroy()
  }

  async #ehlo(): Promise<void> {
    if (this.#at === 'connect') this.#at = 'EHLO'
    const reply = await this.#expect(`EHLO ${this.#options.helo}`, '250')
    this.features = reply
      .split('\n')
      .slice(1)
      .map((line) => line.slice(4))
  }

  async #quit(): Promise<void> {
    await this.#ask('QUIT').catch(() => '')
  }

  async #expect(command: string, code: string): Promise<string> {
    const reply = await this.#ask(command)
    if (reply.startsWith(code)) return reply
    throw new Error(`${command === '' ? 'it greeted with' : `${command} was answered`}: ${reply}`)
  }

  async #ask(command: string): Promise<string> {
    if (command !== '') this.#socket.write(`${command}\r\n`)
    const what = command === '' ? 'the greeting' : `the reply to ${command}`
    return this.#within(what, this.#reply(what))
  }

  async #reply(what: string): Promise<string> {
    for (;;) {
      const match = REPLY.exec(this.#text)
      if (match !== null) {
        this.#text = this.#text.slice(match[0].length)
        return match[0].replaceAll('\r', '').trimEnd()
      }
      if (this.#error !== null) throw new Error(`before ${what}: ${this.#error.message}`)
      if (this.#text.length > MOST_CHARACTERS) throw new Error(`${what} is too long, or no reply of SMTP`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Whether the certificate is what the connector asks for is not asked here: this only shows it. */
  async #secure(): Promise<void> {
    const { certificate, host } = this.#options
    this.#socket.removeAllListeners()
    const secure = connectTls({
      socket: this.#socket,
      rejectUnauthorized: false,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...certificate,
    })
    this.#socket = secure
    this.#text = ''
    this.#listen()
    await this.#within('the TLS handshake', once(secure, 'secureConnect'))
    this.tls = {
      version: secure.getProtocol() ?? 'unknown',
      cipher: secure.getCipher().name,
      chain: chainOf(secure),
    }
  }

  #listen(): void {
    const end = (error: Error): void => {
      this.#error ??= error
      this.#wake()
    }
    this.#socket.on('data', (chunk: Buffer) => {
      // What comes beyond that is no reply any more.
      if (this.#text.length <= MOST_CHARACTERS) this.#text += chunk.toString('latin1')
      this.#wake()
    })
    this.#socket.on('error', end)
    this.#socket.on('close', () => {
      end(new Error('the server closed the connection'))
    })
  }

  async #within<T>(what: string, promise: Promise<T>): Promise<T> {
    const { signal, timeoutMilliseconds } = this.#options
    const over = new AbortController()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`${what} took longer than ${timeoutMilliseconds / 1000} seconds`))
      }, timeoutMilliseconds)
      const stop = (): void => {
        reject(new Error('stopped'))
      }
      signal.addEventListener('abort', stop, { once: true, signal: over.signal })
    })
    try {
      signal.throwIfAborted()
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
      over.abort()
      // Whoever lost the race must not be an unhandled rejection.
      promise.catch(() => undefined)
    }
  }
}

function chainOf(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = []
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (next !== undefined && Buffer.isBuffer(next.raw) && chain.length < MOST_CERTIFICATES) {
    const raw = next.raw
    if (chain.some((known) => known.equals(raw))) break
    chain.push(raw)
    next = next.issuerCertificate
  }
  return chain
}
