/**
 * What the owner of a domain puts into its zone to show that an organisation may use it here. The record stands at a label
 * of its own below the domain, as draft-ietf-dnsop-domain-verification-techniques (section "Validation Record Owner Name")
 * recommends and Let's Encrypt does (`_acme-challenge`). Microsoft (`MS=ms12345678`) and Google ask for it at the domain
 * itself: there it stands among SPF and dozens of others, everybody learns of it, the answer needs TCP, a CNAME at the
 * domain hides it, and the right to write it cannot be given away alone.
 */

import { createHmac } from 'node:crypto'
import { nameKey } from '../directory/model.ts'

const CHALLENGE_LABEL = '_haraka-connectors-challenge'

/** A CNAME may lead elsewhere: the text says by itself what it is for. */
const KEY = 'haraka-connectors-verification'

/** RFC 4648 section 6, in lower case: nobody mistypes 0 for O or 1 for l. */
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'

/** 26 characters of 5 bits are 130 bits. */
const TOKEN_CHARACTERS = 26

/** 128 bits. */
const INSTALLATION_ID = /^[0-9a-f]{32}$/

/** For whom a token is. */
export interface TokenSubject {
  /** 32 hexadecimal digits, random, made once for each installation and kept: another one would void all records. */
  readonly installationId: string
  /** The organisation's name; case and composition of accents do not count (`nameKey`). */
  readonly organization: string
  /** A normalised domain name (`text/domain-name.ts`). */
  readonly domain: string
}

/** A TXT record that its owner puts into the zone. */
export interface ChallengeRecord {
  /** Where, without a trailing dot. */
  readonly name: string
  /** The text, of fewer than 255 octets: one string. */
  readonly value: string
}

/**
 * The token is the same whenever it is asked for, and another one for another installation, organisation or domain: what
 * one organisation was told to publish proves nothing for another.
 * @param subject for whom
 * @returns 26 characters of base32
 * @throws Error when the installation's id is not one
 */
export function domainToken({ installationId, organization, domain }: TokenSubject): string {
  if (!INSTALLATION_ID.test(installationId)) {
    throw new Error('the id of the installation is not 32 hexadecimal digits')
  }
  // JSON: no organisation can be named so that it runs into the domain.
  const subject = JSON.stringify([KEY, nameKey(organization), domain])
  const digest = createHmac('sha256', Buffer.from(installationId, 'hex')).update(subject).digest()
  const bits = [...digest].map((octet) => octet.toString(2).padStart(8, '0')).join('')
  return Array.from({ length: TOKEN_CHARACTERS }, (_, index) => {
    return BASE32[Number.parseInt(bits.slice(5 * index, 5 * index + 5), 2)] ?? ''
  }).join('')
}

/**
 * @param domain a normalised domain name
 * @returns where the record stands
 */
export function challengeName(domain: string): string {
  return `${CHALLENGE_LABEL}.${domain}`
}

/**
 * @param domain a normalised domain name
 * @param token a token of `domainToken`
 * @returns the record to publish
 */
export function challengeRecord(domain: string, token: string): ChallengeRecord {
  return { name: challengeName(domain), value: `${KEY}=${token}` }
}

/**
 * @param text the text of a TXT record, also hostile
 * @returns the token that it shows, right or wrong; null when it is another record. Spaces around it, upper case and
 *   what follows after a space (`expiry=never`) do not matter
 */
export function tokenOf(text: string): string | null {
  // Longer ones are not ours, and are not searched.
  const match = /^haraka-connectors-verification=(\S*)(?:\s|$)/i.exec(text.slice(0, 255).trim())
  return match === null ? null : (match[1] ?? '').toLowerCase()
}

/**
 * @param text the text of a TXT record
 * @param token the token that is looked for
 * @returns whether the record shows it
 */
export function showsToken(text: string, token: string): boolean {
  return tokenOf(text) === token
}
