/** `connectorctl journal`: what was decided, by all workers. */

import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { JournalFilter } from '../../journal/reader.ts'
import { followJournal, readJournal } from '../../journal/reader.ts'
import type { JournalRecord } from '../../journal/record.ts'
import { explainReason, isReasonCode } from '../../policy/reasons.ts'
import type { Outcome } from '../../policy/types.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { requireInstance } from '../instance.ts'
import { INSTANCE_OPTION } from '../options.ts'
import { sinceOf } from '../times.ts'

interface Flags {
  readonly instance: string
  readonly id?: string
  readonly from?: string
  readonly to?: string
  readonly outcome?: string
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
  connectorctl journal --follow`

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerJournal(program: Command, context: CliContext): void {
  program
    .command('journal')
    .description('read the decisions of all workers; exit code 1 when nothing was found')
    .option('--id <id>', 'the transaction id at the end of an SMTP reply')
    .option('--from <address>', 'the sender: an address, or a domain; "" is the null sender')
    .option('--to <address>', 'the recipient: an address, or a domain')
    .option('--outcome <outcome>', OUTCOMES.join(', '))
    .option('--since <time>', 'no older than: 90s, 15m, 1h, 7d, or 2026-11-24T02:00:00Z')
    .option('--follow', 'go on with new decisions until Ctrl-C')
    .option('--json', 'print the records as they are, one a line')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async (flags: Flags) => {
      await journal(flags, context)
    })
}

async function journal(flags: Flags, { stdout, stderr, signal }: CliContext): Promise<void> {
  const filter = filterOf(flags)
  const instance = resolve(flags.instance)
  requireInstance(instance)
  const directory = join(instance, 'data', 'journal')
  let damaged = 0
  const records =
    flags.follow === true
      ? followJournal(directory, filter, signal)
      : readJournal(directory, filter, () => {
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
      `no such decision in ${directory}; see connectorctl journal --help for what to look for`,
    )
  }
}

function filterOf({ id, from, to, outcome, since }: Flags): JournalFilter {
  return {
    ...(id === undefined ? {} : { id: transactionId(id) }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(outcome === undefined ? {} : { outcome: outcomeOf(outcome) }),
    ...(since === undefined ? {} : { since: sinceOf(since) }),
  }
}

/** Whoever pastes `[no-tls 4F2A….1]` from a bounce means the id in it. */
function transactionId(text: string): string {
  return /\[\S+ (\S+)\]/.exec(text)?.[1] ?? text.replaceAll(/[[\]\s]/g, '')
}

function outcomeOf(text: string): Outcome {
  const outcome = OUTCOMES.find((known) => known === text)
  if (outcome !== undefined) return outcome
  throw new UsageError(`--outcome "${printable(text)}" is none of ${OUTCOMES.join(', ')}`)
}

/** Of mail that report-only mode let through: what it will be denied for. */
function would({ wouldBe }: JournalRecord): string {
  return wouldBe === undefined ? '' : ` (would be denied: ${printable(wouldBe)})`
}

function tell(record: JournalRecord, whole: boolean): string {
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
