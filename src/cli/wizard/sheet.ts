/** What a wizard has been told so far. */

import type { ConfiguredConnector, Organization } from '../../directory/model.ts'
import type { OpenEditor } from '../editor.ts'
import type { Given } from '../manage/flags.ts'
import type { Dialogue } from './dialogue.ts'

export interface Sheet {
  /** All of it. */
  readonly given: Given
  get(property: string): unknown
  /** Whether there is a value: an empty list is none. */
  has(property: string): boolean
  /** Whether it was given, or answered, also as nothing. */
  isGiven(property: string): boolean
  set(property: string, value: unknown): void
}

/**
 * @param given what was given by flags
 * @returns a sheet with it
 */
export function sheetOf(given: Given): Sheet {
  const properties = new Map(given)
  return {
    given: properties,
    get: (property) => properties.get(property),
    has: (property) => {
      const value = properties.get(property)
      return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== null
    },
    isGiven: (property) => properties.has(property),
    set: (property, value) => {
      properties.set(property, value)
    },
  }
}

/** What a step of the wizard works with. */
export interface Asking {
  readonly open: OpenEditor
  readonly owner: Organization
  readonly dialogue: Dialogue
  readonly sheet: Sheet
  /** The connector as it is; null for a new one. */
  readonly present: ConfiguredConnector | null
}

/**
 * @param sheet where to write
 * @param name the name in the certificate, null for none
 * @param addresses addresses and ranges
 */
export function setRecognition(sheet: Sheet, name: string | null, addresses: readonly string[]): void {
  sheet.set('tlsSenderCertificateName', name)
  sheet.set('senderIPAddresses', addresses)
}
