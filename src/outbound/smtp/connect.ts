/** How a connection to a next hop is made: TCP, greeting, EHLO, TLS as promised, AUTH. The only way out of this process. */

import type { SecureContext } from 'node:tls'
import { createSecureContext } from 'node:tls'
import { isIP } from 'node:net'
import type { TrustSets } from '../../certificate/trust-sets.ts'
import { messageOf } from '../../text/message-of.ts'
import type { ClientIdentity, Connect, Connected, ConnectFailure, Said, Target, TlsFacts } from '../types.ts'
import { authenticate } from './authenticate.ts'
import { Conversation, Lost } from './conversation.ts'
import type { Features } from './features.ts'
import { featuresIn, NO_FEATURES } from './features.ts'
import type { Reply } from './reply.ts'
import { saidBy, saidHere, textOf } from './said.ts'
import { SmtpSession } from './session.ts'
import { judgeTls } from './tls-policy.ts'

export interface ConnectOptions {
  /** What is said at EHLO. */
  readonly helo: () => string
  /** Whom certificates of servers must lead to; asked at each connection, as the files may change. */
  readonly trust: () => TrustSets
  /** Milliseconds: to accept a connection, and to answer a command. */
  readonly timeouts: () => { readonly connect: number; readonly reply: number }
  readonly now?: () => number
}

/** Contexts that are kept: one for each identity. */
const MOST_CONTEXTS = 1000

const READY = 220
const DONE = 250
const CLOSING = 421
const SIGNED_IN = 235

/** Why it came no further; the message is the kind. */
class Stopped extends Error {
  readonly failure: ConnectFailure
  constructor(kind: ConnectFailure['kind'], said: Said) {
    super(kind)
    this.failure = { kind, said }
  }
}

/** Opportunistic TLS did not come about: it is tried without, over a new connection. */
class WithoutTls extends Error {}

/**
 * @param options what is shown and asked for
 * @returns what makes connections; it never rejects, and sends nothing of a message before the target's policy holds
 */
export function makeConnect(options: ConnectOptions): Connect {
  const contexts = new Map<string, SecureContext>()
  const contextOf = (identity: ClientIdentity): SecureContext => {
    const known = contexts.get(identity.key)
    if (known !== undefined) return known
    const context = createSecureContext({ minVersion: 'TLSv1.2', ...identity.certificate })
    if (contexts.size >= MOST_CONTEXTS) contexts.clear()
    contexts.set(identity.key, context)
    return context
  }
  return async (target) => {
    try {
      return await attempt(target, true)
    } catch (error) {
      if (!(error instanceof WithoutTls)) return failureOf(target, error, options)
    }
    try {
      return await attempt(target, false)
    } catch (error) {
      return failureOf(target, error, options)
    }
  }

  async function attempt(target: Target, mayUseTls: boolean): Promise<Connected> {
    const { connect } = options.timeouts()
    const conversation = await Conversation.open(target.address, target.port, connect)
    try {
      const opening = new Opening(conversation, target, options, contextOf)
      return { session: await opening.run(mayUseTls) }
    } catch (error) {
      // What ends here was not talked out of step: it may be told.
      void conversation.quit(GOODBYE)
      throw error
    }
  }
}

/** Nobody waits longer for the reply to QUIT. */
const GOODBYE = 1000

function failureOf(target: Target, error: unknown, { now = Date.now }: ConnectOptions): Connected {
  if (error instanceof Stopped) return { failure: error.failure }
  if (!(error instanceof Lost)) {
    return { failure: { kind: 'unreachable', said: saidHere(target, '4.3.0', messageOf(error), now()) } }
  }
  const said =
    error.goodbye === null
      ? saidHere(target, error.status, error.message, now())
      : saidBy(target, error.goodbye, now())
  return { failure: { kind: 'unreachable', said } }
}

class Opening {
  readonly #conversation: Conversation
  readonly #target: Target
  readonly #options: ConnectOptions
  readonly #contextOf: (identity: ClientIdentity) => SecureContext
  #features: Features = NO_FEATURES

  constructor(
    conversation: Conversation,
    target: Target,
    options: ConnectOptions,
    contextOf: (identity: ClientIdentity) => SecureContext,
  ) {
    this.#conversation = conversation
    this.#target = target
    this.#options = options
    this.#contextOf = contextOf
  }

