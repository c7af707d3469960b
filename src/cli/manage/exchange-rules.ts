/**
 * What Exchange Online refuses of properties that nothing comes of here: refused here, too, so that what was taken is
 * what Exchange would take. All other rules are the schema's.
 */

import type { Written } from '../../directory/as-written.ts'
import { validateWritten } from '../../directory/as-written.ts'
import type { Organization } from '../../directory/model.ts'
import { normalizeDomain } from '../../text/domain-name.ts'
import { printable } from '../../text/printable.ts'
import { CommandFailed } from '../errors.ts'
import { problemText } from './change.ts'
import type { Given, PropertyFlag } from './flags.ts'

/** The properties that were given, told apart. */
export interface Sorted {
  /** Those that are kept. */
  readonly kept: Map<string, unknown>
  /** Those that nothing comes of. */
  readonly idle: Map<string, unknown>
}

/**
 * @param given properties
 * @param flags the properties that there are
 * @returns them, told apart
 */
export function sortGiven(given: Given, flags: readonly PropertyFlag[]): Sorted {
  const names = new Set(flags.filter((flag) => flag.idle === true).map(({ property }) => property))
  const sorted: Sorted = { kept: new Map(), idle: new Map() }
  for (const [property, value] of given) {
    const one = names.has(property) ? sorted.idle : sorted.kept
    one.set(property, value)
  }
  return sorted
}

/**
 * @param idle properties that nothing comes of
 * @returns a warning for each
 */
export function idleWarnings(idle: Given): string[] {
  return [...idle.keys()].map((property) => `${property} has no effect here and is not kept`)
}

/**
 * @param connector an inbound connector as it shall be
 * @param given what was said of it
 * @param owner its organisation
 * @returns warnings
 * @throws CommandFailed with everything that Exchange refuses
 */
export function checkAsExchange(connector: Written, { kept, idle }: Sorted, owner: Organization): string[] {
  const isOn = (property: string): boolean => idle.get(property) === true
  const has = (property: string): boolean => {
    const value = connector[property]
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null
  }
  const partner = connector['connectorType'] === 'Partner'
  const refusals: string[] = []
  const refuse = (when: boolean, message: string): void => {
    if (when) refusals.push(message)
  }
  refuse(
    isOn('treatMessagesAsInternal') && partner,
    'treatMessagesAsInternal is for OnPremises connectors only (leave out --treat-messages-as-internal)',
  )
  refuse(
    isOn('treatMessagesAsInternal') && isOn('cloudServicesMailEnabled'),
    'treatMessagesAsInternal and cloudServicesMailEnabled exclude each other (leave out one of them)',
  )
  refuse(
    isOn('restrictDomainsToCertificate') && !has('tlsSenderCertificateName'),
    'restrictDomainsToCertificate needs a name (add --tls-sender-certificate-name)',
  )
  refuse(
    isOn('restrictDomainsToIPAddresses') && !has('senderIPAddresses'),
    'restrictDomainsToIPAddresses needs addresses (add --sender-ip-addresses)',
  )
  refusals.push(...foreignDomains(idle, owner))
  if (!partner && kept.has('senderDomains')) refusals.push(...wrongSenderDomains(kept.get('senderDomains')))
  if (refusals.length > 0) throw new CommandFailed([...refusals, 'nothing was changed'].join('\n'))
  if (!partner) return []
  return [
    ...(has('tlsSenderCertificateName') && has('senderIPAddresses')
      ? ['a Partner connector with a name and addresses: Microsoft advises against it (make two connectors)']
      : []),
    ...(has('reportOnlyUntil')
      ? ['reportOnlyUntil has no effect on a Partner connector: it grants nothing']
      : []),
  ]
}

function foreignDomains(idle: Given, owner: Organization): string[] {
  const associated: unknown = idle.get('associatedAcceptedDomains')
  const registered = new Set(owner.acceptedDomains.map(({ domainName }) => domainName))
  return (Array.isArray(associated) ? associated : []).flatMap((text) => {
    const domain = normalizeDomain(String(text))
    if (domain !== null && registered.has(domain)) return []
    const what = printable(String(text), 80)
    return [
      `associatedAcceptedDomains: ${what} is no accepted domain of ${printable(owner.name)} (register it first)`,
    ]
  })
}

/** On an OnPremises connector nothing comes of them, but Exchange looks at their form all the same. */
function wrongSenderDomains(senderDomains: unknown): string[] {
  if (!Array.isArray(senderDomains) || senderDomains.length === 0) return []
  const twin = { name: 'x', connectorType: 'Partner', senderDomains }
  const { errors } = validateWritten({ name: 'x', inboundConnectors: [twin] }, 'the change', '.')
  return errors.map((problem) => problemText(problem))
}

/**
 * @param connector an outbound connector as it shall be
 * @param given what was said of it
 * @returns warnings; none, as the schema says them all
 * @throws CommandFailed with everything that Exchange, or this server, refuses of what is not kept
 */
export function checkOutboundAsExchange(connector: Written, { idle }: Sorted): string[] {
  const refusals: string[] = []
  if (idle.get('senderRewritingEnabled') === true && connector['connectorType'] !== 'OnPremises') {
    refusals.push(
      'senderRewritingEnabled is for OnPremises connectors only (leave out --sender-rewriting-enabled)',
    )
  }
  // What narrows a connector, or promises what is not kept here, is refused by the schema where it stands in the file.
  const said = (more: object): string[] => {
    const twin = { name: 'x', outboundConnectors: [{ ...connector, ...more }] }
    return validateWritten(twin, 'the change', '.').errors.map((problem) => problemText(problem))
  }
  if (idle.size > 0) {
    const without = new Set(said({}))
    refusals.push(...said(Object.fromEntries(idle)).filter((text) => !without.has(text)))
  }
  if (refusals.length > 0) throw new CommandFailed([...refusals, 'nothing was changed'].join('\n'))
  return []
}
