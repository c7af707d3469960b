/**
 * Hooks of Haraka's outbound that other plugins may have registered. `get_mx` is asked where mail would go by MX;
 * `delivered`, `deferred` and `bounce` are told what happened, and what they answer changes nothing: whether mail is lost is
 * not theirs to say. `send_email` is not run.
 */

import constants from 'haraka-constants'
import { Address } from '@haraka/email-address'
import type { DeliveryRecord } from '../journal/record.ts'
import type { Envelope, EnvelopeRecipient } from '../outbound/types.ts'
import type { SmartHost } from '../policy/types.ts'
import { printable } from '../text/printable.ts'
import type { HarakaModules } from './mend.ts'
import type { Logger } from './types.ts'

type Host = Pick<HarakaModules, 'plugins' | 'logger'>

/** What a plugin answered to get_mx; null when it has nothing to say. */
export type PluginRoute = { readonly smartHost: SmartHost } | { readonly deferred: string } | null

const SMTP_PORT = 25
const MILLISECONDS = 1000

/**
 * @param host the running Haraka
 * @param hook e.g. `get_mx`
 * @returns whether a plugin registered it
 */
function isHooked({ plugins }: Pick<Host, 'plugins'>, hook: string): boolean {
  return (plugins.registered_hooks[hook] ?? []).length > 0
}

/**
 * @param host the running Haraka
 * @param log told of hooks that will not be run
 */
export function warnOfHooks(host: Host, log: Pick<Logger, 'logwarn'>): void {
  for (const { plugin } of host.plugins.registered_hooks['send_email'] ?? []) {
    log.logwarn(
      `${printable(plugin)} registered send_email, which is not run: mail goes out through outbound_connector`,
    )
  }
}

/**
 * @param host the running Haraka
 * @param envelope of the message
 * @param recipient who it is for
 * @returns where a plugin wants it to go
 */
export async function askPlugins(
  host: Host,
  envelope: Envelope,
  recipient: EnvelopeRecipient,
): Promise<PluginRoute> {
  if (!isHooked(host, 'get_mx')) return null
  const todo = todoOf(envelope.id, envelope.sender, [recipient.address], envelope.receivedAt)
  return new Promise((resolve) => {
    run(host, 'get_mx', { todo }, recipient.domain, (code, answer) => {
      if (code === constants.ok) resolve(routeIn(answer))
      else if (code === constants.deny || code === constants.denysoft) {
        resolve({
          deferred: `a plugin knows no next hop: ${printable(typeof answer === 'string' ? answer : '')}`,
        })
      } else resolve(null)
    })
  })
}

function routeIn(answer: unknown): PluginRoute {
  const first: unknown = Array.isArray(answer) ? answer[0] : answer
  const given = typeof first === 'string' ? { exchange: first } : first
  if (typeof given !== 'object' || given === null || !('exchange' in given)) {
    return { deferred: 'a plugin answered get_mx with something that is no next hop' }
  }
  const port = 'port' in given ? Number(given.port) : SMTP_PORT
  return { smartHost: { host: String(given.exchange), port: Number.isInteger(port) ? port : SMTP_PORT } }
}

/**
 * @param host the running Haraka
 * @param record what happened
 */
export function tellPlugins(host: Host, record: DeliveryRecord): void {
  const hook = record.event === 'bounced' ? 'bounce' : record.event
  if ((hook !== 'delivered' && hook !== 'deferred' && hook !== 'bounce') || !isHooked(host, hook)) return
  const { id, sender, recipients, time, age } = record
  const todo = todoOf(id, sender, recipients, Date.parse(time) - age)
  run(
    host,
    hook,
    { todo, num_failures: record.attempts },
    parametersOf(record, todo.rcpt_to),
    () => undefined,
  )
}

function parametersOf(record: DeliveryRecord, recipients: readonly unknown[]): unknown {
  const { remote, reply, age, tls, nextAttempt, time } = record
  if (record.event === 'delivered') {
    const seconds = age / MILLISECONDS
    return [
      remote?.host,
      remote?.address,
      // Haraka tells it without the code.
      reply.replace(/^\d{3} /, ''),
      seconds,
      remote?.port,
      'SMTP',
      recipients,
      tls !== null,
      false,
    ]
  }
  if (record.event === 'bounced') return new Error(reply)
  const delay = nextAttempt === null ? 0 : (Date.parse(nextAttempt) - Date.parse(time)) / MILLISECONDS
  return { delay, err: reply, fail_recips: recipients }
}

interface Todo {
  readonly uuid: string
  readonly domain: string
  readonly mail_from: unknown
  readonly rcpt_to: readonly unknown[]
  readonly queue_time: number
  readonly notes: object
}

/** As `outbound/todo.js` makes it. */
function todoOf(id: string, sender: string, recipients: readonly string[], receivedAt: number): Todo {
  const [first = ''] = recipients
  return {
    uuid: id,
    domain: first.slice(first.lastIndexOf('@') + 1),
    mail_from: new Address(`<${sender}>`),
    rcpt_to: recipients.map((address) => new Address(`<${address}>`)),
    queue_time: receivedAt,
    notes: {},
  }
}

type Respond = (code?: number, answer?: unknown) => void

/** A plugin that throws or cannot read an address is nobody's loss. */
function run(
  host: Host,
  hook: string,
  facts: { readonly todo: Todo; readonly num_failures?: number },
  parameters: unknown,
  respond: Respond,
): void {
  const subject = { ...facts, notes: facts.todo.notes, name: 'outbound', [`${hook}_respond`]: respond }
  host.logger.add_log_methods(subject)
  host.plugins.run_hooks(hook, subject, parameters)
}
