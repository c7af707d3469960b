/** One outbound connector for people, property by property. */

import type { ConfiguredOutboundConnector } from '../../directory/model.ts'
import { formatSmartHost } from '../../text/smart-host.ts'
import type { ShownProperty } from './show.ts'
import { authorityText, listText } from './show.ts'

/**
 * @param connector an outbound connector
 * @returns its properties
 */
export function outboundConnectorProperties(connector: ConfiguredOutboundConnector): ShownProperty[] {
  return [
    ['connectorType', connector.connectorType],
    ['enabled', String(connector.enabled)],
    ['recipientDomains', listText(connector.recipientDomains)],
    ['allAcceptedDomains', String(connector.allAcceptedDomains)],
    ['routeAllMessagesViaOnPremises', String(connector.routeAllMessagesViaOnPremises)],
    ['useMXRecord', String(connector.useMXRecord)],
    ['smartHosts', smartHostsText(connector)],
    ...tlsProperties(connector),
    ['userName', connector.userName ?? 'none'],
    ['passwordFile', connector.passwordFile ?? 'none'],
    ['comment', connector.comment ?? 'none'],
  ]
}

function tlsProperties(connector: ConfiguredOutboundConnector): ShownProperty[] {
  const { tlsDomain, tlsSettings, trust } = connector
  const authorities = (trust?.certificateAuthorities ?? []).map((pem) => authorityText(pem))
  return [
    ['tlsSettings', tlsSettings ?? 'none: TLS where it is offered'],
    ['tlsDomain', tlsDomain ?? 'none'],
    ['trustedCertificateAuthorities', authorities.length === 0 ? 'none of its own' : authorities.join('; ')],
    ['certificatePins', listText(trust?.certificatePins ?? [])],
    ['tlsCertificateFile', connector.tlsCertificateFile ?? 'none'],
    ['tlsKeyFile', connector.tlsKeyFile ?? 'none'],
  ]
}

/**
 * @param connector an outbound connector
 * @returns its smart hosts as they are written
 */
export function smartHostsText({ smartHosts }: Pick<ConfiguredOutboundConnector, 'smartHosts'>): string {
  return listText(smartHosts.map((smartHost) => formatSmartHost(smartHost)))
}

/**
 * @param connector an outbound connector
 * @returns which recipients it is for, in a few words
 */
export function takesText({
  allAcceptedDomains,
  recipientDomains,
  routeAllMessagesViaOnPremises,
}: ConfiguredOutboundConnector): string {
  return [
    ...recipientDomains,
    ...(allAcceptedDomains ? ['accepted domains'] : []),
    ...(routeAllMessagesViaOnPremises ? ['all others (via on-premises)'] : []),
  ].join(', ')
}
