/**
 * The queue of this process and the way out of it. Opened by outbound_connector once the directory is open; the socket that
 * says that this process lives comes first, since a folder without one is anybody's.
 */

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { openIdentities } from '../instance/outbound-identity.ts'
import type { Settings } from '../instance/settings.ts'
import { serveControl } from '../outbound/control/serve.ts'
import type { Listening } from '../outbound/control/socket.ts'
import { isAlive, newOwnerName } from '../outbound/control/socket.ts'
import { wouldLeadBack } from '../outbound/delivery/leads-back.ts'
import type { OutboundQueue } from '../outbound/delivery/queue.ts'
import { openQueue } from '../outbound/delivery/queue.ts'
import type { NextHopResolver } from '../outbound/delivery/resolve.ts'
import { openResolver } from '../outbound/delivery/resolve.ts'
import { expiresAt } from '../outbound/delivery/retry.ts'
import type { DeliverySettings } from '../outbound/delivery/settings-type.ts'
import { bounce, delayWarning, successReport } from '../outbound/report/report.ts'
import { makeConnect } from '../outbound/smtp/connect.ts'
import { damagedRecord } from '../outbound/spool/damaged.ts'
import { openSpool } from '../outbound/spool/spool.ts'
import type { QueueControl, QueueLog } from '../outbound/types.ts'
import type { Route } from '../policy/route.ts'
import { messageOf } from '../text/message-of.ts'
import type { HarakaModules } from './mend.ts'
import { warnOfHooks } from './outbound-hooks.ts'
import { outboundLog } from './outbound-log.ts'
import { hopContextOf, routesOf } from './outbound-routes.ts'
import type { Service } from './service.ts'
import type { Plugin } from './types.ts'

interface Opened {
  readonly queue: OutboundQueue
  readonly resolver: NextHopResolver
  readonly listening: Listening
}

let opened: Opened | null = null

/** Haraka takes mail before its plugins have opened everything: who comes early waits so long. */
const OPENING_PATIENCE = 10_000

const opening = later<OutboundQueue>()

/**
 * @returns the queue of this process, once it is open
 * @throws when it does not open in time: whoever asks then answers 451
 */
export async function theOutbound(): Promise<OutboundQueue> {
  if (opened !== null) return opened.queue
  let patience: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    patience = setTimeout(() => {
      reject(new Error('the queue is not open: list outbound_connector in config/plugins'))
    }, OPENING_PATIENCE)
  })
  try {
    return await Promise.race([opening.promise, late])
  } finally {
    clearTimeout(patience)
  }
}

/** @returns the queue of this process, or null where there is none */
export function openedOutbound(): OutboundQueue | null {
  return opened?.queue ?? null
}

/**
 * @param route where a recipient's mail would go
 * @param peer the address of who sends it; null where none counts
 * @returns whether it could go nowhere but back to the peer
 */
export async function leadsBack(route: Route, peer: string | null): Promise<boolean> {
  return opened === null ? false : wouldLeadBack(route, peer, opened.resolver)
}

/** @param graceMilliseconds how long deliveries under way may take; what is left stays on the disk */
export async function closeOutbound(graceMilliseconds: number): Promise<void> {
  if (opened === null) return
  const { listening, queue } = opened
  await queue.stop(graceMilliseconds)
  // Last: from then on the folder is anybody's.
  await listening.close()
}

/**
 * @param plugin outbound_connector, whose log is used
 * @param haraka the running Haraka
 * @param instance the Haraka directory
 * @param service settings, directory and journal
 * @throws when the queue's folder cannot be used
 */
export async function openOutbound(
  plugin: Plugin,
  haraka: HarakaModules,
  instance: string,
  service: Service,
): Promise<void> {
  if (opened !== null) return
  warnOfHooks(haraka, plugin)
  const log = outboundLog(plugin, haraka, service)
  const folder = join(instance, 'queue')
  const owner = newOwnerName()
  const ready = later<QueueControl>()
  const listening = await serveControl({ queue: folder, owner, control: ready.promise, log })
  try {
    const resolver = openResolver(() => service.settings().outbound.resolver)
    const queue = await queueOf({ haraka, instance, service, log, folder, owner, resolver })
    opened = { queue, resolver, listening }
    opening.tell(queue)
    void queue.start().then(
      () => {
        ready.tell(queue.control)
      },
      (error: unknown) => {
        log.error(`the queue on the disk cannot be read: ${messageOf(error)}; new mail is taken`)
        ready.tell(new Error(`the queue on the disk cannot be read: ${messageOf(error)}`))
      },
    )
  } catch (error) {
    await listening.close()
    throw error
  }
}

interface Parts {
  readonly haraka: HarakaModules
  readonly instance: string
  readonly service: Service
  readonly log: QueueLog
  readonly folder: string
  readonly owner: string
  readonly resolver: NextHopResolver
}

async function queueOf({
  folder,
  haraka,
  instance,
  log,
  owner,
  resolver,
  service,
}: Parts): Promise<OutboundQueue> {
  const spool = await openSpool({
    queue: folder,
    owner,
    isAlive: (other) => isAlive(folder, other),
    log,
    damaged: (id, path, why) => {
      log.journal(damagedRecord(id, path, why, Date.now()))
    },
  })
  const me = (): string => haraka.netUtils.get_primary_host_name()
  const settings = deliverySettings(service)
  return openQueue({
    owner,
    spool,
    connect: makeConnect({
      helo: me,
      trust: () => service.nextHopTrust(),
      timeouts: () => {
        const { connectTimeout, replyTimeout } = service.settings().outbound
        return { connect: connectTimeout, reply: replyTimeout }
      },
    }),
    routeOf: routesOf(haraka, service),
    identityOf: openIdentities(instance),
    hops: hopContextOf(haraka.server, resolver),
    settings,
    reports: { bounce, delayWarning, successReport },
    reportContext: ({ envelope }) => ({
      me: me(),
      now: Date.now(),
      newId: () => randomUUID().toUpperCase(),
      postmaster: service.settings().relay.postmaster ?? `postmaster@${me()}`,
      expiresAt: expiresAt(envelope, settings()),
    }),
    log,
  })
}

/** Asked for at each step of each message, and made anew only when the settings were read again. */
function deliverySettings(service: Pick<Service, 'settings'>): () => DeliverySettings {
  let from: Settings | null = null
  let made: DeliverySettings | null = null
  return () => {
    const inForce = service.settings()
    if (made !== null && from === inForce) return made
    const { outbound, queue } = inForce
    from = inForce
    made = {
      retryIntervals: queue.retryIntervals,
      lifetime: queue.lifetime,
      reportLifetime: queue.reportLifetime,
      delayWarningAfter: queue.delayWarning,
      maxConnections: outbound.maxConnections,
      maxConnectionsPerDestination: outbound.maxConnectionsPerDestination,
      messagesPerConnection: outbound.messagesPerConnection,
      idle: outbound.idle,
      bufferBytes: queue.bufferBytes,
    }
    return made
  }
}

interface Later<T> {
  readonly promise: Promise<T>
  /** Tells whoever waits. */
  readonly tell: (told: T | Error) => void
}

function later<T>(): Later<T> {
  const settle: { tell: Later<T>['tell'] } = { tell: () => undefined }
  const promise = new Promise<T>((resolve, reject) => {
    settle.tell = (told) => {
      if (told instanceof Error) reject(told)
      else resolve(told)
    }
  })
  return {
    promise,
    tell: (told) => {
      settle.tell(told)
    },
  }
}
