/**
 * The queue of a process with a real folder, and a world that is scripted: routes, names, next hops and the clock. The
 * clock is that of the test (`t.mock.timers`): it stands still until `pass` moves it.
 */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { newOwnerName } from '../../src/outbound/control/socket.ts'
import type { OutboundQueue, QueueOptions } from '../../src/outbound/delivery/queue-type.ts'
import { openQueue } from '../../src/outbound/delivery/queue.ts'
import type { Found, MxHost } from '../../src/outbound/delivery/resolve.ts'
import type { DeliverySettings } from '../../src/outbound/delivery/settings-type.ts'
import { expiresAt } from '../../src/outbound/delivery/retry.ts'
import { bounce, delayWarning, successReport } from '../../src/outbound/report/report.ts'
import { openSpool } from '../../src/outbound/spool/spool.ts'
import type {
  ClientIdentity,
  Connected,
  Envelope,
  Outgoing,
  QueuedMessage,
  RecipientResult,
  RouteOf,
  Said,
  Session,
  Spool,
  Target,
} from '../../src/outbound/types.ts'
import type { DeliveryRecord } from '../../src/journal/record.ts'
import type { OutboundConnector } from '../../src/policy/types.ts'
import { queued, RECEIVED } from './queued.ts'
import { atEnd, temporaryFolder } from './smarthost.ts'

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

export const CONTENT = Buffer.from('From: kate@contoso.com\r\nSubject: Offer\r\n\r\nHello\r\n')

const SETTINGS: DeliverySettings = {
  retryIntervals: [5 * MINUTE, 15 * MINUTE, HOUR],
  lifetime: 2 * DAY,
  reportLifetime: DAY,
  delayWarningAfter: 4 * HOUR,
  maxConnections: 50,
  maxConnectionsPerDestination: 5,
  messagesPerConnection: 100,
  idle: 5_000,
  bufferBytes: 1024 * 1024,
}

export const IDENTITY: ClientIdentity = { key: '', certificate: null, credentials: null }

/** What a next hop says to a recipient; `lost`: the connection had ended before. */
export type Answer = 'delivered' | 'deferred' | 'failed'

/** One transaction. */
export interface Sent {
  readonly id: string
  readonly sender: string
  readonly host: string
  readonly address: string
  /** The connection, by its number. */
  readonly connection: number
  readonly recipients: readonly string[]
  readonly content: string
}

export class World {
  readonly folder: string
  readonly owner = newOwnerName()
  readonly journal: DeliveryRecord[] = []
  readonly told: string[] = []
  readonly errors: string[] = []
  /** In the order in which they were begun. */
  readonly sent: Sent[] = []
  /** Each time that a state was written, and whether it was synced. */
  readonly saved: { readonly id: string; readonly durable: boolean }[] = []
  /** All that was stored, reports too. */
  readonly stored = new Map<string, { readonly envelope: Envelope; readonly content: string }>()
  /** Addresses that were connected to, or tried to. */
  readonly tried: Target[] = []
  readonly open = new Set<number>()
  mostOpen = 0
  settings: DeliverySettings = SETTINGS
  random = (): number => 0.5

  readonly routes = new Map<string, Awaited<ReturnType<RouteOf>>>()
  readonly mx = new Map<string, Found<MxHost>>()
  readonly hosts = new Map<string, Found<string>>()
  own: ReadonlySet<string> = new Set(['192.0.2.250'])
  identity: (
    connector: OutboundConnector | null,
  ) => ClientIdentity | { failure: Said } | Promise<ClientIdentity> = () => IDENTITY
  /** Whether a route cannot be looked up. */
  isUnknown: () => boolean = () => false
  /** Why no connection to a target comes about; null when one does. Awaited. */
  refuses: (target: Target) => unknown = () => null
  /** What is said to a recipient. */
  answers: (address: string, id: string) => Answer = () => 'delivered'
  /** Awaited before a transaction is answered. */
  before: (outgoing: Outgoing) => unknown = () => null
  /** Whether a connection has ended while it was idle: asked at each transaction but its first. */
  ended: (connection: number) => boolean = () => false
  /** Thrown by the disk, by the name of what is done. */
  fails: (what: keyof Spool, id: string) => unknown = () => null

  queue!: OutboundQueue
  readonly #t: TestContext
  #pending = 0
  #connections = 0
  #ids = 0

  private constructor(t: TestContext, folder: string) {
    this.#t = t
    this.folder = folder
  }

