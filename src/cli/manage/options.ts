/** What the commands that manage records have in common. */

import type { Command } from 'commander'
import { INSTANCE_OPTION } from '../options.ts'
import type { Options } from './flags.ts'

/** The flags that are read by name. */
export interface ManageOptions extends Options {
  readonly instance: string
  readonly organization?: string
  readonly json?: boolean
  readonly yes?: boolean
  readonly force?: boolean
}

const REMOVE_HELP = `
It says what traffic of the last 7 days used the record, from the journals that it names. Where these do not go back so
far nobody can say that it is unused: then it wants --force as well.`

/** Options of every such command. */
export function addCommonOptions(command: Command): Command {
  return command.option('--json', 'print JSON and nothing else on stdout').option(...INSTANCE_OPTION)
}

/** The organisation that a record belongs to. */
export function addOwnerOption(command: Command): Command {
  return command.option(
    '--organization <name>',
    'whose it is; may be left out when there is one organisation only',
  )
}

/** Options of `remove`. */
export function addRemoveOptions(command: Command): Command {
  return command
    .option('--yes', 'do not ask; without a terminal nothing is removed without it')
    .option('--force', 'remove it although the journal does not say what used it in the last 7 days')
    .addHelpText('after', REMOVE_HELP)
}
