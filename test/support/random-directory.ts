/** Directories as several organisations might have written them: valid, and full of what overlaps. */

import { stringify } from 'yaml'
import type { Random } from './random.ts'

/** Few names that lie above, below and beside each other, so that chance meets all of it. */
export const BASES = [
  'contoso.com',
  'fabrikam.com',
  'adatum.net',
  'northwind.org',
  'wingtip.co.uk',
  'xn--bcher-kva.example',
] as const

export const BELOW = ['mail', 'sales', 'eu.sales'] as const

const ORGANIZATIONS = ['contoso', 'Fabrikam', 'adatum', 'Northwind Traders', 'Größe & Söhne'] as const

/** Ranges that hold each other, of loopback, so that a client can come from them. */
export const RANGES = [
  '127.1.0.0/16',
  '127.1.2.0/24',
  '127.1.2.3',
  '127.1.2.4/32',
  '127.2.0.0/15',
  '127.3.4.0/22',
  '127.5.5.5',
  '127.5.0.0/17',
] as const

const FILE_OF_CA = 'private-ca.pem'

/** What the certificates of random peers give a connector to trust. */
export interface Trusted {
  /** PEM of the CA that is in FILE_OF_CA. */
  readonly privateCa: string
  /** Of a key that no CA certified. */
  readonly pin: string
}

/** @returns files that a random directory names, by their names under config/ */
export function filesFor({ privateCa }: Trusted): Record<string, string> {
  return { [FILE_OF_CA]: privateCa }
}

export interface RandomDirectory {
  /** As an administrator writes it. */
  readonly text: string
  readonly domains: readonly Omit<Domain, 'delegated'>[]
  readonly connectors: readonly Owned[]
}

/** A connector and whose it is. */
export interface Owned {
  readonly organization: string
  readonly connector: RandomConnector
}

/** What of a connector decides who is recognised. */
export interface RandomConnector {
  readonly name: string
  readonly connectorType: 'OnPremises' | 'Partner'
  readonly tlsSenderCertificateName?: string
  readonly senderIPAddresses?: readonly string[]
}

const DAY = 86_400_000

interface Domain {
  readonly domainName: string
  readonly organization: string
  readonly delegated: string[]
}

/**
 * @param random chance
 * @param trusted what connectors may trust of their own
 * @param marker a domain that is registered with nobody in any other directory
 * @returns a directory
 */
export function randomDirectory(random: Random, trusted: Trusted, marker: string): RandomDirectory {
  const names = random.some(ORGANIZATIONS, random.between(2, ORGANIZATIONS.length))
  const domains = randomDomains(random, names)
  const organizations = names.map((name) => ({
    name,
    ...(random.chance(0.1) ? { reportOnlyUntil: someDay(random) } : {}),
    acceptedDomains: domains
      .filter(({ organization }) => organization === name)
      .map((domain) => written(random, domain)),
    inboundConnectors: Array.from({ length: random.between(1, 4) }, (_, index) =>
      randomConnector(random, `Connector ${index}`, subjectFor(random, name, domains), trusted),
    ),
  }))
  const proof = { countsUntil: new Date(Date.now() + 30 * DAY).toISOString() }
  const marking = { name: 'marker', acceptedDomains: [{ domainName: marker, proof }] }
  return {
    text: stringify({ organizations: [...organizations, marking] }),
    domains,
    connectors: organizations.flatMap(({ name, inboundConnectors }) =>
      inboundConnectors.map((connector) => ({ organization: name, connector })),
    ),
  }
}

/** Below another organisation's domain only what that has delegated. */
function randomDomains(random: Random, names: readonly string[]): Domain[] {
  const domains: Domain[] = []
  for (const base of BASES) {
    if (random.chance(0.15)) continue
    const upper: Domain = { domainName: base, organization: random.pick(names), delegated: [] }
    domains.push(upper)
    for (const label of BELOW) {
      const domainName = `${label}.${base}`
      const registered = random.chance(0.3)
      const above = domains.find(
        (domain) => domainName.endsWith(`.sales.${base}`) && domain.domainName === `sales.${base}`,
      )
      const organization =
        above?.organization ?? (random.chance(0.3) ? random.pick(names) : upper.organization)
      if (registered) domains.push({ domainName, organization, delegated: [] })
      // Some are given away and not taken yet: those are nobody's.
      if (registered ? organization !== upper.organization : random.chance(0.1))
        upper.delegated.push(domainName)
    }
  }
  return domains
}

function written(random: Random, { domainName, delegated }: Domain): object {
  return {
    domainName: random.chance(0.1) ? domainName.toUpperCase() : domainName,
    domainType: random.pick(['Authoritative', 'InternalRelay']),
    ...(random.chance(0.3) ? { matchSubDomains: true } : {}),
    ...(random.chance(0.12) ? { sendingFromDomainDisabled: true } : {}),
    ...(random.chance(0.12) ? { pendingRemoval: true } : {}),
    ...(delegated.length === 0 ? {} : { delegatedSubDomains: delegated }),
    ...(random.chance(0.4) ? { proof: randomProof(random, domainName) } : {}),
  }
}

function randomProof(random: Random, domain: string): object {
  const day = (days: number): string => new Date(Date.now() + days * DAY).toISOString()
  return random.pick([
    { token: 'abc', domain, provenAt: day(-20) },
    { token: 'abc', domain, provenAt: day(-20), lostAt: day(-2), countsUntil: day(12) },
    { token: 'abc', domain, provenAt: day(-40), lostAt: day(-20), countsUntil: day(-6) },
    { countsUntil: day(14) },
    { countsUntil: day(-1) },
  ])
}

/** Long over, or far ahead. */
function someDay(random: Random): string {
  return new Date(Date.now() + random.pick([-10, 30]) * DAY).toISOString().slice(0, 10)
}

/** More often a domain of its own, or the name of a server in it. */
function subjectFor(random: Random, name: string, domains: readonly Domain[]): string {
  const own = domains.filter(({ organization }) => organization === name)
  const { domainName } = random.pick(own.length > 0 && random.chance(0.7) ? own : domains)
  const base = random.pick(BASES)
  return random.pick([domainName, domainName, `mail.${domainName}`, base, `${random.pick(BELOW)}.${base}`])
}

function randomConnector(random: Random, name: string, subject: string, trusted: Trusted): RandomConnector {
  const certificate = { tlsSenderCertificateName: random.chance(0.5) ? `*.${subject}` : subject }
  const addresses = { senderIPAddresses: random.some(RANGES, random.between(1, 2)) }
  const trust = random.chance(0.25)
    ? random.pick([{ trustedCertificateAuthorities: [FILE_OF_CA] }, { certificatePins: [trusted.pin] }])
    : {}
  const how = random.pick<Partial<RandomConnector>>([
    { ...certificate, ...trust },
    { ...certificate, ...trust },
    addresses,
    addresses,
    { ...certificate, ...addresses },
  ])
  const partner = random.chance(0.2)
  return {
    name,
    connectorType: partner ? 'Partner' : 'OnPremises',
    ...(partner ? { senderDomains: ['*'] } : {}),
    ...(random.chance(0.15) ? { enabled: false } : {}),
    ...(random.chance(0.12) ? { reportOnlyUntil: someDay(random) } : {}),
    ...how,
  }
}