  /** @returns a world whose queue is open and loaded */
  static async open(t: TestContext, change: (world: World) => unknown = () => null): Promise<World> {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: RECEIVED })
    const world = new World(t, await temporaryFolder(t))
    change(world)
    await world.start()
    return world
  }

  /** Another process comes to the same folder, whose predecessor is dead. */
  async start(): Promise<void> {
    const owner = newOwnerName()
    const log = {
      info: (message: string) => this.told.push(message),
      warn: (message: string) => this.told.push(message),
      error: (message: string) => this.errors.push(message),
      journal: (record: DeliveryRecord) => this.journal.push(record),
    }
    const disk = await openSpool({
      queue: this.folder,
      owner,
      isAlive: () => Promise.resolve(false),
      log,
    })
    atEnd(this.#t, () => disk.close().catch(() => undefined))
    this.queue = openQueue({
      owner,
      spool: this.#watched(disk),
      connect: (target) => this.#connect(target),
      routeOf: (_, { domain }) =>
        Promise.resolve(
          this.isUnknown()
            ? { unknown: true, why: 'the directory does not answer' }
            : (this.routes.get(domain) ?? { via: 'mx' }),
        ),
      identityOf: (connector) => Promise.resolve(this.identity(connector)),
      hops: {
        resolver: {
          addresses: (host) => Promise.resolve(this.hosts.get(host) ?? { found: [addressOf(host)] }),
          exchanges: (domain) =>
            Promise.resolve(this.mx.get(domain) ?? { found: [{ preference: 10, exchange: `mx.${domain}` }] }),
        },
        own: () => this.own,
        listening: () => [{ address: '', port: 25 }],
        now: () => Date.now(),
        random: () => this.random(),
      },
      settings: () => this.settings,
      reports: { bounce, delayWarning, successReport },
      reportContext: (message) => ({
        me: 'relay.example.net',
        now: Date.now(),
        newId: () => `REPORT-${++this.#ids}.1`,
        postmaster: 'postmaster@example.net',
        expiresAt: expiresAt(message.envelope, this.settings),
      }),
      log,
      random: () => this.random(),
    } satisfies QueueOptions)
    await this.queue.start()
    await this.settled()
  }

  /** Puts a message into the queue, accepted now, and waits until it was tried. */
  async accept(id: string, more: Partial<Envelope> = {}, content = CONTENT): Promise<void> {
    await this.queue.accept(queued(id, { receivedAt: Date.now(), ...more }).envelope, content)
    await this.settled()
  }

  /** Nothing is being read or written, and nobody is about to. */
  async settled(): Promise<void> {
    for (let quiet = 0; quiet < 8; quiet++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (this.#pending > 0) quiet = 0
    }
  }

  /** The clock goes on; what is due then is done. */
  async pass(milliseconds: number): Promise<void> {
    this.#t.mock.timers.tick(milliseconds)
    await this.settled()
  }

  /** The clock goes on while the disk works, until something holds. */
  async passUntil(milliseconds: number, holds: () => boolean | Promise<boolean>): Promise<void> {
    this.#t.mock.timers.tick(milliseconds)
    while (!(await holds())) await new Promise((resolve) => setImmediate(resolve))
  }

  /** The clock goes on to when a message is due. @returns how long that was */
  async passUntilDue(id: string): Promise<number> {
    const message = await this.message(id)
    assert.ok(message, `${id} is not in the queue`)
    const waits = message.state.recipients.filter(({ status }) => status === 'waiting')
    const delay = Math.min(...waits.map(({ nextAttempt }) => nextAttempt)) - Date.now()
    assert.ok(delay > 0, `${id} is due already`)
    await this.pass(delay)
    return delay
  }

  /** @returns a message as the queue shows it; null when it is not there */
  async message(id: string): Promise<QueuedMessage | null> {
    for await (const entry of this.queue.control.list({ ids: [id] })) return entry
    return null
  }

  /** @returns the ids in the queue */
  async ids(): Promise<string[]> {
    const ids: string[] = []
    for await (const { envelope } of this.queue.control.list({})) ids.push(envelope.id)
    return ids
  }

  /** @returns what the journal says about a message, e.g. `deferred john@fabrikam.com` */
  events(id: string): string[] {
    return this.journal
      .filter((record) => record.id === id)
      .map(({ event, recipients }) => `${event} ${recipients.join(' ')}`)
  }

  /** @returns the transactions of a message */
  sentOf(id: string): Sent[] {
    return this.sent.filter((sent) => sent.id === id)
  }

  async #connect(target: Target): Promise<Connected> {
    this.tried.push(target)
    const failure = (await this.refuses(target)) as null | Connected
    if (failure !== null) return failure
    const connection = ++this.#connections
    this.open.add(connection)
    this.mostOpen = Math.max(this.mostOpen, this.open.size)
    return { session: this.#session(target, connection) }
  }

  #session(target: Target, connection: number): Session {
    let transactions = 0
    let usable = true
    const close = (): Promise<void> => {
      assert.ok(this.open.delete(connection), 'closed twice')
      return Promise.resolve()
    }
    return {
      target,
      tls: null,
      get usable() {
        return usable
      },
      close,
      send: async (outgoing) => {
        assert.ok(usable, 'sent over a connection that is of no use')
        transactions += 1
        const { content, envelope, recipients } = outgoing
        if (transactions > 1 && this.ended(connection)) {
          usable = false
          return {
            reached: false,
            results: recipients.map((index) => this.#result(index, 'deferred', target)),
          }
        }
        const addresses = recipients.map((index) => envelope.recipients[index]?.address ?? '')
        const { address, host } = target
        const { id, sender } = envelope
        this.sent.push({
          id,
          sender,
          host,
          address,
          connection,
          recipients: addresses,
          content: content.toString(),
        })
        await this.before(outgoing)
        const results = recipients.map((index) =>
          this.#result(index, this.answers(envelope.recipients[index]?.address ?? '', id), target),
        )
        return { reached: true, results }
      },
    }
  }

  #result(recipient: number, outcome: Answer, { address, host, port }: Target): RecipientResult {
    const [code, status] = { delivered: [250, '2.0.0'], deferred: [451, '4.7.1'], failed: [550, '5.1.1'] }[
      outcome
    ] as [number, string]
    const text = `${code} ${status} as scripted`
    return {
      recipient,
      outcome,
      said: { at: Date.now(), code, status, text, remote: { host, address, port } },
      dsnPassedOn: false,
    }
  }

  /** So that `settled` knows, and a disk can fail. */
  #watched(spool: Spool): Spool {
    const run = async <T>(what: keyof Spool, id: string, work: () => Promise<T>): Promise<T> => {
      this.#pending += 1
      try {
        const failure = await this.fails(what, id)
        if (failure instanceof Error) throw failure
        return await work()
      } finally {
        this.#pending -= 1
      }
    }
    return {
      store: async (envelope, content) => {
        const message = await run('store', envelope.id, () => spool.store(envelope, content))
        this.stored.set(envelope.id, { envelope, content: content.toString() })
        return message
      },
      saveState: (message, state, durable) => {
        this.saved.push({ id: message.envelope.id, durable })
        return run('saveState', message.envelope.id, () => spool.saveState(message, state, durable))
      },
      read: (message) => run('read', message.envelope.id, () => spool.read(message)),
      remove: (message) => run('remove', message.envelope.id, () => spool.remove(message)),
      load: (each) => run('load', '', () => spool.load(each)),
      adopt: (each) => run('adopt', '', () => spool.adopt(each)),
      close: () => run('close', '', () => spool.close()),
    }
  }
}

