/** The same test on both stores: an instance with its directory in a file, and one with it in Redis. */

import type { TestContext } from 'node:test'
import { it } from 'node:test'
import { hasPrograms } from './programs.ts'
import { applied, file, makeNode } from './redis-node.ts'
import type { RedisServer } from './redis.ts'
import { REDIS_SERVER, startRedis } from './redis.ts'
import type { Finished, Instance } from './smarthost.ts'
import { connectorctl, makeInstance } from './smarthost.ts'

export interface Stored {
  readonly store: 'file' | 'redis'
  readonly instance: Instance
  /** Null for the file. */
  readonly redis: RedisServer | null
  /** Runs connectorctl on the instance, to its end. */
  readonly ctl: (...args: string[]) => Promise<Finished>
}

const STORES = ['file', 'redis'] as const

let alternating = 0

/**
 * As `onBothStores`; but the short run takes the one store for the first such test of a file, the other for the next.
 * @param behaviour what a user would notice
 * @param organizations the text of organizations.yaml to begin with
 * @param body the test
 */
export function onEitherStore(
  behaviour: string,
  organizations: string,
  body: (t: TestContext, stored: Stored) => Promise<void>,
): void {
  const turn = STORES[alternating++ % STORES.length] ?? 'file'
  for (const store of process.env['PROOF'] === 'short' ? [turn] : STORES)
    onStore(store, behaviour, organizations, body)
}

/**
 * @param behaviour what a user would notice
 * @param organizations the text of organizations.yaml to begin with
 * @param body the test
 */
export function onBothStores(
  behaviour: string,
  organizations: string,
  body: (t: TestContext, stored: Stored) => Promise<void>,
): void {
  for (const store of STORES) onStore(store, behaviour, organizations, body)
}

function onStore(
  store: Stored['store'],
  behaviour: string,
  organizations: string,
  body: (t: TestContext, stored: Stored) => Promise<void>,
): void {
  it(`${behaviour} (${store})`, async (t) => {
    const stored = await storeOf(t, store, organizations)
    if (stored !== null) await body(t, stored)
  })
}

async function storeOf(
  t: TestContext,
  store: Stored['store'],
  organizations: string,
): Promise<Stored | null> {
  const bound = (instance: Instance): Stored['ctl'] => {
    return (...args) => connectorctl(...args, '--instance', instance.folder)
  }
  if (store === 'file') {
    const instance = await makeInstance(t, { organizations })
    return { store, instance, redis: null, ctl: bound(instance) }
  }
  if (!hasPrograms(t, REDIS_SERVER)) return null
  const redis = await startRedis(t)
  const instance = await makeNode(t, redis)
  await applied(instance, await file(t, organizations), '--with-proofs')
  return { store, instance, redis, ctl: bound(instance) }
}
