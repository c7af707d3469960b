/** Commands and replies over one socket. What is not a reply to a command ends it. */

import { connect, type Socket } from 'node:net'
import type { SecureContext, TLSSocket } from 'node:tls'
import { connect as connectTls } from 'node:tls'
import { messageOf } from '../../text/message-of.ts'
import type { Reply } from './reply.ts'
import { BadReply, ReplyParser } from './reply.ts'

/** The conversation is over, and not by our QUIT. The message is for people; what the server said in it is not safe. */
export class Lost extends Error {
  override readonly name = 'Lost'
  /** RFC 3463. */
  readonly status: string
  /** Whether the other side only did not answer in time. */
  readonly isTimeout: boolean
  /** What it said at its end without being asked, e.g. 421. */
  readonly goodbye: Reply | null

  constructor(message: string, status: string, { goodbye = null, isTimeout = false }: LostHow = {}) {
    super(message)
    this.status = status
    this.isTimeout = isTimeout
    this.goodbye = goodbye
  }
}

interface LostHow {
  readonly goodbye?: Reply | null
  readonly isTimeout?: boolean
}

interface Waiter {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Lost) => void
}

const CLOSED = 'it closed the connection'

/** What came is no reply to anything. */
const OUT_OF_STEP = '4.5.0'

export class Conversation {
  #socket: Socket
  #parser = new ReplyParser()
  readonly #replies: Reply[] = []
  /** Replies that have not arrived yet: one is the greeting. */
  #owed = 1
  #waiter: Waiter | null = null
  #drain: (() => void) | null = null
  #lost: Lost | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#listen()
  }

  /**
   * @param address where to
   * @param port where to
   * @param milliseconds how long the connection may take
   * @returns the conversation, before the greeting
   * @throws Lost
   */
  static async open(address: string, port: number, milliseconds: number): Promise<Conversation> {
    const socket = connect({ host: address, port, noDelay: true })
    await within(milliseconds, 'it did not accept the connection', '4.4.1', (resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', (error) => {
        reject(new Lost(messageOf(error), '4.4.1'))
      })
    }).catch((error: unknown) => {
      // What comes of it later is nobody's concern.
      socket.on('error', () => undefined)
      socket.destroy()
      throw error
    })
    socket.removeAllListeners('error')
    return new Conversation(socket)
  }

  /** Whether commands can be sent. */
  get isOpen(): boolean {
    return this.#lost === null
  }

  /** @throws Lost when it is over, e.g. as more came than was asked for */
  requireOpen(): void {
    if (this.#lost !== null) throw this.#lost
  }

  /**
   * @param text one command, or several at once (RFC 2920), each with its CRLF
   * @param replies how many it makes
   */
  write(text: string, replies: number): void {
    this.#owed += replies
    if (this.#lost === null) this.#socket.write(text)
  }

  /**
   * @param milliseconds how long it may take
   * @returns the next reply
   * @throws Lost
   */
  async reply(milliseconds: number): Promise<Reply> {
    const ready = this.#replies.shift()
    if (ready !== undefined) return ready
    if (this.#lost !== null) throw this.#lost
    try {
      return await within<Reply>(milliseconds, 'it did not answer', '4.4.2', (resolve, reject) => {
        this.#waiter = { resolve, reject }
      })
    } catch (error) {
      if (error instanceof Lost) this.#lose(error)
      throw error
    } finally {
      this.#waiter = null
    }
  }

  /**
   * @param command without CRLF
   * @param milliseconds how long the reply may take
   * @returns its reply
   * @throws Lost
   */
  ask(command: string, milliseconds: number): Promise<Reply> {
    this.write(`${command}\r\n`, 1)
    return this.reply(milliseconds)
  }

  /**
   * Content and its end, whose reply is owed then.
   * @param content in wire form
   * @param milliseconds how long a part of it may take
   * @returns whether all of it was sent; not when the server said something before its end
   * @throws Lost
   */
  async content(content: Buffer, milliseconds: number): Promise<boolean> {
    this.#owed += 1
    let from = 0
    for (; from + PART < content.length; from += PART) {
      if (this.#hasEnded()) return false
      if (!this.#socket.write(content.subarray(from, from + PART))) await this.#drained(milliseconds)
    }
    if (this.#hasEnded()) return false
    this.#socket.cork()
    this.#socket.write(content.subarray(from))
    this.#socket.write('.\r\n')
    this.#socket.uncork()
    return true
  }

  /** Whether it said something already. */
  #hasEnded(): boolean {
    if (this.#replies.length > 0) return true
    if (this.#lost !== null) throw this.#lost
    return false
  }

  /**
   * TLS over the same connection. Everything heard before is forgotten (RFC 3207 section 4.2).
   * @param context what this side shows
   * @param servername the name that is asked for; null for none
   * @param milliseconds how long the handshake may take
   * @returns the socket, whose certificate nobody has looked at
   * @throws Lost
   */
  async secure(context: SecureContext, servername: string | null, milliseconds: number): Promise<TLSSocket> {
    const wentOn = !this.#parser.isEmpty || this.#replies.length > 0 || this.#owed > 0
    if (wentOn || this.#lost?.status === OUT_OF_STEP) {
      const injected = new Lost('it went on in plain text after its reply to STARTTLS', '4.7.0')
      this.#lose(injected)
      throw injected
    }
    if (this.#lost !== null) throw this.#lost
    const plain = this.#socket
    plain.removeAllListeners()
    plain.on('error', () => undefined)
    const socket = connectTls({
      socket: plain,
      secureContext: context,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ...(servername === null ? {} : { servername }),
    })
    this.#socket = socket
    this.#parser = new ReplyParser()
    try {
      await within<void>(milliseconds, 'the TLS handshake did not end', '4.7.4', (resolve, reject) => {
        const fail = (why: string): void => {
          reject(new Lost(`the TLS handshake failed: ${why}`, '4.7.4'))
        }
        socket.once('secureConnect', () => {
          resolve()
        })
        socket.once('error', (error) => {
          fail(reasonOf(error))
        })
        socket.once('close', () => {
          fail(CLOSED)
        })
      })
    } catch (error) {
      socket.removeAllListeners()
      socket.on('error', () => undefined)
      socket.destroy()
      throw error instanceof Lost ? this.#lose(error) : error
    }
    socket.removeAllListeners('error')
    socket.removeAllListeners('close')
    this.#listen()
    return socket
  }

  /** QUIT, and the end: at once when it does not answer. */
  async quit(milliseconds: number): Promise<void> {
    if (this.#lost === null && this.#owed === 0 && this.#replies.length === 0)
      await this.ask('QUIT', milliseconds).catch(() => undefined)
    this.destroy()
  }

  /** The end, without a word. */
  destroy(): void {
    this.#lost ??= new Lost('the connection was closed', '4.4.2')
    this.#socket.destroy()
  }

  #listen(): void {
    const socket = this.#socket
    socket.on('data', (chunk: Buffer) => {
      this.#data(chunk)
    })
    socket.on('drain', () => this.#drain?.())
    socket.on('error', (error) => {
      this.#lose(new Lost(`the connection was lost: ${reasonOf(error)}`, '4.4.2'))
    })
    socket.on('close', () => {
      this.#lose(new Lost(CLOSED, '4.4.2'))
    })
  }

  #data(chunk: Buffer): void {
    if (this.#lost !== null) return
    try {
      for (const reply of this.#parser.push(chunk)) this.#arrived(reply)
    } catch (error) {
      const why = error instanceof BadReply ? error.message : messageOf(error)
      this.#lose(new Lost(why, OUT_OF_STEP))
    }
  }

  #arrived(reply: Reply): void {
    if (this.#owed === 0) {
      // Some say why they close the connection; anything else is out of step.
      const isGoodbye = reply.code === 421
      this.#lose(
        isGoodbye
          ? new Lost(CLOSED, '4.4.2', { goodbye: reply })
          : new Lost('it answered what was not asked', OUT_OF_STEP),
      )
      return
    }
    this.#owed -= 1
    const waiter = this.#waiter
    this.#waiter = null
    if (waiter === null) this.#replies.push(reply)
    else waiter.resolve(reply)
    this.#drain?.()
  }

  async #drained(milliseconds: number): Promise<void> {
    try {
      await within<void>(milliseconds, 'it did not take the content', '4.4.2', (resolve) => {
        this.#drain = () => {
          resolve()
        }
      })
    } catch (error) {
      throw error instanceof Lost ? this.#lose(error) : error
    } finally {
      this.#drain = null
    }
  }

  #lose(lost: Lost): Lost {
    if (this.#lost !== null) return this.#lost
    this.#lost = lost
    this.#socket.destroy()
    this.#waiter?.reject(lost)
    this.#waiter = null
    this.#drain?.()
    return lost
  }
}

/** Content is handed over in parts of so many octets, so that a server that stops taking it is noticed. */
const PART = 262_144

type Start<T> = (resolve: (value: T) => void, reject: (error: Lost) => void) => void

function within<T>(milliseconds: number, what: string, status: string, start: Start<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Lost(`${what} within ${milliseconds / 1000} seconds`, status, { isTimeout: true }))
    }, milliseconds)
    start(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}

/** OpenSSL's own words, without where in its source they stand. */
function reasonOf(error: Error): string {
  const { reason } = error as Error & { readonly reason?: unknown }
  return typeof reason === 'string' ? reason : messageOf(error)
}
