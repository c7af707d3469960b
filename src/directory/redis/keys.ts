/**
 * The names of the keys in Redis. All of them share one hash tag, so that in a cluster they lie on one node and a
 * write is atomic: `{connectors}:domain:contoso.com`. A key holds what a look-up asks for by exact name.
 */

import { ancestorsOf, parentOf } from '../../text/domain-name.ts'
import type { ConfiguredConnector } from '../model.ts'
import { isPublicSuffix } from '../../text/public-suffix.ts'

export class Keys {
  readonly #prefix: string

  /** @param prefix what stands in the hash tag; letters, digits, `-`, `_`, `.` and `:` */
  constructor(prefix: string) {
    this.#prefix = `{${prefix}}:`
  }

  /** Matches all keys, as SCAN takes it. */
  get pattern(): string {
    return `${this.#prefix}*`
  }

  /** That there is a directory, and at which revision: a string of JSON. */
  get header(): string {
    return `${this.#prefix}header`
  }

  /** What each write changed, for the near caches: a stream. */
  get changes(): string {
    return `${this.#prefix}changes`
  }

  /** Who changed what: a stream. */
  get audit(): string {
    return `${this.#prefix}audit`
  }

  /** From which tokens of domains are made (`src/proof/`): a string. */
  get installationId(): string {
    return `${this.#prefix}installation-id`
  }

  /** When proofs of domains were last looked at: a string of JSON. */
  get proofsLookedAt(): string {
    return `${this.#prefix}proofs-looked-at`
  }

  /** That a node looks at them just now: a string that ends by itself. */
  get proofsLooking(): string {
    return `${this.#prefix}proofs-looking`
  }

  /** Since when a node requires proof: a string. */
  get proofRequiredSince(): string {
    return `${this.#prefix}proof-required-since`
  }

  /** Keys that stand beside the records: nothing in them follows from what organisations own. */
  get apart(): readonly string[] {
    return [
      this.header,
      this.changes,
      this.audit,
      this.installationId,
      this.proofsLookedAt,
      this.proofsLooking,
      this.proofRequiredSince,
    ]
  }

  /** Keys of all organisations (`nameKey`): a sorted set without scores. */
  get organizations(): string {
    return `${this.#prefix}organizations`
  }

  organization(nameKey: string): string {
    return `${this.#prefix}organization:${nameKey}`
  }

  /** Names of an organisation's accepted domains: a sorted set without scores. */
  domainsOf(nameKey: string): string {
    return `${this.#prefix}domains-of:${nameKey}`
  }

  /** An organisation's connectors by `nameKey`, whole: a hash. */
  connectorsOf(nameKey: string): string {
    return `${this.#prefix}connectors-of:${nameKey}`
  }

  /** An organisation's outbound connectors, all in one: which of them takes a message hangs on the others. */
  outboundOf(nameKey: string): string {
    return `${this.#prefix}outbound-of:${nameKey}`
  }

  domain(domainName: string): string {
    return `${this.#prefix}domain:${domainName}`
  }

  /** Registered domains below a name: a sorted set without scores. */
  subdomains(name: string): string {
    return `${this.#prefix}subdomains:${name}`
  }

  /** Enabled connectors with this tlsSenderCertificateName. */
  named(tlsSenderCertificateName: string): string {
    return `${this.#prefix}named:${tlsSenderCertificateName}`
  }

  /** Enabled connectors whose name is one label below: what a certificate for `*.parent` proves. */
  below(parent: string): string {
    return `${this.#prefix}below:${parent}`
  }

  isBelow(key: string): boolean {
    return key.startsWith(this.below(''))
  }

  /**
   * @param key an entry of an index
   * @param connector a connector that it lists
   * @returns whether it belongs there
   */
  lists(key: string, { tlsSenderCertificateName: name, senderIPAddresses }: ConfiguredConnector): boolean {
    if (key.startsWith(this.range(''))) return senderIPAddresses.some((range) => this.range(range) === key)
    if (name === null) return false
    return key === this.named(name) || key === this.below(parentOf(name) ?? '')
  }

  /** Enabled connectors with this range in senderIPAddresses. */
  range(range: string): string {
    return `${this.#prefix}range:${range}`
  }
}

/**
 * @param domain a domain name
 * @returns names above it that can be registered; public suffixes cannot, and have millions of names below
 */
export function registrableAbove(domain: string): string[] {
  return ancestorsOf(domain).filter((name) => !isPublicSuffix(name))
}
