/** What a hostile next hop is told to do, and what it keeps of what it got. */

import type { SecureContextOptions } from 'node:tls'

/** The connection ends without a word. */
export const DROP = Symbol('drop')
/** Nothing is said, and the connection stays. */
export const SILENCE = Symbol('silence')

/**
 * Text is a line or several, its last CRLF left out; a Buffer goes out as it is; `endless` again and again; `trickling`
 * too, ten times a second.
 */
export type Answer =
  | string
  | Buffer
  | typeof DROP
  | typeof SILENCE
  | { readonly endless: Buffer }
  | { readonly trickling: Buffer }

/** What is answered to. `HANDSHAKE` is the ClientHello, `PART` some content, `DOT` its end. */
export type Moment =
  | 'CONNECT'
  | 'EHLO'
  | 'HELO'
  | 'STARTTLS'
  | 'HANDSHAKE'
  | 'AUTH'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'PART'
  | 'DOT'
  | 'RSET'
  | 'NOOP'
  | 'QUIT'

export interface Given {
  readonly line: string
  /** How often this moment came, over all connections; the first is 1. */
  readonly count: number
  readonly secure: boolean
}

/** undefined: as an ordinary server would. */
export type Script = Answer | ((given: Given) => Answer | undefined)

export interface NextHopOptions {
  readonly host?: string
  /** Of the EHLO reply. */
  readonly name?: string
  /** Keywords of the EHLO reply within TLS, and before it unless `before` is given; STARTTLS and AUTH come beside. */
  readonly capabilities?: readonly string[]
  readonly before?: readonly string[]
  /** null: STARTTLS is not offered. */
  readonly tls: (SecureContextOptions & { readonly requestCert?: boolean; readonly strict?: boolean }) | null
  readonly auth?: { readonly mechanisms: readonly string[]; readonly user: string; readonly password: string }
  /** AUTH is offered before TLS too. */
  readonly authBefore?: boolean
  readonly script?: Partial<Readonly<Record<Moment, Script>>>
}

export interface Message {
  readonly mail: string
  readonly rcpt: readonly string[]
  /** As it came, with doubled dots. */
  readonly content: Buffer
  readonly secure: boolean
  readonly connection: number
}

export interface Connection {
  /** Every byte that came over TCP; within TLS what was encrypted. */
  readonly raw: Buffer
  /** What came as plain text until TLS began. */
  readonly plain: string
  /** What came within TLS. */
  readonly within: string
  /** As sent in the ClientHello; null when none was. */
  readonly serverName: string | null
  /** The common name of the client's certificate. */
  readonly clientName: string | null
  readonly tlsVersion: string | null
  readonly user: string | null
  /** The verbs, in their order. */
  readonly verbs: readonly string[]
  /** The most commands that came in one piece. */
  readonly pipelined: number
  readonly open: boolean
}

export const CAPABILITIES = [
  'PIPELINING',
  'SIZE 10485760',
  '8BITMIME',
  'SMTPUTF8',
  'DSN',
  'ENHANCEDSTATUSCODES',
]
