/** `connectorctl __complete`: what the scripts of `connectorctl completion` ask. Somebody waits with a finger on the key. */

import type { Command } from 'commander'
import { complete } from '../completion/complete.ts'
import type { CliContext } from '../context.ts'

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerComplete(program: Command, context: CliContext): void {
  program
    .command('__complete', { hidden: true })
    .description('names in the directory, for the scripts of connectorctl completion')
    .argument('<shell>')
    .argument('<what>')
    .argument('<kind>')
    .argument('<words...>')
    .action(async (shell: string, what: string, kind: string, words: readonly string[]) => {
      await complete(shell, what, kind, words, context)
      // A Redis that does not answer is still being tried, and the shell waits for the end of this.
      process.exit(0)
    })
}
