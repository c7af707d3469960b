/** Writes into the directory what looks at domains found. */

import { canonical } from '../directory/difference.ts'
import type {
  DirectoryEditor,
  EditWritten,
  StoredOrganization,
  WantedOrganization,
} from '../directory/editor.ts'
import { nameKey } from '../directory/model.ts'
import type { AcceptedDomain, DomainProof } from '../policy/types.ts'

/** Changes the directory, working the change out anew when somebody else was faster (`cli/editor.ts`). */
export type ChangeDirectory = (
  prepare: () => Promise<readonly WantedOrganization[]>,
) => Promise<EditWritten | null>

/** What shall be kept of a domain's proof. */
export interface ProofChange {
  /** As it was looked at. */
  readonly domain: AcceptedDomain
  readonly proof: DomainProof | null
}

/**
 * A domain that is another organisation's by now, or has got another proof meanwhile, is left as it is.
 * @param editor the directory
 * @param change changes it
 * @param changes what shall be kept, all in one write
 * @returns what was written, or null when nothing is different
 */
export async function writeProofs(
  editor: DirectoryEditor,
  change: ChangeDirectory,
  changes: readonly ProofChange[],
): Promise<EditWritten | null> {
  const different = changes.filter(({ domain, proof }) => !isSameProof(domain, { proof }))
  if (different.length === 0) return null
  const byOwner = new Map<string, Map<string, ProofChange>>()
  for (const one of different) {
    const key = nameKey(one.domain.organization)
    const own = byOwner.get(key) ?? new Map<string, ProofChange>()
    byOwner.set(key, own.set(one.domain.domainName, one))
  }
  return change(async () => {
    const wanted: WantedOrganization[] = []
    for (const [key, own] of byOwner) {
      const stored = await editor.read(key)
      if (stored !== null) wanted.push(withProofs(key, stored, own))
    }
    return wanted
  })
}

function withProofs(
  key: string,
  { organization, revision }: StoredOrganization,
  changes: ReadonlyMap<string, ProofChange>,
): WantedOrganization {
  const acceptedDomains = organization.acceptedDomains.map((record) => {
    const change = changes.get(record.domainName)
    return change === undefined || !isSameProof(record, change.domain)
      ? record
      : { ...record, proof: change.proof }
  })
  return { nameKey: key, after: { ...organization, acceptedDomains }, expected: revision }
}

function isSameProof(left: Pick<AcceptedDomain, 'proof'>, right: Pick<AcceptedDomain, 'proof'>): boolean {
  return canonical({ proof: left.proof ?? null }) === canonical({ proof: right.proof ?? null })
}
