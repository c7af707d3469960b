/** Where does mail to a recipient go? The selection of an outbound connector (docs/rule.md, "Where mail goes"), pure. */

import { isUnknown } from './attribute.ts'
import type { DomainFact, Fact, OutboundConnector, SmartHost, Step } from './types.ts'

/** none: an accepted domain of somebody here, and nowhere to go but by MX, which may be this server. */
export type Route =
  | { readonly via: 'connector'; readonly connector: OutboundConnector }
  | { readonly via: 'smart-host'; readonly smartHost: SmartHost }
  | { readonly via: 'mx' }
  | { readonly via: 'none' }

/** Everything that the choice looks at. */
export interface RouteFacts {
  /** The recipient's domain in A-label form, or an address literal. */
  readonly domain: string
  /** What counts as registered for it. */
  readonly recipientDomain: Fact<DomainFact>
  /** The organisation that the message was attributed to; null for ordinary inbound mail. */
  readonly organization: string | null
  /** Of the organisation that `routingOrganization` names, enabled and disabled; none where it names nobody. */
  readonly outboundConnectors: Fact<readonly OutboundConnector[]>
  /** `[outbound] smart_host` of the instance. */
  readonly smartHost: SmartHost | null
}

/**
 * @param recipientDomain what counts as registered for the recipient's domain
 * @param organization the organisation that the message was attributed to
 * @returns whose outbound connectors route it: the owner of an accepted domain gets its mail its own way, whoever sent it
 */
export function routingOrganization(recipientDomain: DomainFact, organization: string | null): string | null {
  return recipientDomain.acceptedDomain?.organization ?? organization
}

/**
 * @param facts the recipient's domain, and what was looked up for it
 * @returns where the mail goes; unknown, never `none` and never another way, where a fact is
 */
export function chooseRoute(facts: RouteFacts): Fact<Route> {
  const { outboundConnectors, recipientDomain } = facts
  if (isUnknown(recipientDomain)) return recipientDomain
  if (isUnknown(outboundConnectors)) return outboundConnectors
  const isAccepted = recipientDomain.acceptedDomain !== null
  const [first] = fitting(outboundConnectors, facts.domain, isAccepted)
  return first === undefined
    ? withoutConnector(facts.smartHost, isAccepted)
    : { via: 'connector', connector: first.connector }
}

function withoutConnector(smartHost: SmartHost | null, isAccepted: boolean): Route {
  if (smartHost !== null) return { via: 'smart-host', smartHost }
  return isAccepted ? { via: 'none' } : { via: 'mx' }
}

/** A connector that takes the mail, and how closely it is meant for it. */
interface Fit {
  readonly connector: OutboundConnector
  /** The lower goes first; of wildcards the longer. */
  readonly rank: number
  readonly length: number
  /** Said of the chosen one, and of those that come after it. */
  readonly because: string
}

const RANKS = { exact: 0, allAccepted: 1, wildcard: 2, all: 3, star: 4 } as const

/** Those that take the mail, the one that it goes through first; of equals the first by name. */
function fitting(connectors: readonly OutboundConnector[], domain: string, isAccepted: boolean): Fit[] {
  const fits = connectors.flatMap((connector) => {
    const fit = fitOf(connector, domain, isAccepted)
    return typeof fit === 'string' ? [] : [fit]
  })
  return fits.toSorted(
    (left, right) =>
      left.rank - right.rank ||
      right.length - left.length ||
      (sortName(left.connector) < sortName(right.connector) ? -1 : 1),
  )
}

function sortName({ name }: OutboundConnector): string {
  return name.normalize('NFC').toLowerCase()
}

/** How a connector takes the mail, or why it does not. */
function fitOf(connector: OutboundConnector, domain: string, isAccepted: boolean): Fit | string {
  const { allAcceptedDomains, enabled, recipientDomains, routeAllMessagesViaOnPremises, smartHosts } =
    connector
  if (!enabled) return 'it is disabled'
  const fit = (rank: number, length: number, because: string): Fit | string =>
    // By MX it may come back here: an accepted domain is what this server takes mail for.
    isAccepted && smartHosts.length === 0
      ? `${because}, but mail to an accepted domain never goes by MX, and it has no smart hosts`
      : { connector, rank, length, because }
  if (recipientDomains.includes(domain)) return fit(RANKS.exact, 0, `it is for ${domain}`)
  if (isAccepted && allAcceptedDomains) return fit(RANKS.allAccepted, 0, 'it is for all accepted domains')
  const wildcard = longestWildcard(recipientDomains, domain)
  if (wildcard !== null) return fit(RANKS.wildcard, wildcard.length, `it is for ${wildcard}`)
  if (!isAccepted && routeAllMessagesViaOnPremises)
    return fit(RANKS.all, 0, 'it has routeAllMessagesViaOnPremises')
  if (recipientDomains.includes('*')) return fit(RANKS.star, 0, 'it is for *')
  return `it is not for ${domain}`
}

