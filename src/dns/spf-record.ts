/** SPF records read (RFC 7208 sections 4.5, 4.6, 5 and 6). */

import { parseRange } from '../text/ip-address.ts'
import { isDomainSpec, isMacroString } from './spf-macro.ts'

export type Qualifier = '+' | '-' | '~' | '?'

/** How many bits of an address count. */
export interface CidrLengths {
  readonly ip4: number
  readonly ip6: number
}

export type Mechanism =
  | { readonly name: 'all' }
  | { readonly name: 'include' | 'exists'; readonly domain: string }
  /** Null: the domain whose record it is. */
  | { readonly name: 'a' | 'mx'; readonly domain: string | null; readonly cidr: CidrLengths }
  | { readonly name: 'ptr'; readonly domain: string | null }
  /** Canonical CIDR form. */
  | { readonly name: 'ip4' | 'ip6'; readonly range: string }

export interface Directive {
  readonly qualifier: Qualifier
  readonly mechanism: Mechanism
  /** As it stands in the record. */
  readonly term: string
}

export interface SpfRecord {
  readonly directives: readonly Directive[]
  /** Where the answer is to be had when nothing matches, or null. */
  readonly redirect: string | null
}

const MOST_CHARACTERS = 4096

/**
 * @param text the text of a TXT record
 * @returns whether it is an SPF record, right or wrong
 */
export function isSpf(text: string): boolean {
  return /^v=spf1(?: |$)/i.test(text)
}

/**
 * @param text an SPF record; hostile
 * @returns the record, or the term that is wrong
 */
export function parseSpf(text: string): SpfRecord | { readonly wrong: string } {
  if (text.length > MOST_CHARACTERS) return { wrong: `a record of ${text.length} characters` }
  const directives: Directive[] = []
  const modifiers = new Map<string, string>()
  for (const term of text.slice('v=spf1'.length).split(' ')) {
    if (term === '') continue
    const modifier = /^([a-z][a-z0-9._-]*)=(.*)$/is.exec(term)
    if (modifier === null) {
      const directive = parseDirective(term)
      if (directive === null) return { wrong: term }
      directives.push(directive)
    } else {
      const [, name = '', value = ''] = modifier
      const key = name.toLowerCase()
      if (!isModifier(key, value, modifiers)) return { wrong: term }
      modifiers.set(key, value)
    }
  }
  return { directives, redirect: modifiers.get('redirect') ?? null }
}

/** Section 6: redirect and exp once each; of others only the form counts. */
function isModifier(key: string, value: string, before: ReadonlyMap<string, string>): boolean {
  if (key !== 'redirect' && key !== 'exp') return isMacroString(value)
  return isDomainSpec(value) && !before.has(key)
}

function parseDirective(term: string): Directive | null {
  const [, sign = '', name = '', rest = ''] = /^([-+~?]?)([a-z0-9]+)(.*)$/is.exec(term) ?? []
  const mechanism = parseMechanism(name.toLowerCase(), rest)
  return mechanism === null ? null : { qualifier: sign === '' ? '+' : (sign as Qualifier), mechanism, term }
}

function parseMechanism(name: string, rest: string): Mechanism | null {
  switch (name) {
    case 'all':
      return rest === '' ? { name } : null
    case 'include':
    case 'exists':
      return parseDomain(name, rest)
    case 'ptr':
      return rest === '' ? { name, domain: null } : parseDomain(name, rest)
    case 'a':
    case 'mx':
      return parseHosts(name, rest)
    case 'ip4':
    case 'ip6':
      return parseNetwork(name, rest)
    default:
      return null
  }
}

function parseDomain<Name extends 'include' | 'exists' | 'ptr'>(
  name: Name,
  rest: string,
): { readonly name: Name; readonly domain: string } | null {
  const domain = rest.slice(1)
  return rest.startsWith(':') && isDomainSpec(domain) ? { name, domain } : null
}

function parseHosts(name: 'a' | 'mx', rest: string): Mechanism | null {
  const match = /^(:.*?)?(?:\/(\d+))?(?:\/\/(\d+))?$/s.exec(rest)
  if (match === null) return null
  const [, given, four, six] = match
  const ip4 = lengthOf(four, 32)
  const ip6 = lengthOf(six, 128)
  if (ip4 === null || ip6 === null) return null
  const domain = given === undefined ? null : given.slice(1)
  return domain === null || isDomainSpec(domain) ? { name, domain, cidr: { ip4, ip6 } } : null
}

function lengthOf(digits: string | undefined, most: number): number | null {
  if (digits === undefined) return most
  return /^(?:0|[1-9]\d{0,2})$/.test(digits) && Number(digits) <= most ? Number(digits) : null
}

function parseNetwork(name: 'ip4' | 'ip6', rest: string): Mechanism | null {
  const range = rest.startsWith(':') ? parseRange(rest.slice(1)) : null
  // ip6:::ffff:192.0.2.0/120 is a range of IPv4 addresses: whoever writes it so gets what is meant.
  if (range === null || rest.includes(':', 1) !== (name === 'ip6')) return null
  return { name, range: range.range }
}
