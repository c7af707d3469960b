/**
 * What would let a refused mail through: changes that an administrator could make, each tried on the same question, the
 * smallest first. Nothing is advised that was not tried.
 */

import { isUnknown } from '../policy/attribute.ts'
import type { Decision } from '../policy/decide.ts'
import { proposing } from './proposed.ts'
import { connectorChanges, healed, presentingChanges, setConnector } from './remedies-of-connectors.ts'
import { domainChanges } from './remedies-of-domains.ts'
import type { Change, Question } from './remedy-types.ts'
import type { Simulation } from './simulate.ts'
import { givenPeer, simulate } from './simulate.ts'

/** Changes that together let the mail through. */
export interface Remedy {
  readonly changes: readonly Change[]
  readonly decision: Decision
}

/** More would be a list of everything that can be done with the product. */
const MOST_REMEDIES = 6

/**
 * @param question a message that was not accepted, and what is known about it
 * @returns what would let it through, the smallest first; nothing for a message that is accepted
 */
export async function remediesFor(question: Question): Promise<Remedy[]> {
  const { outcome } = question.simulation.decision
  if (outcome === 'relay' || outcome === 'deliver') return []
  const remedies: Remedy[] = []
  const tried = new Set<string>()
  /** Changes that are enough by themselves. */
  const enough = new Set<string>()
  for (const changes of await ideas(question)) {
    const key = JSON.stringify(changes.map(({ what }) => what))
    if (tried.has(key) || remedies.length === MOST_REMEDIES) continue
    if (changes.some(({ what }) => enough.has(what))) continue
    tried.add(key)
    const decision = await tryOut(question, changes)
    if (decision.outcome !== 'relay' && decision.outcome !== 'deliver') continue
    remedies.push({ changes, decision })
    if (changes.length === 1) enough.add(changes[0]?.what ?? '')
  }
  return remedies
}

async function tryOut(
  { directory, message, settings }: Question,
  changes: readonly Change[],
): Promise<Decision> {
  const proposed = proposing(directory, {
    domains: changes.flatMap(({ domain }) => domain ?? []),
    connectors: changes.flatMap(({ connector }) => connector ?? []),
    outbound: changes.flatMap(({ outbound }) => outbound ?? []),
  })
  const certificate = changes.find((change) => change.certificate !== undefined)?.certificate
  const peer = certificate === undefined ? message.peer : givenPeer(message.peer.address, certificate)
  const changed = changes.find((change) => change.settings !== undefined)?.settings ?? settings
  return (await simulate(proposed, changed, { ...message, peer }, { steps: false })).decision
}

/** Single changes first, then pairs; in each the ones that let the least through come first. */
async function ideas(question: Question): Promise<(readonly Change[])[]> {
  const settings = settingChanges(question)
  const { mended, registered } = await domainChanges(question)
  const connectors = await connectorChanges(question)
  const domains = [...mended, ...registered]
  const pairs = connectors.flatMap((connector) => domains.map((domain) => [connector, domain]))
  return [
    ...[...settings, ...healed(question), ...mended, ...connectors].map((change) => [change]),
    ...presentingChanges(question),
    // Whoever registers a domain lets mail to it in from anybody, and out from its own servers.
    ...registered.map((change) => [change]),
    ...pairs,
    ...reportOnly(question).map((change) => [change]),
  ]
}

function settingChanges({ message, settings, simulation }: Question): Change[] {
  const { reason } = simulation.decision
  const { relay } = settings
  const setting = (what: string, changed: Partial<Question['settings']>): Change[] => [
    { what: `set ${what} in config/connectors.ini`, command: null, settings: { ...settings, ...changed } },
  ]
  switch (reason) {
    case 'no-route':
      return [
        ...outboundConnector(message.recipient.domain, simulation),
        ...setting('[outbound] smart_host to the server that takes your mail', {
          outbound: { smartHost: SOME_SERVER },
        }),
      ]
    case 'postmaster-not-set':
      return setting('[relay] postmaster to an address that is read', {
        relay: { ...relay, postmaster: 'postmaster@invalid' },
      })
    case 'inbound-not-accepted':
      return setting('[relay] accept_inbound = true, so that anybody may send to your domains', {
        relay: { ...relay, acceptInbound: true },
      })
    default:
      return []
  }
}

/** Stands for the server that only the administrator knows. */
const SOME_SERVER = { host: 'mail.invalid', port: 25 }

function outboundConnector(domain: string, { routeFacts }: Simulation): Change[] {
  if (routeFacts === null || isUnknown(routeFacts.recipientDomain) || domain !== routeFacts.domain) return []
  const organization = routeFacts.recipientDomain.acceptedDomain?.organization
  if (organization === undefined) return []
  const what = `add an outbound connector of ${organization} for ${domain}, to the server that takes its mail (connectorctl outbound-connector add)`
  return [
    {
      what,
      command: null,
      outbound: {
        organization,
        name: 'Proposed',
        connectorType: 'OnPremises',
        enabled: true,
        recipientDomains: [domain],
        allAcceptedDomains: false,
        routeAllMessagesViaOnPremises: false,
        useMXRecord: false,
        smartHosts: [SOME_SERVER],
        tlsSettings: null,
        tlsDomain: null,
        tlsCertificateFile: null,
        tlsKeyFile: null,
        userName: null,
        passwordFile: null,
      },
    },
  ]
}

/** For a while, and journalled: not a remedy but time to find one. */
function reportOnly({ reportOnlyUntil, simulation }: Question): Change[] {
  const { matched } = simulation.attribution
  if (matched === null) return []
  const { connector } = matched
  const day = reportOnlyUntil.slice(0, 10)
  return [
    {
      what: `put connector "${connector.name}" into report-only mode until ${day}, while you mend the cause`,
      command: setConnector(connector, '--report-only', day),
      connector: { ...connector, reportOnlyUntil },
    },
  ]
}

/**
 * @param simulation what was decided
 * @returns names of organisations whose mail it may be, the likeliest first
 */
export function likelyOrganizations({ attribution }: Simulation): string[] {
  const { matched, partners, senderDomain, unverified } = attribution
  const ofSender =
    senderDomain === null || isUnknown(senderDomain)
      ? []
      : [senderDomain.acceptedDomain, senderDomain.unproven, senderDomain.uncoveredParent].flatMap(
          (record) => record?.organization ?? [],
        )
  const ofConnectors = [matched, ...unverified, ...partners].flatMap(
    (candidate) => candidate?.connector.organization ?? [],
  )
  return [...new Set([...ofConnectors, ...ofSender])]
}
