/** Messages of the queue, and a control over some that are kept in memory. */

import { actionRecord, applyAction } from '../../src/outbound/control/actions.ts'
import { matches } from '../../src/outbound/control/filter.ts'
import type {
  ActionDone,
  Envelope,
  EnvelopeRecipient,
  QueueControl,
  QueuedMessage,
  RecipientState,
} from '../../src/outbound/types.ts'

export const RECEIVED = Date.UTC(2026, 10, 24, 2)

export function recipient(address: string, more: Partial<EnvelopeRecipient> = {}): EnvelopeRecipient {
  return { address, domain: address.slice(address.lastIndexOf('@') + 1), notify: null, orcpt: null, ...more }
}

export function waiting(more: Partial<RecipientState> = {}): RecipientState {
  return { status: 'waiting', attempts: 0, nextAttempt: RECEIVED, said: null, dsnPassedOn: null, ...more }
}

export function queued(
  id: string,
  envelope: Partial<Envelope> = {},
  state: Partial<QueuedMessage['state']> = {},
): QueuedMessage {
  const recipients = envelope.recipients ?? [recipient('john@fabrikam.com')]
  return {
    envelope: {
      id,
      receivedAt: RECEIVED,
      sender: 'kate@contoso.com',
      recipients,
      organization: 'Contoso',
      connector: 'Mail server',
      peer: '10.1.0.7',
      mayBounce: true,
      reportOn: null,
      smtpUtf8: false,
      body: null,
      ret: null,
      envid: null,
      ...envelope,
    },
    size: 1234,
    state: { recipients: recipients.map(() => waiting()), hold: null, warnedAt: null, ...state },
  }
}

/** As the scheduler does it, without a disk. */
export class MemoryControl implements QueueControl {
  readonly owner: string
  readonly journal: unknown[] = []
  readonly #messages: Map<string, QueuedMessage>

  constructor(owner: string, messages: readonly QueuedMessage[]) {
    this.owner = owner
    this.#messages = new Map(messages.map((message) => [message.envelope.id, message]))
  }

  async *list(filter: Parameters<QueueControl['list']>[0]): ReturnType<typeof entries> {
    for await (const entry of entries(this.owner, this.#messages.values())) {
      if (matches(entry, filter, Date.now())) yield entry
    }
  }

  show(id: string): ReturnType<QueueControl['show']> {
    const message = this.#messages.get(id)
    if (message === undefined) return Promise.resolve(null)
    const entry = { ...message, owner: this.owner, active: false }
    return Promise.resolve({ entry, header: 'Subject: Offer\r\n' })
  }

  act(...[action, filter, by]: Parameters<QueueControl['act']>): Promise<readonly ActionDone[]> {
    const now = Date.now()
    const results: ActionDone[] = []
    for (const message of this.#messages.values()) {
      if (!matches(message, filter, now)) continue
      const { id } = message.envelope
      const applied = applyAction(message, action, { now, by })
      const record = actionRecord(message, action, applied, { now, by })
      if (record !== null) this.journal.push(record)
      if (applied.remove) this.#messages.delete(id)
      else this.#messages.set(id, { ...message, state: applied.state })
      results.push({ id, done: applied.done, why: applied.why })
    }
    return Promise.resolve(results)
  }
}

async function* entries(owner: string, messages: Iterable<QueuedMessage>) {
  for (const message of messages) yield await Promise.resolve({ ...message, owner, active: false })
}
