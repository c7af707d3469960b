/** Servers that come from anywhere in 127.0.0.0/8, with whatever certificate, on every way. */

import { matchesCertificateName } from '../../src/text/certificate-name.ts'
import type { Authority, Made } from './authority.ts'
import { CA, LEAF } from './authority.ts'
import type { Owned } from './random-directory.ts'
import { RANGES } from './random-directory.ts'
import type { Random } from './random.ts'

/** A certificate with its chain and its key. */
export interface Identity {
  readonly what: string
  /** Names in it, whether or not they are proven. */
  readonly names: readonly string[]
  /** Its own certificate first. */
  readonly presented: readonly Made[]
}

export interface Identities {
  /** For [certificates] ca. */
  readonly trustedCa: Made
  /** For connectors of their own trust. */
  readonly privateCa: Made
  /** Self-signed, and pinned by some connectors. */
  readonly pinned: Made
  readonly all: readonly Identity[]
}

/** @returns one certificate of each kind */
export function makeIdentities(authority: Authority): Identities {
  const trustedCa = authority.make({ name: 'Trusted root', issuer: null, extensions: CA })
  const intermediate = authority.make({ name: 'Intermediate', issuer: trustedCa, extensions: CA })
  const privateCa = authority.make({ name: 'Private root', issuer: null, extensions: CA })
  const strange = authority.make({ name: 'Strange root', issuer: null, extensions: CA })
  const leaf = (issuer: Made | null, days: number, ...names: string[]): Made => {
    const alternative = names.map((name) => `DNS:${name}`).join(',')
    return authority.make({
      name: names[0] ?? '',
      issuer,
      days,
      extensions: names.length > 1 ? [...LEAF, `subjectAltName=${alternative}`] : LEAF,
    })
  }
  const pinned = leaf(null, 30, 'mail.fabrikam.com')
  const identity = (what: string, names: readonly string[], ...presented: Made[]): Identity => ({
    what: `${what}, for ${names.join(' and ')}`,
    names,
    presented,
  })
  const issued = (what: string, issuer: Made | null, days: number, ...names: string[]): Identity =>
    identity(what, names, leaf(issuer, days, ...names))
  const trusted = (...names: string[]): Identity =>
    identity('trusted', names, leaf(intermediate, 30, ...names), intermediate)
  const all: Identity[] = [
    trusted('mail.contoso.com'),
    trusted('*.contoso.com'),
    trusted('deep.mail.contoso.com'),
    trusted('mx.fabrikam.com', 'mail.northwind.org'),
    trusted('mail.adatum.net', 'mail.contoso.com', '*.wingtip.co.uk'),
    trusted('*.fabrikam.com', 'mail.fabrikam.com'),
    trusted('mail.northwind.org', 'northwind.org'),
    trusted('eu.sales.wingtip.co.uk', 'wingtip.co.uk'),
    trusted('sales.adatum.net', 'adatum.net'),
    trusted('mx.xn--bcher-kva.example', 'xn--bcher-kva.example'),
    trusted('mail.stranger.example'),
    trusted('evilcontoso.com'),
    trusted('localhost'),
    issued('without its intermediate', intermediate, 30, 'mail.contoso.com'),
    issued('of a private CA', privateCa, 30, 'mail.adatum.net', 'mail.contoso.com'),
    issued('of a CA that nobody trusts', strange, 30, 'mail.contoso.com', 'mail.fabrikam.com'),
    identity('self-signed and pinned', ['mail.fabrikam.com'], pinned),
    issued('self-signed', null, 30, 'mail.contoso.com'),
    identity('expired', ['mail.contoso.com'], leaf(intermediate, -1, 'mail.contoso.com'), intermediate),
  ]
  return { trustedCa, privateCa, pinned, all }
}

export interface RandomPeer {
  /** Anywhere in 127.0.0.0/8. */
  readonly address: string
  readonly way: 'plain text' | 'STARTTLS' | 'implicit TLS'
  readonly identity: Identity | null
  /** Whose server it is meant to be, if anybody's. */
  readonly organization: string | null
  /** Whether another plugin lets it relay. */
  readonly granted: boolean
}

/**
 * @param random chance
 * @param identities certificates
 * @param connectors of the directory: most servers are such as somebody thought of
 * @returns a peer
 */
export function randomPeer(random: Random, { all }: Identities, connectors: readonly Owned[]): RandomPeer {
  const meant = random.chance(0.7) ? random.pick(connectors) : null
  const { senderIPAddresses: ranges = [], tlsSenderCertificateName: pattern } = meant?.connector ?? {}
  const fitting = all.filter(({ names }) =>
    names.some((name) => pattern !== undefined && matchesCertificateName(pattern, name)),
  )
  const way = random.pick(['plain text', 'STARTTLS', 'STARTTLS', 'implicit TLS', 'implicit TLS'] as const)
  const presents = way !== 'plain text' && random.chance(fitting.length > 0 ? 0.95 : 0.5)
  return {
    address: addressIn(random, random.pick([...ranges, ...ranges, ANYWHERE, ANYWHERE, random.pick(RANGES)])),
    way,
    identity: presents ? random.pick(fitting.length > 0 ? fitting : all) : null,
    organization: meant?.organization ?? null,
    granted: random.chance(0.15),
  }
}

const ANYWHERE = ''

/** One in the range, the range's own address more often than another; or one where no range is. */
function addressIn(random: Random, range: string): string {
  const [address = '', length = '32'] = range.split('/')
  if (range === ANYWHERE) {
    return ['127', random.between(20, 254), random.between(0, 255), random.between(1, 254)].join('.')
  }
  const [, second = 0, third = 0, fourth = 0] = address.split('.').map(Number)
  if (length === '32') return address
  const fixed = Number(length) < 24 && random.chance(0.7) ? random.between(0, 3) : 0
  return ['127', second, third + fixed, fourth + random.between(1, 254)].join('.')
}
