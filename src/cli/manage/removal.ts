/** Removing a record: what used it is said first, and only what was shown is removed. */

import type { Use, Uses } from '../../journal/usage.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { requireYes } from '../wizard/dialogue.ts'
import type { Change } from './change.ts'
import { carryOut, prepareChange, tellOutcome } from './change.ts'
import type { ManageOptions } from './options.ts'
import type { RecentTraffic } from './traffic.ts'
import { decidedTraffic } from './traffic.ts'

export interface PlannedRemoval {
  /** e.g. `inbound-connector "Exchange" of contoso` */
  readonly subject: string
  /** Refuses when the record is not any more what was shown. */
  readonly change: Change
  /** More about it, before the traffic; safe to print. */
  readonly details: readonly string[]
  readonly traffic: () => Promise<RecentTraffic>
}

export interface Removal extends Omit<PlannedRemoval, 'traffic'> {
  readonly uses: Uses
  readonly possible: readonly Use[]
}

/**
 * Removes a record that decisions hang on.
 * @param open the directory
 * @param removal what shall go
 * @param options what commander made of the flags
 * @param context where to write, and to ask
 * @throws CommandFailed when it was not agreed to, or cannot be removed; nothing was changed then
 */
export async function remove(
  open: OpenEditor,
  { uses, possible, ...removal }: Removal,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const traffic = (): Promise<RecentTraffic> => decidedTraffic(open, options, { uses, possible }, context)
  await removeUsed(open, { ...removal, traffic }, options, context)
}

/**
 * @param open the directory
 * @param removal what shall go, and what tells its traffic
 * @param options what commander made of the flags
 * @param context where to write, and to ask
 * @throws CommandFailed when it was not agreed to, or cannot be removed; nothing was changed then
 */
export async function removeUsed(
  open: OpenEditor,
  { subject, change, details, traffic }: PlannedRemoval,
  options: ManageOptions,
  context: CliContext,
): Promise<void> {
  const { warnings } = await prepareChange(open, change)
  const recent = await traffic()
  const lines = [
    subject,
    ...details,
    ...recent.lines,
    ...warnings.map((warning) => `without it: ${printable(warning, 1000)}`),
  ]
  // With --json only JSON is printed there, and whoever agrees must still see what for.
  const stream = options.json === true ? context.stderr : context.stdout
  stream.write(`${lines.join('\n  ')}\n`)
  recent.requireCovered(options)
  await requireYes(`Remove ${subject}?`, options.yes === true, '', context)
  const carried = await carryOut(open, change)
  const quiet = { ...carried, warnings: options.json === true ? carried.warnings : [] }
  tellOutcome(
    { subject, verb: 'removed', carried: quiet, record: null, json: options.json === true },
    context,
  )
}