/** @returns an address of a host, always the same */
export function addressOf(host: string): string {
  let sum = 0
  for (const letter of host) sum = (sum * 31 + letter.charCodeAt(0)) % 65_000
  return `10.9.${sum >> 8}.${sum & 255}`
}

/** @returns what `refuses` returns: no connection to a target */
export function unreachable(target: Target, kind: 'unreachable' | 'tls' | 'loop' = 'unreachable'): Connected {
  const { address, host, port } = target
  const [status, text] = {
    unreachable: ['4.4.1', `no answer from ${host}`],
    tls: ['4.7.5', `the certificate of ${host} is for another`],
    loop: ['5.4.6', `${host} is this server`],
  }[kind] as [string, string]
  return {
    failure: { kind, said: { at: Date.now(), code: 0, status, text, remote: { host, address, port } } },
  }
}

export const CONNECTOR: OutboundConnector = {
  organization: 'Contoso',
  name: 'To partners',
  connectorType: 'Partner',
  enabled: true,
  recipientDomains: ['*'],
  allAcceptedDomains: false,
  routeAllMessagesViaOnPremises: false,
  useMXRecord: false,
  smartHosts: [{ host: 'smart.fabrikam.com', port: 25 }],
  tlsSettings: null,
  tlsDomain: null,
  trust: null,
  tlsCertificateFile: null,
  tlsKeyFile: null,
  userName: null,
  passwordFile: null,
}
