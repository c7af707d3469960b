/** organizations.yaml as it was at one moment, with what is looked up in it. */

import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import type { AcceptedDomain } from '../../policy/types.ts'
import { canonical } from '../difference.ts'
import type { DomainIndex } from '../domain-index.ts'
import { indexDomains } from '../domain-index.ts'
import type { StoredOrganization } from '../editor.ts'
import type { Organization } from '../model.ts'
import { nameKey } from '../model.ts'

export class Snapshot {
  readonly bytes: Buffer
  readonly text: string
  readonly organizations: readonly Organization[]
  #byName: ReadonlyMap<string, Organization> | null = null
  readonly #stored = new Map<string, StoredOrganization>()
  #byDomain: DomainIndex | null = null

  /**
   * @param bytes the file
   * @param text the same without a byte order mark
   * @param organizations what it says
   */
  constructor(bytes: Buffer, text: string, organizations: readonly Organization[]) {
    this.bytes = bytes
    this.text = text
    this.organizations = organizations
  }

  /** @returns the organisation with this `nameKey`, or null */
  stored(key: string): StoredOrganization | null {
    this.#byName ??= new Map(this.organizations.map((one) => [nameKey(one.name), one]))
    const organization = this.#byName.get(key)
    if (organization === undefined) return null
    const stored = this.#stored.get(key) ?? { organization, revision: revisionOf(organization) }
    this.#stored.set(key, stored)
    return stored
  }

  /** @returns the records of those domains that are registered, by name */
  domains(names: readonly string[]): Map<string, AcceptedDomain> {
    this.#byDomain ??= indexDomains(this.organizations.flatMap(({ acceptedDomains }) => acceptedDomains))
    const found = new Map<string, AcceptedDomain>()
    for (const name of names) {
      const record = this.#byDomain.get(name)
      if (record !== undefined) found.set(name, record)
    }
    return found
  }
}

function revisionOf(organization: Organization): string {
  return createHash('sha256').update(canonical(organization)).digest('hex').slice(0, 16)
}

/** What tells a file from what was there before it; nanoseconds and bytes. */
export interface Seen {
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

/** File systems count in milliseconds to two seconds: of two writes so close the second one may not show. */
const COARSEST_MILLISECONDS = 2_000

/**
 * @param path a file
 * @returns what it is now, before it is read; null when it was written just now, and may be again without a trace
 * @throws the system's error when it is not there
 */
export async function look(path: string): Promise<Seen | null> {
  const { ctimeNs, ino, mtimeMs, mtimeNs, size } = await stat(path, { bigint: true })
  const age = Date.now() - Number(mtimeMs)
  return age < COARSEST_MILLISECONDS ? null : { ino, size, mtimeNs, ctimeNs }
}

/** @returns whether both are of the same content */
export function isSameFile(left: Seen | null, right: Seen): boolean {
  if (left === null) return false
  return (
    left.ino === right.ino &&
    left.size === right.size &&
    left.mtimeNs === right.mtimeNs &&
    left.ctimeNs === right.ctimeNs
  )
}
