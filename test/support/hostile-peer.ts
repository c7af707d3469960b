/** One connection of a hostile next hop. */

import { createHmac, randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { Answer, Connection, Message, Moment, NextHopOptions } from './hostile-script.ts'
import { CAPABILITIES, DROP, SILENCE } from './hostile-script.ts'

const ORDINARY: Readonly<Record<Exclude<Moment, 'EHLO' | 'HANDSHAKE' | 'PART' | 'AUTH'>, string>> = {
  CONNECT: '220 hop.test ESMTP',
  HELO: '250 hop.test',
  STARTTLS: '220 2.0.0 go on',
  MAIL: '250 2.1.0 ok',
  RCPT: '250 2.1.5 ok',
  DATA: '354 go on',
  DOT: '250 2.0.0 kept',
  RSET: '250 2.0.0 ok',
  NOOP: '250 2.0.0 ok',
  QUIT: '221 2.0.0 bye',
}

const isMoment = (verb: string): verb is keyof typeof ORDINARY => verb in ORDINARY

export class Peer implements Connection {
  readonly verbs: string[] = []
  serverName: string | null = null
  clientName: string | null = null
  tlsVersion: string | null = null
  user: string | null = null
  pipelined = 0
  readonly ended: Promise<void>
  readonly #socket: Socket
  readonly #options: NextHopOptions
  readonly #scripted: (moment: Moment, line: string, secure: boolean) => Answer | undefined
  readonly #keep: (message: Omit<Message, 'connection'>) => void
  readonly #raw: Buffer[] = []
  readonly #plain: Buffer[] = []
  readonly #within: Buffer[] = []
  #text = Buffer.alloc(0)
  #state: 'commands' | 'content' | 'handshake' | 'dialogue' = 'commands'
  #content: Buffer[] = []
  #tail: Buffer = Buffer.alloc(0)
  #mail = ''
  #rcpt: string[] = []
  #secure = false
  #tls: TLSSocket | null = null
  #tap: Duplex | null = null
  #dialogue: (line: string) => void = () => undefined

  constructor(
    socket: Socket,
    options: NextHopOptions,
    scripted: (moment: Moment, line: string, secure: boolean) => Answer | undefined,
    keep: (message: Omit<Message, 'connection'>) => void,
  ) {
    this.#socket = socket
    this.#options = options
    this.#scripted = scripted
    this.#keep = keep
    this.ended = new Promise((resolve) => {
      socket.once('close', () => {
        this.#tap?.destroy()
        resolve()
      })
    })
    // A client that goes away is what is tested.
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      this.#raw.push(chunk)
      if (this.#tap !== null) this.#encrypted(this.#tap, chunk)
      else {
        this.#plain.push(chunk)
        this.#came(chunk)
      }
    })
    this.#answer('CONNECT', '')
  }

  get raw(): Buffer {
    return Buffer.concat(this.#raw)
  }

  get plain(): string {
    return Buffer.concat(this.#plain).toString('latin1')
  }

  get within(): string {
    return Buffer.concat(this.#within).toString('latin1')
  }

  get open(): boolean {
    return !this.#socket.destroyed
  }

  drop(): void {
    this.#socket.destroy()
  }

  #came(chunk: Buffer): void {
    if (this.#state === 'content') {
      this.#contentCame(chunk)
      return
    }
    this.#text = Buffer.concat([this.#text, chunk])
    let commands = 0
    for (let end = this.#text.indexOf('\n'); end !== -1; end = this.#text.indexOf('\n')) {
      const line = this.#text.subarray(0, end).toString('latin1').replace(/\r$/, '')
      this.#text = this.#text.subarray(end + 1)
      commands += 1
      this.pipelined = Math.max(this.pipelined, commands)
      if (this.#state === 'dialogue') this.#dialogue(line)
      else this.#command(line)
      // What the state turns to takes the rest in its own way.
      if (this.#is('content')) {
        const rest = this.#text
        this.#text = Buffer.alloc(0)
        if (rest.length > 0) this.#contentCame(rest)
        return
      }
      if (this.#is('handshake')) return
    }
  }

  #is(state: 'content' | 'handshake'): boolean {
    return this.#state === state
  }

  #command(line: string): void {
    const verb = /^[A-Za-z]*/.exec(line)?.[0].toUpperCase() ?? ''
    this.verbs.push(verb)
    if (verb === 'AUTH') this.#auth(line)
    else if (verb === 'EHLO' || isMoment(verb)) this.#answer(verb, line)
    else this.say('500 5.5.1 what?')
  }

  #answer(moment: Exclude<Moment, 'HANDSHAKE' | 'PART' | 'AUTH'>, line: string): void {
    const answer =
      this.#scripted(moment, line, this.#secure) ?? (moment === 'EHLO' ? this.#ehlo() : ORDINARY[moment])
    this.say(answer)
    const said = Buffer.isBuffer(answer) ? answer.toString('latin1') : answer
    const positive = typeof said === 'string' && /^[23]/.test(said)
    if (moment === 'QUIT' && positive) this.#end()
    if (!positive) return
    if (moment === 'STARTTLS' && said.startsWith('220')) this.#startTls()
    else if (moment === 'MAIL') [this.#mail, this.#rcpt] = [line, []]
    else if (moment === 'RCPT') this.#rcpt.push(line)
    else if (moment === 'DATA') [this.#state, this.#tail] = ['content', Buffer.from('\r\n')]
  }

  #ehlo(): string {
    const {
      auth,
      authBefore = false,
      before,
      capabilities = CAPABILITIES,
      name = 'hop.test',
      tls,
    } = this.#options
    const offered = [
      ...(this.#secure ? capabilities : (before ?? capabilities)),
      ...(tls !== null && !this.#secure ? ['STARTTLS'] : []),
      ...(auth !== undefined && (this.#secure || authBefore) ? [`AUTH ${auth.mechanisms.join(' ')}`] : []),
    ]
    const lines = [name, ...offered]
    return lines.map((text, index) => `250${index === lines.length - 1 ? ' ' : '-'}${text}`).join('\r\n')
  }

  say(answer: Answer): void {
    const out = this.#tls ?? this.#socket
    if (answer === SILENCE) return
    if (answer === DROP) this.drop()
    else if (typeof answer === 'string') out.write(`${answer}\r\n`)
    else if (Buffer.isBuffer(answer)) out.write(answer)
    else if ('trickling' in answer) {
      const timer = setInterval(() => out.write(answer.trickling), 100)
      this.#socket.once('close', () => {
        clearInterval(timer)
      })
    } else {
      const { endless } = answer
      const more = (): void => {
        while (!this.#socket.destroyed && out.write(endless));
      }
      out.on('drain', more)
      more()
    }
  }

  #end(): void {
    if (this.#tls === null) this.#socket.end()
    else this.#tls.end()
  }

  #contentCame(chunk: Buffer): void {
    this.#content.push(chunk)
    const part = this.#scripted('PART', '', this.#secure)
    if (part !== undefined) this.say(part)
    // Looked for in what is new alone: content may be large.
    const tail = Buffer.concat([this.#tail, chunk])
    this.#tail = tail.subarray(-4)
    const found = tail.indexOf('\r\n.\r\n')
    if (found === -1) return
    const whole = Buffer.concat([Buffer.from('\r\n'), ...this.#content])
    const end = whole.length - tail.length + found
    const content = whole.subarray(2, end + 2)
    this.#content = []
    this.#state = 'commands'
    this.#keep({ mail: this.#mail, rcpt: this.#rcpt, content, secure: this.#secure })
    this.#answer('DOT', '')
    const rest = whole.subarray(end + 5)
    if (rest.length > 0) this.#came(rest)
  }

  /** TLS runs over a stream of ours, so that the raw bytes are seen too. */
  #startTls(): void {
    const { tls } = this.#options
    if (tls === null) return
    const socket = this.#socket
    this.#state = 'handshake'
    this.#text = Buffer.alloc(0)
    const tap = new Duplex({
      read: () => {
        socket.resume()
      },
      write: (chunk: Buffer, _encoding, done) => {
        socket.write(chunk, done)
      },
      final: (done) => {
        socket.end(done)
      },
      destroy: (_error, done) => {
        socket.destroy()
        done(null)
      },
    })
    this.#tap = tap
    socket.once('end', () => tap.push(null))
    const { requestCert = false, strict = false, ...context } = tls
    const secureContext = createSecureContext(context)
    const secured = new TLSSocket(tap, {
      isServer: true,
      secureContext,
      requestCert,
      rejectUnauthorized: strict,
      SNICallback: (name, done) => {
        this.serverName = name
        done(null, secureContext)
      },
    })
    secured.on('error', () => {
      this.drop()
    })
    secured.once('secure', () => {
      this.#tls = secured
      this.#secure = true
      this.#state = 'commands'
      this.tlsVersion = secured.getProtocol()
      // Without a certificate there is no subject.
      const subject = secured.getPeerCertificate().subject as { CN?: string } | undefined
      this.clientName = subject?.CN ?? null
    })
    secured.on('data', (chunk: Buffer) => {
      this.#within.push(chunk)
      this.#came(chunk)
    })
  }

  #encrypted(tap: Duplex, chunk: Buffer): void {
    if (this.#state === 'handshake') {
      const answer = this.#scripted('HANDSHAKE', '', false)
      if (answer !== undefined) {
        this.say(answer)
        return
      }
    }
    if (!tap.push(chunk)) this.#socket.pause()
  }

  #auth(line: string): void {
    const scripted = this.#scripted('AUTH', line, this.#secure)
    const { auth } = this.#options
    if (scripted !== undefined || auth === undefined) {
      this.say(scripted ?? '503 5.5.1 no AUTH here')
      return
    }
    const [, mechanism = '', initial] = line.split(' ')
    const decode = (text: string): string => Buffer.from(text, 'base64').toString('utf8')
    const done = (user: string, proved: boolean): void => {
      this.#state = 'commands'
      if (proved) this.user = user
      this.say(proved ? '235 2.7.0 welcome' : '535 5.7.8 no such user or password')
    }
    const ask = (challenge: string, then: (line: string) => void): void => {
      this.#state = 'dialogue'
      this.#dialogue = then
      this.say(`334 ${Buffer.from(challenge).toString('base64')}`)
    }
    const plain = (text: string): void => {
      const [, user = '', password = ''] = decode(text).split('\0')
      done(user, user === auth.user && password === auth.password)
    }
    if (mechanism === 'PLAIN') {
      if (initial === undefined) ask('', plain)
      else plain(initial)
    } else if (mechanism === 'LOGIN') {
      const password = (user: string): void => {
        ask('Password:', (text) => {
          done(user, user === auth.user && decode(text) === auth.password)
        })
      }
      if (initial === undefined) {
        ask('Username:', (text) => {
          password(decode(text))
        })
      } else password(decode(initial))
    } else if (mechanism === 'CRAM-MD5') {
      const challenge = `<${randomBytes(8).toString('hex')}@hop.test>`
      ask(challenge, (text) => {
        const [user = '', digest = ''] = decode(text).split(' ')
        const expected = createHmac('md5', auth.password).update(challenge).digest('hex')
        done(user, user === auth.user && digest === expected)
      })
    } else this.say('504 5.5.4 unknown mechanism')
  }
}
