/** Outbound connectors: one with what New-OutboundConnector would give it, and any that the schema takes. */

import fc from 'fast-check'
import type { ConfiguredOutboundConnector } from '../../src/directory/model.ts'
import type { TlsSettings } from '../../src/policy/types.ts'

/**
 * @param organization whose it is
 * @param name its name
 * @param given what is otherwise
 * @returns the connector; with smart hosts it does not go by MX
 */
export function outbound(
  organization: string,
  name: string,
  given: Partial<ConfiguredOutboundConnector> = {},
): ConfiguredOutboundConnector {
  return {
    organization,
    name,
    connectorType: 'OnPremises',
    enabled: true,
    recipientDomains: [],
    allAcceptedDomains: false,
    routeAllMessagesViaOnPremises: false,
    useMXRecord: (given.smartHosts ?? []).length === 0,
    smartHosts: [],
    tlsSettings: null,
    tlsDomain: null,
    trust: null,
    tlsCertificateFile: null,
    tlsKeyFile: null,
    userName: null,
    passwordFile: null,
    comment: null,
    ...given,
  }
}

const host = fc.constantFrom('smtp.contoso.com', 'relay', 'xn--bcher-kva.example', '192.0.2.1', '2001:db8::1')
// As the schema makes them: two objects of other prototypes are not deeply equal.
const smartHost = fc.record({ host, port: fc.constantFrom(25, 587, 1, 65_535) }, { noNullPrototype: true })
const pattern = fc.constantFrom(
  '*',
  '*.contoso.com',
  'contoso.com',
  'fabrikam.com',
  '*.eu.fabrikam.com',
  'a.example.com',
  '*.xn--bcher-kva.example',
)
const pins = fc.uniqueArray(fc.constantFrom('ab'.repeat(32), '00'.repeat(32)), { maxLength: 2 })

/**
 * @param organization whose they are
 * @param trustOf makes a trust from pins, as the schema keys it
 * @returns lists of connectors that the schema takes, none for the same name twice
 */
export function outboundConnectors(
  organization: string,
  trustOf: (pins: readonly string[]) => ConfiguredOutboundConnector['trust'],
): fc.Arbitrary<ConfiguredOutboundConnector[]> {
  const connector = fc
    .record({
      name: fc.constantFrom('One', 'two', 'Drei ü', "it's"),
      enabled: fc.boolean(),
      isPartner: fc.boolean(),
      recipientDomains: fc.uniqueArray(pattern, { minLength: 1, maxLength: 3 }),
      flags: fc.tuple(fc.boolean(), fc.boolean()),
      smartHosts: fc.uniqueArray(smartHost, { maxLength: 3, selector: (one) => JSON.stringify(one) }),
      tlsSettings: fc.constantFrom<TlsSettings | null>(
        null,
        'EncryptionOnly',
        'CertificateValidation',
        'DomainValidation',
      ),
      tlsDomain: fc.constantFrom('smtp.contoso.com', '*.contoso.com'),
      pins,
      hasCertificate: fc.boolean(),
      userName: fc.option(fc.constantFrom('relay@contoso.com', 'ü', ' "x" ')),
      comment: fc.option(fc.constantFrom('a comment', '- : #', '2026')),
    })
    .map((given): ConfiguredOutboundConnector => {
      const onPremises = !given.isPartner && given.smartHosts.length > 0
      const validates =
        given.tlsSettings === 'CertificateValidation' || given.tlsSettings === 'DomainValidation'
      const signsIn = given.userName !== null && given.tlsSettings !== null
      return outbound(organization, given.name, {
        connectorType: given.isPartner ? 'Partner' : 'OnPremises',
        enabled: given.enabled,
        recipientDomains: given.recipientDomains,
        allAcceptedDomains: onPremises && given.flags[0],
        routeAllMessagesViaOnPremises: onPremises && given.flags[1],
        smartHosts: given.smartHosts,
        tlsSettings: given.tlsSettings,
        tlsDomain: given.tlsSettings === 'DomainValidation' ? given.tlsDomain : null,
        trust: validates && given.pins.length > 0 ? (trustOf(given.pins) ?? null) : null,
        tlsCertificateFile: given.hasCertificate ? 'contoso/client.pem' : null,
        tlsKeyFile: given.hasCertificate ? 'contoso/client.key' : null,
        userName: signsIn ? given.userName : null,
        passwordFile: signsIn ? 'contoso/password' : null,
        comment: given.comment,
      })
    })
  return fc.uniqueArray(connector, { selector: ({ name }) => name, maxLength: 3 })
}
