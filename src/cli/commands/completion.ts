/** `connectorctl completion`: what makes a shell complete the words of connectorctl, and the names in its directory. */

import type { Command } from 'commander'
import { Argument } from 'commander'
import { bashScript } from '../completion/bash.ts'
import { zshScript } from '../completion/zsh.ts'
import type { CliContext } from '../context.ts'

const EXAMPLES = `
Names of organisations, domains and connectors, and of messages that wait, are those of the instance in this folder, or in
--instance.

Examples:
  source <(connectorctl completion bash)
  source <(connectorctl completion zsh)
  connectorctl completion bash > /etc/bash_completion.d/connectorctl
  connectorctl completion zsh > /usr/local/share/zsh/site-functions/_connectorctl`

/**
 * @param program the program to add the command to, after all others
 * @param context where to write
 */
export function registerCompletion(program: Command, context: CliContext): void {
  program
    .command('completion')
    .description('print a script that completes commands, options, files and names in bash or zsh')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh']))
    .addHelpText('after', EXAMPLES)
    .action((shell: string) => {
      context.stdout.write(shell === 'bash' ? bashScript(program) : zshScript(program))
    })
}
