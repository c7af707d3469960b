/**
 * One domain looked at: whether its zone shows the token of its organisation, and what follows for its proof. A domain is
 * also proven by one above it that the same organisation has registered and proven, as with Microsoft: whoever has the upper
 * zone can put any record below it.
 */

import type { Organization } from '../directory/model.ts'
import { domainToken } from '../dns/domain-token.ts'
import type { Evidence, ProofResult } from '../dns/prove.ts'
import { evidenceOf } from '../dns/prove.ts'
import type { AcceptedDomain, DomainProof } from '../policy/types.ts'
import { ancestorsOf } from '../text/domain-name.ts'

const DAY = 86_400_000

/** A lost proof warns for so long before it counts; so long do domains count that were there before proof was required. */
export const GRACE_DAYS = 14

/**
 * @param now ISO 8601 in UTC
 * @returns until when a domain counts that has no proof from now on
 */
export function graceEnd(now: string): string {
  return new Date(Date.parse(now) + GRACE_DAYS * DAY).toISOString()
}

/** Asks the DNS whether a domain's zone shows a token. */
export type Ask = (domain: string, token: string) => Promise<ProofResult>

export type LookState =
  /** It was not proven before. */
  | 'newly-proven'
  | 'proven'
  /** It was lost before. */
  | 'found-again'
  | 'newly-lost'
  | 'lost'
  | 'unproven'
  /** Nobody who must know has answered: nothing changes. */
  | 'unknown'

export interface Looked {
  /** As it was looked at. */
  readonly domain: AcceptedDomain
  readonly state: LookState
  /** What its record shall say of its proof. */
  readonly proof: DomainProof | null
  /** What was found: where its own record has to be, or above, where that proved it. */
  readonly result: ProofResult
  /** The token that its zone has to show. */
  readonly token: string
}

export interface LookOptions {
  readonly ask: Ask
  readonly installationId: string
  /** ISO 8601 in UTC. */
  readonly now: string
}

/**
 * @param domain a domain of the organisation, registered or to be
 * @param organization whose it is
 * @param options whom to ask
 * @returns what was found, and what follows; nothing is written
 */
export async function lookAt(
  domain: AcceptedDomain,
  organization: Organization,
  { ask, installationId, now }: LookOptions,
): Promise<Looked> {
  const tokenFor = (name: string): string =>
    domainToken({ installationId, organization: organization.name, domain: name })
  const token = tokenFor(domain.domainName)
  const before = domain.proof ?? null
  let own: ProofResult | null = null
  let evidence: Evidence = 'not-there'
  for (const place of placesOf(domain, organization, tokenFor)) {
    const result = await ask(place.domain, place.token)
    if (place.domain === domain.domainName && place.token === token) own = result
    const said = evidenceOf(result)
    if (said === 'there') return found(domain, place, { result, token, now })
    if (said === 'unknown' && place.isHeld) evidence = 'unknown'
  }
  const result = own ?? (await ask(domain.domainName, token))
  if (evidence === 'unknown') return { domain, state: 'unknown', proof: before, result, token }
  return { domain, result, token, ...notFound(before, now) }
}

function notFound(before: DomainProof | null, now: string): Pick<Looked, 'state' | 'proof'> {
  if (before === null || before.provenAt === null) return { state: 'unproven', proof: before }
  if (before.lostAt !== null) return { state: 'lost', proof: before }
  return { state: 'newly-lost', proof: { ...before, lostAt: now, countsUntil: graceEnd(now) } }
}

/** Where a token may stand that proves a domain. */
interface Place {
  readonly domain: string
  readonly token: string
  /** Whether the domain's proof may hang on it: as long as nobody could be asked there, nothing is lost. */
  readonly isHeld: boolean
}

/**
 * What proved it before comes first: it stays the proof when its organisation got another name since, and so another token.
 */
function placesOf(
  { domainName, proof = null }: AcceptedDomain,
  { acceptedDomains }: Organization,
  tokenFor: (name: string) => string,
): Place[] {
  const places: Place[] = []
  const add = (domain: string, token: string | null, isHeld: boolean): void => {
    if (token === null || places.some((place) => place.domain === domain && place.token === token)) return
    places.push({ domain, token, isHeld })
  }
  // A token that was never found to be its own may be one that somebody else's zone shows to the world.
  if (proof !== null && proof.provenAt !== null) add(proof.domain ?? domainName, proof.token, true)
  add(domainName, tokenFor(domainName), true)
  const byName = new Map(acceptedDomains.map((record) => [record.domainName, record]))
  for (const name of ancestorsOf(domainName)) {
    const upper = byName.get(name)
    if (upper === undefined) continue
    if (upper.proof && upper.proof.provenAt !== null)
      add(upper.proof.domain ?? name, upper.proof.token, isInForce(upper.proof))
    add(name, tokenFor(name), false)
  }
  return places
}

function isInForce({ lostAt, provenAt }: DomainProof): boolean {
  return provenAt !== null && lostAt === null
}

function found(
  domain: AcceptedDomain,
  place: Place,
  { result, token, now }: Pick<Looked, 'result' | 'token'> & { readonly now: string },
): Looked {
  const before = domain.proof ?? null
  const proven = before !== null && before.provenAt !== null
  const state = !proven ? 'newly-proven' : before.lostAt === null ? 'proven' : 'found-again'
  const isSame =
    proven && (before.domain ?? domain.domainName) === place.domain && before.token === place.token
  const provenAt = isSame ? before.provenAt : now
  const proof = { token: place.token, domain: place.domain, provenAt, lostAt: null, countsUntil: null }
  return { domain, state, proof, result, token }
}
