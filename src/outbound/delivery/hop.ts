/** A next hop: where mail of one route goes, under which promise, and which of its hosts may be spoken to. */

import { isIP } from 'node:net'
import type { Route } from '../../policy/route.ts'
import type { OutboundConnector, SmartHost } from '../../policy/types.ts'
import type { DeliveryRecord } from '../../journal/record.ts'
import type { ClientIdentity, Said, Target, TlsPolicy } from '../types.ts'
import type { Found, MxHost, NextHopResolver } from './resolve.ts'
import { saidHere } from './said.ts'

/** What mail of the same key may share: connections, and the pause after a failure. */
export interface Hop {
  readonly key: string
  readonly route: DeliveryRecord['route']
  readonly policy: TlsPolicy
  readonly identity: ClientIdentity
  /** Smart hosts, or the domain whose MX is asked for. */
  readonly to: { readonly smartHosts: readonly SmartHost[] } | { readonly mx: string }
  /** A smart host with this address is left out: the mail came from there. */
  readonly except: string | null
}

/** Addresses to try, in this order; or why there are none, for now or for good. */
export type Targets =
  { readonly targets: readonly Target[] } | { readonly deferred: Said } | { readonly failed: Said }

/** Where this server listens; an address of '' stands for all of its addresses. */
export interface Listening {
  readonly address: string
  readonly port: number
}

export interface HopContext {
  readonly resolver: NextHopResolver
  /** Addresses of this machine. */
  readonly own: () => ReadonlySet<string>
  readonly listening: () => readonly Listening[]
  readonly now: () => number
  readonly random: () => number
}

const SMTP_PORT = 25

/**
 * Of what the DNS says about somebody else's domain, so much is tried at one attempt: it could name thousands of hosts that
 * do not answer, and each attempt keeps one of few connections.
 */
const MOST_MX_HOSTS = 20
const MOST_MX_ADDRESSES = 20

const OPPORTUNISTIC: TlsPolicy = { level: 'opportunistic', domain: null, trust: null }

const LEVELS = {
  EncryptionOnly: 'encrypt',
  CertificateValidation: 'verify',
  DomainValidation: 'verify-domain',
} as const

/**
 * @param connector an outbound connector
 * @returns what a connection of it must hold
 */
export function policyOf({ tlsDomain, tlsSettings, trust }: OutboundConnector): TlsPolicy {
  if (tlsSettings === null) return OPPORTUNISTIC
  return { level: LEVELS[tlsSettings], domain: tlsDomain, trust: trust ?? null }
}

/**
 * @param route where the mail goes; not `none`
 * @param domain the recipient's
 * @param identity what is shown of this server
 * @param except the address that the mail came from, where a smart host has it
 * @returns the hop
 */
export function hopOf(
  route: Exclude<Route, { via: 'none' }>,
  domain: string,
  identity: ClientIdentity,
  except: string | null,
): Hop {
  if (route.via === 'connector') return connectorHop(route.connector, domain, identity, except)
  const plain = { organization: null, connector: null }
  const to = route.via === 'mx' ? { mx: domain } : { smartHosts: [route.smartHost] }
  const name = route.via === 'mx' ? domain : `${route.smartHost.host} ${route.smartHost.port}`
  return {
    key: JSON.stringify([route.via, name, except]),
    route: { via: route.via, ...plain },
    policy: OPPORTUNISTIC,
    identity,
    to,
    except,
  }
}

function connectorHop(
  connector: OutboundConnector,
  domain: string,
  identity: ClientIdentity,
  except: string | null,
): Hop {
  const { name, organization, smartHosts, useMXRecord } = connector
  const policy = policyOf(connector)
  const to = useMXRecord ? { mx: domain } : { smartHosts }
  const promise = [policy.level, policy.domain, policy.trust?.key ?? null, identity.key]
  return {
    key: JSON.stringify(['connector', organization, name, to, promise, except]),
    route: { via: 'connector', organization, connector: name },
    policy,
    identity,
    to,
    except,
  }
}

/**
 * @param hop a next hop
 * @param context what is asked
 * @returns the addresses to try: smart hosts in any order, MX by preference (RFC 5321 section 5.1)
 */
export function targetsOf(hop: Hop, context: HopContext): Promise<Targets> {
  return 'mx' in hop.to
    ? mxTargets(hop, hop.to.mx, context)
    : smartHostTargets(hop, hop.to.smartHosts, context)
}

async function smartHostTargets(
  hop: Hop,
  smartHosts: readonly SmartHost[],
  context: HopContext,
): Promise<Targets> {
  const targets: Target[] = []
  let why = ''
  let own = 0
  let from = 0
  for (const { host, port } of shuffled(smartHosts, context.random)) {
    const found = await context.resolver.addresses(host)
    if (!('found' in found)) {
      why = describeMissing(host, found)
      continue
    }
    for (const address of found.found) {
      if (isOurs(address, port, context)) own += 1
      else if (address === hop.except) from += 1
      else targets.push(targetOf(hop, host, address, port, false))
    }
  }
  if (targets.length > 0) return { targets }
  if (why !== '') return { deferred: saidHere(context.now(), '4.4.3', why) }
  if (own > 0)
    return {
      failed: saidHere(context.now(), '5.4.6', 'the smart host is this server itself: mail would loop'),
    }
  if (from > 0)
    return {
      failed: saidHere(context.now(), '5.4.6', 'the smart host is the server that the mail came from'),
    }
  return { deferred: saidHere(context.now(), '4.4.4', 'there is no smart host') }
}

