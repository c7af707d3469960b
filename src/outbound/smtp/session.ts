/** A connection that has come as far as MAIL, and what is sent over it. */

import type { Outgoing, RecipientResult, Session, Target, TlsFacts } from '../types.ts'
import type { Conversation } from './conversation.ts'
import { Lost } from './conversation.ts'
import type { Features } from './features.ts'
import { saidBy, saidHere } from './said.ts'
import type { Ended, TransactionContext } from './transaction.ts'
import { runTransaction } from './transaction.ts'

export interface SessionOptions {
  readonly conversation: Conversation
  readonly features: Features
  readonly target: Target
  readonly tls: TlsFacts | null
  readonly replyMilliseconds: () => number
  readonly now: () => number
}

/** RFC 5321 section 4.5.3.1.8: every server takes so many. */
const MOST_RECIPIENTS = 100

/** RFC 5321 section 4.5.3.2.6: what the server says after the content may take so long, whatever else is set. */
const AFTER_CONTENT = 600_000

/** Nobody waits longer for the reply to QUIT. */
const GOODBYE = 1000

type Sent = Awaited<ReturnType<Session['send']>>

export class SmtpSession implements Session {
  readonly target: Target
  readonly tls: TlsFacts | null
  readonly #options: SessionOptions
  #mustReset = false
  #isOver = false
  #isSending = false

  constructor(options: SessionOptions) {
    this.#options = options
    this.target = options.target
    this.tls = options.tls
  }

  get usable(): boolean {
    return !this.#isOver && !this.#isSending && this.#options.conversation.isOpen
  }

  async send(outgoing: Outgoing): Promise<Sent> {
    const results: RecipientResult[] = []
    let reached = false
    this.#isSending = true
    const { recipients } = outgoing
    for (let from = 0; from < recipients.length; from += MOST_RECIPIENTS) {
      const some = recipients.slice(from, from + MOST_RECIPIENTS)
      const ended = await this.#transact({ ...outgoing, recipients: some })
      results.push(...ended.results)
      reached ||= ended.reached
    }
    this.#isSending = false
    return { results, reached }
  }

  async close(): Promise<void> {
    const { conversation } = this.#options
    if (this.#isOver || this.#isSending) conversation.destroy()
    else await conversation.quit(GOODBYE)
    this.#isOver = true
  }

  async #transact(outgoing: Outgoing): Promise<Ended> {
    const lost = await this.#begin()
    const ended =
      lost === null ? await runTransaction(outgoing, this.#context()) : this.#notBegun(outgoing, lost)
    this.#mustReset = ended.mustReset
    this.#isOver ||= ended.isOver
    return ended
  }

  /** The rest of the transaction before is forgotten. @returns why that is not so */
  async #begin(): Promise<Lost | null> {
    const { conversation, replyMilliseconds } = this.#options
    if (this.#isOver) return new Lost('the connection has ended', '4.4.2')
    if (!this.#mustReset) return null
    try {
      const { code } = await conversation.ask('RSET', replyMilliseconds())
      return code === 250 ? null : new Lost(`it answered RSET with ${code}`, '4.5.0')
    } catch (error) {
      return error instanceof Lost ? error : new Lost(String(error), '4.3.0')
    }
  }

  #notBegun({ recipients }: Outgoing, lost: Lost): Ended {
    const { now, target } = this.#options
    const said =
      lost.goodbye === null
        ? saidHere(target, lost.status, lost.message, now())
        : saidBy(target, lost.goodbye, now())
    const results = recipients.map((recipient) => ({
      recipient,
      outcome: 'deferred' as const,
      said,
      dsnPassedOn: false,
    }))
    return { results, reached: false, mustReset: false, isOver: true }
  }

  #context(): TransactionContext {
    const { conversation, features, now, replyMilliseconds, target } = this.#options
    const milliseconds = replyMilliseconds()
    return {
      conversation,
      features,
      target,
      now,
      replyMilliseconds: milliseconds,
      contentMilliseconds: Math.max(milliseconds, AFTER_CONTENT),
    }
  }
}
