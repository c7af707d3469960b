/** What used a record lately, in the one form in which `show` tells it and `remove` insists on it. */

import type { Use, Uses } from '../../journal/usage.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import type { Options } from './flags.ts'
import { recentUsage, requireCovered, usageJson, usageLines } from './usage.ts'

export interface RecentTraffic {
  /** For people: the traffic, what is not known, and what was read. */
  readonly lines: readonly string[]
  /** For --json. */
  readonly json: object
  /** @throws CommandFailed where the journals do not say what used it, and --force was not given */
  requireCovered(options: Options): void
}

/**
 * @param open the directory
 * @param options what commander made of the flags
 * @param uses what decisions are looked for, and which uses there can be of the record
 * @param context where progress is shown
 * @returns the decisions of the last seven days
 * @throws CommandFailed when a journal or the directory cannot be read
 */
export async function decidedTraffic(
  open: OpenEditor,
  options: Options,
  { uses, possible }: { readonly uses: Uses; readonly possible: readonly Use[] },
  context: CliContext,
): Promise<RecentTraffic> {
  const report = await recentUsage(open, options, uses, context)
  return {
    lines: usageLines(report, possible),
    json: usageJson(report),
    requireCovered: (given) => {
      requireCovered(report, given)
    },
  }
}
