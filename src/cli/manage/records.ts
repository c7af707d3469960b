/** Records found by the names that people type. */

import type { StoredOrganization } from '../../directory/editor.ts'
import type { Organization } from '../../directory/model.ts'
import { nameKey } from '../../directory/model.ts'
import type { AcceptedDomain } from '../../policy/types.ts'
import { ancestorsOf, normalizeDomain } from '../../text/domain-name.ts'
import { printable } from '../../text/printable.ts'
import { didYouMean } from '../../text/suggest.ts'
import type { OpenEditor } from '../editor.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import type { AnyConnector, ConnectorKind } from './connector-kind.ts'

/** Organisations whose names, and whose domains, are looked through for what was meant. */
const MOST_LOOKED_THROUGH = 1000
const MOST_NAMED = 10
/** Each is some round trips to Redis. */
const READ_AT_ONCE = 16

/**
 * @param open the directory
 * @param most how many at most
 * @returns the names of the first organisations
 */
export async function organizationNames(open: OpenEditor, most = MOST_NAMED + 1): Promise<string[]> {
  const names: string[] = []
  for await (const key of open.editor.names()) {
    names.push((await open.editor.read(key))?.organization.name ?? key)
    if (names.length === most) break
  }
  return names
}

/**
 * @param open the directory
 * @returns all organisations, in the order of the store
 */
export async function* allOrganizations({ editor }: OpenEditor): AsyncGenerator<Organization> {
  let keys: string[] = []
  const read = async (): Promise<Organization[]> => {
    const stored = await Promise.all(keys.map((key) => editor.read(key)))
    keys = []
    return stored.flatMap((one) => one?.organization ?? [])
  }
  for await (const key of editor.names()) {
    keys.push(key)
    if (keys.length === READ_AT_ONCE) yield* await read()
  }
  yield* await read()
}

/**
 * @param open the directory
 * @param name what was typed, without regard to case
 * @returns the organisation
 * @throws CommandFailed when there is none, with the one that was probably meant
 */
export async function organizationNamed(open: OpenEditor, name: string): Promise<StoredOrganization> {
  const stored = await open.editor.read(nameKey(name))
  if (stored !== null) return stored
  const keys: string[] = []
  for await (const key of open.editor.names()) {
    keys.push(key)
    if (keys.length === MOST_LOOKED_THROUGH) break
  }
  if (keys.length === 0) throw noOrganizations()
  const meant = didYouMean(name, keys)
  const names = meant === null ? await organizationNames(open) : [meant]
  const near = meant === null ? names : [(await open.editor.read(meant))?.organization.name ?? meant]
  throw notFound(`there is no organization "${printable(name, 80)}"`, name, near)
}

function noOrganizations(): CommandFailed {
  return new CommandFailed('there are no organisations: connectorctl organization add NAME makes one')
}

/**
 * @param open the directory
 * @param name what --organization says
 * @returns the organisation; the only one where nothing is said
 * @throws CommandFailed when there is none, UsageError when there are several
 */
export async function ownerOf(open: OpenEditor, name: string | undefined): Promise<StoredOrganization> {
  if (name !== undefined) return organizationNamed(open, name)
  const names = await organizationNames(open)
  const [only, ...others] = names
  if (only === undefined) throw noOrganizations()
  if (others.length > 0) {
    throw new UsageError(`there are several organisations: add --organization NAME, one of ${named(names)}`)
  }
  return organizationNamed(open, only)
}

/**
 * @param stored an organisation
 * @param name what was typed, without regard to case
 * @param kind inbound or outbound
 * @returns its connector of that name
 * @throws CommandFailed when there is none
 */
export function connectorOf<T extends AnyConnector>(
  { organization }: StoredOrganization,
  name: string,
  kind: Pick<ConnectorKind<T>, 'command' | 'of'>,
): T {
  const connectors = kind.of(organization)
  const found = connectors.find((connector) => nameKey(connector.name) === nameKey(name))
  if (found !== undefined) return found
  throw notFound(
    `there is no ${kind.command} "${printable(name, 80)}" of ${printable(organization.name)}`,
    name,
    connectors.map((connector) => connector.name),
  )
}

export interface OwnedDomain {
  readonly stored: StoredOrganization
  readonly record: AcceptedDomain
}

/**
 * @param open the directory
 * @param name what was typed: any case, also with umlauts or a dot at its end
 * @returns the accepted domain, whoever's it is
 * @throws CommandFailed when there is none
 */
export async function domainNamed(open: OpenEditor, name: string): Promise<OwnedDomain> {
  const domainName = domainNameOf(name)
  const record = (await open.editor.domains([domainName])).get(domainName)
  const stored = record === undefined ? null : await open.editor.read(nameKey(record.organization))
  const own = stored?.organization.acceptedDomains.find((domain) => domain.domainName === domainName)
  if (stored !== null && own !== undefined) return { stored, record: own }
  throw await noSuchDomain(open, domainName)
}

/**
 * @param name what was typed
 * @returns the domain as it is kept
 * @throws CommandFailed when it is none
 */
export function domainNameOf(name: string): string {
  const domainName = normalizeDomain(name)
  if (domainName !== null) return domainName
  throw new CommandFailed(`"${printable(name, 80)}" is no domain name: write e.g. contoso.com`)
}

async function noSuchDomain(open: OpenEditor, domainName: string): Promise<CommandFailed> {
  const message = `${domainName} is no accepted domain`
  const [upper] = (await open.editor.domains(ancestorsOf(domainName))).values()
  if (upper !== undefined) {
    const covered = upper.matchSubDomains ? ', and matchSubDomains covers what is below it' : ''
    return new CommandFailed(
      `${message}; ${upper.domainName} of ${printable(upper.organization)} is one${covered}`,
    )
  }
  const candidates: string[] = []
  let looked = 0
  for await (const { acceptedDomains } of allOrganizations(open)) {
    for (const record of acceptedDomains) candidates.push(record.domainName)
    if (++looked === MOST_LOOKED_THROUGH) break
  }
  return notFound(message, domainName, candidates)
}

function notFound(message: string, name: string, candidates: readonly string[]): CommandFailed {
  const meant = didYouMean(name, candidates)
  if (meant !== null) return new CommandFailed(`${message}; did you mean "${printable(meant, 80)}"?`)
  if (candidates.length === 0) return new CommandFailed(`${message}; there is none at all`)
  return new CommandFailed(`${message}; there is ${named(candidates)}`)
}

/**
 * @param names names from the directory
 * @returns the first of them, safe to print
 */
export function named(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMED).map((name) => printable(name, 80))
  return names.length > shown.length ? `${shown.join(', ')}, ...` : shown.join(', ')
}
