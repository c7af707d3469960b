/** What `check` says of the way out where the directory is in Redis. */

import type { Problem } from '../directory/model.ts'
import { createClient, whyFailed } from '../directory/redis/client.ts'
import { Keys } from '../directory/redis/keys.ts'
import { Organizations } from '../directory/redis/organizations.ts'
import { printable } from '../text/printable.ts'
import { OutboundTally } from './check-outbound.ts'
import type { RedisSettings } from './redis-settings.ts'

/** More domains are not read for `check`: each command waits for its answer. */
const MOST_READ = 20_000

const COMMAND_PATIENCE = 5_000

/**
 * @param instance the instance's folder
 * @param settings what redis.ini says
 * @param hasSmartHost whether `[outbound] smart_host` is set
 * @param counts how many there are in the directory
 * @returns what there is to say, as far as this user may read the organisations; warnings and notices only
 */
export async function checkOutboundInRedis(
  instance: string,
  { prefix, writer }: RedisSettings,
  hasSmartHost: boolean,
  counts: { readonly acceptedDomains: number; readonly outboundConnectors: number },
): Promise<Problem[]> {
  const { acceptedDomains, outboundConnectors } = counts
  if (outboundConnectors === 0 && (hasSmartHost || acceptedDomains === 0)) return []
  if (acceptedDomains > MOST_READ) {
    const many = `the outbound connectors of ${acceptedDomains} domains are not looked through here`
    return [notice(many, 'connectorctl doctor looks at their files, connectorctl explain at one domain')]
  }
  const client = createClient(writer, COMMAND_PATIENCE)
  client.on('error', () => undefined)
  try {
    await client.connect()
    const organizations = new Organizations(client, new Keys(prefix))
    const tally = new OutboundTally(hasSmartHost)
    for await (const key of organizations.names()) {
      const stored = await organizations.read(key)
      if (stored !== null) tally.add(stored.organization)
    }
    return [...tally.routes(), ...(await tally.files(instance))]
  } catch (error) {
    return [unread(whyFailed(error))]
  } finally {
    client.disconnect()
  }
}

function unread(why: string): Problem {
  const mend = why.includes('NOPERM')
    ? 'only the user of [writer] in config/redis.ini may list them'
    : 'look at Redis'
  return notice(`outbound connectors could not be looked through: ${printable(why)}`, mend)
}

function notice(message: string, mend: string): Problem {
  return { file: 'the directory', line: 0, column: 0, severity: 'notice', message, mend }
}