async function mxTargets(hop: Hop, domain: string, context: HopContext): Promise<Targets> {
  const literal = literalAddress(domain)
  if (literal !== null) return ofHosts(hop, domain, [{ preference: 0, exchange: literal }], context)
  const found = await context.resolver.exchanges(domain)
  if ('failed' in found)
    return {
      deferred: saidHere(
        context.now(),
        '4.4.3',
        `the MX of ${domain} could not be looked up: ${found.failed}`,
      ),
    }
  if ('nowhere' in found) {
    if (found.nowhere === 'no-such-name')
      return { failed: saidHere(context.now(), '5.1.2', `there is no domain ${domain}`) }
    // RFC 5321 section 5.1: without MX the domain itself is the host.
    return ofHosts(hop, domain, [{ preference: 0, exchange: domain }], context)
  }
  if (found.found.length === 1 && found.found[0]?.exchange === '') {
    return {
      failed: saidHere(context.now(), '5.1.10', `${domain} takes no mail: it has a null MX (RFC 7505)`),
    }
  }
  const sorted = shuffled(found.found, context.random).toSorted(
    (left, right) => left.preference - right.preference,
  )
  return ofHosts(hop, domain, sorted, context)
}

/** Hosts that are no better than this server are left out: they would send the mail back (RFC 5321 section 5.1). */
async function ofHosts(
  hop: Hop,
  domain: string,
  hosts: readonly MxHost[],
  context: HopContext,
): Promise<Targets> {
  const { failure, ownPreference, targets } = await lookedUp(hop, hosts, context)
  const better = targets.filter(({ preference }) => preference < ownPreference)
  if (better.length > 0) return { targets: better.slice(0, MOST_MX_ADDRESSES).map(({ target }) => target) }
  // The better one that takes it may only not be known now.
  if (failure !== null && failure.preference < ownPreference)
    return { deferred: saidHere(context.now(), '4.4.3', failure.why) }
  if (ownPreference < Number.POSITIVE_INFINITY) {
    return { failed: saidHere(context.now(), '5.4.6', `the MX of ${domain} is this server: mail would loop`) }
  }
  return { failed: saidHere(context.now(), '5.4.4', `no host that takes mail for ${domain} has an address`) }
}

interface LookedUp {
  readonly targets: readonly { readonly target: Target; readonly preference: number }[]
  /** The best of this server's own; infinite where it is none of them. */
  readonly ownPreference: number
  /** The best host that could not be looked up. */
  readonly failure: { readonly why: string; readonly preference: number } | null
}

async function lookedUp(hop: Hop, hosts: readonly MxHost[], context: HopContext): Promise<LookedUp> {
  const targets: { target: Target; preference: number }[] = []
  let ownPreference = Number.POSITIVE_INFINITY
  let failure: LookedUp['failure'] = null
  for (const { exchange, preference } of hosts.slice(0, MOST_MX_HOSTS)) {
    if (exchange === '') continue
    const found = await context.resolver.addresses(exchange)
    if (!('found' in found)) {
      if ('failed' in found) failure ??= { why: describeMissing(exchange, found), preference }
      continue
    }
    for (const address of found.found) {
      if (isThisMachine(address) || isOurs(address, SMTP_PORT, context))
        ownPreference = Math.min(ownPreference, preference)
      else targets.push({ target: targetOf(hop, exchange, address, SMTP_PORT, true), preference })
    }
  }
  return { targets, ownPreference, failure }
}

function targetOf(
  { identity, policy }: Hop,
  host: string,
  address: string,
  port: number,
  byMx: boolean,
): Target {
  return { host, address, port, policy, identity, refuseOwnName: byMx }
}

function isOurs(address: string, port: number, { listening, own }: HopContext): boolean {
  return listening().some(
    (at) => at.port === port && (at.address === address || (at.address === '' && own().has(address))),
  )
}

/**
 * Loopback, or the address that stands for none, which connects to loopback. Whoever writes a domain's MX must not reach
 * servers on this machine that trust it: what is meant to go there is a smart host.
 */
function isThisMachine(address: string): boolean {
  return /^(?:127|0)\./.test(address) || address === '::1' || address === '::'
}

/** RFC 5321 section 4.1.3. */
function literalAddress(domain: string): string | null {
  const [, text = ''] = /^\[(?:ipv6:)?([0-9a-f:.]{2,45})\]$/i.exec(domain) ?? []
  return isIP(text) === 0 ? null : text
}

function describeMissing(host: string, found: Exclude<Found<string>, { found: unknown }>): string {
  return 'failed' in found
    ? `the address of ${host} could not be looked up: ${found.failed}`
    : `${host} has no address`
}

/** Fisher and Yates. */
function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const mixed = [...items]
  for (let last = mixed.length - 1; last > 0; last -= 1) {
    const index = Math.floor(random() * (last + 1))
    const [one, other] = [mixed[last], mixed[index]]
    if (one !== undefined && other !== undefined) [mixed[last], mixed[index]] = [other, one]
  }
  return mixed
}
