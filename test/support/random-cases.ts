/** Random SMTP dialogues: who comes, and what it says at MAIL and RCPT. */

import type { RandomDirectory } from './random-directory.ts'
import { BASES, BELOW } from './random-directory.ts'
import type { Identities, RandomPeer } from './random-peers.ts'
import { randomPeer } from './random-peers.ts'
import type { Random } from './random.ts'

/** One MAIL with its RCPTs; addresses as they stand between the angle brackets. */
export interface RandomMail {
  readonly from: string
  readonly to: readonly string[]
}

/** One connection: handshakes are few, so that the cases can be many. */
export interface Dialogue {
  /** The name in EHLO, another for each: it finds the connection in the journal. */
  readonly helo: string
  readonly peer: RandomPeer
  readonly mails: readonly RandomMail[]
}

/** EHLO names that the plugin of a test grants relaying. */
export const GRANTED = 'granted-'

/**
 * @param random chance
 * @param identities certificates
 * @param directory what is in force
 * @param number of the dialogue
 * @returns a dialogue of six cases on average
 */
export function randomDialogue(
  random: Random,
  identities: Identities,
  { connectors, domains }: RandomDirectory,
  number: number,
): Dialogue {
  const peer = randomPeer(random, identities, connectors)
  const names = domains.map(({ domainName }) => domainName)
  const own = domains.filter(({ organization }) => organization === peer.organization)
  const senders = own.length > 0 && random.chance(0.5) ? own.map(({ domainName }) => domainName) : names
  return {
    helo: `${peer.granted ? GRANTED : ''}${number}.client.test`,
    peer,
    mails: Array.from({ length: random.between(1, 3) }, () => ({
      from: randomSender(random, senders),
      to: Array.from({ length: random.between(1, 5) }, () => randomRecipient(random, names)),
    })),
  }
}

/**
 * Left out is what Haraka's parser refuses before any hook runs (501), as `explain` does with its own words: addresses
 * without a domain other than <postmaster> (<root>), with a dot at the end of the domain, with an empty label, or longer
 * than RFC 5321 lets them be. There is nothing to agree on.
 */
function randomSender(random: Random, domains: readonly string[]): string {
  const domain = randomDomain(random, domains)
  return random.pick([
    '',
    '',
    `kate@${domain}`,
    `kate@${domain}`,
    `kate@${domain}`,
    `Kate.O'Hara+tag@${domain}`,
    `"odd name"@${domain}`,
    `"kate@tailspintoys.com"@${domain}`,
    `@relay.example,@other.example:kate@${domain}`,
    `u%tailspintoys.com@${domain}`,
    random.pick(['postmaster', 'Postmaster', 'kate@[192.0.2.1]', 'kate@[IPv6:2001:db8::1]', 'kate@com']),
  ])
}

function randomRecipient(random: Random, domains: readonly string[]): string {
  const domain = randomDomain(random, domains)
  return random.pick([
    `john@${domain}`,
    `john@${domain}`,
    `john@${domain}`,
    `bob@tailspintoys.com`,
    `bob@tailspintoys.com`,
    `"john doe"@${domain}`,
    random.pick([
      `u%tailspintoys.com@${domain}`,
      `tailspintoys.com!u@${domain}`,
      `"u@tailspintoys.com"@${domain}`,
      String.raw`"u\@tailspintoys.com"@${domain}`,
      String.raw`"u\%tailspintoys.com"@${domain}`,
    ]),
    random.pick([
      `@relay.example:john@${domain}`,
      'postmaster',
      'POSTMASTER',
      '',
      'john@[192.0.2.1]',
      'john@[IPv6:2001:db8::1]',
      `postmaster@${domain}`,
    ]),
  ])
}

/** Registered, below one, a possible one, or foreign; in any case, as A-labels or U-labels. */
function randomDomain(random: Random, domains: readonly string[]): string {
  const base = random.pick(BASES)
  const name = random.pick([
    random.pick(domains),
    random.pick(domains),
    `sub.${random.pick(domains)}`,
    `${random.pick(BELOW)}.${base}`,
    `a.b.${base}`,
    `evil${base}`,
    random.pick(['tailspintoys.com', 'contoso.com.tailspintoys.com', 'com', 'example']),
  ])
  const other = random.next()
  if (other < 0.15) return name.toUpperCase()
  if (other < 0.25) return name.replace('xn--bcher-kva', 'bücher')
  return name
}
