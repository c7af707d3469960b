/** `connectorctl queue`: what waits, in all processes, and what becomes of it. */

import { once } from 'node:events'
import type { Command } from 'commander'
import type { QueueAction, QueueEntry } from '../../outbound/types.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { addExamples, QUEUE_EXAMPLES } from '../manage/examples.ts'
import { mapped, writeJsonLines, writeTable } from '../manage/table.ts'
import { INSTANCE_OPTION } from '../options.ts'
import type { ActFlags } from '../queue/act.ts'
import { actOn } from '../queue/act.ts'
import type { OpenQueue } from '../queue/controls.ts'
import { openQueueOf, requireAnswers } from '../queue/controls.ts'
import type { FilterFlags } from '../queue/filter-options.ts'
import { addFilterOptions, filterOf } from '../queue/filter-options.ts'
import type { GroupBy } from '../queue/groups.ts'
import { groupRow, GROUPINGS, groupsOf, Totals } from '../queue/groups.ts'
import { listHeader, listLines } from '../queue/lines.ts'
import { messageLines } from '../queue/show-message.ts'

interface ListFlags extends FilterFlags {
  readonly instance: string
  readonly by?: string
  readonly limit: string
  readonly all?: boolean
  readonly json?: boolean
}

const HELP = `
What the states mean and what to do is in docs/queue.md. It works while the server runs and when it is stopped.`

const ACTIONS: readonly (readonly [action: QueueAction, description: string])[] = [
  ['retry', 'try messages now, whatever their next attempt would be'],
  ['hold', 'keep messages in the queue, and do not try them until they are released'],
  ['release', 'end the hold of messages, and try them now'],
  ['bounce', 'give messages up and tell their senders; refused where the sender may be somebody else'],
  ['drop', 'remove messages for ever, and tell nobody'],
]

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerQueue(program: Command, context: CliContext): void {
  const queue = program
    .command('queue')
    .description('see what waits in the queue, and say what becomes of it')
    .addHelpText('after', HELP)
  registerList(queue, context)
  queue
    .command('show')
    .description('a message: its envelope, its header, and what is with each recipient')
    .argument('<id>', 'the id of the message')
    .option('--json', 'print one JSON object')
    .option(...INSTANCE_OPTION)
    .action(async (id: string, flags: { readonly instance: string; readonly json?: boolean }) => {
      await show(id, flags, context)
    })
  for (const [action, description] of ACTIONS) {
    const command = queue.command(action).description(description).argument('[ids...]', 'ids of messages')
    addFilterOptions(command)
      .option('--all', 'all messages of the queue')
      .option('--yes', 'do not ask')
      .option('--json', 'print {"id", "done", "why"} of each message, one a line')
      .option(...INSTANCE_OPTION)
      .action(async (ids: readonly string[], flags: ActFlags) => {
        await actOn(action, ids, flags, context)
      })
  }
  addExamples(queue, QUEUE_EXAMPLES)
}

function registerList(queue: Command, context: CliContext): void {
  const list = queue
    .command('list')
    .description('messages that wait, the oldest first')
    .argument('[ids...]', 'ids of messages')
  addFilterOptions(list)
    .option('--by <what>', `count them: ${GROUPINGS.join(', ')}`)
    .option('--limit <count>', 'show at most so many messages; all are counted', '50')
    .option('--all', 'show all')
    .option('--json', 'print JSON, one message or one count a line; --limit does not count')
    .option(...INSTANCE_OPTION)
    .action(async (ids: readonly string[], flags: ListFlags) => {
      await listQueue(ids, flags, context)
    })
}

async function listQueue(ids: readonly string[], flags: ListFlags, context: CliContext): Promise<void> {
  const filter = filterOf(ids, flags)
  const by = flags.by === undefined ? null : groupingOf(flags.by)
  const limit = flags.all === true ? Number.POSITIVE_INFINITY : limitOf(flags.limit)
  const open = openQueueOf(flags.instance)
  const totals = new Totals()
  const entries = mapped(open.controls.list(filter), (entry) => {
    if (context.signal.aborted) throw new CommandFailed('stopped')
    totals.add(entry)
    return entry
  })
  if (by !== null) await listGroups(entries, by, totals, flags, context)
  else if (flags.json === true) await writeJsonLines(entries, context.stdout)
  else await listMessages(entries, limit, totals, context)
  requireAnswers(open)
  // An empty queue is good news; that there is nothing of what was asked for may be a typing error.
  if (totals.messages === 0 && Object.keys(filter).length > 0) {
    throw new CommandFailed(`there is no such message in ${open.folder}`)
  }
}

async function listMessages(
  entries: AsyncIterable<QueueEntry>,
  limit: number,
  totals: Totals,
  { stdout }: CliContext,
): Promise<void> {
  const now = Date.now()
  const width = widthOf(stdout)
  let shown = 0
  for await (const entry of entries) {
    if (shown >= limit) continue
    shown += 1
    const lines = [...(shown === 1 ? [listHeader()] : []), ...listLines(entry, now, width)]
    if (!stdout.write(`${lines.join('\n')}\n`)) await once(stdout, 'drain')
  }
  if (totals.messages > shown) stdout.write(`... and ${totals.messages - shown} more: --all shows them\n`)
  stdout.write(`${totals.text(now)}\n`)
}

async function listGroups(
  entries: AsyncIterable<QueueEntry>,
  by: GroupBy,
  totals: Totals,
  { json }: ListFlags,
  { stdout }: CliContext,
): Promise<void> {
  const now = Date.now()
  const groups = await groupsOf(entries, by)
  if (json === true) {
    await writeJsonLines(asAsync(groups), stdout)
    return
  }
  const rows = groups.map((group) => groupRow(group, now))
  await writeTable(
    [by.toUpperCase(), 'MESSAGES', 'HELD', 'OLDEST', 'NEXT', 'LAST REPLY'],
    asAsync(rows),
    stdout,
  )
  stdout.write(`${totals.text(now)}\n`)
}

async function* asAsync<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items
}

async function show(
  text: string,
  { instance, json }: { readonly instance: string; readonly json?: boolean },
  { stdout }: CliContext,
): Promise<void> {
  const id = filterOf([text], {}).ids?.[0] ?? ''
  const open: OpenQueue = openQueueOf(instance)
  const found = await open.controls.show(id)
  if (found === null) {
    requireAnswers(open)
    throw new CommandFailed(
      `${printable(id)} is not in the queue; connectorctl trace ${printable(id)} tells what became of it`,
    )
  }
  if (json === true) {
    stdout.write(`${JSON.stringify({ ...found.entry, header: found.header })}\n`)
    return
  }
  // Folded lines begin with a tab, mostly.
  const lines = found.header.replaceAll('\t', '    ').split(/\r?\n/)
  const header = lines.map((line) => `  | ${printable(line, 998)}`.trimEnd())
  stdout.write(`${[...messageLines(found.entry, Date.now()), '', ...header].join('\n')}\n`)
}

function groupingOf(text: string): GroupBy {
  const by = GROUPINGS.find((known) => known === text)
  if (by !== undefined) return by
  throw new UsageError(`--by "${printable(text)}" is none of ${GROUPINGS.join(', ')}`)
}

function limitOf(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new UsageError(`--limit "${printable(text)}" is no number`)
}

const WHOLE_LINE = 1_000

/** What is longer than the terminal is cut; in a pipe or a file somebody looks for the end of it as well. */
function widthOf(stream: NodeJS.WritableStream): number {
  const columns = 'columns' in stream && typeof stream.columns === 'number' ? stream.columns : WHOLE_LINE
  return Math.max(60, columns)
}
