/**
 * The decision for a message that nobody sent. `explain`, `impact` and the console describe who speaks, by hand or from
 * a record of the journal, and ask here: on the same path as the plugins, and with every step told.
 */

import { peerCertificateOf } from '../certificate/verdict.ts'
import type { TrustSets } from '../certificate/trust-sets.ts'
import type { Directory } from '../directory/directory.ts'
import type { Decision } from '../policy/decide.ts'
import { describe, describePeer } from '../policy/describe.ts'
import type { Route, RouteFacts } from '../policy/route.ts'
import type {
  Attribution,
  Candidate,
  Fact,
  Peer,
  PeerCertificate,
  Recipient,
  RelaySettings,
  Sender,
  SmartHost,
  Step,
} from '../policy/types.ts'
import type { CertificateFor } from './gather.ts'
import { attributeSender, decideRecipient } from './gather.ts'

/** Who is said to speak. */
export interface DescribedPeer extends Peer {
  /** What its certificate is worth under each connector's trust. */
  readonly certificateFor: CertificateFor
}

/**
 * @param address where it connects from, in canonical form; null where no address counts
 * @param certificate taken as given: the same under every connector's trust
 * @returns the peer
 */
export function givenPeer(address: string | null, certificate: PeerCertificate): DescribedPeer {
  return { address, certificate, certificateFor: () => certificate }
}

/**
 * @param address where it connects from, in canonical form; null where no address counts
 * @param presented what it presents, DER, its own certificate first
 * @param trust who says what that is worth, now
 * @returns the peer, as the server would see it over TLS
 */
export function presentingPeer(
  address: string | null,
  presented: readonly Buffer[],
  trust: TrustSets,
): DescribedPeer {
  const certificateFor: CertificateFor = (connector) =>
    peerCertificateOf(trust.verifierFor(connector.trust).verify(presented))
  return { address, certificate: peerCertificateOf(trust.verifierFor().verify(presented)), certificateFor }
}

/** The settings that a decision hangs on: `Settings` of an instance is one. */
export interface SimulationSettings {
  readonly relay: RelaySettings
  readonly outbound: { readonly smartHost: SmartHost | null }
}

/** One message to one recipient. */
export interface SimulatedMessage {
  readonly peer: DescribedPeer
  readonly sender: Sender
  readonly recipient: Recipient
  /** Whether another plugin had allowed relaying and the settings respect that; false when not said. */
  readonly relayingRespected?: boolean
  /** When it is decided, ISO 8601 in UTC as JavaScript writes it; now when not said. */
  readonly now?: string
}

export interface SimulationOptions {
  /** Whether the steps are told: not where many are decided and nobody reads how. */
  readonly steps?: boolean
  /** Whether a route leads back to an address, which takes a look into the DNS. Left out, no route does. */
  readonly leadsBack?: (route: Route, address: string | null) => Promise<boolean>
}

export interface Simulation {
  readonly attribution: Attribution
  readonly decision: Decision
  /** Where it would go; null where that plays no part, as the mail is not accepted. */
  readonly route: Fact<Route> | null
  /** What that was chosen from. */
  readonly routeFacts: RouteFacts | null
  /** Who speaks, then one step for each rule; none where they were not asked for. */
  readonly steps: readonly Step[]
}

/**
 * @param directory the store, or one that is only proposed
 * @param settings the instance's settings
 * @param message who speaks, from whom, to whom, and when
 * @param options whether the steps are wanted: they are unless it is said otherwise
 * @returns what the server would decide; what could not be looked up is in it as unknown
 */
export async function simulate(
  directory: Directory,
  { relay, outbound }: SimulationSettings,
  { peer, sender, recipient, relayingRespected = false, now = new Date().toISOString() }: SimulatedMessage,
  { leadsBack, steps: wanted = true }: SimulationOptions = {},
): Promise<Simulation> {
  const { address, certificate, certificateFor } = peer
  const terms = { now, requireDomainProof: relay.requireDomainProof }
  const attribution = await attributeSender(
    directory,
    { address, certificate },
    sender,
    certificateFor,
    terms,
  )
  const steps = wanted ? attributionSteps(attribution) : []
  const question = {
    attribution,
    recipient,
    settings: relay,
    now,
    relayingRespected,
    smartHost: outbound.smartHost,
    ...(leadsBack === undefined ? {} : { leadsBack: (route: Route) => leadsBack(route, address) }),
  }
  const { route, routeFacts, ...decision } = await decideRecipient(
    directory,
    question,
    wanted ? steps : undefined,
  )
  return { attribution, decision, route, routeFacts, steps }
}

function attributionSteps(attribution: Attribution): Step[] {
  const { matched, passedOver, unverified, partners } = attribution
  return [
    { rule: 'who speaks', result: 'yes', detail: describePeer(attribution) },
    ...unverified.map((candidate): Step => ({
      rule: 'candidate',
      result: 'no',
      detail: `${describe(candidate)}: does not count, as ${whyUnverified(candidate)}`,
    })),
    ...partners.map((candidate): Step => ({
      rule: 'candidate',
      result: 'no',
      detail: `${describe(candidate)}: a Partner connector never grants relaying`,
    })),
    ...(matched === null
      ? []
      : [{ rule: 'candidate', result: 'yes', detail: describe(matched) } satisfies Step]),
    ...passedOver.map(({ candidate, because }): Step => ({
      rule: 'candidate',
      result: 'no',
      detail: `${describe(candidate)}: passed over, since of the chosen one ${because}`,
    })),
  ]
}

function whyUnverified({ connector, match }: Candidate): string {
  const under = (connector.trust ?? null) === null ? 'the default CAs' : 'its own CAs and pins'
  return `the certificate is not verified under ${under} (${match.via === 'certificate' ? (match.why ?? '') : ''})`
}
