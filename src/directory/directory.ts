/**
 * What the relay rule asks of a store of organisations. There are two stores behind this interface (a YAML file,
 * Redis); callers cannot tell which. Domain names and presented names are in A-label form, lower case.
 */

import type { DomainFact, Fact, InboundConnector, OutboundConnector } from '../policy/types.ts'

/** A connector that names a presented name or an address, and by which of them. */
export interface ConnectorMatch {
  readonly connector: InboundConnector
  readonly by:
    | { readonly via: 'certificate'; readonly presentedName: string }
    | { readonly via: 'address'; readonly range: string; readonly prefixLength: number }
}

/** Presented names that are looked up; a certificate of a mail server has a few, a hostile one all that fit. */
export const MOST_NAMES = 1_000

/** What one SMTP command needs to know. */
export interface Question {
  /** Names from the certificate, verified or not, e.g. `mail.contoso.com`, `*.contoso.com`; MOST_NAMES count. */
  readonly presentedNames: readonly string[]
  /** Canonical IPv4 or IPv6 address, or null where no address counts. */
  readonly address: string | null
  /** Domains that are asked about whatever connectors there are: the sender's, the recipient's. */
  readonly domains: readonly string[]
  /** Organisations whose outbound connectors are asked for, by their names. */
  readonly outboundOf?: readonly string[]
}

export interface Answer {
  /**
   * Enabled connectors, of any organisation, whose tlsSenderCertificateName matches one of the names or whose
   * senderIPAddresses hold the address (DESIGN.md, rule 2). A connector that matches both ways is listed twice.
   */
  readonly connectors: Fact<readonly ConnectorMatch[]>
  /**
   * @param name a domain of the question, or one in the tlsSenderCertificateName of a connector of the answer
   * @returns what is registered for it; unknown for any other name
   */
  readonly domain: (name: string) => Fact<DomainFact>
  /**
   * @param organization an organisation of the question
   * @returns its outbound connectors, enabled and disabled; none for one that is not there, unknown for one that was not
   *   asked about
   */
  readonly outboundConnectors: (organization: string) => Fact<readonly OutboundConnector[]>
}

/** For start-up, `check` and the log. */
export interface DirectorySummary {
  readonly organizations: number
  readonly acceptedDomains: number
  readonly inboundConnectors: number
  readonly outboundConnectors: number
  /** Changes whenever the content does; it is in every journal record. */
  readonly revision: string
}

/**
 * @param counts what a directory counts
 * @returns it in words; outbound connectors where there are any
 */
export function describeCounts(counts: Omit<DirectorySummary, 'revision'>): string {
  const { organizations, acceptedDomains, inboundConnectors, outboundConnectors } = counts
  return [
    `${organizations} organisations`,
    `${acceptedDomains} accepted domains`,
    `${inboundConnectors} inbound connectors`,
    ...(outboundConnectors === 0 ? [] : [`${outboundConnectors} outbound connectors`]),
  ].join(', ')
}

export interface Directory {
  /**
   * All that is asked at once is answered at once: a store that is far away is asked in one round trip.
   * @param question names, address and domains
   * @returns what is known and, as unknown, what could not be looked up; never rejects
   */
  ask(question: Question): Promise<Answer>

  /** @returns what is loaded now */
  summary(): DirectorySummary

  /** Stops watching and releases what is held; safe to call twice. */
  close(): Promise<void>
}
