/** Organisations that are proposed in a file, as `apply` would take them. */

import type { AcceptedDomain } from '../policy/types.ts'
import { isUnknown } from '../policy/attribute.ts'
import type { Directory } from '../directory/directory.ts'
import type { Organization, Problem } from '../directory/model.ts'
import { nameKey } from '../directory/model.ts'
import type { OrganizationsSource } from '../directory/organizations-source.ts'
import { registeredAlready, withProofs } from '../directory/plan.ts'

/** `apply` would refuse it, or what it hangs on cannot be looked up; the message has every line. */
export class ProposalRefused extends Error {
  override readonly name = 'ProposalRefused'
}

/** Domains that are looked up at once. */
const AT_ONCE = 500

/** Domains of others that are named; one more says that there are more. */
const MOST_TAKEN = 20

/**
 * @param source the file
 * @param base the directory as it is
 * @param prune whether organisations that are not in the file shall be removed, so that their domains are free
 * @param warn told of each warning
 * @returns its organisations; a domain that they keep keeps its proof
 * @throws ProposalRefused, SourceError
 */
export async function readProposal(
  source: Pick<OrganizationsSource, 'organizations'>,
  base: Directory,
  prune: boolean,
  warn: (problem: Problem) => void,
): Promise<Organization[]> {
  const given: Organization[] = []
  for await (const { organization, warnings } of source.organizations()) {
    for (const problem of warnings) warn(problem)
    given.push(organization)
  }
  const names = new Set(given.map(({ name }) => nameKey(name)))
  const organizations: Organization[] = []
  const taken: string[] = []
  for (const organization of given) {
    const registered = await registeredOf(organization, base)
    const own = registered.filter((record) => nameKey(record.organization) === nameKey(organization.name))
    organizations.push(withProofs(organization, { ...organization, acceptedDomains: own }))
    if (prune || taken.length > MOST_TAKEN) continue
    for (const record of registered) {
      if (!names.has(nameKey(record.organization)))
        taken.push(registeredAlready(record.domainName, record.organization))
    }
  }
  if (taken.length === 0) return organizations
  const more = taken.length > MOST_TAKEN ? ['... and more'] : []
  throw new ProposalRefused(
    [...taken.slice(0, MOST_TAKEN), ...more, 'apply would refuse it; nothing was replayed'].join('\n'),
  )
}

/** The records of its domains as they are registered now, with whomever. */
async function registeredOf({ acceptedDomains }: Organization, base: Directory): Promise<AcceptedDomain[]> {
  const records: AcceptedDomain[] = []
  for (let begin = 0; begin < acceptedDomains.length; begin += AT_ONCE) {
    const names = acceptedDomains.slice(begin, begin + AT_ONCE).map(({ domainName }) => domainName)
    const answer = await base.ask({ presentedNames: [], address: null, domains: names })
    for (const name of names) {
      const fact = answer.domain(name)
      if (isUnknown(fact)) throw new ProposalRefused(`${name} cannot be looked up: ${fact.why}`)
      if (fact.acceptedDomain?.domainName === name) records.push(fact.acceptedDomain)
    }
  }
  return records
}
