/** An outbound connector tried as a whole, as Validate-OutboundConnector does: each server, then a message. */

import type { NextHopResolver } from '../../outbound/delivery/resolve.ts'
import type { RecipientResult, Target } from '../../outbound/types.ts'
import { CommandFailed } from '../errors.ts'
import type { Hop, Hops } from './hops.ts'
import { hopsOf } from './hops.ts'
import type { Step } from './steps.ts'
import { stepsWith } from './steps.ts'
import { testMessage } from './test-message.ts'
import type { Tools } from './try-hop.ts'
import { tryHop } from './try-hop.ts'

export interface Recipient {
  readonly address: string
  /** In A-label form. */
  readonly domain: string
}

export interface Trial {
  readonly tools: Tools
  readonly resolver: NextHopResolver
  /** Domains whose MX are tried where the connector goes by MX. */
  readonly domains: readonly string[]
  /** Whether an address is where this server itself listens. */
  readonly isOurs: (hop: Hop) => boolean
  /** Whom the message goes to; none for no message. */
  readonly recipients: readonly Recipient[]
  readonly sender: string
}

/** Servers that are tried at once: the slowest sets the pace. */
const AT_ONCE = 8

/**
 * @param trial the connector, and what it is tried with
 * @returns the steps, as they are done. Nothing is sent where what the connector asks for does not hold
 */
export async function* validateOutbound(trial: Trial): AsyncGenerator<Step, void, undefined> {
  const groups = await hopsOf(trial.tools.connector, trial.domains, trial.resolver)
  for (const group of groups) {
    yield* group.steps
    const targets: Target[] = []
    for (let at = 0; at < group.hops.length; at += AT_ONCE) {
      requireGoingOn(trial.tools)
      const some = group.hops.slice(at, at + AT_ONCE)
      const tried = await Promise.all(some.map((hop) => tryOne(hop, trial)))
      for (const { steps, target } of tried) {
        yield* steps
        if (target !== null) targets.push(target)
      }
    }
    yield* send(trial, group, targets)
  }
}

function requireGoingOn({ signal }: Tools): void {
  if (signal.aborted) throw new CommandFailed('stopped')
}

async function tryOne(hop: Hop, { isOurs, tools }: Trial): ReturnType<typeof tryHop> {
  if (!isOurs(hop)) return tryHop(hop, tools)
  const step = stepsWith(`${hop.host} (${hop.address}, port ${hop.port})`)
  const mend = 'write the server that the mail shall go to'
  return {
    steps: [step('connect', 'failed', 'this server itself listens there: mail would loop', mend)],
    target: null,
  }
}

/** One message to all recipients of these servers, by the first that holds what the connector asks for. */
async function* send(
  { recipients, sender, tools }: Trial,
  { domain }: Hops,
  targets: readonly Target[],
): AsyncGenerator<Step, void, undefined> {
  const to = recipients.filter((recipient) => domain === null || recipient.domain === domain)
  if (to.length === 0) return
  const [target] = targets
  if (target === undefined) {
    const mend = 'mend what is said above first'
    for (const { address } of to) {
      yield stepsWith(address)('message', 'failed', 'not sent: no server may have it', mend)
    }
    return
  }
  requireGoingOn(tools)
  const connected = await tools.connect(target)
  if ('failure' in connected) {
    for (const { address } of to) {
      yield stepsWith(address)('message', 'failed', `not sent: ${connected.failure.said.text}`, 'try again')
    }
    return
  }
  const { session } = connected
  const message = testMessage(tools.connector, { sender, recipients: to, helo: tools.helo, at: Date.now() })
  const { results } = await session.send(message)
  await session.close()
  for (const [index, { address }] of to.entries()) {
    yield told(
      address,
      results.find(({ recipient }) => recipient === index),
    )
  }
}

const MENDS = {
  delivered: '',
  deferred: 'the server will not take it now: the queue would try it again; so do you',
  failed: 'the server refuses it: ask whoever runs it what it wants of this connector',
} as const

function told(address: string, result: RecipientResult | undefined): Step {
  const step = stepsWith(address)
  if (result === undefined) return step('message', 'failed', 'the server said nothing of it', 'try again')
  const { outcome, said } = result
  const by = said.remote === null ? '' : ` (${said.remote.host})`
  const code = said.code === 0 || said.text.startsWith(String(said.code)) ? '' : `${said.code} `
  return step(
    'message',
    outcome === 'delivered' ? 'ok' : 'failed',
    `${outcome}: ${code}${said.text}${by}`,
    MENDS[outcome],
  )
}
