/** An SMTP client that says exactly what the test wants, over plain text, STARTTLS or implicit TLS. */

import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { connect as tlsConnect } from 'node:tls'

export interface ClientOptions {
  readonly host?: string
  readonly port: number
  /** The source address, anywhere in 127.0.0.0/8. */
  readonly localAddress?: string
  /** A PROXY header or other bytes to send before anything else. */
  readonly preamble?: string
  readonly implicitTls?: boolean
  readonly certificate?: { readonly cert: string; readonly key: string }
  readonly tls?: ConnectionOptions
  /** Do not wait for a greeting. */
  readonly silent?: boolean
}

/** Reads `NAME.cert.pem` and `NAME.key.pem`. */
export function certificateFiles(folder: string, name: string): { cert: string; key: string } {
  return {
    cert: readFileSync(`${folder}/${name}.cert.pem`, 'utf8'),
    key: readFileSync(`${folder}/${name}.key.pem`, 'utf8'),
  }
}

export class SmtpClient {
  #socket: Socket | TLSSocket
  #buffer = ''
  #waiting: (() => void)[] = []
  #ended = false
  #error: Error | null = null
  readonly #options: ClientOptions

  private constructor(socket: Socket | TLSSocket, options: ClientOptions) {
    this.#socket = socket
    this.#options = options
    this.#listen(socket)
  }

  static async connect(options: ClientOptions): Promise<SmtpClient> {
    const plain = connect({
      port: options.port,
      host: options.host ?? '127.0.0.1',
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    })
    await new Promise<void>((resolve, reject) => {
      plain.once('connect', resolve)
      plain.once('error', reject)
    })
    if (options.preamble !== undefined) plain.write(options.preamble, 'latin1')
    const socket = options.implicitTls === true ? await startTls(plain, options) : plain
    const client = new SmtpClient(socket, options)
    if (options.silent !== true) await client.expect(/^220 /)
    return client
  }

  #listen(socket: Socket | TLSSocket): void {
    const wake = (): void => {
      const waiting = this.#waiting
      this.#waiting = []
      for (const next of waiting) next()
    }
    socket.on('data', (chunk: Buffer) => {
      this.#buffer += chunk.toString('utf8')
      wake()
    })
    socket.on('error', (error) => {
      this.#error = error
      wake()
    })
    socket.on('close', () => {
      this.#ended = true
      wake()
    })
  }

  /** The encrypted socket, for its session. */
  get socket(): Socket | TLSSocket {
    return this.#socket
  }

  /** One whole reply, all its lines, without the last CRLF; '' when the connection was closed. */
  async reply(): Promise<string> {
    for (;;) {
      const match = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/.exec(this.#buffer)
      if (match !== null) {
        this.#buffer = this.#buffer.slice(match[0].length)
        return match[0].trimEnd()
      }
      if (this.#ended) return ''
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    }
  }

  async expect(pattern: RegExp): Promise<string> {
    const reply = await this.reply()
    if (pattern.test(reply)) return reply
    throw new Error(
      `expected ${String(pattern)}, got "${reply}"${this.#error === null ? '' : ` (${this.#error.message})`}`,
    )
  }

  write(text: string | Buffer): void {
    this.#socket.write(text)
  }

  /** Sends one command and returns its reply. */
  async command(line: string): Promise<string> {
    this.write(`${line}\r\n`)
    return this.reply()
  }

  async ehlo(name = 'client.test'): Promise<string> {
    this.write(`EHLO ${name}\r\n`)
    return this.expect(/^250/)
  }

  async starttls(): Promise<void> {
    this.write('STARTTLS\r\n')
    await this.expect(/^220 /)
    this.#socket.removeAllListeners('data')
    this.#socket.removeAllListeners('close')
    this.#socket = await startTls(this.#socket, this.#options)
    this.#listen(this.#socket)
  }

  /** EHLO, and STARTTLS and EHLO again unless the connection is plain or encrypted already. */
  async greet(starttls: boolean): Promise<void> {
    await this.ehlo()
    if (!starttls) return
    await this.starttls()
    await this.ehlo()
  }

  /** MAIL and one RCPT: the reply to RCPT. */
  async envelope(from: string, to: string): Promise<string> {
    this.write(`MAIL FROM:<${from}>\r\n`)
    await this.expect(/^250 /)
    return this.command(`RCPT TO:<${to}>`)
  }

  /** DATA with a whole message (lines end in CRLF, dots are stuffed here): the reply. */
  async message(text: string | Buffer): Promise<string> {
    this.write('DATA\r\n')
    await this.expect(/^354/)
    const bytes = typeof text === 'string' ? Buffer.from(text) : text
    this.write(Buffer.from(bytes.toString('latin1').replaceAll(/^\./gm, '..'), 'latin1'))
    return this.command('.')
  }

  async quit(): Promise<void> {
    if (!this.#ended) await this.command('QUIT')
    this.close()
  }

  /** Whether the server has closed the connection; waits for it. */
  async closed(): Promise<true> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    }
    return true
  }

  close(): void {
    this.#socket.destroy()
  }
}

async function startTls(socket: Socket, { certificate, tls }: ClientOptions): Promise<TLSSocket> {
  const encrypted = tlsConnect({ socket, rejectUnauthorized: false, ...certificate, ...tls })
  await new Promise<void>((resolve, reject) => {
    encrypted.once('secureConnect', resolve)
    encrypted.once('error', reject)
    encrypted.once('close', () => {
      reject(new Error('closed during the handshake'))
    })
  })
  return encrypted
}
