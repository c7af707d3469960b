/** What `check` finds by asking the directory itself, whichever store it is in. */

import { createClient, describeConnection, whyFailed } from '../directory/redis/client.ts'
import type { RedisClient } from '../directory/redis/client.ts'
import type { Directory } from '../directory/directory.ts'
import type { Problem } from '../directory/model.ts'
import { isUnknown } from '../policy/attribute.ts'
import { printable } from '../text/printable.ts'
import type { RedisSettings } from './redis-settings.ts'
import { REDIS_FILE } from './redis-settings.ts'

/** The gateways that Docker gives its own networks, from which its NAT makes every client seem to connect. */
const BRIDGES = Array.from({ length: 16 }, (_none, index) => `172.${16 + index}.0.1`)

/**
 * @param directory the directory
 * @returns a warning for each connector that would let everybody in behind Docker's NAT
 */
export async function checkBridges(directory: Directory): Promise<Problem[]> {
  const found = new Map<string, Problem>()
  for (const address of BRIDGES) {
    const { connectors } = await directory.ask({ presentedNames: [], address, domains: [] })
    if (isUnknown(connectors)) return []
    for (const { connector } of connectors) {
      if (connector.connectorType !== 'OnPremises') continue
      const name = `${printable(connector.organization)}/${printable(connector.name)}`
      const message = `connector ${name} is for ${address}, the bridge of a Docker network: behind Docker's NAT every client looks like it, and everybody may relay`
      const mend = "run HAProxy on the host's network, and name the clients' own addresses"
      found.set(name, warning('the directory', message, mend))
    }
  }
  return [...found.values()]
}

/**
 * @param settings where Redis is
 * @returns what is wrong with Redis; warnings only, since the smarthost starts without it
 */
export async function checkRedis({ reader }: RedisSettings): Promise<Problem[]> {
  const client = createClient(reader, Math.max(1000, reader.commandTimeout))
  // A wrong password is told here; a command only hears that the connection is closed.
  let failure: unknown = null
  client.on('error', (error: unknown) => {
    failure = error
  })
  try {
    await client.connect()
    return await policies(client)
  } catch (error) {
    const why = printable(whyFailed(failure ?? error))
    const message = `${describeConnection(reader)} cannot be asked: ${why}`
    return [warning(REDIS_FILE, message, 'until it can, mail that needs the directory is answered 451')]
  } finally {
    client.disconnect()
  }
}

/** A server that drops keys when it is full would turn registered domains into unknown ones. */
async function policies(client: RedisClient): Promise<Problem[]> {
  const memory = await client.info('memory').catch((error: unknown) => {
    if (error instanceof Error && error.message.includes('NOPERM')) return ''
    throw error
  })
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1]
  if (policy === undefined || policy === 'noeviction' || policy.startsWith('volatile-')) return []
  const message = `Redis has maxmemory-policy ${policy}: when it is full it forgets domains and connectors`
  return [warning(REDIS_FILE, message, 'set maxmemory-policy noeviction')]
}

function warning(file: string, message: string, mend: string): Problem {
  return { file, line: 0, column: 0, severity: 'warning', message, mend }
}
