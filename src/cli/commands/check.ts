/** `connectorctl check`: settings and directory, without starting. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Directory } from '../../directory/directory.ts'
import { describeCounts } from '../../directory/directory.ts'
import type { Problem } from '../../directory/model.ts'
import { formatProblem } from '../../directory/model.ts'
import { checkInstance } from '../../instance/check.ts'
import type { CliContext } from '../context.ts'
import { CommandFailed } from '../errors.ts'
import { checkBridges, checkRedis } from '../../instance/check-directory.ts'
import { OutboundTally } from '../../instance/check-outbound.ts'
import { REDIS_FILE } from '../../instance/redis-settings.ts'
import type { Settings } from '../../instance/settings.ts'
import { redisSettingsOf } from '../../instance/store.ts'
import { termsNow } from '../../relaying/terms.ts'
import { requireInstance, withDirectory } from '../instance.ts'
import { INSTANCE_OPTION } from '../options.ts'

const EXAMPLES = `
Examples:
  connectorctl check
  connectorctl check --instance /srv/smarthost --json | jq '.[] | select(.severity == "error")'`

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
    .addHelpText('after', EXAMPLES)
    .action(async (options: { instance: string; json?: boolean }) => {
      await check(resolve(options.instance), options.json === true, context)
    })
}

async function check(instance: string, json: boolean, { stdout }: CliContext): Promise<void> {
  requireInstance(instance)
  const { problems: found, organizations, settings } = checkInstance(instance)
  const problems = [...found]
  const count = (severity: string): number =>
    problems.filter((problem) => problem.severity === severity).length
  const outbound = new OutboundTally(true)
  for (const organization of organizations) outbound.add(organization)
  problems.push(...(await outbound.files(instance)))
  const asked = count('error') > 0 ? null : await ask(instance, settings)
  problems.push(...(asked?.problems ?? []))
  if (json) stdout.write(`${JSON.stringify(problems)}\n`)
  else {
    for (const problem of problems) stdout.write(`${formatProblem(problem)}\n`)
    const counts = `${count('error')} errors, ${count('warning')} warnings, ${count('notice')} notices`
    stdout.write(`${asked?.what ?? 'the directory was not asked'}: ${counts}\n`)
  }
  // What is wrong was said above.
  if (count('error') > 0) throw new CommandFailed('')
}

/** What only the directory itself can say. */
async function ask(instance: string, settings: Settings): Promise<{ problems: Problem[]; what: string }> {
  const problems = settings.directory.store === 'redis' ? await checkRedis(redisSettingsOf(instance)) : []
  try {
    return await withDirectory(instance, settings, async (directory) => {
      problems.push(...(await checkBridges(directory)))
      if (settings.directory.store === 'redis') {
        problems.push(...(await lookThroughRedis(instance, settings, directory)))
      }
      return { problems, what: describeCounts(directory.summary()) }
    })
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    if (problems.length === 0) {
      const mend = 'until then mail that needs the directory is answered 451'
      const place = { file: REDIS_FILE, line: 0, column: 0 }
      problems.push({ ...place, severity: 'warning', message: error.message, mend })
    }
    return { problems, what: 'the directory cannot be asked' }
  }
}

async function lookThroughRedis(
  instance: string,
  { outbound, relay }: Settings,
  directory: Directory,
): Promise<Problem[]> {
  const { checkProofsInRedis } = await import('../../instance/check-proof-redis.ts')
  const { checkOutboundInRedis } = await import('../../instance/check-outbound-redis.ts')
  const [redis, counts] = [redisSettingsOf(instance), directory.summary()]
  return [
    ...(await checkProofsInRedis(redis, termsNow(relay), counts)),
    ...(await checkOutboundInRedis(instance, redis, outbound.smartHost !== null, counts)),
  ]
}
