/** Mail in the queue that goes through an outbound connector: each attempt looks for its route anew. */

import type { ConfiguredOutboundConnector } from '../../directory/model.ts'
import { nameKey } from '../../directory/model.ts'
import type { QueueEntry } from '../../outbound/types.ts'
import { isUnknown } from '../../policy/attribute.ts'
import { findRoute } from '../../relaying/route.ts'
import { termsNow } from '../../relaying/terms.ts'
import type { OpenEditor } from '../editor.ts'
import { CommandFailed } from '../errors.ts'
import { withDirectory } from '../instance.ts'
import { openQueueOf } from '../queue/controls.ts'

/**
 * @param open the directory
 * @param connector an outbound connector that is to go, or to be disabled
 * @returns how many messages wait to go through it, in words that are safe to print; none where none does
 */
export async function queuedFor(open: OpenEditor, connector: ConfiguredOutboundConnector): Promise<string[]> {
  try {
    const { controls } = openQueueOf(open.instance)
    const count = await countThrough(open, connector, controls.list({}))
    const waiting =
      count === 0
        ? []
        : [
            `in the queue: ${count} ${count === 1 ? 'message waits' : 'messages wait'} to go through it, and would go another way`,
          ]
    return controls.failures.length === 0
      ? waiting
      : [...waiting, 'in the queue: unknown, as not every process answered']
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    return ['in the queue: unknown, as it cannot be asked']
  }
}

async function countThrough(
  { instance, settings }: OpenEditor,
  { name, organization }: ConfiguredOutboundConnector,
  entries: AsyncIterable<QueueEntry>,
): Promise<number> {
  return withDirectory(instance, settings, async (directory) => {
    const routes = new Map<string, Promise<boolean>>()
    const goesThrough = (domain: string, owner: string | null): Promise<boolean> => {
      const key = JSON.stringify([domain, owner])
      const known = routes.get(key)
      if (known !== undefined) return known
      const { smartHost } = settings.outbound
      const terms = termsNow(settings.relay)
      const found = findRoute(directory, { domain, organization: owner, smartHost, terms }).then(
        (route) =>
          !isUnknown(route) &&
          route.via === 'connector' &&
          nameKey(route.connector.name) === nameKey(name) &&
          nameKey(route.connector.organization) === nameKey(organization),
      )
      routes.set(key, found)
      return found
    }
    let count = 0
    for await (const { envelope, state } of entries) {
      const waiting = envelope.recipients.filter((_, index) => state.recipients[index]?.status === 'waiting')
      const domains = new Set(waiting.map(({ domain }) => domain))
      const through = await Promise.all(
        [...domains].map((domain) => goesThrough(domain, envelope.organization)),
      )
      if (through.includes(true)) count += 1
    }
    return count
  })
}
