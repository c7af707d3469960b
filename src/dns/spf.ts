/**
 * Whether a domain's SPF record lets an address send for it: check_host() of RFC 7208, without explanations. Of our own:
 * haraka-plugin-spf's library is not exported as one, asks no resolver of our choice and knows no deadline; mailauth brings
 * an HTTP client and an XML parser along.
 */

import { addressBytes, maskBytes, parseRange } from '../text/ip-address.ts'
import { reverseLookupWith } from './host-records.ts'
import type { Resolver, ServerFailure } from './lookup.ts'
import { lookup, resolverOf } from './lookup.ts'
import { canonicalName, isAtOrBelow } from './name.ts'
import { withPatience } from './patience.ts'
import type { LookupOptions } from './public-mx.ts'
import type { MacroValues } from './spf-macro.ts'
import { expandDomain, isIpv6 } from './spf-macro.ts'
import type { CidrLengths, Directive, Mechanism, Qualifier } from './spf-record.ts'
import { isSpf, parseSpf } from './spf-record.ts'

export interface SpfQuestion {
  /** Canonical (`normalizeAddress`): who sends. */
  readonly address: string
  /** The domain of the envelope sender, normalised. */
  readonly domain: string
  /** `postmaster@<domain>` when left out. */
  readonly sender?: string
  /** The sending host's own name; the domain when left out. */
  readonly helo?: string
}

/** RFC 7208 section 2.6. Texts are from the network. */
export type SpfResult =
  | {
      readonly kind: 'pass' | 'fail' | 'softfail' | 'neutral'
      /** The domain's own record. */
      readonly record: string
      /** The term of it that decided, e.g. `include:spf.example`; null when none matched. */
      readonly term: string | null
    }
  /** The domain has no SPF record, or does not exist. */
  | { readonly kind: 'none' }
  /** The record is wrong: receivers treat it as if it were not there, or refuse. */
  | { readonly kind: 'permerror'; readonly detail: string }
  /** Could not ask. */
  | { readonly kind: 'temperror'; readonly failures: readonly ServerFailure[] }

const OUTCOMES: Readonly<Record<Qualifier, 'pass' | 'fail' | 'softfail' | 'neutral'>> = {
  '+': 'pass',
  '-': 'fail',
  '~': 'softfail',
  '?': 'neutral',
}

/** Section 4.6.4. */
const MOST_LOOKUPS = 10
const MOST_VOID_LOOKUPS = 2
const MOST_EXCHANGES = 10

/**
 * @param question who sends for whom
 * @param options whom to ask
 * @returns what the record says; never rejects for what a server does or a record holds
 * @throws the reason of `options.signal` when that was aborted
 */
export async function checkSpf(question: SpfQuestion, options: LookupOptions = {}): Promise<SpfResult> {
  return withPatience(options, async (patience) => {
    const resolver = resolverOf(options.resolver === undefined ? null : [options.resolver], patience)
    try {
      return await new Check(question, resolver).host(question.domain)
    } catch (error) {
      if (error instanceof PermanentError) return { kind: 'permerror', detail: error.message }
      if (error instanceof TemporaryError) return { kind: 'temperror', failures: error.failures }
      throw error
    }
  })
}

class PermanentError extends Error {
  override readonly name = 'PermanentError'
}

class TemporaryError extends Error {
  override readonly name = 'TemporaryError'
  readonly failures: readonly ServerFailure[]

  constructor(failures: readonly ServerFailure[]) {
    super('could not ask')
    this.failures = failures
  }
}

class Check {
  readonly #question: SpfQuestion
  readonly #resolver: Resolver
  #lookups = 0
  #void = 0

  constructor(question: SpfQuestion, resolver: Resolver) {
    this.#question = question
    this.#resolver = resolver
  }

