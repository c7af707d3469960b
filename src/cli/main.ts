/** connectorctl: one command, one file in commands/. Exit codes: 0 done, 1 it could not be done, 2 usage. */

import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { loadCommands } from './commands.ts'
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
    const command = await program(context, argv[0])
    await command.parseAsync(argv, { from: 'user' })
    return 0
  } catch (error) {
    return exitCodeOf(error, context)
  } finally {
    process.removeListener('SIGINT', interrupt)
  }
}

/**
 * @param context where its commands write
 * @param only the command that is run: no other is loaded then; all are when it is none of them
 * @returns connectorctl; completion and the reference are made from all of it
 */
export async function program(context: CliContext, only?: string): Promise<Command> {
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
  for (const register of await loadCommands(only)) register(command, context)
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
