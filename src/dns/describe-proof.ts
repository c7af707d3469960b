/** What was found when a domain was to be proven, in words for the administrator: what is wrong, and how to mend it. */

import { printable } from '../text/printable.ts'
import type { ServerFailure } from './lookup.ts'
import type { ProofResult } from './prove.ts'

/** Lines that are safe to print. */
export interface ProofInWords {
  /** One sentence: what was found. */
  readonly summary: string
  /** What it was found from: a line for each server or record. */
  readonly evidence: readonly string[]
  /** What to do; '' when nothing is to be done. */
  readonly remedy: string
}

const MOST_LINES = 12

/**
 * @param result what was found
 * @returns it in words
 */
export function describeProof(result: ProofResult): ProofInWords {
  const { domain, record } = result
  const publish = `publish the TXT record ${record.name} with the text "${record.value}"`
  const failures = result.failures.map((failure) => describeFailure(failure))
  switch (result.kind) {
    case 'proven':
      return {
        summary: `${domain} is proven: its record is shown by ${listOf(result.shownBy)}`,
        evidence: limited(failures),
        remedy: '',
      }
    case 'disagreement':
      return {
        summary: `the servers of ${domain} disagree: ${result.shownBy.length} show the record, ${result.notShownBy.length} do not (yet)`,
        evidence: limited([
          ...result.shownBy.map((server) => `${printable(server)} shows it`),
          ...result.notShownBy.map((server) => `${printable(server)} does not show it`),
          ...failures,
        ]),
        remedy:
          'wait until all name servers have the changed zone; if that lasts, look why the zone is not transferred to them',
      }
    case 'wrong-token':
      return {
        summary: `${domain} has a record at ${record.name}, but with another token`,
        evidence: limited([...result.tokens.map((token) => `found: ${printable(token, 80)}`), ...failures]),
        remedy: `${publish}; tokens of other organisations and installations may stay beside it`,
      }
    case 'missing':
      return {
        summary: `${domain} has no such record at ${record.name}`,
        evidence: limited([
          ...(result.notShownBy.length > 0 ? [`asked: ${listOf(result.notShownBy)}`] : []),
          ...result.seen.map((text) => `found there: "${printable(text, 100)}"`),
          ...(result.seenCount > result.seen.length
            ? [`and ${result.seenCount - result.seen.length} more`]
            : []),
          ...failures,
        ]),
        remedy: result.misplacedAt === null ? publish : misplaced(result.misplacedAt, result),
      }
    case 'no-such-domain':
      return {
        summary: `there is no domain ${domain} in the DNS`,
        evidence: limited([`said by: ${listOf(result.notShownBy)}`, ...failures]),
        remedy:
          'look for a typing mistake and whether the registration ran out; where a firewall or split DNS hides the public zone, name a server that sees it with --resolver',
      }
    case 'could-not-ask':
      return {
        summary: `nobody could be asked about ${domain}: that says nothing about its record`,
        evidence: limited(failures),
        remedy:
          'try again later; where a firewall or split DNS hides the public zone, name a server that sees it with --resolver',
      }
    default:
      return result satisfies never
  }
}

function misplaced(found: string, { domain, record }: ProofResult): string {
  const why =
    found === domain
      ? 'below the domain, not at the domain itself'
      : 'your provider adds the domain by itself'
  return `the record stands at ${printable(found)}: move it to ${record.name} (${why})`
}

/**
 * @param failure that a server could not be asked
 * @returns one line that is safe to print
 */
function describeFailure({ detail, server, why }: ServerFailure): string {
  const who = server === '' ? '' : `${printable(server)}: `
  return `${who}${printable(detail)} (${why})`
}

function listOf(servers: readonly string[]): string {
  const shown = servers.slice(0, MOST_LINES).map((server) => printable(server))
  const more = servers.length - shown.length
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function limited(lines: readonly string[]): string[] {
  if (lines.length <= MOST_LINES) return [...lines]
  return [...lines.slice(0, MOST_LINES), `and ${lines.length - MOST_LINES} more`]
}
