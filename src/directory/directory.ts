/**
 * What the relay rule asks of a store of organisations. There are two stores behind this interface (a YAML file,
 * Redis); callers cannot tell which. Domain names and presented names are in A-label form, lower case.
 */

import type { DomainFact, Fact, InboundConnector } from '../policy/types.ts'

/** A connector that names a presented name or an address, and by which of them. */
export interface ConnectorMatch {
  readonly connector: InboundConnector
  readonly by:
    | { readonly via: 'certificate'; readonly presentedName: string }
    | { readonly via: 'address'; readonly range: string; readonly prefixLength: number }
}

/** For start-up, `check` and the log. */
export interface DirectorySummary {
  readonly organizations: readonly string[]
  readonly acceptedDomains: number
  readonly inboundConnectors: number
  /** Changes whenever the content does; it is in every journal record. */
  readonly revision: string
}

export interface Directory {
  /**
   * Enabled connectors, of any organisation, whose tlsSenderCertificateName matches one of the names or whose
   * senderIPAddresses hold the address (DESIGN.md, rule 2). A connector that matches both ways is listed twice.
   * @param presentedNames names from the certificate, verified or not, e.g. `mail.contoso.com`, `*.contoso.com`
   * @param address canonical IPv4 or IPv6 address, or null where no address counts
   * @returns the matches, or why they could not be looked up; never rejects
   */
  findConnectors(
    presentedNames: readonly string[],
    address: string | null,
  ): Promise<Fact<readonly ConnectorMatch[]>>

  /**
   * @param domains domain names to look up
   * @returns one fact for each name, in the order asked for; never rejects
   */
  findDomains(domains: readonly string[]): Promise<readonly Fact<DomainFact>[]>

  /** @returns what is loaded now */
  summary(): DirectorySummary

  /** Stops watching and releases what is held; safe to call twice. */
  close(): Promise<void>
}
