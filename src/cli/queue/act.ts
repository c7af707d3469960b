/** Acting on messages of the queue: what it would be done to, consent, and what was done. */

import { once } from 'node:events'
import { userInfo } from 'node:os'
import type { ActionDone, QueueAction, QueueEntry, QueueFilter } from '../../outbound/types.ts'
import { MOST_IDS } from '../../outbound/control/protocol.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { requireConsent } from '../terminal.ts'
import type { OpenQueue } from './controls.ts'
import { actAsOwner, openQueueOf, requireAnswers } from './controls.ts'
import type { FilterFlags } from './filter-options.ts'
import { filterOf } from './filter-options.ts'
import { Totals } from './groups.ts'
import { listLines } from './lines.ts'

export interface ActFlags extends FilterFlags {
  readonly instance: string
  readonly all?: boolean
  readonly yes?: boolean
  readonly json?: boolean
}

/** Messages that are shown before it is asked. */
const SHOWN = 5

/**
 * What was shown is what is acted on, however the queue changes meanwhile: by ids.
 * @param action what is done
 * @param ids which messages
 * @param flags what commander made of the options
 * @param context where it is asked and told
 * @throws CommandFailed when anything was not done
 */
export async function actOn(
  action: QueueAction,
  ids: readonly string[],
  flags: ActFlags,
  context: CliContext,
): Promise<void> {
  const filter = filterOf(ids, flags)
  requireSomething(action, filter, flags)
  const by = byWhom()
  const open = openQueueOf(flags.instance)
  try {
    actAsOwner(open)
    const meant = await meantBy(open, action, filter, context)
    if (meant.left > 0) context.stderr.write(`${leftText(action, meant.left)}\n`)
    if (meant.ids.length > 0) await ask(action, meant, flags, context)
    const missing = whatIsMissing(filter, meant.ids)
    const results = [...missing, ...(await actOnAll(open, action, meant.ids, by))]
    for (const note of open.notes) context.stderr.write(`connectorctl: ${printable(note, 700)}\n`)
    await tell(results, flags, context)
    requireAnswers(open)
    if (results.length === 0) throw new CommandFailed(whyNothing(open.folder, meant.left))
    // What was not done was said above.
    if (results.some(({ done }) => !done)) throw new CommandFailed('')
  } finally {
    open.close()
  }
}

async function actOnAll(
  { controls }: OpenQueue,
  action: QueueAction,
  ids: readonly string[],
  by: string,
): Promise<ActionDone[]> {
  const results: ActionDone[] = []
  for (let begin = 0; begin < ids.length; begin += MOST_IDS) {
    const some = ids.slice(begin, begin + MOST_IDS)
    const done = new Map((await controls.act(action, { ids: some }, by)).map((one) => [one.id, one]))
    for (const id of some) {
      results.push(done.get(id) ?? { id, done: false, why: 'it is not in the queue any more' })
    }
  }
  return results
}

function whatIsMissing(filter: QueueFilter, found: readonly string[]): ActionDone[] {
  const there = new Set(found)
  const why =
    Object.keys(filter).length > 1 ? 'it is not in the queue, or does not match' : 'it is not in the queue'
  return (filter.ids ?? []).filter((id) => !there.has(id)).map((id) => ({ id, done: false, why }))
}

function requireSomething(action: QueueAction, filter: QueueFilter, { all }: ActFlags): void {
  const isNamed = Object.keys(filter).length > 0
  if (isNamed && all === true) throw new UsageError('--all is for all messages: give no ids and no filter with it')
  if (isNamed || all === true) return
  throw new UsageError(`say which messages to ${action}: ids, a filter such as --destination, or --all`)
}

interface Meant {
  readonly ids: readonly string[]
  /** How many match, but have nothing to be done with. */
  readonly left: number
  readonly totals: Totals
  readonly first: readonly QueueEntry[]
}

async function meantBy(
  { controls }: OpenQueue,
  action: QueueAction,
  filter: QueueFilter,
  { signal }: CliContext,
): Promise<Meant> {
  // What was asked for by name, or as held, gets its answer one by one.
  const held = filter.ids === undefined && filter.held === undefined ? (WANTS_HELD.get(action) ?? null) : null
  const ids: string[] = []
  let left = 0
  const first: QueueEntry[] = []
  const totals = new Totals()
  for await (const entry of controls.list(filter)) {
    if (signal.aborted) throw new CommandFailed('stopped')
    if (held !== null && (entry.state.hold !== null) !== held) {
      left += 1
      continue
    }
    ids.push(entry.envelope.id)
    totals.add(entry)
    if (first.length < SHOWN) first.push(entry)
  }
  return { ids, left, totals, first }
}

/** `retry --all` after a mended network is no failure because junk is held, as it always is. */
const WANTS_HELD: ReadonlyMap<QueueAction, boolean> = new Map([
  ['retry', false],
  ['hold', false],
  ['release', true],
])

function leftText(action: QueueAction, count: number): string {
  const messages = count === 1 ? '1 message that is' : `${count} messages that are`
  if (action === 'release') return `left as it is: ${messages} not held`
  return `left as it is: ${messages} held${action === 'retry' ? ' (connectorctl queue release)' : ''}`
}

function whyNothing(folder: string, left: number): string {
  return left > 0 ? 'nothing was changed' : `nothing was changed: there is no such message in ${folder}`
}

/** One that was named is done at once, but for what cannot be undone. */
async function ask(action: QueueAction, meant: Meant, { yes }: ActFlags, context: CliContext): Promise<void> {
  const isForEver = action === 'drop'
  const count = meant.ids.length
  if (yes === true || (count === 1 && !isForEver && action !== 'bounce')) return
  const now = Date.now()
  const more = count - meant.first.length
  const lines = [
    ...meant.first.flatMap((entry) => listLines(entry, now)),
    ...(more > 0 ? [`... and ${more} more`] : []),
    meant.totals.text(now),
  ]
  context.stderr.write(`${lines.join('\n')}\n`)
  const what = count === 1 ? 'this message' : `these ${count} messages`
  const warning = isForEver ? ' for ever: nobody gets them, and nobody is told' : ''
  await requireConsent(`${action} ${what}${warning}?`, context)
}

async function tell(
  results: readonly ActionDone[],
  { json }: ActFlags,
  { stdout }: CliContext,
): Promise<void> {
  for (const { done, id, why } of results) {
    const line =
      json === true
        ? JSON.stringify({ id, done, why })
        : `${printable(id)}: ${done ? '' : 'not done: '}${printable(why, 300)}`
    if (!stdout.write(`${line}\n`)) await once(stdout, 'drain')
  }
}

/** For the journal: who typed it. */
function byWhom(): string {
  const { username } = userInfo()
  const behind = process.env['SUDO_USER'] ?? ''
  return printable(behind === '' ? username : `${behind} (${username})`, 100)
}
