/** One mail transaction (RFC 5321 section 3.3) over a conversation, pipelined where that is offered (RFC 2920). */

import type { Envelope, EnvelopeRecipient, Outgoing, RecipientResult, Said, Target } from '../types.ts'
import type { Conversation } from './conversation.ts'
import { Lost } from './conversation.ts'
import type { Features } from './features.ts'
import type { Reply } from './reply.ts'
import { saidBy, saidHere, statusOf } from './said.ts'

export interface TransactionContext {
  readonly conversation: Conversation
  readonly features: Features
  readonly target: Target
  /** How long a reply may take, and the one after the content. */
  readonly replyMilliseconds: number
  readonly contentMilliseconds: number
  readonly now: () => number
}

export interface Ended {
  readonly results: readonly RecipientResult[]
  /** Whether the server said anything to it, or may have. */
  readonly reached: boolean
  /** Whether RSET must come before the next one. */
  readonly mustReset: boolean
  /** Whether the conversation cannot go on. */
  readonly isOver: boolean
}

type Outcome = RecipientResult['outcome']

const START_INPUT = 354
const CLOSING = 421
/** RFC 3207 section 4: nothing is taken without STARTTLS. */
const ACCESS = 530
/** RFC 5321 section 4.5.3.1.10: an old way to say that there are too many recipients. */
const TOO_MANY = '5.5.3'

/**
 * @param outgoing what is sent
 * @param context over which conversation
 * @returns what became of each recipient; never rejects
 */
export async function runTransaction(outgoing: Outgoing, context: TransactionContext): Promise<Ended> {
  const unsendable = findUnsendable(outgoing, context)
  const refused = [...unsendable].map(([recipient, said]) => resultOf(recipient, 'failed', said, false))
  const recipients = outgoing.recipients.filter((recipient) => !unsendable.has(recipient))
  if (recipients.length === 0) return { results: refused, reached: true, mustReset: false, isOver: false }
  const transaction = new Transaction({ ...outgoing, recipients }, context)
  try {
    await transaction.run()
  } catch (error) {
    transaction.fail(error)
  }
  const { ended } = transaction
  return { ...ended, results: [...refused, ...ended.results] }
}

const IMPOSSIBLE = ['5.1.3', 'an address holds characters that no address can hold'] as const
const INTERNATIONAL = ['5.6.7', 'the server takes no internationalised mail (SMTPUTF8)'] as const

/** Recipients to whom it cannot be sent there at all, and why. */
function findUnsendable(
  { content, envelope, recipients }: Outgoing,
  { features, now, target }: TransactionContext,
): Map<number, Said> {
  const takesAscii = envelope.smtpUtf8 && !features.smtpUtf8
  // RFC 6531 section 3.1: for those whose addresses are ASCII it need not be internationalised, unless the rest of it is.
  const isInternational = takesAscii && (!isAscii(envelope.sender) || hasEightBitHeader(content))
  const found = new Map<number, Said>()
  for (const index of recipients) {
    const address = addressOf(envelope, index)
    if (/[\0\r\n]/.test(address + envelope.sender)) found.set(index, saidHere(target, ...IMPOSSIBLE, now()))
    else if (isInternational || (takesAscii && !isAscii(address)))
      found.set(index, saidHere(target, ...INTERNATIONAL, now()))
  }
  return found
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text)
}

function hasEightBitHeader(content: Buffer): boolean {
  const end = content.indexOf('\r\n\r\n')
  return content.subarray(0, end === -1 ? content.length : end).some((octet) => octet > 0x7f)
}

class Transaction {
  readonly #outgoing: Outgoing
  readonly #context: TransactionContext
  readonly #results: RecipientResult[] = []
  /** Recipients without a result. */
  #open: number[]
  #heard = false
  #mustReset = false
  #isOver = false

  constructor(outgoing: Outgoing, context: TransactionContext) {
    this.#outgoing = outgoing
    this.#context = context
    this.#open = [...outgoing.recipients]
  }

  get ended(): Ended {
    return {
      results: this.#results,
      reached: this.#heard,
      mustReset: this.#mustReset,
      isOver: this.#isOver || !this.#context.conversation.isOpen,
    }
  }

  run(): Promise<void> {
    return this.#context.features.pipelining ? this.#pipelined() : this.#stepwise()
  }

  /** Nobody took it over: it is tried again, though a server may have it (RFC 1047). */
  fail(error: unknown): void {
    const { conversation, now, target } = this.#context
    this.#isOver = true
    conversation.destroy()
    if (!(error instanceof Lost)) {
      this.#close(this.#open, 'deferred', saidHere(target, '4.3.0', `not foreseen: ${String(error)}`, now()))
      this.#heard = true
      return
    }
    // Who did not answer in time may have begun to.
    if (error.isTimeout) this.#heard = true
    const said =
      error.goodbye === null
        ? saidHere(target, error.status, error.message, now())
        : saidBy(target, error.goodbye, now())
    this.#close(this.#open, 'deferred', said)
  }