  get #promised(): boolean {
    return this.#target.policy.level !== 'opportunistic'
  }

  get #reply(): number {
    return this.#options.timeouts().reply
  }

  get #now(): number {
    return (this.#options.now ?? Date.now)()
  }

  async run(mayUseTls: boolean): Promise<SmtpSession> {
    const greeting = await this.#conversation.reply(this.#reply)
    if (greeting.code !== READY) throw this.#refused(greeting)
    await this.#ehlo(false)
    this.#conversation.requireOpen()
    const tls = mayUseTls || this.#promised ? await this.#tls() : null
    await this.#signIn(tls)
    return new SmtpSession({
      conversation: this.#conversation,
      features: this.#features,
      target: this.#target,
      tls,
      replyMilliseconds: () => this.#reply,
      now: () => this.#now,
    })
  }

  async #ehlo(isUnderTls: boolean): Promise<void> {
    const helo = this.#options.helo()
    const reply = await this.#conversation.ask(`EHLO ${helo}`, this.#reply)
    if (reply.code === DONE) {
      this.#features = featuresIn(reply)
      // Before TLS anybody on the way could say our name, and mail would be given up where it has only to wait.
      if (isUnderTls || !this.#promised) this.#refuseOurselves(helo)
      return
    }
    if (reply.code < 500) throw this.#refused(reply)
    // RFC 5321 section 3.2: a server of RFC 821 knows HELO only, and so no TLS.
    if (this.#promised && !isUnderTls) {
      throw this.#stop(
        'tls',
        '4.7.4',
        `EHLO was refused, and without it there is no TLS: ${wordsOf(reply)}`,
        reply,
      )
    }
    const second = await this.#conversation.ask(`HELO ${helo}`, this.#reply)
    if (second.code !== DONE) throw this.#refused(second)
    this.#features = NO_FEATURES
  }

  #refuseOurselves(helo: string): void {
    if (!this.#target.refuseOwnName || this.#features.name !== helo.toLowerCase()) return
    throw this.#stop('loop', '5.4.6', 'the server there has the name of this one: mail would loop')
  }

  async #tls(): Promise<TlsFacts | null> {
    if (!this.#features.startTls) {
      if (!this.#promised) return null
      throw this.#stop(
        'tls',
        '4.7.4',
        'the server does not offer STARTTLS, and mail may go there under TLS only',
      )
    }
    try {
      return await this.#startTls()
    } catch (error) {
      // Also when it breaks off at EHLO: with TLS 1.3 that is when a server says what it did not like.
      if (this.#promised || !(error instanceof Lost)) throw error
      throw new WithoutTls(error.message)
    }
  }

  async #startTls(): Promise<TlsFacts | null> {
    let answer
    try {
      answer = await this.#conversation.ask('STARTTLS', this.#reply)
    } catch (error) {
      if (!this.#promised || !(error instanceof Lost)) throw error
      throw this.#stop('tls', '4.7.4', `STARTTLS was not answered: ${error.message}`)
    }
    if (answer.code !== READY) {
      const text = `STARTTLS was refused: ${wordsOf(answer)}`
      if (this.#promised) throw this.#stop('tls', '4.7.4', text, answer)
      if (answer.code === CLOSING) throw new WithoutTls(text)
      return null
    }
    const facts = await this.#handshake()
    await this.#ehlo(true)
    this.#conversation.requireOpen()
    return facts
  }

  async #handshake(): Promise<TlsFacts> {
    const { host, identity, policy } = this.#target
    let socket
    try {
      const servername = isIP(host) === 0 ? host : null
      socket = await this.#conversation.secure(this.#contextOf(identity), servername, this.#reply)
    } catch (error) {
      if (!this.#promised || !(error instanceof Lost)) throw error
      throw this.#stop('tls', error.status, error.message)
    }
    const { facts, fault } = judgeTls(socket, policy, this.#options.trust())
    if (fault !== null) throw this.#stop('tls', '4.7.5', fault)
    return facts
  }

  async #signIn(tls: TlsFacts | null): Promise<void> {
    const { credentials } = this.#target.identity
    if (credentials === null) return
    if (tls === null) {
      throw this.#stop('auth', '4.7.0', 'the password is sent under TLS only, and the server has none')
    }
    const reply = await authenticate(this.#conversation, this.#features.auth, credentials, this.#reply)
    if (reply === null) {
      const offered = this.#features.auth.join(' ')
      const what = offered === '' ? 'no AUTH' : `AUTH ${offered}, none of which is known here`
      throw this.#stop('auth', '4.7.4', `the server offers ${what}: nobody can sign in`)
    }
    if (reply.code === SIGNED_IN) return
    throw this.#stop('auth', '4.7.8', `signing in was refused: ${wordsOf(reply)}`, reply)
  }

  /** A server that says 5xx to everybody may say something else tomorrow: whether it is final, the lifetime says. */
  #refused(reply: Reply): Stopped {
    const said = saidBy(this.#target, reply, this.#now)
    if (reply.code < 400)
      return this.#stop('unreachable', '4.5.0', `it greeted with ${wordsOf(reply)}`, reply)
    return new Stopped(reply.code < 500 ? 'unreachable' : 'refused', said)
  }

  #stop(kind: ConnectFailure['kind'], status: string, text: string, reply?: Reply): Stopped {
    const said = saidHere(this.#target, status, text, this.#now)
    return new Stopped(kind, reply === undefined ? said : { ...said, code: reply.code })
  }
}

function wordsOf(reply: Reply): string {
  return `${reply.code} ${textOf(reply)}`
}
