/** What `check` says about proof of domains. A loss is told early enough: it counts after 14 days only. */

import type { Organization, Problem } from '../directory/model.ts'
import type { Terms } from '../policy/proof.ts'
import { isProven } from '../policy/proof.ts'
import type { AcceptedDomain } from '../policy/types.ts'
import type { Look } from '../proof/last-look.ts'
import { readLook } from '../proof/last-look.ts'
import { termsNow } from '../relaying/terms.ts'
import { printable } from '../text/printable.ts'
import type { Settings } from './settings.ts'

const FILE = 'config/connectors.ini'

const DAY = 86_400_000

/** The smarthost looks once a day: after so many days something keeps it from that. */
const LONGEST_DAYS = 8

/** Domains that are named; of the others it is said how many there are. */
const MOST_NAMED = 10

/** What is known of the domains' proofs; it takes one organisation after another. */
export class ProofTally {
  readonly #terms: Terms
  readonly #named: Record<'unproven' | 'grace' | 'lost' | 'over', string[]> = {
    unproven: [],
    grace: [],
    lost: [],
    over: [],
  }
  #sharing = 0

  /** @param terms the time, and whether proof is required */
  constructor(terms: Terms) {
    this.#terms = terms
  }

  /** @param organization the next organisation */
  add({ acceptedDomains }: Organization): void {
    if (acceptedDomains.length > 0) this.#sharing++
    for (const domain of acceptedDomains) this.#addDomain(domain)
  }

  #addDomain(domain: AcceptedDomain): void {
    const { countsUntil = null, lostAt = null, provenAt = null } = domain.proof ?? {}
    if (provenAt !== null && lostAt === null) return
    const name = `${domain.domainName} of ${printable(domain.organization, 80)}`
    const counts = isProven(domain, this.#terms.now)
    const until = counts ? `, counts until ${countsUntil ?? ''}` : ''
    if (lostAt === null) this.#named[counts ? 'grace' : 'unproven'].push(`${name}${until}`)
    else this.#named[counts ? 'lost' : 'over'].push(`${name} (since ${lostAt}${until})`)
  }

  /** @returns what to say; nothing about single domains where proof is not required */
  problems(): Problem[] {
    if (!this.#terms.requireDomainProof) return checkSharing(this.#sharing)
    const { grace, lost, over, unproven } = this.#named
    return [
      told(over, 'lost their proof, and do not count any more', PUT_BACK),
      told(lost, 'lost their proof', PUT_BACK),
      told(unproven, 'are not proven and count for nothing', VERIFY),
      told(grace, 'are not proven', VERIFY),
    ].flat()
  }
}

const VERIFY = 'connectorctl domain verify NAME prints the DNS record that is needed'
const PUT_BACK = 'put the DNS record back that connectorctl domain verify NAME prints'

function told(names: readonly string[], what: string, mend: string): Problem[] {
  if (names.length === 0) return []
  const more = names.length - MOST_NAMED
  const list = `${names.slice(0, MOST_NAMED).join('; ')}${more > 0 ? `; and ${more} more` : ''}`
  return [proofWarning(`require_domain_proof is true, and domains ${what} (${names.length}): ${list}`, mend)]
}

/**
 * @param organizations how many have domains
 * @returns a warning where they share the smarthost, and none has to prove anything
 */
export function checkSharing(organizations: number): Problem[] {
  if (organizations < 2) return []
  return [
    proofWarning(
      `require_domain_proof is false, and ${organizations} organisations share the smarthost: whoever registers gmail.com opens the relay to it`,
      'connectorctl domain verify for each domain, then connectorctl domain require-proof on, unless all who write the directory may be trusted',
    ),
  ]
}

/**
 * @param instance the instance's folder
 * @param relay its settings of `[relay]`
 * @param organizations all organisations
 * @returns what there is to say about their proofs
 */
export function checkProofs(
  instance: string,
  relay: Settings['relay'],
  organizations: readonly Organization[],
): Problem[] {
  const terms = termsNow(relay)
  const tally = new ProofTally(terms)
  for (const organization of organizations) tally.add(organization)
  return [...checkLook(readLook(instance), terms), ...tally.problems()]
}

/**
 * @param look the last look at all domains; null when there was none
 * @param terms the time, and whether proof is required
 * @returns a warning when they are not looked at, or what was found could not be kept
 */
export function checkLook(look: Look | null, { now, requireDomainProof }: Terms): Problem[] {
  if (!requireDomainProof) return []
  const mend =
    'run connectorctl domain verify --all daily as a user who may write the directory (docs/domains.md)'
  if (look === null) return [proofWarning('proofs of domains were never looked at', mend)]
  const { lookedAt, unwritten } = look
  const days = Math.floor((Date.parse(now) - Date.parse(lookedAt)) / DAY)
  if (days > LONGEST_DAYS) {
    return [proofWarning(`proofs of domains were last looked at on ${lookedAt}, ${days} days ago`, mend)]
  }
  if (unwritten === 0) return []
  const what = `proofs of domains were looked at on ${lookedAt}, but what was found of ${unwritten} could not be written`
  return [proofWarning(what, mend)]
}

/** @returns a warning about `connectors.ini` */
export function proofWarning(message: string, mend: string): Problem {
  return { file: FILE, line: 0, column: 0, severity: 'warning', message, mend }
}
