/** What the forms of `connectorctl domain verify` have in common. */

import type { ProveOptions } from '../../dns/prove.ts'
import { proveDomain } from '../../dns/prove.ts'
import { parseNameServer } from '../../dns/server.ts'
import type { Ask } from '../../proof/look.ts'
import type { ProofMemory } from '../../proof/memory.ts'
import { printable } from '../../text/printable.ts'
import type { OpenEditor } from '../editor.ts'
import { UsageError } from '../errors.ts'
import { parseDuration } from '../../text/duration.ts'

export interface VerifyOptions {
  readonly instance: string
  readonly organization?: string
  readonly resolver?: string
  readonly wait?: string | true
  readonly all?: boolean
  readonly ifOlder?: string
  readonly json?: boolean
  readonly yes?: boolean
}

/** The directory, and what is kept beside it. */
export interface Proving {
  readonly open: OpenEditor
  readonly memory: ProofMemory
}

/**
 * @param proving the settings are taken from it
 * @param options --resolver counts before the setting
 * @param signal gives up
 * @returns asks the DNS whether a zone shows a token
 * @throws UsageError when --resolver is no address
 */
export function askWith(
  { open }: Pick<Proving, 'open'>,
  { resolver: named }: VerifyOptions,
  signal: AbortSignal,
): Ask {
  const given = named === undefined ? open.settings.domains.resolver : parseNameServer(named)
  if (named !== undefined && given === null) {
    throw new UsageError(
      `--resolver "${printable(named, 80)}" is no address: write e.g. 192.0.2.53 or 192.0.2.53:5353`,
    )
  }
  const options: ProveOptions = { signal, ...(given === null ? {} : { resolver: given }) }
  return (domain, token) => proveDomain(domain, token, options)
}

/**
 * @param text e.g. `30m`
 * @param flag the flag that says so
 * @returns milliseconds
 * @throws UsageError when it is no duration
 */
export function durationOf(text: string, flag: string): number {
  const milliseconds = text.length > LONGEST_TEXT ? null : parseDuration(text)
  if (milliseconds !== null && milliseconds > 0 && milliseconds <= LONGEST_DURATION) return milliseconds
  throw new UsageError(`${flag} "${printable(text, 80)}" is no duration: give 90s, 30m, 2h or 1d`)
}

/** Six digits and a unit. */
const LONGEST_TEXT = 7

/** Longer timers of Node end at once. */
const LONGEST_DURATION = 20 * 86_400_000
