/**
 * What the rooms of `src/outbound` tell each other: a message in the queue, where it goes, and what the next hop said.
 * Nothing here knows Haraka. Times are milliseconds since 1970, sizes bytes.
 */

import type { DeliveryRecord } from '../journal/record.ts'
import type { Route } from '../policy/route.ts'
import type { ConnectorTrust, Fact } from '../policy/types.ts'

/** RFC 3461 section 4.1. Empty means NEVER; null that the client did not say. */
export type Notify = readonly ('SUCCESS' | 'FAILURE' | 'DELAY')[] | null

export interface EnvelopeRecipient {
  /** Without angle brackets; the domain in A-label form where it can be. */
  readonly address: string
  /** As normalizeDomain makes it, or an address literal. */
  readonly domain: string
  readonly notify: Notify
  /** As given, still xtext, e.g. `rfc822;user@contoso.com`; null when not given. */
  readonly orcpt: string | null
}

/** Everything about a message but its content. Written once, with the content. */
export interface Envelope {
  /** Haraka's transaction uuid: the same in the reply, the log, the journal, the queue and `trace`. */
  readonly id: string
  readonly receivedAt: number
  /** Without angle brackets; '' is the null sender. */
  readonly sender: string
  readonly recipients: readonly EnvelopeRecipient[]
  /** The organisation that the message was attributed to at RCPT; null for ordinary inbound mail. */
  readonly organization: string | null
  /** The inbound connector. */
  readonly connector: string | null
  /** The address that it came from; null for what was made here. */
  readonly peer: string | null
  /** Whether the sender may be told of a failure: attributed mail and what was made here. Else it is held. */
  readonly mayBounce: boolean
  /** Our own report about the message of this id: it is never reported about itself. */
  readonly reportOn: string | null
  readonly smtpUtf8: boolean
  readonly body: '7BIT' | '8BITMIME' | null
  /** RFC 3461: RET and ENVID (still xtext). */
  readonly ret: 'FULL' | 'HDRS' | null
  readonly envid: string | null
}

/**
 * The content as it goes over the wire: lines end in CRLF, leading dots are doubled (RFC 5321 section 4.5.2), the last
 * line is whole and the final dot is not there.
 */
export type Content = Buffer

/** What was said about a recipient last. */
export interface Said {
  readonly at: number
  /** The SMTP code, e.g. 451; 0 when no server said it. */
  readonly code: number
  /** RFC 3463, e.g. `4.7.5`. */
  readonly status: string
  /** One printable line, at most 500 characters. */
  readonly text: string
  readonly remote: { readonly host: string; readonly address: string; readonly port: number } | null
}

export type RecipientStatus = 'waiting' | 'delivered' | 'bounced' | 'dropped'

export interface RecipientState {
  readonly status: RecipientStatus
  readonly attempts: number
  readonly nextAttempt: number
  readonly said: Said | null
  /** Whether the next hop took over RFC 3461's duties; null before delivery. */
  readonly dsnPassedOn: boolean | null
}

/** What has happened to a message so far. Kept beside it, and only once something has. */
export interface MessageState {
  /** In the order of the envelope's recipients. */
  readonly recipients: readonly RecipientState[]
  readonly hold: { readonly at: number; readonly reason: string; readonly by: string | null } | null
  /** When the sender was told that it is late. */
  readonly warnedAt: number | null
}

/** A message that stands on the disk. */
export interface QueuedMessage {
  readonly envelope: Envelope
  /** Of the content. */
  readonly size: number
  readonly state: MessageState
}

/** Nothing was promised: the client hears 452 (full) or 451 (anything else). */
export class NotStored extends Error {
  override readonly name = 'NotStored'
  readonly full: boolean
  constructor(message: string, full: boolean, options?: ErrorOptions) {
    super(message, options)
    this.full = full
  }
}

/**
 * The queue folder of one process (one *owner*). Several owners, each with a folder of its own below `queue/`, share an
 * instance; whoever takes over a dead owner's messages renames its folder.
 */
export interface Spool {
  /**
   * Puts a message on the disk: content, envelope and the folder's entry. Syncs of several messages are grouped.
   * @throws NotStored, and then nothing of it is left
   */
  store(envelope: Envelope, content: Content): Promise<QueuedMessage>
  /** Keeps what has happened. `durable`: synced, for what must not be done twice (a delivery to some recipients). */
  saveState(message: QueuedMessage, state: MessageState, durable: boolean): Promise<QueuedMessage>
  /** The content, checked against its checksum. @throws DamagedMessage after it was set aside */
  read(message: QueuedMessage): Promise<Content>
  remove(message: QueuedMessage): Promise<void>
  /**
   * Everything that stands in the folder, the oldest first, also what is taken over from owners that are dead and from
   * Haraka's own queue files. What is damaged is set aside and told, and the rest goes on.
   */
  load(each: (message: QueuedMessage) => void): Promise<void>
  /** Takes over folders of owners that have died meanwhile. */
  adopt(each: (message: QueuedMessage) => void): Promise<void>
  close(): Promise<void>
}

