/** One command of connectorctl run in this process: as a person types it, without the start of another Node. */

import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { Command, CommanderError } from 'commander'
import type { CliContext } from '../../src/cli/context.ts'
import { CommandFailed, UsageError } from '../../src/cli/errors.ts'
import type { Finished } from './smarthost.ts'

/** Adds a command to the program. */
type Register = (program: Command, context: CliContext) => void

/** Runs it to its end; the exit codes are connectorctl's. */
export async function runCommand(register: Register, ...args: string[]): Promise<Finished> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const [printed, complained] = [text(stdout), text(stderr)]
  const program = new Command('connectorctl').exitOverride().configureOutput({
    writeOut: (part) => stdout.write(part),
    writeErr: (part) => stderr.write(part),
  })
  register(program, { stdout, stderr, signal: new AbortController().signal })
  const code = await program.parseAsync(args, { from: 'user' }).then(
    () => 0,
    (error: unknown) => {
      if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
      if (!(error instanceof CommandFailed || error instanceof UsageError)) throw error
      if (error.message !== '') stderr.write(`connectorctl: ${error.message}\n`)
      return error instanceof UsageError ? 2 : 1
    },
  )
  stdout.end()
  stderr.end()
  return { code, stdout: await printed, stderr: await complained }
}
