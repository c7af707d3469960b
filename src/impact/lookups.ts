/**
 * What is alike for the rule. Most domains in a journal are registered with nobody, and most addresses are no
 * connector's: what one of them was decided, all of them are, so that a million strangers are decided once.
 */

import { LRUCache } from 'lru-cache'
import type { Answer, ConnectorMatch, Directory } from '../directory/directory.ts'
import { isUnknown } from '../policy/attribute.ts'
import { counting } from '../policy/proof.ts'
import type { DomainFact, Fact, RelaySettings, SmartHost } from '../policy/types.ts'
import { normalizeDomain } from '../text/domain-name.ts'
import { normalizeAddress } from '../text/ip-address.ts'

/** A directory, and when it is asked. */
export interface ReplaySide {
  readonly directory: Directory
  /** ISO 8601 in UTC. */
  readonly now: string
}

export interface LookupOptions {
  readonly present: ReplaySide
  readonly proposed: ReplaySide
  readonly settings: {
    readonly relay: Pick<RelaySettings, 'requireDomainProof'>
    readonly outbound: { readonly smartHost: SmartHost | null }
  }
  /** Whether the proposed directory has other connectors or domains, not only another time or other terms. */
  readonly isOtherDirectory: boolean
  /** Whether an address is a listed proxy's own. */
  readonly isProxy: (address: string) => boolean
}

/** What a domain is on both sides, as far as a decision hangs on it. */
export interface DomainClass {
  /** The same for two domains that are alike as a sender's. */
  readonly sender: string
  /** The same for two that are alike as a recipient's. */
  readonly recipient: string
}

const FOREIGN: DomainClass = { sender: '', recipient: '' }

/** What is remembered at most, about. */
const DOMAIN_BYTES = 48 * 1024 * 1024
const ADDRESS_BYTES = 16 * 1024 * 1024
/** Of an entry beside its name; measured. */
const OVERHEAD = 170

/** Domains of one question. */
const AT_ONCE = 200

export class Lookups {
  /** The time of each side. */
  readonly #times: readonly string[]
  /** Of each side; one where both have the same domains and connectors. */
  readonly #directories: readonly Directory[]
  readonly #relay: Pick<RelaySettings, 'requireDomainProof'>
  /** Whether mail to every accepted domain has somewhere to go, whatever outbound connectors there are. */
  readonly #alwaysRouted: boolean
  readonly #domains = new LRUCache<string, DomainClass>({
    maxSize: DOMAIN_BYTES,
    sizeCalculation: (_class, name) => OVERHEAD + name.length,
  })
  readonly #isProxy: (address: string) => boolean
  readonly #addresses = new LRUCache<string, string>({
    maxSize: ADDRESS_BYTES,
    sizeCalculation: (found, address) => OVERHEAD + address.length + found.length,
  })

  constructor({ isOtherDirectory, isProxy, present, proposed, settings }: LookupOptions) {
    this.#times = [present.now, proposed.now]
    this.#directories = isOtherDirectory ? [present.directory, proposed.directory] : [present.directory]
    this.#relay = settings.relay
    this.#alwaysRouted = settings.outbound.smartHost !== null
    this.#isProxy = isProxy
  }

  /**
   * @param domains domains of senders and recipients, some of them again and again; '' and literals as well
   * @returns what each of them is
   */
  async domains(domains: Iterable<string>): Promise<ReadonlyMap<string, DomainClass>> {
    const classes = new Map<string, DomainClass>()
    const missing: string[] = []
    for (const domain of domains) {
      if (classes.has(domain)) continue
      const known = this.#domains.get(domain) ?? (normalizeDomain(domain) === null ? FOREIGN : undefined)
      // Until it is looked up.
      classes.set(domain, known ?? FOREIGN)
      if (known === undefined) missing.push(domain)
    }
    for (let begin = 0; begin < missing.length; begin += AT_ONCE) {
      const names = missing.slice(begin, begin + AT_ONCE)
      const question = { presentedNames: [], address: null, domains: names }
      const answers = await Promise.all(this.#directories.map((directory) => directory.ask(question)))
      for (const name of names) classes.set(name, this.#classOf(name, answers))
    }
    return classes
  }

  #classOf(name: string, answers: readonly Answer[]): DomainClass {
    const { requireDomainProof } = this.#relay
    const facts = this.#times.map((now, side) => {
      const answer = answers[side] ?? answers[0]
      const fact = answer?.domain(name) ?? { unknown: true, why: 'nobody was asked' }
      return counting(fact, { now, requireDomainProof })
    })
    const isForeign = facts.every((fact) => isNobodys(fact))
    const found = isForeign
      ? FOREIGN
      : { sender: name, recipient: facts.map((fact) => this.#recipientClass(name, fact)).join('\n') }
    if (!facts.some((fact) => isUnknown(fact))) this.#domains.set(name, found)
    return found
  }

  /** The organisation of a delivery hangs on it, and without a smart host whether it has a route; unknown is like nothing else. */
  #recipientClass(name: string, fact: Fact<DomainFact>): string {
    if (isUnknown(fact)) return '?'
    const owner = fact.acceptedDomain?.organization ?? ''
    return this.#alwaysRouted || owner === '' ? owner : `${owner}\t${name}`
  }

  /**
   * @param addresses addresses of peers without a certificate, as they were journalled
   * @returns what is alike for two of which the same connectors are, by the same ranges; '' is nobody's
   */
  async addresses(addresses: Iterable<string>): Promise<ReadonlyMap<string, string>> {
    const classes = new Map<string, string>()
    const missing: string[] = []
    for (const address of addresses) {
      if (classes.has(address)) continue
      const known = this.#addresses.get(address)
      classes.set(address, known ?? '')
      if (known === undefined) missing.push(address)
    }
    await Promise.all(
      missing.map(async (address) => {
        classes.set(address, await this.#addressClass(address))
      }),
    )
    return classes
  }

  async #addressClass(text: string): Promise<string> {
    const address = normalizeAddress(text)
    if (address === null || this.#isProxy(address)) return ''
    const question = { presentedNames: [], address, domains: [] }
    const answers = await Promise.all(this.#directories.map((directory) => directory.ask(question)))
    const lists: string[] = []
    for (const { connectors } of answers) {
      if (isUnknown(connectors)) return address
      lists.push(connectors.map((match) => connectorClass(match)).join('\n'))
    }
    const found = lists.every((list) => list === '') ? '' : lists.join('\n\n')
    this.#addresses.set(text, found)
    return found
  }
}

/** Names hold no line breaks (`directory/schema-name.ts`). */
function connectorClass({ by, connector: { name, organization } }: ConnectorMatch): string {
  return `${organization}\t${name}\t${by.via === 'address' ? by.range : ''}`
}

function isNobodys(fact: Fact<DomainFact>): boolean {
  if (isUnknown(fact)) return false
  return fact.acceptedDomain === null && fact.uncoveredParent === null && fact.unproven === undefined
}
