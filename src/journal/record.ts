/** One decision, as one JSON line of the journal. Strings from the network are bounded before they get here. */

import type { Outcome } from '../policy/types.ts'

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
