/**
 * What commands that change a directory ask of a store. There are two behind this interface (the YAML file, Redis), and
 * both refuse a change over somebody else's: who writes names the revision that was looked at.
 */

import type { AcceptedDomain } from '../policy/types.ts'
import type { Organization } from './model.ts'

/** An organisation as it stands in the store. */
export interface StoredOrganization {
  readonly organization: Organization
  /** Another one after each change of it. */
  readonly revision: string
}

/** One organisation as it shall be. */
export interface WantedOrganization {
  /** `nameKey` of the name that it has now; `after` may have another. */
  readonly nameKey: string
  /** null removes it. */
  readonly after: Organization | null
  /** Its revision as it was looked at, null when it was not there: a change since then is not written over. */
  readonly expected: string | null
}

export interface EditWritten {
  /** Of the directory, as the journal names it. */
  readonly revision: string
  /** Redis: replicas that have it. */
  readonly replicas: number
}

/** Somebody else changed an organisation after it was looked at. */
export class StaleRevision extends Error {
  override readonly name = 'StaleRevision'
}

/**
 * @param name an organisation
 * @returns what to say of a change over somebody else's
 */
export function staleOrganization(name: string): StaleRevision {
  return new StaleRevision(`organisation ${name} was changed by somebody else meanwhile: look at it again`)
}

export interface DirectoryEditor {
  readonly store: 'file' | 'redis'
  /** Records that one write may change; null for any number. */
  readonly mostRecords: number | null
  /** @returns another text after each change of the directory, whoever made it */
  state(): Promise<string>
  /** The directory has never been written: Redis without a header. */
  isMissing(): Promise<boolean>
  /** Makes a directory without organisations where there is none. @returns what was written, or null when there is one */
  begin(): Promise<EditWritten | null>
  /** @returns the `nameKey`s of all organisations, in the order of the store */
  names(): AsyncGenerator<string>
  /**
   * @param nameKey an organisation
   * @returns it, or null when there is none
   * @throws with one message when the store is damaged or cannot be asked
   */
  read(nameKey: string): Promise<StoredOrganization | null>
  /** @returns the records of those domains that are registered, with anybody, by name */
  domains(names: readonly string[]): Promise<ReadonlyMap<string, AcceptedDomain>>
  /**
   * Changes organisations all at once or not at all. The file keeps the administrator's comments and order.
   * @param wanted organisations as they shall be
   * @returns what was written, or null when nothing is different
   * @throws StaleRevision when somebody else changed one of them meanwhile; with one message when a rule of the directory
   *   would be broken or it cannot be written. Nothing was changed then
   */
  replace(wanted: readonly WantedOrganization[]): Promise<EditWritten | null>
  /** @returns Redis: how many replicas have everything that was written so far; the file: 0 */
  confirm(): Promise<number>
  close(): void
}