  async #pipelined(): Promise<void> {
    const { conversation } = this.#context
    const { envelope, recipients } = this.#outgoing
    const commands = [this.#mail(), ...recipients.map((index) => this.#rcpt(envelope, index)), 'DATA']
    conversation.write(`${commands.join('\r\n')}\r\n`, commands.length)
    this.#mustReset = true
    const mail = await this.#reply()
    const taken = this.#hearMail(mail)
    const accepted: number[] = []
    for (const index of recipients) {
      // It said 421: whoever waits for more may wait for long.
      if (this.#isOver) return
      const reply = await this.#reply()
      if (taken && this.#hearRcpt(index, reply)) accepted.push(index)
    }
    if (this.#isOver) return
    await this.#hearData(await this.#reply(), accepted)
  }

  async #stepwise(): Promise<void> {
    const { conversation, replyMilliseconds } = this.#context
    const { envelope, recipients } = this.#outgoing
    this.#mustReset = true
    const mail = await conversation.ask(this.#mail(), replyMilliseconds)
    if (!this.#hearMail(mail)) return
    const accepted: number[] = []
    for (const index of recipients) {
      const reply = await conversation.ask(this.#rcpt(envelope, index), replyMilliseconds)
      if (this.#hearRcpt(index, reply)) accepted.push(index)
      if (this.#isOver) return
    }
    if (accepted.length === 0) return
    await this.#hearData(await conversation.ask('DATA', replyMilliseconds), accepted)
  }

  #reply(): Promise<Reply> {
    return this.#context.conversation.reply(this.#context.replyMilliseconds)
  }

  #hearMail(reply: Reply): boolean {
    // A server that ends a connection after so many messages says so here: nothing has happened to this one.
    if (reply.code !== CLOSING) this.#heard = true
    if (isDone(reply)) return true
    this.#refuse(this.#open, reply)
    return false
  }

  #hearRcpt(index: number, reply: Reply): boolean {
    if (isDone(reply)) return true
    this.#refuse([index], reply, statusOf(reply, true))
    return false
  }

  async #hearData(reply: Reply, accepted: readonly number[]): Promise<void> {
    const { conversation, contentMilliseconds, replyMilliseconds } = this.#context
    if (reply.code !== START_INPUT) {
      this.#refuse(accepted, reply)
      return
    }
    if (accepted.length === 0) {
      // RFC 2920 section 3.1: it waits for content, and nobody is to get any.
      await conversation.content(Buffer.alloc(0), replyMilliseconds)
      await conversation.reply(contentMilliseconds)
      this.#mustReset = false
      return
    }
    const isWhole = await conversation.content(this.#outgoing.content, replyMilliseconds)
    const last = await conversation.reply(contentMilliseconds)
    this.#mustReset = false
    if (!isWhole) {
      // Content was cut off: the only way out of DATA is the end of the connection.
      this.#isOver = true
      conversation.destroy()
    }
    if (isWhole && isDone(last)) this.#close(accepted, 'delivered', this.#said(last))
    else this.#refuse(accepted, last)
  }

  #refuse(recipients: readonly number[], reply: Reply, status = statusOf(reply)): void {
    if (reply.code === CLOSING) {
      // It is the last word to all, those that were taken before too.
      this.#isOver = true
      this.#close(this.#open, 'deferred', this.#said(reply))
      return
    }
    if (reply.code < 400) {
      // 250 to DATA, 354 to RCPT: nobody knows what it means.
      this.#isOver = true
      this.#context.conversation.destroy()
      this.#close(this.#open, 'deferred', { ...this.#said(reply), status: '4.5.0' })
      return
    }
    // "Must issue STARTTLS first", after TLS did not come about: it may tomorrow.
    const wantsTls = reply.code === ACCESS && this.#context.features.startTls
    const isFinal = reply.code >= 500 && status !== TOO_MANY && !wantsTls
    this.#close(recipients, isFinal ? 'failed' : 'deferred', { ...this.#said(reply), status })
  }

  #close(recipients: readonly number[], outcome: Outcome, said: Said): void {
    for (const recipient of recipients) {
      if (!this.#open.includes(recipient)) continue
      this.#results.push(
        resultOf(recipient, outcome, said, outcome === 'delivered' && this.#context.features.dsn),
      )
    }
    this.#open = this.#open.filter((index) => !recipients.includes(index))
  }

  #said(reply: Reply): Said {
    return saidBy(this.#context.target, reply, this.#context.now())
  }

  #mail(): string {
    const { dsn, eightBitMime, size, smtpUtf8 } = this.#context.features
    const { content, envelope } = this.#outgoing
    const parameters = [
      ...(size ? [`SIZE=${content.length}`] : []),
      ...(eightBitMime && envelope.body === '8BITMIME' ? ['BODY=8BITMIME'] : []),
      ...(smtpUtf8 && envelope.smtpUtf8 ? ['SMTPUTF8'] : []),
      ...(dsn && envelope.ret !== null ? [`RET=${envelope.ret}`] : []),
      ...(dsn && envelope.envid !== null ? [`ENVID=${envelope.envid}`] : []),
    ]
    return [`MAIL FROM:<${envelope.sender}>`, ...parameters].join(' ')
  }

  #rcpt(envelope: Envelope, index: number): string {
    const { notify = null, orcpt = null } = recipientOf(envelope, index) ?? {}
    const { dsn } = this.#context.features
    const parameters = [
      ...(dsn && notify !== null ? [`NOTIFY=${notify.length === 0 ? 'NEVER' : notify.join(',')}`] : []),
      ...(dsn && orcpt !== null ? [`ORCPT=${orcpt}`] : []),
    ]
    return [`RCPT TO:<${addressOf(envelope, index)}>`, ...parameters].join(' ')
  }
}

function isDone({ code }: Reply): boolean {
  return code >= 200 && code < 300
}

function resultOf(recipient: number, outcome: Outcome, said: Said, dsnPassedOn: boolean): RecipientResult {
  return { recipient, outcome, said, dsnPassedOn }
}

function recipientOf({ recipients }: Envelope, index: number): EnvelopeRecipient | undefined {
  return recipients[index]
}

function addressOf(envelope: Envelope, index: number): string {
  return recipientOf(envelope, index)?.address ?? ''
}
