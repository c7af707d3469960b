/** `connectorctl check`: settings and directory, without starting. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { formatProblem } from '../../directory/model.ts'
import { checkInstance } from '../../instance/check.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed } from '../errors.ts'
import { requireInstance } from '../instance.ts'
import { INSTANCE_OPTION } from '../options.ts'

/**
 * @param program the program to add the command to
 * @param context where to write
 */
export function registerCheck(program: Command, context: CliContext): void {
  program
    .command('check')
    .description('check settings and directory without starting; exit code 1 when there are errors')
    .option('--json', 'print every problem as one JSON array')
    .option(...INSTANCE_OPTION)
    .action((options: { instance: string; json?: boolean }) => {
      check(resolve(options.instance), options.json === true, context)
    })
}

function check(instance: string, json: boolean, { stdout }: CliContext): void {
  requireInstance(instance)
  const { problems, organizations } = checkInstance(instance)
  const count = (severity: string): number =>
    problems.filter((problem) => problem.severity === severity).length
  if (json) stdout.write(`${JSON.stringify(problems)}\n`)
  else {
    for (const problem of problems) stdout.write(`${formatProblem(problem)}\n`)
    const domains = organizations.reduce((sum, { acceptedDomains }) => sum + acceptedDomains.length, 0)
    const connectors = organizations.reduce((sum, { inboundConnectors }) => sum + inboundConnectors.length, 0)
    stdout.write(
      `${organizations.length} organisations, ${domains} accepted domains, ${connectors} inbound connectors: ${count('error')} errors, ${count('warning')} warnings, ${count('notice')} notices\n`,
    )
  }
  // What is wrong was said above.
  if (count('error') > 0) throw new CommandFailed('')
}
