/**
 * The vocabulary of the relay rule. Names are the Exchange cmdlets' (New-InboundConnector, New-AcceptedDomain)
 * in camelCase, RFC 5321's and RFC 5280's. Everything here is data that was looked up before: the policy itself
 * asks nobody.
 *
 * Domain names are always in A-label form, lower case, without a trailing dot (`text/domain-name.ts`).
 */

/** New-AcceptedDomain -DomainType. ExternalRelay exists on-premises only and is not offered. */
export type DomainType = 'Authoritative' | 'InternalRelay'

/** An accepted (registered) domain of one organisation. */
export interface AcceptedDomain {
  readonly organization: string
  readonly domainName: string
  readonly domainType: DomainType
  /** Whether sub-domains count as this domain, at any depth, as sender and as recipient. */
  readonly matchSubDomains: boolean
  /** Mail is never relayed *from* this domain (rule 4). */
  readonly sendingFromDomainDisabled: boolean
  /** On its way out: no longer good for relaying (rule 6), still good for delivery (rule 5). */
  readonly pendingRemoval: boolean
  /** Sub-domains that other organisations may register. */
  readonly delegatedSubDomains: readonly string[]
  /** Null or absent where nobody has shown that the organisation owns it. */
  readonly proof?: DomainProof | null
}

/** That an organisation showed control of a domain by a record in the DNS. Times are ISO 8601 in UTC, as JavaScript writes them. */
export interface DomainProof {
  /** The token that was found there, and the domain under which: the registered one, or one above it. */
  readonly token: string | null
  readonly domain: string | null
  readonly provenAt: string | null
  /** Since when it is not found any more. */
  readonly lostAt: string | null
  /** Without a proof, and after it was lost, the domain counts until then. */
  readonly countsUntil: string | null
}

/**
 * What the directory says about one domain name.
 * `acceptedDomain`: the most specific registered domain that covers the name (the name itself, or an ancestor
 * with matchSubDomains), or null. `uncoveredParent`: when nothing covers it, the nearest registered ancestor,
 * which would cover it with matchSubDomains; only advice is made from it. `unproven`: the record that would cover it, but
 * counts for nothing, since its organisation has not shown that it owns the domain (`proof.ts`). `alternatives`: records of
 * the same organisation further up that cover the name as well, the nearest first: they count where the first does not.
 */
export interface DomainFact {
  readonly domain: string
  readonly acceptedDomain: AcceptedDomain | null
  readonly uncoveredParent: AcceptedDomain | null
  readonly unproven?: AcceptedDomain
  readonly alternatives?: readonly AcceptedDomain[]
}

/** A fact that could not be looked up: never read as "not found" (rule 7). */
export interface Unknown {
  readonly unknown: true
  /** For the log, the journal and the administrator. */
  readonly why: string
}

export type Fact<T> = T | Unknown

export type ConnectorType = 'OnPremises' | 'Partner'

/** Whom a connector trusts in place of the default CAs (rule 2). */
export interface ConnectorTrust {
  /** The same for the same trust. */
  readonly key: string
  /** PEM text of each file. */
  readonly certificateAuthorities: readonly string[]
  /** SHA-256 of a SubjectPublicKeyInfo each, hex in lower case. */
  readonly certificatePins: readonly string[]
}

/** An inbound connector as far as the rule needs it. */
export interface InboundConnector {
  readonly organization: string
  readonly name: string
  readonly connectorType: ConnectorType
  readonly enabled: boolean
  /** `mail.contoso.com` or `*.contoso.com`, or null for a connector by address only. */
  readonly tlsSenderCertificateName: string | null
  /** CIDR ranges in canonical form, e.g. `10.1.0.0/24`, `2001:db8:1::/48`. */
  readonly senderIPAddresses: readonly string[]
  /** Null or absent where the default CAs count. */
  readonly trust?: ConnectorTrust | null
  /** Until then mail that fails both conditions is relayed and journalled; ISO 8601 in UTC, null or absent for never. */
  readonly reportOnlyUntil?: string | null
  /** The same, of its organisation. */
  readonly organizationReportOnlyUntil?: string | null
}

/** New-OutboundConnector -TlsSettings; null stands for opportunistic TLS. */
export type TlsSettings = 'EncryptionOnly' | 'CertificateValidation' | 'DomainValidation'

/** A next hop that an administrator named. */
export interface SmartHost {
  /** A name in A-label form, or an address in canonical form. */
  readonly host: string
  readonly port: number
}

