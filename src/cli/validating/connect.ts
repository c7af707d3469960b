/** The way out as the server has it, for one command. */

import { loadTrust } from '../../instance/trust.ts'
import type { Settings } from '../../instance/settings.ts'
import { formatProblem } from '../../directory/model.ts'
import { makeConnect } from '../../outbound/smtp/connect.ts'
import type { Connect } from '../../outbound/types.ts'
import { CommandFailed } from '../errors.ts'

interface ConnectForOptions {
  readonly instance: string
  readonly settings: Settings
  /** What is said at EHLO. */
  readonly helo: string
  readonly timeoutMilliseconds: number
}

/**
 * @param options the instance, and how long each step may take
 * @returns what makes connections, with the trust that the server has
 * @throws CommandFailed when the trusted files cannot be used: the server would not start, or keeps those before
 */
export function connectFor({ helo, instance, settings, timeoutMilliseconds }: ConnectForOptions): Connect {
  const { nextHops, problems } = loadTrust(instance, settings)
  const errors = problems.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw new CommandFailed(errors.map((problem) => formatProblem(problem)).join('\n'))
  const milliseconds = { connect: timeoutMilliseconds, reply: timeoutMilliseconds }
  return makeConnect({ helo: () => helo, trust: () => nextHops, timeouts: () => milliseconds })
}
