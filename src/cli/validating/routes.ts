/** Whether mail to the recipients of a test would really go through the connector. */

import type { Directory } from '../../directory/directory.ts'
import { nameKey } from '../../directory/model.ts'
import { isUnknown } from '../../policy/attribute.ts'
import type { Terms } from '../../policy/proof.ts'
import { chooseRoute, describeRoute } from '../../policy/route.ts'
import type { OutboundConnector, SmartHost } from '../../policy/types.ts'
import { routeFacts } from '../../relaying/route.ts'
import type { Step } from './steps.ts'
import { stepsWith } from './steps.ts'
import type { Recipient } from './validate.ts'

export interface RouteTerms {
  /** `[outbound] smart_host`. */
  readonly smartHost: SmartHost | null
  readonly terms: Terms
}

export interface Routed {
  readonly step: Step
  /** Whether the test message may go to it through the connector. */
  readonly isSendable: boolean
}

/**
 * @param directory the store
 * @param connector the connector that is tried
 * @param recipient one recipient
 * @param terms as of the server
 * @returns the way of mail of the connector's organisation to it; never rejects
 */
export async function routed(
  directory: Directory,
  connector: OutboundConnector,
  { address, domain }: Recipient,
  { smartHost, terms }: RouteTerms,
): Promise<Routed> {
  const step = stepsWith(address)
  const { organization } = connector
  const facts = await routeFacts(directory, { domain, organization, smartHost, terms })
  const route = chooseRoute(facts)
  if (isUnknown(facts.recipientDomain) || isUnknown(route)) {
    const why = isUnknown(route) ? route.why : ''
    return {
      step: step(
        'route',
        'failed',
        `it could not be looked up: ${why}`,
        'look at the directory: connectorctl check',
      ),
      isSendable: false,
    }
  }
  if (facts.recipientDomain.acceptedDomain !== null && connector.useMXRecord) {
    const detail =
      'not sent: it is in an accepted domain, and mail to those never goes by MX, which may be this server'
    const mend = "give the connector smartHosts, the organisation's own servers"
    return { step: step('route', 'failed', detail, mend), isSendable: false }
  }
  const isIt =
    route.via === 'connector' &&
    nameKey(route.connector.name) === nameKey(connector.name) &&
    nameKey(route.connector.organization) === nameKey(organization)
  if (isIt) return { step: step('route', 'ok', 'mail to it goes through the connector'), isSendable: true }
  const why = connector.enabled ? '' : 'the connector is disabled: '
  const detail = `${why}mail to it goes to ${describeRoute(route, domain)}; the test goes through the connector all the same`
  const mend = connector.enabled
    ? `connectorctl explain --to ${address} says why; recipientDomains say what the connector is for`
    : 'connectorctl outbound-connector enable lets it take mail'
  return { step: step('route', 'warning', detail, mend), isSendable: true }
}
