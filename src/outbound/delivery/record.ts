/** What happened, as a line of the journal. */

import type { DeliveryEvent, DeliveryRecord } from '../../journal/record.ts'
import { NEVER } from './outcome.ts'
import type { QueuedMessage, RecipientState, Said, Session } from '../types.ts'

/** What is known beside the message. */
export interface Happened {
  readonly event: DeliveryEvent
  /** Indexes of the recipients that it happened to. */
  readonly recipients: readonly number[]
  readonly now: number
  readonly route?: DeliveryRecord['route']
  readonly session?: Pick<Session, 'target' | 'tls'> | undefined
  readonly related?: string | null
}

/**
 * One line for recipients that were told the same; a server may answer each recipient with words of its own.
 * @param message as it is afterwards
 * @param happened what happened to which recipients
 * @returns the lines
 */
export function recordsOf(message: QueuedMessage, happened: Happened): DeliveryRecord[] {
  const groups = new Map<string, number[]>()
  for (const index of happened.recipients) {
    const said = message.state.recipients[index]?.said
    const key = `${said?.status ?? ''} ${said?.text ?? ''}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [index])
    else group.push(index)
  }
  return Array.from(groups.values(), (indexes) => recordOf(message, indexes, happened))
}

const UNTOLD: Pick<RecipientState, 'attempts' | 'nextAttempt' | 'said'> = {
  attempts: 0,
  nextAttempt: NEVER,
  said: null,
}

function recordOf(
  { envelope, state }: QueuedMessage,
  indexes: readonly number[],
  { event, now, related = null, route = null, session }: Happened,
): DeliveryRecord {
  const one = state.recipients[indexes[0] ?? 0] ?? UNTOLD
  const { attempts, nextAttempt, said } = one
  const waits = event === 'deferred' && nextAttempt !== NEVER
  return {
    time: new Date(now).toISOString(),
    id: envelope.id,
    event,
    organization: envelope.organization,
    sender: envelope.sender.slice(0, 1000),
    recipients: indexes
      .flatMap((index) => envelope.recipients[index]?.address.slice(0, 1000) ?? [])
      .slice(0, 1000),
    route,
    remote: remoteOf(session, said),
    tls: session?.tls ?? null,
    ...wordsOf(said),
    attempts,
    age: Math.max(0, now - envelope.receivedAt),
    nextAttempt: waits ? new Date(nextAttempt).toISOString() : null,
    by: null,
    related,
  }
}

function wordsOf(said: Said | null): Pick<DeliveryRecord, 'status' | 'reply'> {
  if (said === null) return { status: '', reply: '' }
  const { code, status, text } = said
  // What no server said has no code.
  return { status, reply: code === 0 ? text : `${code} ${text}` }
}

function remoteOf(session: Happened['session'], said: Said | null): DeliveryRecord['remote'] {
  if (session === undefined) return said?.remote ?? null
  const { address, host, port } = session.target
  return { host, address, port }
}
