/** All organisations, from whichever store, a few at a time. */

import type { Organization } from '../directory/model.ts'
import { createClient, whyFailed } from '../directory/redis/client.ts'
import { Keys } from '../directory/redis/keys.ts'
import { DamagedDirectory, Organizations } from '../directory/redis/organizations.ts'
import type { RedisSettings } from '../instance/redis-settings.ts'
import { messageOf } from '../text/message-of.ts'
import { inTime } from './deadline.ts'
import type { Report } from './finding.ts'

/** Read at once: each takes some round trips. */
const AT_ONCE = 16

/** One command lists a thousand names, or all connectors of an organisation. */
const COMMAND_PATIENCE = 5_000

/** The organisations could not be listed, or not to the end. */
export class NotRead extends Error {
  override readonly name = 'NotRead'
}

/**
 * A connection of its own, which only reads, and on which each command has a deadline: `withEditor` waits for a server
 * that was stopped for as long as that takes.
 * @param settings what redis.ini says
 * @param signal ends it
 * @param report where damaged records go
 * @yields each organisation that can be read
 * @throws NotRead when the user may not list them, or Redis goes away
 */
export async function* organizationsInRedis(
  { prefix, reader, writer }: RedisSettings,
  signal: AbortSignal,
  report: Report,
): AsyncGenerator<Organization> {
  const client = createClient(writer, COMMAND_PATIENCE)
  let failure: unknown = null
  client.on('error', (error: unknown) => {
    failure = error
  })
  const organizations = new Organizations(client, new Keys(prefix))
  try {
    await inTime(Math.min(reader.connectTimeout, COMMAND_PATIENCE), () => client.connect(), signal)
    let keys: string[] = []
    const read = async (): Promise<(Organization | null)[]> => {
      const some = keys
      keys = []
      return Promise.all(some.map((key) => readOne(organizations, key, report)))
    }
    for await (const key of organizations.names()) {
      signal.throwIfAborted()
      keys.push(key)
      if (keys.length < AT_ONCE) continue
      for (const organization of await read()) if (organization !== null) yield organization
    }
    for (const organization of await read()) if (organization !== null) yield organization
  } catch (error) {
    throw new NotRead(whyFailed(failure ?? error), { cause: error })
  } finally {
    client.disconnect()
  }
}

async function readOne(
  organizations: Organizations,
  key: string,
  report: Report,
): Promise<Organization | null> {
  try {
    return (await organizations.read(key))?.organization ?? null
  } catch (error) {
    if (!(error instanceof DamagedDirectory)) throw error
    report('error', 'directory-damaged', messageOf(error))
    return null
  }
}
