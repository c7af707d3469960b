/**
 * One guard around every hook. Haraka turns a throw into "continue" and a rejection into a crash of the worker; here
 * both answer 451, are logged with their stack, and `next` is called exactly once.
 */

import constants from 'haraka-constants'
import DSN from 'haraka-dsn'
import type { ReplyTexts } from '../policy/replies.ts'
import { replyFor } from '../policy/replies.ts'
import { toDsn } from './dsn.ts'
import type { Connection, Next, Plugin } from './types.ts'
import { messageOf } from '../text/message-of.ts'

/** How a handler answers: a code of haraka-constants and a message or DSN; nothing means "go on". */
export interface HookAnswer {
  readonly code: number
  readonly message?: unknown
}

export type Handler<Subject, Parameters> = (
  plugin: Plugin,
  subject: Subject,
  parameters: Parameters,
) => Promise<HookAnswer | undefined> | HookAnswer | undefined

type Hook<Subject, Parameters> = (
  this: Plugin,
  next: Next,
  subject: Subject,
  parameters: Parameters,
) => Promise<void>

/** Not needed for the reply of an internal error, which has no text of the administrator's. */
const NO_TEXTS: ReplyTexts = { tenantAttribution: '', attr36: '', helpUrl: '' }

/**
 * @param name the plugin's name in results and log, wherever it was loaded from
 * @param handler what the hook does; it may throw or reject
 * @returns the method for register_hook
 */
export function safeHook<Parameters = unknown, Subject = Connection>(
  name: string,
  handler: Handler<Subject, Parameters>,
): Hook<Subject, Parameters> {
  return async function (this: Plugin, next, subject, parameters) {
    let answer: HookAnswer | undefined
    try {
      answer = await handler(this, subject, parameters)
    } catch (error) {
      answer = afterError(this, name, subject, error)
    }
    next(answer?.code, answer?.message)
  }
}

function afterError(plugin: Plugin, name: string, subject: unknown, error: unknown): HookAnswer {
  const connection = isConnection(subject) ? subject : null
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  // One line: a stack over several lines is torn apart by other connections' lines.
  const line = `${name} failed, answering 451: ${stack.replaceAll(/\s*\n\s*/g, ' | ')}`
  if (connection === null) {
    plugin.logcrit(line)
    return { code: constants.denysoft, message: DSN.create(451, 'Temporary failure, try again later', 3, 0) }
  }
  connection.logcrit({ name }, line)
  connection.results.add({ name }, { err: messageOf(error) })
  const id = connection.transaction?.uuid ?? connection.uuid
  return {
    code: constants.denysoft,
    message: toDsn(replyFor({ reason: 'internal-error' }, NO_TEXTS, id)),
  }
}

function isConnection(subject: unknown): subject is Connection {
  return typeof subject === 'object' && subject !== null && 'remote' in subject && 'results' in subject
}
