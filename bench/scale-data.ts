/** A directory of any size, always the same: names and addresses follow from numbers. */

import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Peer } from '../src/policy/types.ts'

export interface Size {
  readonly domains: number
  readonly connectors: number
  readonly organizations: number
}

/** The organisation of `load.ts`, beside the others. */
const CONTOSO = `  - name: contoso
    acceptedDomains:
      - domainName: contoso.com
    inboundConnectors:
      - name: Servers
        connectorType: OnPremises
        tlsSenderCertificateName: '*.contoso.com'
`

/**
 * @param path where to write
 * @param size how much
 */
export async function writeOrganizations(path: string, size: Size): Promise<void> {
  await pipeline(Readable.from(organizations(size)), createWriteStream(path))
}

function* organizations(size: Size): Generator<string> {
  yield `organizations:\n${CONTOSO}`
  for (let number = 0; number < size.organizations; number += 1) yield organization(number, size)
}

function organization(number: number, size: Size): string {
  const lines = [`  - name: Organisation ${number}`]
  if (number < size.domains) lines.push('    acceptedDomains:')
  for (let domain = number; domain < size.domains; domain += size.organizations) {
    lines.push(`      - domainName: ${domainName(domain)}`)
    if (domain % 10 === 0) lines.push('        matchSubDomains: true')
    if (domain % 7 === 0) lines.push('        domainType: InternalRelay')
  }
  lines.push('    inboundConnectors:')
  for (const connector of connectorsOf(number, size)) {
    lines.push(`      - name: Connector ${connector}`, '        connectorType: OnPremises')
    if (isByName(connector)) lines.push(`        tlsSenderCertificateName: '${certificateName(connector)}'`)
    else lines.push(`        senderIPAddresses: [${ranges(connector).join(', ')}]`)
  }
  return `${lines.join('\n')}\n`
}

/** @returns e.g. `d12.example`; domain 12 belongs to organisation 12 modulo their number */
export function domainName(domain: number): string {
  return `d${domain}.example`
}

function connectorsOf(organization: number, { connectors, organizations }: Size): number[] {
  const each = Math.floor(connectors / organizations)
  return Array.from({ length: each }, (_, index) => organization * each + index)
}

function isByName(connector: number): boolean {
  return connector % 2 === 0
}

function certificateName(connector: number): string {
  return connector % 4 === 0 ? `*.c${connector}.example` : `mail.c${connector}.example`
}

function ranges(connector: number): string[] {
  const [high, middle, low] = octets(connector)
  switch (Math.floor(connector / 2) % 4) {
    case 0:
      return [`${11 + high}.${middle}.${low}.0/24`]
    case 1: {
      const group = (high * 256 + middle).toString(16)
      return [`${21 + high}.${middle}.${low}.16/28`, `'2001:db8:${group}:${low.toString(16)}::/64'`]
    }
    case 2:
      return [`${31 + high}.${middle}.${low}.7`]
    default: {
      const group = (high * 256 + middle).toString(16)
      return [`${41 + high}.${middle}.${low}.0/25`, `'2a02:${group}:${low.toString(16)}::/48'`]
    }
  }
}

function octets(number: number): [high: number, middle: number, low: number] {
  return [Math.floor(number / 65_536), Math.floor(number / 256) % 256, number % 256]
}

/** One message: the server that speaks, and the domains it speaks of. */
export interface Message {
  readonly peer: Peer
  readonly senderDomain: string
  readonly recipientDomain: string
}

/**
 * @param number which; another number is another server, sender and recipient
 * @param all how many there are in all, over which the domains are spread
 * @param size the directory that is asked
 * @returns a message of a registered domain, by a connector of its organisation, to somebody outside
 */
export function messageOf(number: number, all: number, size: Size): Message {
  const domain = Math.floor((number * size.domains) / all)
  const own = connectorsOf(domain % size.organizations, size)
  const connector = own[number % own.length] ?? 0
  const [high, middle, low] = octets(isByName(connector) ? number : connector)
  const address = isByName(connector)
    ? `${99 + high}.${middle}.${low}.1`
    : `${[11, 21, 31, 41][Math.floor(connector / 2) % 4] ?? 0}.${middle}.${low}.${[5, 17, 7, 9][Math.floor(connector / 2) % 4] ?? 0}`
  return {
    peer: {
      address: isByName(connector)
        ? address
        : address.replace(/^\d+/, (first) => String(Number(first) + high)),
      certificate: isByName(connector)
        ? { state: 'verified', names: [`mail.c${connector}.example`] }
        : { state: 'no-certificate' },
    },
    senderDomain: domainName(domain),
    recipientDomain: `r${number}.example.net`,
  }
}
