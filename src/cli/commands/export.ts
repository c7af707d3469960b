/** `connectorctl export`: the directory in Redis as a file that `apply` takes. */

import { once } from 'node:events'
import type { Command } from 'commander'
import { organizationAsText } from '../../directory/as-written.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed } from '../errors.ts'
import { INSTANCE_OPTION } from '../options.ts'
import { withWriter } from '../redis.ts'

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerExport(program: Command, context: CliContext): void {
  program
    .command('export')
    .description('print the directory in Redis in the form of config/organizations.yaml')
    .option(...INSTANCE_OPTION)
    .action(async ({ instance }: { instance: string }) => {
      await withWriter(instance, 'export', async ({ writer }) => {
        const { text: before } = await writer.organizations.base()
        let begun = false
        for await (const key of writer.organizations.names()) {
          const stored = await writer.organizations.read(key)
          if (stored === null) continue
          if (!begun) context.stdout.write('organizations:\n')
          begun = true
          if (!context.stdout.write(organizationAsText(stored.organization)))
            await once(context.stdout, 'drain')
        }
        if (!begun) context.stdout.write('organizations: []\n')
        if ((await writer.organizations.base()).text === before) return
        // A domain that moved may stand in it twice, or not at all.
        throw new CommandFailed('the directory was changed meanwhile: this is of no one moment; run it again')
      })
    })
}