/** An outbound connector: which mail it takes, where that goes, and under which protection. */
export interface OutboundConnector {
  readonly organization: string
  readonly name: string
  readonly connectorType: ConnectorType
  readonly enabled: boolean
  /** `contoso.com`, `*.contoso.com` (the domain and all below it) or `*`. */
  readonly recipientDomains: readonly string[]
  /** Takes mail to all accepted domains of its organisation. */
  readonly allAcceptedDomains: boolean
  /** Takes all mail of its organisation to other domains, as one for `*` does, but before those. */
  readonly routeAllMessagesViaOnPremises: boolean
  readonly useMXRecord: boolean
  /** Empty where useMXRecord is true. */
  readonly smartHosts: readonly SmartHost[]
  readonly tlsSettings: TlsSettings | null
  /** `mail.contoso.com` or `*.contoso.com`, with DomainValidation only. */
  readonly tlsDomain: string | null
  /** Whom the next hop's certificate must lead to; null or absent where the default CAs count. */
  readonly trust?: ConnectorTrust | null
  /** PEM files under config/ that this server shows the next hop; both or none. */
  readonly tlsCertificateFile: string | null
  readonly tlsKeyFile: string | null
  /** SMTP AUTH; both or none. The file stands under config/ and holds the password alone. */
  readonly userName: string | null
  readonly passwordFile: string | null
}

/** How a connector came to be a candidate for this peer (rule 2). */
export type CandidateMatch =
  | {
      readonly via: 'certificate'
      /** The presented name that the connector's name matched. */
      readonly presentedName: string
      /** Whether the certificate's path was verified under *this connector's* trust. */
      readonly verified: boolean
      /** Why it was not. */
      readonly why?: string
    }
  | {
      readonly via: 'address'
      /** The range that holds the peer's address, in CIDR form. */
      readonly range: string
      /** The length of that range's prefix in bits. */
      readonly prefixLength: number
    }

/** An enabled connector that names this peer, with what the directory says about its certificate domain. */
export interface Candidate {
  readonly connector: InboundConnector
  readonly match: CandidateMatch
  /** The domain in tlsSenderCertificateName without its `*.`, looked up; null for a match by address. */
  readonly certificateDomain: Fact<DomainFact> | null
}

/** A peer is told apart in four ways, never lumped together (rule 3). */
export type PeerCertificate =
  | { readonly state: 'no-tls' }
  | { readonly state: 'no-certificate' }
  | { readonly state: 'not-verified'; readonly names: readonly string[]; readonly why: string }
  | { readonly state: 'verified'; readonly names: readonly string[] }

/** Who speaks: what the peer proved about itself (rule 1). */
export interface Peer {
  /** The source address in canonical form, or null where no address counts (a proxy's own). */
  readonly address: string | null
  readonly certificate: PeerCertificate
}

/** The envelope sender. `domain` is '' for the null sender and for an address without a domain. */
export interface Sender {
  /** As in MAIL FROM, without the angle brackets; '' is the null sender. */
  readonly address: string
  readonly domain: string
}

/** An envelope recipient as RCPT TO gave it. */
export interface Recipient {
  /** As in RCPT TO, without the angle brackets and without a source route. */
  readonly address: string
  /** The local part once unquoted (RFC 5321 section 4.1.2). */
  readonly localPart: string
  /** '' when there is none. */
  readonly domain: string
  /** Whether RCPT TO held a source route (`@a:x@b`, RFC 5321 appendix C). */
  readonly sourceRoute: boolean
}

/** yes, no, or a fact behind it could not be looked up. */
export type Verdict = 'yes' | 'no' | 'unknown'

/** A candidate with the two conditions of rule 6 worked out for this sender. */
export interface WeighedCandidate extends Candidate {
  /** (a): the sender's domain is an accepted domain of the connector's organisation. */
  readonly senderAccepted: Verdict
  /** (b): matched by a verified name, and the certificate's domain is an accepted domain of the organisation. */
  readonly certificateAccepted: Verdict
}

/** Why one candidate was preferred to the next (rule 3), for `explain`. */
export interface PassedOver {
  readonly candidate: WeighedCandidate
  /** In words, e.g. "a match by certificate comes before one by address". */
  readonly because: string
}

/** Which connector is the server that speaks, for one sender. */
export interface Attribution {
  readonly peer: Peer
  readonly sender: Sender
  readonly senderDomain: Fact<DomainFact> | null
  /** The OnPremises connector that this transaction belongs to. */
  readonly matched: WeighedCandidate | null
  readonly passedOver: readonly PassedOver[]
  /** Candidates by name that do not count, since the certificate is not verified. */
  readonly unverified: readonly Candidate[]
  /** Partner connectors that name this peer: they never grant relaying. */
  readonly partners: readonly Candidate[]
  /** Set when the directory could not say which connectors there are. */
  readonly unknown: Unknown | null
}

/** The settings of `[relay]` that the rule reads. */
export interface RelaySettings {
  /** Rule 5: whether mail to accepted domains is taken from peers without a connector. */
  readonly acceptInbound: boolean
  /** Rule 5: where `<postmaster>` goes, or null when the administrator named nobody. */
  readonly postmaster: string | null
  /** Rule 5: whether a domain counts only once its organisation has shown that it owns it. */
  readonly requireDomainProof: boolean
}

export type Outcome = 'relay' | 'deliver' | 'deny' | 'defer'

/** One rule that was tried, for `explain`: what it saw and what it concluded. */
export interface Step {
  readonly rule: string
  readonly result: 'yes' | 'no' | 'skipped' | 'unknown'
  readonly detail: string
}
