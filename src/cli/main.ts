/** connectorctl: one command, one file in commands/. Exit codes: 0 done, 1 it could not be done, 2 usage. */

import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { registerApply } from './commands/apply.ts'
import { registerCertificate } from './commands/certificate.ts'
import { registerCheck } from './commands/check.ts'
import { registerDirectory } from './commands/directory.ts'
import { registerExplain } from './commands/explain.ts'
import { registerExport } from './commands/export.ts'
import { registerInit } from './commands/init.ts'
import { registerJournal } from './commands/journal.ts'
import { registerStart } from './commands/start.ts'
import type { CliContext } from './context.ts'
import { CommandFailed, UsageError } from './errors.ts'

/**
 * @param argv the arguments after the program's name
 * @returns the exit code
 */
export async function main(argv: readonly string[]): Promise<number> {
  const interrupted = new AbortController()
  const context: CliContext = {
    stdout: process.stdout,
    stderr: process.stderr,
    signal: interrupted.signal,
  }
  const interrupt = (): void => {
    interrupted.abort()
  }
  // A pipe that was closed (`| head`) is no fault of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
  })
  process.once('SIGINT', interrupt)
  try {
    await program(context).parseAsync(argv, { from: 'user' })
    return 0
  } catch (error) {
    return exitCodeOf(error, context)
  } finally {
    process.removeListener('SIGINT', interrupt)
  }
}

function program(context: CliContext): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const command = new Command('connectorctl')
    .description('Inbound connectors for Haraka: who may relay, and why')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeErr: (text) => context.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'connectorctl: ')),
    })
    .showSuggestionAfterError(false)
    .addHelpText('after', '\nExit codes: 0 done, 1 it could not be done or nothing was found, 2 usage.')
  registerStart(command, context)
  registerInit(command, context)
  registerCheck(command, context)
  registerCertificate(command, context)
  registerExplain(command, context)
  registerJournal(command, context)
  registerApply(command, context)
  registerExport(command, context)
  registerDirectory(command, context)
  return command
}

function exitCodeOf(error: unknown, { stderr }: CliContext): number {
  if (error instanceof CommanderError) {
    // --help and --version end here, too; without a command commander shows the help.
    return error.exitCode === 0 && error.code !== 'commander.help' ? 0 : 2
  }
  if (error instanceof UsageError || error instanceof CommandFailed) {
    if (error.message !== '') stderr.write(`connectorctl: ${error.message}\n`)
    return error instanceof UsageError ? 2 : 1
  }
  const { code, message, stack } = error as NodeJS.ErrnoException
  // What the system refuses (EACCES, ENOSPC, ...) needs no stack; what is ours does.
  stderr.write(`connectorctl: ${code === undefined ? (stack ?? String(error)) : message}\n`)
  return 1
}
