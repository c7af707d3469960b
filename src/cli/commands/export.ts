/** `connectorctl export`: the directory as a file that `apply` takes. */

import { once } from 'node:events'
import type { Command } from 'commander'
import { organizationAsText } from '../../directory/as-written.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed } from '../errors.ts'
import { INSTANCE_OPTION } from '../options.ts'
import { withEditor } from '../editor.ts'

const EXAMPLES = `
Examples:
  connectorctl export > organizations.yaml
  connectorctl export --instance /srv/smarthost | less`

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerExport(program: Command, context: CliContext): void {
  program
    .command('export')
    .description('print the directory in the form of config/organizations.yaml, from whichever store')
    .option(...INSTANCE_OPTION)
    .addHelpText('after', EXAMPLES)
    .action(async ({ instance }: { instance: string }) => {
      await withEditor(instance, 'export', async ({ editor }) => {
        const before = await editor.state()
        let begun = false
        for await (const key of editor.names()) {
          const stored = await editor.read(key)
          if (stored === null) continue
          if (!begun) context.stdout.write('organizations:\n')
          begun = true
          if (!context.stdout.write(organizationAsText(stored.organization)))
            await once(context.stdout, 'drain')
        }
        if (!begun) context.stdout.write('organizations: []\n')
        if ((await editor.state()) === before) return
        // A domain that moved may stand in it twice, or not at all.
        throw new CommandFailed('the directory was changed meanwhile: this is of no one moment; run it again')
      })
    })
}
