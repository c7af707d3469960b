/** An accepted domain added, changed or removed: as a change of its organisation. */

import type { Written } from '../../directory/as-written.ts'
import { domainAsWritten } from '../../directory/as-written.ts'
import { canonical } from '../../directory/difference.ts'
import { dissenting } from '../../directory/domain-index.ts'
import type { Organization } from '../../directory/model.ts'
import { nameKey } from '../../directory/model.ts'
import type { AcceptedDomain } from '../../policy/types.ts'
import { claimHint } from '../../proof/claim.ts'
import { termsNow } from '../../relaying/terms.ts'
import { ancestorsOf, normalizeDomain } from '../../text/domain-name.ts'
import { printable } from '../../text/printable.ts'
import type { OpenEditor } from '../editor.ts'
import { CommandFailed } from '../errors.ts'
import type { Change } from './change.ts'
import { changedMeanwhile } from './change.ts'
import { patched, withDomain } from './edits.ts'
import { sortGiven } from './exchange-rules.ts'
import type { Given, ListChange } from './flags.ts'
import { DOMAIN_FLAGS } from './properties.ts'
import { domainSubject, organizationSubject } from './show.ts'

/**
 * @param owner an organisation
 * @param name a domain, as it was typed
 * @param given its properties
 * @returns the change that registers it
 */
export function domainAddition(owner: Organization, name: string, given: Given): Change {
  const { kept } = sortGiven(given, DOMAIN_FLAGS)
  return changeOf(owner, normalizeDomain(name) ?? name, (organization) =>
    withDomain(organization, null, patched({ domainName: name }, kept)),
  )
}

/** What shall be different about a domain. */
export interface DomainWish {
  readonly given: Given
  readonly lists?: readonly ListChange[]
  /** Whether somebody agreed to have the record changed as it was shown. */
  readonly agreed?: boolean
}

/**
 * @param owner an organisation
 * @param shown one of its domains
 * @param wish what shall be different
 * @returns the change that changes it
 */
export function domainEdit(
  owner: Organization,
  shown: AcceptedDomain,
  { given, lists = [], agreed = false }: DomainWish,
): Change {
  const { kept } = sortGiven(given, DOMAIN_FLAGS)
  return changeOf(owner, shown.domainName, (organization) => {
    const record = present(organization, shown, agreed)
    return withDomain(organization, record, patched(domainAsWritten(record), kept, lists))
  })
}

/**
 * @param owner an organisation
 * @param shown one of its domains, as it was shown
 * @returns the change that removes it
 */
export function domainRemoval(owner: Organization, shown: AcceptedDomain): Change {
  return changeOf(owner, shown.domainName, (organization) =>
    withDomain(organization, present(organization, shown, true), null),
  )
}

/**
 * @param organization an organisation, or null
 * @param domainName a normalised domain name
 * @returns its record of that name
 */
export function domainIn(organization: Organization | null, domainName: string): AcceptedDomain | null {
  return organization?.acceptedDomains.find((domain) => domain.domainName === domainName) ?? null
}

function changeOf(owner: Organization, domainName: string, edit: (now: Organization) => Written): Change {
  return {
    nameKey: nameKey(owner.name),
    edit: (before) => {
      if (before === null) throw changedMeanwhile(organizationSubject(owner.name))
      return edit(before)
    },
    touched: (after) => ({
      acceptedDomains: [domainIn(after, domainName) ?? []].flat(),
      inboundConnectors: [],
    }),
  }
}

function present(organization: Organization, shown: AcceptedDomain, agreed: boolean): AcceptedDomain {
  const record = domainIn(organization, shown.domainName)
  if (record === null || (agreed && canonical(record) !== canonical(shown))) {
    throw changedMeanwhile(domainSubject(shown.domainName, organization.name))
  }
  return record
}

/**
 * @param open the directory
 * @param domain a domain that shall be registered
 * @throws CommandFailed when it, or one above it, is another organisation's: before anybody is asked whether it shall be
 */
export async function requireFreeDomain(
  { editor, settings }: OpenEditor,
  domain: AcceptedDomain,
): Promise<void> {
  const { domainName } = domain
  const above = ancestorsOf(domainName)
  const known = await editor.domains([domainName, ...above])
  const hint = (inTheWay: AcceptedDomain): string =>
    nameKey(inTheWay.organization) === nameKey(domain.organization)
      ? ''
      : claimHint(inTheWay, domain, termsNow(settings.relay))
  const same = known.get(domainName)
  if (same !== undefined) {
    throw new CommandFailed(
      `${domainName} is registered already, with ${printable(same.organization, 80)}, nothing was changed; change it with connectorctl domain set${hint(same)}`,
    )
  }
  const [upper] = dissenting(
    domain,
    above.flatMap((name) => known.get(name) ?? []),
  )
  if (upper === undefined) return
  throw new CommandFailed(
    `${domainName} is below ${upper.domainName}, which belongs to ${printable(upper.organization, 80)}, nothing was changed; connectorctl domain set ${upper.domainName} --add-delegated-sub-domains ${domainName} lets others register it${hint(upper)}`,
  )
}
