/**
 * The surface of Haraka that is used here, typed by hand: Haraka ships no types (haraka/Haraka#3470). What Haraka
 * hands over untyped is narrowed in this room and nowhere else.
 */

import type { EventEmitter } from 'node:events'
import type { Server, Socket } from 'node:net'
import type { SecureContext, TLSSocket } from 'node:tls'
import type { ParsedAddress } from '../relaying/envelope.ts'

export type Next = (code?: number, message?: unknown) => void

export interface ResultStore {
  add(plugin: { name: string }, facts: Record<string, unknown>): void
}

export interface Logger {
  loginfo(...args: unknown[]): void
  lognotice(...args: unknown[]): void
  logwarn(...args: unknown[]): void
  logerror(...args: unknown[]): void
  logcrit(...args: unknown[]): void
}

/** @haraka/email-address */
export interface Address extends ParsedAddress {
  format(usePunycode?: boolean): string
}

/** Of MAIL and RCPT: upper-case keyword, and value as given or null. */
export type EsmtpParameters = Readonly<Record<string, string | null>>

export interface MessageStream extends EventEmitter {
  headers: string[]
  /** Bytes that were put into it. */
  readonly bytes_read: number
  add_line(line: Buffer | string): void
  pipe(destination: NodeJS.WritableStream, options?: Record<string, unknown>): NodeJS.WritableStream
}

export interface Transaction {
  readonly uuid: string
  mail_from: Address
  rcpt_to: Address[]
  readonly notes: Record<string, unknown>
  readonly results: ResultStore
  readonly header: { header_list: string[]; get_all(name: string): readonly string[] }
  readonly message_stream: MessageStream
  readonly found_hb_sep: boolean
  /** The header as it came so far; each line ends in LF. */
  readonly header_lines: readonly string[]
  /** Whether a plugin wants the parts of the body. */
  readonly parse_body: boolean
  readonly discard_data: boolean
  data_bytes: number
  add_data(line: Buffer): void
  add_header(name: string, value: string): void
  remove_header(name: string): void
}

/** A socket that TLS was started on keeps the encrypted side in `cleartext` (STARTTLS). */
export type Client = (Socket | TLSSocket) & {
  cleartext?: TLSSocket
  /** Set by Haraka on implicit-TLS connections that came from a listed proxy. */
  haraka_smtps?: { peer_allowed?: boolean; proxy?: unknown }
}

export interface Connection extends Logger {
  readonly uuid: string
  readonly client: Client
  state: number
  current_data: Buffer | null
  transaction: Transaction | null
  relaying: boolean
  readonly local: { ip: string; port: number; host: string }
  readonly remote: { ip: string; port: number; closed: boolean }
  readonly hello: { host: string | null; verb: string | null }
  readonly tls: { enabled: boolean; cipher?: { version?: string } }
  readonly proxy: { allowed: boolean; ip: string | null; timer: NodeJS.Timeout | null }
  readonly notes: Record<string, unknown>
  readonly results: ResultStore
  readonly msg_count: { accept: number; tempfail: number; reject: number }
  /** What the answer to EHLO lists. */
  readonly capabilities: string[]
  errors: number
  respond(code: number, message: unknown, then?: () => void): void
  disconnect(): void
  resume(): void
  reset_transaction(then?: () => void): void
  store_queue_result(code: number, message: string): void
}

export interface Plugin extends Logger {
  name: string
  register_hook(hook: string, method: string, priority?: number): void
  haraka_require(module: string): unknown
  [method: string]: unknown
}

/** The class behind `transaction.message_stream`. */
export interface MessageStreamPrototype {
  destroy(this: { readonly spooling: boolean }): void
}

export interface TransactionModule {
  createTransaction(this: void, uuid: string | null, cfg: Record<string, unknown>): Transaction
}

/** Haraka's Connection class, whose prototype is mended. */
export interface ConnectionPrototype {
  cmd_mail(this: Connection, line: string): void
  respond(this: Connection, code: number, message: unknown): void
  _process_data(this: Connection): void
  accumulate_data(this: Connection, line: Buffer): void
  cmd_proxy(this: Connection, line: string): void
  max_data_exceeded_respond(this: Connection, code: number): void
  queue_respond(this: Connection, code: number, message: unknown): void
  queue_outbound_respond(this: Connection, code: number, message: unknown): void
  lognotice(this: Connection, message: unknown, ...more: unknown[]): void
}

export interface ConnectionModule {
  readonly Connection: {
    readonly prototype: ConnectionPrototype
    setupClient(this: void, connection: Connection): void
  }
  readonly cfg: { readonly max: { bytes: number; readonly data_line_length: number } }
}

export interface ServerModule extends Logger {
  readonly cfg: { main: { user?: string | number; group?: string | number; nodes?: number | string } }
  readonly cluster?: { readonly isMaster: boolean }
  listening(): void
  stopListeners(): void
  readonly listeners: readonly (Server & { readonly tlsServer?: Server })[]
  init_master_respond(code?: number, message?: unknown): unknown
  init_child_respond(code?: number, message?: unknown): unknown
}

export interface TlsOptions {
  key?: Buffer[] | undefined
  cert?: Buffer[] | undefined
  ca?: readonly string[] | undefined
  dhparam?: Buffer | undefined
  ciphers?: string | undefined
  minVersion?: string | undefined
  secureOptions?: number
  secureContext?: SecureContext
  SNICallback?: (name: string, done: (error: Error | null, context?: SecureContext) => void) => void
  [option: string]: unknown
}

export interface TlsSocketModule {
  readonly certsByHost: Record<string, TlsOptions>
  tls_valid?: boolean
  load_default_opts(): void
  get_certs_dir(folder: string): Promise<unknown>
}

export interface NetUtilsModule {
  is_haproxy_allowed(ip: string): boolean
  get_primary_host_name(): string
  readonly config: { get(name: string, ...more: unknown[]): Record<string, unknown> }
}

/** `plugins.js`, which runs hooks. */
export interface PluginsModule {
  readonly registered_hooks: Readonly<Record<string, readonly { readonly plugin: string }[]>>
  run_hooks(hook: string, subject: object, parameters?: unknown): void
}

/** `logger.js` */
export interface LoggerModule extends Logger {
  readonly LOGDATA: number
  would_log(level: number): boolean
  add_log_methods(subject: object): void
}

/** `outbound/index.js` */
export interface OutboundModule {
  send_trans_email(transaction: Transaction, done?: (code: number, message: unknown) => void): void
  init_queue(pid?: string): Promise<unknown>
  load_pid_queue(pid: string): Promise<unknown>
  scan_queue_pids(): Promise<readonly string[]>
  flush_queue(domain?: string): Promise<void>
  readonly net_utils: NetUtilsModule
  get_stats(): string
}