/** What a connection must hold before a byte of mail goes over it. A room for MTA-STS and DANE. */
export interface TlsPolicy {
  /**
   * opportunistic: TLS where it is offered and works, else plain text. encrypt: TLS, whatever the certificate. verify: a
   * valid path. verify-domain: and the certificate proves `domain`.
   */
  readonly level: 'opportunistic' | 'encrypt' | 'verify' | 'verify-domain'
  /** `mail.contoso.com` or `*.contoso.com`. */
  readonly domain: string | null
  /** null where the default CAs count. */
  readonly trust: ConnectorTrust | null
}

/** What this server shows of itself, loaded from files. */
export interface ClientIdentity {
  /** The same for the same certificate and user: a connection is used again only under the same. */
  readonly key: string
  readonly certificate: { readonly cert: string; readonly key: string } | null
  readonly credentials: { readonly user: string; readonly password: string } | null
}

/** One address to speak to, and how. */
export interface Target {
  /** The name that was asked for: SNI, the log, Remote-MTA. An address where no name was given. */
  readonly host: string
  readonly address: string
  readonly port: number
  readonly policy: TlsPolicy
  readonly identity: ClientIdentity
  /** Whether an EHLO reply with our own name is a loop: by MX it is, a configured smart host on this machine is none. */
  readonly refuseOwnName: boolean
}

export interface TlsFacts {
  readonly version: string
  readonly cipher: string
  readonly verified: boolean | null
}

/** What is sent over one connection in one transaction. */
export interface Outgoing {
  readonly envelope: Envelope
  /** Indexes into the envelope's recipients. */
  readonly recipients: readonly number[]
  readonly content: Content
}

/** What became of one recipient in one attempt. */
export interface RecipientResult {
  readonly recipient: number
  readonly outcome: 'delivered' | 'deferred' | 'failed'
  readonly said: Said
  readonly dsnPassedOn: boolean
}

/** A connection that has come as far as MAIL. */
export interface Session {
  readonly target: Target
  readonly tls: TlsFacts | null
  /**
   * Never rejects: what goes wrong on the way is a result of each recipient. `reached` is false when the connection was
   * gone before the server said anything to this transaction (it may have timed out while idle): nothing was sent, and
   * the message may be tried at once over a new connection.
   */
  send(
    outgoing: Outgoing,
  ): Promise<{ readonly results: readonly RecipientResult[]; readonly reached: boolean }>
  /** Whether another message may be sent over it. */
  readonly usable: boolean
  /** QUIT, then the end; at once when the server does not answer. */
  close(): Promise<void>
}

/** Why no session came about. Temporary for the message, whatever it is, but for `permanent`. */
export interface ConnectFailure {
  /**
   * unreachable: no TCP, no banner, 421. tls: what the policy asks for did not hold; nothing was sent. auth: refused or
   * not offered. refused: a 5xx banner or EHLO. loop: it is ourselves.
   */
  readonly kind: 'unreachable' | 'tls' | 'auth' | 'refused' | 'loop'
  readonly said: Said
}

export type Connected = { readonly session: Session } | { readonly failure: ConnectFailure }

/** How a connection is made; the only way out of this process. Never rejects. */
export type Connect = (target: Target) => Promise<Connected>

/**
 * Where a recipient goes, worked out anew at each attempt. `unknown` is waited for, not counted as an attempt; `deferred`
 * says why there is no way now, and is an attempt: it ends with the lifetime.
 */
export type RouteOf = (
  envelope: Envelope,
  recipient: EnvelopeRecipient,
) => Promise<Fact<Route> | { readonly deferred: string }>

/** A report about a message (RFC 3464), ready to be queued. */
export interface Report {
  readonly envelope: Envelope
  readonly content: Content
}

/** Whom the queue tells what happened. Never throws. */
export interface QueueLog {
  journal(record: DeliveryRecord): void
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

/** Which messages are meant; all that is given must hold. */
export interface QueueFilter {
  readonly ids?: readonly string[]
  /** Any case. */
  readonly organization?: string
  /** A recipient's domain, in A-label form. */
  readonly destination?: string
  /** An address, a domain, or `<>`. */
  readonly sender?: string
  /** Accepted at least so many milliseconds ago. */
  readonly olderThan?: number
  readonly held?: boolean
}

/** A message in the queue, as `connectorctl queue` shows it. */
export interface QueueEntry extends QueuedMessage {
  /** The process that has it, or the folder of one that has ended. */
  readonly owner: string
  /** Whether it is being delivered at this moment. */
  readonly active: boolean
}

export type QueueAction = 'retry' | 'hold' | 'release' | 'bounce' | 'drop'

export interface ActionDone {
  readonly id: string
  readonly done: boolean
  /** Why not, or what was done; '' when there is nothing to say. */
  readonly why: string
}

/** What can be seen and done: by the process that has the messages, or where none has them by `connectorctl` itself. */
export interface QueueControl {
  list(filter: QueueFilter): AsyncIterable<QueueEntry>
  /** The entry with its content's header section, at most 64 KiB; null when it is not here. */
  show(id: string): Promise<{ readonly entry: QueueEntry; readonly header: string } | null>
  /** @param by who does it, for the journal */
  act(action: QueueAction, filter: QueueFilter, by: string): Promise<readonly ActionDone[]>
}
