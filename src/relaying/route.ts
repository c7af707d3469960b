/** Looks up what the choice of a route needs: at RCPT, and again at each attempt to deliver. */

import type { Answer, Directory } from '../directory/directory.ts'
import { isUnknown } from '../policy/attribute.ts'
import type { Terms } from '../policy/proof.ts'
import { counting } from '../policy/proof.ts'
import type { Route, RouteFacts } from '../policy/route.ts'
import { chooseRoute, routingOrganization } from '../policy/route.ts'
import type { DomainFact, Fact, OutboundConnector, SmartHost } from '../policy/types.ts'
import { normalizeDomain } from '../text/domain-name.ts'

/** What a route is looked up for. */
export interface RouteQuestion {
  /** The recipient's, in A-label form, or an address literal. */
  readonly domain: string
  /** The organisation that the message was attributed to; null for ordinary inbound mail. */
  readonly organization: string | null
  /** `[outbound] smart_host` of the instance; null where there is none. */
  readonly smartHost: SmartHost | null
  /** The time, and whether proof of domains is required. */
  readonly terms: Terms
}

/**
 * With a warm cache Redis is not asked. Cold it is one round trip, and a second one for mail to an accepted domain of
 * another organisation than the message's: whose connectors count is known only then.
 * @param directory the store
 * @param question the recipient's domain, and to whom the message belongs
 * @returns where the mail goes; unknown where that could not be looked up: wait, and send it no other way. Never rejects
 */
export async function findRoute(directory: Directory, question: RouteQuestion): Promise<Fact<Route>> {
  return chooseRoute(await routeFacts(directory, question))
}

/**
 * @param directory the store
 * @param question as of `findRoute`
 * @returns what the choice looks at
 */
export async function routeFacts(directory: Directory, question: RouteQuestion): Promise<RouteFacts> {
  const { domain, organization } = question
  return routeFactsIn(directory, await askFor(directory, domain, organization), question)
}

/**
 * @param directory the store
 * @param answer what `askFor` was answered for the domain and the organisation of the question
 * @param question as of `findRoute`
 * @returns what the choice looks at
 */
export async function routeFactsIn(
  directory: Directory,
  answer: Answer,
  { domain, organization, smartHost, terms }: RouteQuestion,
): Promise<RouteFacts> {
  const recipientDomain = domainIn(answer, domain, terms)
  const known = { domain, recipientDomain, organization, smartHost }
  if (isUnknown(recipientDomain)) return { ...known, outboundConnectors: recipientDomain }
  const whose = routingOrganization(recipientDomain, organization)
  return { ...known, outboundConnectors: await connectorsOf(directory, answer, whose, organization) }
}

/**
 * @param directory the store
 * @param domain a domain name or an address literal; the latter is nobody's accepted domain without asking
 * @param organization whose outbound connectors are asked for beside it; null for nobody's
 * @returns the answer to both, in one round trip
 */
export function askFor(directory: Directory, domain: string, organization: string | null): Promise<Answer> {
  return directory.ask({
    presentedNames: [],
    address: null,
    domains: isName(domain) ? [domain] : [],
    outboundOf: organization === null ? [] : [organization],
  })
}

/**
 * @param answer what `askFor` was answered
 * @param domain the domain that was asked about
 * @param terms the time, and whether proof of domains is required
 * @returns what counts as registered for it
 */
export function domainIn(answer: Answer, domain: string, terms: Terms): Fact<DomainFact> {
  if (!isName(domain)) return { domain, acceptedDomain: null, uncoveredParent: null }
  return counting(answer.domain(domain), terms)
}

async function connectorsOf(
  directory: Directory,
  answer: Answer,
  whose: string | null,
  asked: string | null,
): Promise<Fact<readonly OutboundConnector[]>> {
  if (whose === null) return []
  if (whose === asked) return answer.outboundConnectors(whose)
  const second = await directory.ask({ presentedNames: [], address: null, domains: [], outboundOf: [whose] })
  return second.outboundConnectors(whose)
}

function isName(domain: string): boolean {
  return normalizeDomain(domain) !== null
}
