/** `connectorctl journal`: what was decided by all workers, and what became of the mail. */

import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { JournalFilter } from '../../journal/reader.ts'
import type { LineKind } from '../../journal/line-kind.ts'
import { ALL_LINES, DECISIONS, DELIVERIES } from '../../journal/line-kind.ts'
import { followLines, readLines } from '../../journal/reader.ts'
import type { DeliveryEvent, DeliveryRecord, JournalLine, JournalRecord } from '../../journal/record.ts'
import { EVENTS, isDelivery } from '../../journal/record.ts'
import { explainReason, isReasonCode } from '../../policy/reasons.ts'
import type { Outcome } from '../../policy/types.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { requireInstance } from '../instance.ts'
import { collected, INSTANCE_OPTION } from '../options.ts'
import { deliveryText, recipientsText } from '../queue/delivery-line.ts'
import { transactionId } from '../queue/transaction-id.ts'
import { sinceOf } from '../times.ts'

interface Flags {
  readonly instance: string
  readonly id?: string
  readonly from?: string
  readonly to?: string
  readonly organization?: string
  readonly outcome?: string
  readonly deliveries?: boolean
  readonly event?: readonly string[]
  readonly since?: string
  readonly follow?: boolean
  readonly json?: boolean
}

const OUTCOMES: readonly Outcome[] = ['relay', 'deliver', 'deny', 'defer']

const EXAMPLES = `
Examples:
  connectorctl journal --id 2E0958EC-88EB-44B6-8F19-A0E9C38B458C.1
  connectorctl journal --outcome deny --since 1h
  connectorctl journal --from contoso.com --to john@fabrikam.com --since 2026-11-24T02:00:00Z
  connectorctl journal --from "" --outcome deny --since 7d --json | jq -r .peer.address
  connectorctl journal --deliveries --organization contoso --since 1d
  connectorctl journal --event bounced --event held --since 7d
  connectorctl journal --deliveries --follow`

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerJournal(program: Command, context: CliContext): void {
  program
    .command('journal')
    .description('read the decisions of all workers, and deliveries; exit code 1 when nothing was found')
    .option('--id <id>', 'the transaction id at the end of an SMTP reply')
    .option('--from <address>', 'the sender: an address, or a domain; "" is the null sender')
    .option('--to <address>', 'the recipient: an address, or a domain')
    .option('--organization <name>', 'what was decided for its connectors, and deliveries of its mail')
    .option('--outcome <outcome>', `decisions of this outcome: ${OUTCOMES.join(', ')}`)
    .option('--deliveries', 'deliveries as well: what became of the mail that was accepted')
    .option(
      '--event <event>',
      `only deliveries of this event: ${EVENTS.join(', ')}; may be repeated`,
      collected,
    )
    .option('--since <time>', 'no older than: 90s, 15m, 1h, 7d, or 2026-11-24T02:00:00Z')
    .option('--follow', 'go on with what is new until Ctrl-C')
    .option('--json', 'print the records as they are, one a line')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async (flags: Flags) => {
      await journal(flags, context)
    })
}

async function journal(flags: Flags, { stdout, stderr, signal }: CliContext): Promise<void> {
  const filter = filterOf(flags)
  const kind = kindOf(flags)
  const instance = resolve(flags.instance)
  requireInstance(instance)
  const directory = join(instance, 'data', 'journal')
  let damaged = 0
  const records =
    flags.follow === true
      ? followLines(kind, directory, filter, signal)
      : readLines(kind, [directory], filter, () => {
          damaged += 1
        })
  let count = 0
  for await (const record of records) {
    count += 1
    stdout.write(flags.json === true ? `${JSON.stringify(record)}\n` : tell(record, filter.id !== undefined))
  }
  if (damaged > 0) stderr.write(`connectorctl: ${damaged} damaged lines in ${directory} were passed over\n`)
  if (count === 0 && flags.follow !== true) {
    throw new CommandFailed(
      `no such ${kind === DECISIONS ? 'decision' : 'line'} in ${directory}; see connectorctl journal --help for what to look for`,
    )
  }
}

function kindOf({ deliveries, event, outcome }: Flags): LineKind<JournalLine> {
  if (event !== undefined && outcome !== undefined) {
    throw new UsageError('--event is about deliveries and --outcome about decisions: give one of them')
  }
  if (event !== undefined) return DELIVERIES
  return deliveries === true ? ALL_LINES : DECISIONS
}

function filterOf({ event, id, from, organization, to, outcome, since }: Flags): JournalFilter {
  return {
    ...(event === undefined ? {} : { events: event.map((text) => eventOf(text)) }),
    ...(organization === undefined ? {} : { organization }),
    ...(id === undefined ? {} : { id: transactionId(id) }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(outcome === undefined ? {} : { outcome: outcomeOf(outcome) }),
    ...(since === undefined ? {} : { since: sinceOf(since) }),
  }
}

function outcomeOf(text: string): Outcome {
  const outcome = OUTCOMES.find((known) => known === text)
  if (outcome !== undefined) return outcome
  throw new UsageError(`--outcome "${printable(text)}" is none of ${OUTCOMES.join(', ')}`)
}

function eventOf(text: string): DeliveryEvent {
  const event = EVENTS.find((known) => known === text)
  if (event !== undefined) return event
  throw new UsageError(`--event "${printable(text)}" is none of ${EVENTS.join(', ')}`)
}

/** Of mail that report-only mode let through: what it will be denied for. */
function would({ wouldBe }: JournalRecord): string {
  return wouldBe === undefined ? '' : ` (would be denied: ${printable(wouldBe)})`
}

function tell(line: JournalLine, whole: boolean): string {
  return isDelivery(line) ? tellDelivery(line) : tellDecision(line, whole)
}

function tellDelivery(record: DeliveryRecord): string {
  const { event, id, recipients, sender, time } = record
  return `${time} ${event.padEnd(9)} <${printable(sender)}> -> ${recipientsText(recipients)} ${deliveryText(record)} ${printable(id)}\n`
}

function tellDecision(record: JournalRecord, whole: boolean): string {
  const { time, outcome, reason, sender, recipient, id, peer } = record
  const line = `${time} ${outcome.padEnd(7)} ${printable(reason)}${would(record)} <${printable(sender)}> -> <${printable(recipient)}> from ${printable(peer.address)} ${printable(id)}\n`
  if (!whole) return line
  const { certificate } = peer
  const names = certificate.names.map((name) => printable(name)).join(', ')
  return [
    line.trimEnd(),
    `  reply:        ${printable(record.reply, 512)}`,
    `  why:          ${isReasonCode(reason) ? explainReason(reason).sentence : 'a reason of another version'}`,
    `  to change it: ${isReasonCode(reason) ? explainReason(reason).advice || 'nothing to do' : ''}`,
    `  organisation: ${printable(record.organization ?? 'none')}, connector: ${printable(record.connector ?? 'none')}${record.via === null ? '' : ` (by ${record.via})`}`,
    `  EHLO:         ${printable(peer.helo)}, ${peer.tls === null ? 'without TLS' : printable(peer.tls)}`,
    `  certificate:  ${certificate.state}${names === '' ? '' : ` for ${names}`}${certificate.why === null ? '' : ` (${printable(certificate.why)})`}`,
    ...(certificate.fingerprint === null ? [] : [`  SHA-256:      ${printable(certificate.fingerprint)}`]),
    '',
  ].join('\n')
}
