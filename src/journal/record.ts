/**
 * The lines of the journal, in JSON: decisions, and what became of the mail afterwards. Strings from the network are
 * bounded before they get here.
 */

import type { Outcome } from '../policy/types.ts'

/** One decision about one recipient. */
export interface JournalRecord {
  /** ISO 8601 in UTC, with milliseconds. */
  readonly time: string
  /** Haraka's transaction uuid, as at the end of the SMTP reply. */
  readonly id: string
  readonly peer: {
    readonly address: string
    readonly helo: string
    /** e.g. `TLSv1.3`, or null without TLS. */
    readonly tls: string | null
    readonly certificate: {
      /** no-tls, no-certificate, not-verified or verified. */
      readonly state: 'no-tls' | 'no-certificate' | 'not-verified' | 'verified'
      /** SHA-256 of the DER form, upper-case hex with colons, as openssl prints it; null without a certificate. */
      readonly fingerprint: string | null
      readonly names: readonly string[]
      /** Why it is not verified, e.g. `SELF_SIGNED_CERT_IN_CHAIN`; null otherwise. */
      readonly why: string | null
    }
  }
  readonly organization: string | null
  readonly connector: string | null
  /** How the connector was matched. */
  readonly via: 'certificate' | 'address' | null
  /** '' is the null sender. */
  readonly sender: string
  readonly recipient: string
  readonly outcome: Outcome
  /** A reason code of policy/reasons.ts. */
  readonly reason: string
  /** Of mail that report-only mode relayed: what it would be denied for. */
  readonly wouldBe?: string
  /** The SMTP reply that the peer got. */
  readonly reply: string
  /** The directory's revision that was decided on. */
  readonly revision: string
}

/** What happened to a message, or to some of its recipients, after it was accepted. */
export type DeliveryEvent =
  /** The next hop took it. */
  | 'delivered'
  /** It is tried again. */
  | 'deferred'
  /** It will not be tried again; a bounce was sent, or none was wanted. */
  | 'bounced'
  /** It stays in the queue until an administrator says what becomes of it. */
  | 'held'
  | 'released'
  /** An administrator removed it. */
  | 'dropped'
  /** The sender was told that it is late. */
  | 'delayed'
  /** Its file is damaged, and was set aside. */
  | 'damaged'

/** One line of the journal about the way of a message out. `id` is the same as in its decisions. */
export interface DeliveryRecord {
  /** ISO 8601 in UTC, with milliseconds. */
  readonly time: string
  readonly id: string
  readonly event: DeliveryEvent
  /** The organisation that the message was attributed to. */
  readonly organization: string | null
  /** '' is the null sender. */
  readonly sender: string
  readonly recipients: readonly string[]
  /** How it went: the outbound connector with its organisation, the smart host of the instance, or MX; null before. */
  readonly route: {
    readonly via: 'connector' | 'smart-host' | 'mx'
    readonly organization: string | null
    readonly connector: string | null
  } | null
  /** The server that was spoken to; null when none was reached. */
  readonly remote: { readonly host: string; readonly address: string; readonly port: number } | null
  /** null when nothing was encrypted or no server was reached. */
  readonly tls: {
    readonly version: string
    readonly cipher: string
    /** Whether the certificate was valid under what the route asks for; null when that asks for nothing. */
    readonly verified: boolean | null
  } | null
  /** RFC 3463, e.g. `2.0.0`, `4.7.5`; '' where there is none. */
  readonly status: string
  /** The reply of the server, or what went wrong here. One line, bounded. */
  readonly reply: string
  /** How many times it was tried. */
  readonly attempts: number
  /** Milliseconds since it was accepted. */
  readonly age: number
  /** When it is tried again, ISO 8601; null when it is not. */
  readonly nextAttempt: string | null
  /** Who did it, where somebody did (held, released, dropped, bounced by hand). */
  readonly by: string | null
  /** The id of the bounce or the warning that went out because of it, or of the message that this one is about. */
  readonly related: string | null
}

/** Decisions and deliveries stand in the same files, in the order of time; only deliveries have `recipients`. */
export type JournalLine = JournalRecord | DeliveryRecord

/**
 * @param line a line of the journal
 * @returns whether it is about the way out
 */
export function isDelivery(line: JournalLine): line is DeliveryRecord {
  return 'recipients' in line
}

/** All events, in the order of a message's life. */
export const EVENTS: readonly DeliveryEvent[] = [
  'delivered',
  'deferred',
  'bounced',
  'held',
  'released',
  'dropped',
  'delayed',
  'damaged',
]
