/** `connectorctl trace`: a message's whole life, from the decisions to the last server's answer. */

import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { DeliveryRecord, JournalLine, JournalRecord } from '../../journal/record.ts'
import { isDelivery } from '../../journal/record.ts'
import type { Traced } from '../../journal/trace.ts'
import { traceMessage } from '../../journal/trace.ts'
import type { QueueEntry } from '../../outbound/types.ts'
import { messageOf } from '../../text/message-of.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { requireInstance } from '../instance.ts'
import { journalFolder } from '../journals.ts'
import { collected, INSTANCE_OPTION } from '../options.ts'
import type { OpenQueue } from '../queue/controls.ts'
import { openQueueOf } from '../queue/controls.ts'
import { deliveryText, recipientsText } from '../queue/delivery-line.ts'
import { messageLines } from '../queue/show-message.ts'
import { isMeant, transactionId } from '../queue/transaction-id.ts'
import { Progress } from '../terminal.ts'

interface Flags {
  readonly instance: string
  readonly journal?: readonly string[]
  readonly json?: boolean
}

/** Of one message. */
interface Life {
  readonly id: string
  /** The id that it is a report on; null for the message itself. */
  readonly reportOn: string | null
  readonly lines: readonly JournalLine[]
  /** What the queue says now; null when it is not there. */
  readonly queued: QueueEntry | null
}

const EXAMPLES = `
The id stands at the end of each SMTP reply, in the log, in bounces and in connectorctl queue list; that of a
connection (without the number at its end) stands for all of its messages.

Examples:
  connectorctl trace 2E0958EC-88EB-44B6-8F19-A0E9C38B458C.1
  connectorctl trace "[no-tls 2E0958EC-88EB-44B6-8F19-A0E9C38B458C.1]"
  connectorctl trace 2E0958EC-88EB-44B6-8F19-A0E9C38B458C.1 --journal /backup/node2/journal --json`

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerTrace(program: Command, context: CliContext): void {
  program
    .command('trace')
    .description("tell a message's whole life; exit code 1 when nothing is known of it")
    .argument('<id>', 'the id of the message, or of a bounce or a warning about it')
    .option('--journal <dir>', "another node's data/journal, or a copy of it; may be repeated", collected)
    .option('--json', 'print one JSON object')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async (id: string, flags: Flags) => {
      await trace(id, flags, context)
    })
}

/** A uuid, the number of the message, and for what was in Haraka's own queue some letters. */
const ID = /^[\w-]{8,100}(?:\.\w{1,32}){0,3}$/

async function trace(text: string, flags: Flags, context: CliContext): Promise<void> {
  const asked = transactionId(text)
  if (!ID.test(asked)) throw new UsageError(`"${printable(text, 80)}" is no id of a message`)
  const instance = resolve(flags.instance)
  requireInstance(instance)
  const copies = (flags.journal ?? []).map((folder) => journalFolder(folder))
  const traced = await readTraces([join(instance, 'data', 'journal'), ...copies], asked, context)
  const open = openQueueOf(flags.instance)
  const { lives, why } = await livesOf(asked, traced, open)
  if (flags.json === true) {
    const { isMore, nodes } = traced
    context.stdout.write(
      `${JSON.stringify({ id: asked, messages: lives, nodes, isMore, queueNotAsked: why })}\n`,
    )
  } else context.stdout.write(tell(lives, traced))
  if (why.length > 0) throw new CommandFailed(why.join('\n'))
  if (lives.length === 0) throw new CommandFailed(whyNothing(asked, traced))
}

/** Lines of an id begin with that of its connection. */
async function readTraces(
  directories: readonly string[],
  asked: string,
  context: CliContext,
): Promise<Traced> {
  const progress = new Progress(context)
  const [connection = asked] = asked.split('.')
  const watch = {
    signal: context.signal,
    progress: (share: number): void => {
      progress.show('reading the journal', share)
    },
  }
  try {
    return await traceMessage(directories, (id) => isMeant(id, asked), connection, watch)
  } catch (error) {
    if (context.signal.aborted) throw new CommandFailed('stopped')
    throw new CommandFailed(
      `the journal cannot be read: ${printable(messageOf(error), 300)}; make it readable for this user`,
    )
  } finally {
    progress.done()
  }
}

/** The message first, then its reports in the order in which they are heard of. */
async function livesOf(
  asked: string,
  { lines }: Traced,
  { controls }: OpenQueue,
): Promise<{ lives: Life[]; why: readonly string[] }> {
  const byId = new Map<string, JournalLine[]>()
  for (const line of lines) {
    const own = byId.get(line.id)
    if (own === undefined) byId.set(line.id, [line])
    else own.push(line)
    if (isDelivery(line) && line.related !== null && !byId.has(line.related)) byId.set(line.related, [])
  }
  const ids = byId.size === 0 ? [asked] : [...byId.keys()]
  const queued = new Map<string, QueueEntry>()
  for await (const entry of controls.list({ ids })) queued.set(entry.envelope.id, entry)
  const lives = ids.map((id): Life => {
    const own = byId.get(id) ?? []
    const entry = queued.get(id) ?? null
    return { id, reportOn: reportOn(id, own, lines, entry), lines: own, queued: entry }
  })
  const known = lives.filter((life) => life.lines.length > 0 || life.queued !== null)
  return {
    lives: [
      ...known.filter((life) => life.reportOn === null),
      ...known.filter((life) => life.reportOn !== null),
    ],
    why: controls.failures,
  }
}

