/** Which messages a queue command is about, as it is typed. */

import type { Command } from 'commander'
import type { QueueFilter } from '../../outbound/types.ts'
import { normalizeDomain } from '../../text/domain-name.ts'
import { parseDuration } from '../../text/duration.ts'
import { printable } from '../../text/printable.ts'
import { UsageError } from '../errors.ts'
import { transactionId } from './transaction-id.ts'

export interface FilterFlags {
  readonly organization?: string
  readonly destination?: string
  readonly sender?: string
  readonly olderThan?: string
  readonly held?: boolean
}

/** @param command gets the options that say which messages are meant; all that are given must hold */
export function addFilterOptions(command: Command): Command {
  return command
    .option('--organization <name>', 'mail that was attributed to this organisation')
    .option('--destination <domain>', 'mail that a recipient in this domain still waits for')
    .option('--sender <address>', 'mail from an address or a domain; "<>" is the null sender')
    .option('--older-than <duration>', 'accepted at least so long ago: 90s, 15m, 1h, 7d')
    .option('--held', 'held mail')
}

/**
 * @param ids what was named; none means all
 * @param flags what commander made of the options
 * @returns the filter
 * @throws UsageError
 */
export function filterOf(ids: readonly string[], flags: FilterFlags): QueueFilter {
  const { destination, held, olderThan, organization, sender } = flags
  return {
    ...(ids.length === 0 ? {} : { ids: [...new Set(ids.map((id) => idOf(id)))] }),
    ...(organization === undefined ? {} : { organization }),
    ...(destination === undefined ? {} : { destination: destinationOf(destination) }),
    ...(sender === undefined ? {} : { sender: senderOf(sender) }),
    ...(olderThan === undefined ? {} : { olderThan: ageOf(olderThan) }),
    ...(held === undefined ? {} : { held }),
  }
}

const LONGEST_ID = 200

function idOf(text: string): string {
  const id = transactionId(text)
  if (/^[\w.-]+$/.test(id) && id.length <= LONGEST_ID) return id
  throw new UsageError(`"${printable(text, 80)}" is no id of a message: connectorctl queue list shows them`)
}

function destinationOf(text: string): string {
  if (/^\[[\w.:-]+\]$/.test(text)) return text.toLowerCase()
  const domain = normalizeDomain(text)
  if (domain !== null) return domain
  throw new UsageError(`--destination "${printable(text, 80)}" is no domain: write e.g. contoso.com`)
}

function senderOf(text: string): string {
  if (text === '' || text === '<>') return '<>'
  if (text.length <= 1_000) return text
  throw new UsageError('--sender is no address')
}

function ageOf(text: string): number {
  const age = parseDuration(text)
  if (age !== null) return age
  throw new UsageError(`--older-than "${printable(text, 80)}" is no duration: give 90s, 15m, 1h or 7d`)
}
