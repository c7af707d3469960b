/** The memory of a fleet: keys beside the directory, so that every node makes the same tokens, and one of them looks. */

import { setTimeout as delay } from 'node:timers/promises'
import type { RedisClient } from '../directory/redis/client.ts'
import { createClient, describeConnection, whyFailed } from '../directory/redis/client.ts'
import { Keys } from '../directory/redis/keys.ts'
import { Organizations } from '../directory/redis/organizations.ts'
import type { RedisSettings } from '../instance/redis-settings.ts'
import { messageOf } from '../text/message-of.ts'
import type { FileMemory } from './file-memory.ts'
import { newInstallationId } from './file-memory.ts'
import { parseLook } from './last-look.ts'
import type { ProofMemory } from './memory.ts'

const INSTALLATION_ID = /^[0-9a-f]{32}$/

/** Milliseconds that a command may take, and that the wanted replicas have. */
const COMMAND_PATIENCE = 10_000
const REPLICATION_PATIENCE = 2_000

/** A look that took longer has died: another node may look. */
const LOOK_MILLISECONDS = 3_600_000

/**
 * @param settings what redis.ini says
 * @param own what this machine keeps itself: its id is the fleet's where the directory comes from a file
 * @returns what is kept in Redis
 * @throws with one line when Redis cannot be reached
 */
export async function openRedisMemory(
  { prefix, replicas, writer }: RedisSettings,
  own: FileMemory,
): Promise<ProofMemory> {
  const client = createClient(writer, COMMAND_PATIENCE)
  const keys = new Keys(prefix)
  let failure: unknown = null
  client.on('error', (error: unknown) => {
    failure = error
  })
  const failed = (error: unknown): never => {
    client.disconnect()
    const why = whyFailed(failure ?? error)
    throw new Error(`${describeConnection(writer)} cannot be reached: ${why}`)
  }
  const patience = delay(2 * writer.connectTimeout, 'timeout' as const, { ref: false })
  if ((await Promise.race([client.connect().catch(failed), patience])) === 'timeout') failed('no answer')
  return {
    installationId: async () => {
      const known = await told(client.get(keys.installationId))
      if (known !== null) return usable(known, keys)
      const id = (await own.knownInstallationId()) ?? newInstallationId()
      await told(putOnce(client, keys.installationId, id, replicas))
      // Another node may have been faster: what stands there counts.
      return usable((await told(client.get(keys.installationId))) ?? '', keys)
    },
    lastLook: async () => {
      const look = parseLook((await told(client.get(keys.proofsLookedAt))) ?? '')
      // Who checks this node without asking Redis shall know, too.
      if (look !== null) await own.rememberLook(look).catch(() => undefined)
      return look
    },
    rememberLook: async (look) => {
      await told(client.set(keys.proofsLookedAt, JSON.stringify(look)))
      await own.rememberLook(look).catch(() => undefined)
    },
    beginLook: async () => {
      const begun = await told(
        client.set(keys.proofsLooking, String(process.pid), 'PX', LOOK_MILLISECONDS, 'NX'),
      )
      return begun !== null
    },
    endLook: async () => {
      await client.del(keys.proofsLooking).catch(() => undefined)
    },
    requiredSince: () => told(client.get(keys.proofRequiredSince)),
    rememberRequired: async (since) => {
      if (since === null) await told(client.del(keys.proofRequiredSince))
      else await told(client.set(keys.proofRequiredSince, since, 'NX'))
    },
    domainsBelow: async (domain) =>
      [...(await told(new Organizations(client, keys).subdomains([domain])))].toSorted(),
    close: () => {
      client.disconnect()
    },
  }
}

function told<T>(asked: Promise<T>): Promise<T> {
  return asked.catch(refused)
}

/** Lost in a failover, it would void every token that was handed out. */
async function putOnce(client: RedisClient, key: string, value: string, replicas: number): Promise<void> {
  if (replicas === 0) {
    await client.set(key, value, 'NX')
    return
  }
  const replies = await client.pipeline().set(key, value, 'NX').wait(replicas, REPLICATION_PATIENCE).exec()
  for (const [failure] of replies ?? []) if (failure !== null) throw failure
  const have = replies?.at(-1)?.[1]
  if (typeof have === 'number' && have >= replicas) return
  throw new Error(
    `the id of the installation was written, not replicated: ${String(have)} of ${replicas} replicas have it; run the command again once they are back`,
  )
}

function usable(id: string, { installationId }: Keys): string {
  if (INSTALLATION_ID.test(id)) return id
  throw new Error(
    `${installationId} in Redis does not hold the 32 hexadecimal digits of an installation: bring it back from a backup; without it, remove it, and domains that are not proven yet get other tokens`,
  )
}

function refused(error: unknown): never {
  const message = messageOf(error)
  if (!message.includes('NOPERM')) throw new Error(whyFailed(error), { cause: error })
  throw new Error(`Redis does not let this user write: ${message}; see docs/directory.md for its ACL`, {
    cause: error,
  })
}