/** `*.contoso.com` is contoso.com and everything below it. */
function longestWildcard(recipientDomains: readonly string[], domain: string): string | null {
  let longest: string | null = null
  for (const pattern of recipientDomains) {
    if (!pattern.startsWith('*.') || pattern.length <= (longest?.length ?? 0)) continue
    if (`.${domain}`.endsWith(pattern.slice(1))) longest = pattern
  }
  return longest
}

/**
 * @param facts the recipient's domain, and what was looked up for it
 * @returns how the route was chosen, for `explain`: whose connectors count, each of them that was passed over and why
 */
export function explainRoute(facts: RouteFacts): Step[] {
  const { domain, organization, outboundConnectors, recipientDomain, smartHost } = facts
  if (isUnknown(recipientDomain))
    return [step('whose route', 'unknown', `${domain} could not be looked up: ${recipientDomain.why}`)]
  const owner = recipientDomain.acceptedDomain?.organization ?? null
  const whose = step('whose route', 'yes', describeWhose(domain, owner, organization))
  if (isUnknown(outboundConnectors))
    return [whose, step('outbound connector', 'unknown', outboundConnectors.why)]
  const isAccepted = owner !== null
  const [chosen, ...others] = fitting(outboundConnectors, domain, isAccepted)
  const said = chosen === undefined ? [] : [chosen, ...others]
  const unfit = outboundConnectors.flatMap((connector) => {
    const fit = fitOf(connector, domain, isAccepted)
    return typeof fit === 'string' ? [step('outbound connector', 'no', `${label(connector)}: ${fit}`)] : []
  })
  return [
    whose,
    ...said.map((fit) =>
      fit === chosen
        ? step('outbound connector', 'yes', `${label(fit.connector)}: ${fit.because}`)
        : step(
            'outbound connector',
            'no',
            `${label(fit.connector)}: ${fit.because}, ${whyAfter(chosen, fit)}`,
          ),
    ),
    ...unfit.slice(0, MOST_UNFIT),
    ...(unfit.length > MOST_UNFIT
      ? [step('outbound connector', 'no', `and ${unfit.length - MOST_UNFIT} more that do not take it`)]
      : []),
    ...(chosen === undefined ? [describeRest(smartHost, isAccepted)] : []),
  ]
}

/** An organisation may have hundreds, and nobody reads them all. */
const MOST_UNFIT = 20

function describeWhose(domain: string, owner: string | null, organization: string | null): string {
  if (owner !== null) return `${domain} is an accepted domain of ${owner}: its outbound connectors count`
  if (organization === null)
    return `${domain} is nobody's accepted domain, and the message belongs to no organisation: no outbound connector counts`
  return `the message belongs to ${organization}: its outbound connectors count`
}

function whyAfter(chosen: Fit | undefined, fit: Fit): string {
  if (chosen === undefined || chosen.rank !== fit.rank) return 'which comes later'
  return chosen.length === fit.length ? 'but its name comes later' : 'which is shorter'
}

function describeRest(smartHost: SmartHost | null, isAccepted: boolean): Step {
  if (smartHost !== null)
    return step('smart host', 'yes', `no outbound connector takes it: [outbound] smart_host does`)
  return isAccepted
    ? step('MX', 'no', 'mail to an accepted domain never goes by MX, which may be this server')
    : step('MX', 'yes', 'no outbound connector takes it, and there is no [outbound] smart_host')
}

function step(rule: string, result: Step['result'], detail: string): Step {
  return { rule, result, detail }
}

function label({ name, organization }: OutboundConnector): string {
  return `"${name}" of ${organization}`
}

/**
 * @param route where mail goes
 * @param domain the recipient's domain
 * @returns it in words, with the protection that is promised, e.g. `smtp.fabrikam.com through outbound connector "Filter"
 *   of Contoso, under TLS with a valid certificate for *.fabrikam.com`
 */
export function describeRoute(route: Route, domain: string): string {
  switch (route.via) {
    case 'none':
      return 'nowhere'
    case 'mx':
      return `the MX of ${domain}, under TLS where it is offered`
    case 'smart-host':
      return `${hostAndPort(route.smartHost)} ([outbound] smart_host), under TLS where it is offered`
    case 'connector': {
      const { connector } = route
      const hosts = connector.smartHosts.map((smartHost) => hostAndPort(smartHost)).join(' or ')
      const to = connector.useMXRecord ? `the MX of ${domain}` : hosts
      return `${to} through outbound connector ${label(connector)}, under ${describeTls(connector)}`
    }
  }
}

function hostAndPort({ host, port }: SmartHost): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * @param connector an outbound connector
 * @returns what must hold before a byte of mail is sent
 */
export function describeTls({
  tlsDomain,
  tlsSettings,
  trust = null,
}: Pick<OutboundConnector, 'tlsSettings' | 'tlsDomain' | 'trust'>): string {
  const under = trust === null ? '' : ' (its own CAs and pins)'
  switch (tlsSettings) {
    case null:
      return 'TLS where it is offered'
    case 'EncryptionOnly':
      return 'TLS, whatever the certificate'
    case 'CertificateValidation':
      return `TLS with a valid certificate${under}`
    case 'DomainValidation':
      return `TLS with a valid certificate for ${tlsDomain ?? ''}${under}`
  }
}