/** A report has no decision: nobody sent it here. What it is about names it, as it names that. */
function reportOn(
  id: string,
  own: readonly JournalLine[],
  all: readonly JournalLine[],
  queued: QueueEntry | null,
): string | null {
  if (queued !== null) return queued.envelope.reportOn
  if (own.some((line) => !isDelivery(line))) return null
  const about = all.find((line) => isDelivery(line) && line.related === id && line.id !== id)
  const isFromNobody = own.every((line) => line.sender === '')
  return isFromNobody && about !== undefined ? about.id : null
}

function tell(lives: readonly Life[], { isMore, nodes }: Traced): string {
  const damaged = nodes.reduce((sum, node) => sum + node.damaged, 0)
  return [
    ...lives.flatMap((life) => [...lifeLines(life), '']),
    ...(isMore ? ['There is more in the journal than is shown.'] : []),
    ...(damaged > 0 ? [`${damaged} damaged lines of the journal were passed over.`] : []),
  ].join('\n')
}

function lifeLines({ id, lines, queued, reportOn: about }: Life): string[] {
  const [first] = lines
  const sender = first?.sender ?? queued?.envelope.sender ?? ''
  const title =
    about === null
      ? `${printable(id)} from <${printable(sender, 300)}>`
      : `${printable(id)}, a report on ${printable(about)}`
  const now = Date.now()
  return [title, ...eventLines(lines, queued), ...endLines(lines, queued).map((line) => `  ${line}`)].concat(
    queued === null ? [] : messageLines(queued, now).map((line) => `    ${line}`),
  )
}

function eventLines(lines: readonly JournalLine[], queued: QueueEntry | null): string[] {
  const accepted = acceptedAt(lines, queued)
  const shown: string[] = []
  let isTold = accepted === null
  for (const line of lines) {
    if (!isTold && accepted !== null && (isDelivery(line) || line.time > accepted)) {
      shown.push(queuedLine(accepted))
      isTold = true
    }
    shown.push(isDelivery(line) ? deliveryLine(line) : decisionLine(line))
  }
  if (!isTold && accepted !== null) shown.push(queuedLine(accepted))
  return shown
}

function queuedLine(time: string): string {
  return `  ${time} queued     it is on the disk`
}

/** No line says so: it is known of what is still there, and told by the age of what was delivered. */
function acceptedAt(lines: readonly JournalLine[], queued: QueueEntry | null): string | null {
  if (queued !== null) return new Date(queued.envelope.receivedAt).toISOString()
  const delivery = lines.find((line) => isDelivery(line))
  if (delivery === undefined || !isDelivery(delivery)) return null
  const time = Date.parse(delivery.time) - delivery.age
  return Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : null
}

function decisionLine(record: JournalRecord): string {
  const { connector, organization, outcome, peer, reason, recipient, reply, time } = record
  const whose =
    organization === null
      ? ''
      : `, organisation ${printable(organization)}${connector === null ? '' : `, connector ${printable(connector)}`}`
  return `  ${time} ${outcome.padEnd(9)}  <${printable(recipient, 300)}> from ${printable(peer.address)}: ${printable(reason)}${whose}; ${printable(reply, 512)}`
}

function deliveryLine(record: DeliveryRecord): string {
  const { event, recipients, time } = record
  return `  ${time} ${event.padEnd(9)}  ${recipientsText(recipients)}: ${deliveryText(record)}`
}

/** What is with it now. */
function endLines(lines: readonly JournalLine[], queued: QueueEntry | null): string[] {
  if (queued !== null) return ['in the queue:']
  const last = lines.findLast((line) => isDelivery(line))
  if (last === undefined || !isDelivery(last)) {
    const wasTaken = lines.some(
      (line) => !isDelivery(line) && (line.outcome === 'relay' || line.outcome === 'deliver'),
    )
    return [
      wasTaken
        ? 'not in the queue, and nothing is known of its delivery: the client may have given up before the end of the message'
        : 'it was not accepted',
    ]
  }
  return ['not in the queue any more']
}

function whyNothing(asked: string, { nodes }: Traced): string {
  const from = nodes.flatMap(({ completeSince }) => completeSince ?? []).toSorted()[0]
  const since = from === undefined ? 'the journal holds nothing' : `the journal is complete since ${from}`
  return `nothing is known of ${printable(asked)}: ${since}; name the other nodes' journals with --journal`
}