  /** check_host() for a domain: that of the sender, or one that an include or a redirect names. */
  async host(domain: string): Promise<SpfResult> {
    const found = await lookup(this.#resolver, domain, 'TXT')
    if (found.kind === 'failed') throw new TemporaryError(found.failures)
    const texts = found.kind === 'found' ? found.records.map(({ text }) => text).filter(isSpf) : []
    const [record, ...others] = texts
    if (record === undefined) return { kind: 'none' }
    if (others.length > 0) throw new PermanentError(`${domain} has ${texts.length} SPF records`)
    const parsed = parseSpf(record)
    if ('wrong' in parsed) throw new PermanentError(`the record of ${domain} is wrong at ${parsed.wrong}`)

    const { directives, redirect } = parsed
    for (const { mechanism, qualifier, term } of directives) {
      if (await this.#matches(mechanism, domain)) return { kind: OUTCOMES[qualifier], record, term }
    }
    if (redirect === null) return { kind: 'neutral', record, term: null }
    this.#count()
    const target = this.#expand(redirect, domain)
    const result = await this.host(target)
    if (result.kind === 'none') throw new PermanentError(`redirect=${redirect}: ${target} has no SPF record`)
    return 'record' in result ? { kind: result.kind, record, term: `redirect=${redirect}` } : result
  }

  async #matches(mechanism: Directive['mechanism'], domain: string): Promise<boolean> {
    switch (mechanism.name) {
      case 'all':
        return true
      case 'ip4':
      case 'ip6':
        return this.#isWithin(mechanism.range)
      case 'include':
        return this.#includes(this.#expand(mechanism.domain, domain))
      case 'exists':
        this.#count()
        return (await this.#records(this.#expand(mechanism.domain, domain), 'A')).length > 0
      case 'a':
        this.#count()
        return this.#hasAddress(this.#target(mechanism, domain), mechanism.cidr)
      case 'mx':
        return this.#isExchange(this.#target(mechanism, domain), mechanism.cidr)
      case 'ptr':
        return this.#isNamed(this.#target(mechanism, domain))
      default:
        return mechanism satisfies never
    }
  }

  async #includes(target: string): Promise<boolean> {
    this.#count()
    const { kind } = await this.host(target)
    if (kind === 'none') throw new PermanentError(`include:${target} has no SPF record`)
    return kind === 'pass'
  }

  async #isExchange(domain: string, cidr: CidrLengths): Promise<boolean> {
    this.#count()
    const exchanges = await this.#records(domain, 'MX')
    if (exchanges.length > MOST_EXCHANGES) {
      throw new PermanentError(`mx: ${domain} has more than ${MOST_EXCHANGES} MX records`)
    }
    for (const { exchange } of exchanges) {
      if (exchange !== '' && (await this.#hasAddress(exchange, cidr))) return true
    }
    return false
  }

  /** Section 5.5: what cannot be asked does not match. */
  async #isNamed(domain: string): Promise<boolean> {
    this.#count()
    const found = await reverseLookupWith(this.#resolver, this.#question.address)
    const zone = canonicalName(domain)
    return found.kind === 'confirmed' && zone !== null && found.hosts.some((host) => isAtOrBelow(host, zone))
  }

  async #hasAddress(host: string, cidr: CidrLengths): Promise<boolean> {
    const six = isIpv6(this.#question.address)
    const records = await this.#records(host, six ? 'AAAA' : 'A')
    return records.some(({ address }) => this.#isWithin(`${address}/${six ? cidr.ip6 : cidr.ip4}`))
  }

  async #records<Type extends 'A' | 'AAAA' | 'MX'>(name: string, type: Type) {
    const found = await lookup(this.#resolver, name, type)
    if (found.kind === 'found') return found.records
    if (found.kind === 'failed') {
      // A name that no server can be asked about is one that is not there (section 4.8).
      if (!found.failures.some(({ why }) => why === 'bad-name')) throw new TemporaryError(found.failures)
    }
    this.#void += 1
    if (this.#void > MOST_VOID_LOOKUPS) {
      throw new PermanentError(
        `more than ${MOST_VOID_LOOKUPS} of its names are not there (the last: ${name})`,
      )
    }
    return []
  }

  #isWithin(range: string): boolean {
    const network = parseRange(range)
    const bytes = addressBytes(this.#question.address)
    if (network === null || bytes === null || bytes.length !== network.bytes.length) return false
    return maskBytes(bytes, network.prefixLength).every((octet, index) => octet === network.bytes[index])
  }

  #count(): void {
    this.#lookups += 1
    if (this.#lookups > MOST_LOOKUPS) {
      throw new PermanentError(`it needs more than ${MOST_LOOKUPS} lookups (RFC 7208 section 4.6.4)`)
    }
  }

  #target(mechanism: Extract<Mechanism, { domain: string | null }>, domain: string): string {
    return mechanism.domain === null ? domain : this.#expand(mechanism.domain, domain)
  }

  #expand(spec: string, domain: string): string {
    const { address, domain: sent, helo = sent, sender = `postmaster@${sent}` } = this.#question
    const values: MacroValues = { address, domain, helo, sender }
    return expandDomain(spec, values)
  }
}
