/** All checks, those that wait for something side by side; each with a deadline, and none that ends the others. */

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Organization } from '../directory/model.ts'
import type { NameServer } from '../dns/server.ts'
import type { CheckResult } from '../instance/check.ts'
import { checkInstance } from '../instance/check.ts'
import { formatEndpoint } from '../instance/endpoint.ts'
import { redisSettingsOf, seenBy } from '../instance/store.ts'
import type { Terms } from '../policy/proof.ts'
import { ownAddresses } from '../instance/own-addresses.ts'
import { isPublic } from './addresses.ts'
import { checkBridgeConnectors } from './bridges.ts'
import { certificateFacts, checkCertificates, checkOwnAuthorities } from './certificates.ts'
import type { ClockFacts } from './clock.ts'
import { checkClock } from './clock.ts'
import { DirectoryFacts } from './directory-facts.ts'
import { checkDisks, diskFacts } from './disk.ts'
import { checkDns } from './dns.ts'
import { dnsFacts } from './dns-facts.ts'
import type { Finding } from './finding.ts'
import { Findings } from './finding.ts'
import type { FindingGroup } from './finding-text.ts'
import { checkHost, hostFacts } from './host.ts'
import { checkJournal } from './journal.ts'
import { checkListeners, listenerFacts } from './listeners.ts'
import { checkIdentities, identityFacts } from './outbound-files.ts'
import { checkOrganization } from './organizations.ts'
import { NotRead, organizationsInRedis } from './organizations-source.ts'
import { checkOverlap } from './overlap.ts'
import { checkPermissions, permissionFacts, usersOf } from './permissions.ts'
import type { EntryFacts } from './queue-entries.ts'
import { checkEntries, entryFacts, queueToSee } from './queue-entries.ts'
import { checkQueue, queueFacts } from './queue.ts'
import type { Arrival } from './reach.ts'
import { checkReach } from './reach.ts'
import type { RedisFacts } from './redis-facts.ts'
import { redisFacts } from './redis-facts.ts'
import { checkRedisServer } from './redis.ts'
import { checkSettings } from './settings.ts'
import { examineGroup } from './step.ts'
import { checkTraffic } from './traffic.ts'
import type { UsageFacts } from './usage-facts.ts'
import { countUsage, nothingRead } from './usage-facts.ts'

export interface DoctorOptions {
  /** The instance's folder, absolute. */
  readonly instance: string
  /** Journal folders, the instance's own first. */
  readonly journals: readonly string[]
  /** From when on use is counted. */
  readonly since: Date
  readonly dns: {
    readonly enabled: boolean
    readonly resolver: NameServer | null
    /** Where mail leaves from; the machine's own public addresses when empty. */
    readonly addresses: readonly string[]
    /** Domains whose SPF is looked at; some of the registered ones when empty. */
    readonly domains: readonly string[]
  }
  /** Ends everything. */
  readonly signal: AbortSignal
  /** Told how far the long work is, from 0 to 1. */
  readonly progress: (what: string, share: number) => void
}

export interface Examination {
  /** The worst first. */
  readonly findings: readonly Finding[]
  /** What was looked at without an error or a warning. */
  readonly fine: readonly FindingGroup[]
}

const SECOND = 1_000
/** What waits for nobody but the disk, a local port or Redis. */
const PATIENCE = 10 * SECOND
/** A million domains are listed in about a minute, a million decisions read in less. */
const LONG_PATIENCE = 600 * SECOND

/**
 * @param options what to examine
 * @returns what was found; never rejects, but for an abort by the caller
 */
export async function examine(options: DoctorOptions): Promise<Examination> {
  const findings = new Findings()
  const examination = new Run(options, findings)
  await examination.all()
  options.signal.throwIfAborted()
  return { findings: findings.list(), fine: findings.fine() }
}

class Run {
  readonly #options: DoctorOptions
  readonly #findings: Findings
  readonly #report: Findings['add']

  constructor(options: DoctorOptions, findings: Findings) {
    this.#options = options
    this.#findings = findings
    this.#report = (...finding) => {
      findings.add(...finding)
    }
  }

  async all(): Promise<void> {
    const { instance } = this.#options
    const check = await this.#step('settings', PATIENCE, () => {
      const found = checkInstance(instance)
      checkSettings(found, this.#report)
      return Promise.resolve(found)
    })
    if (check === null) return
    const now = Date.now()
    const [, , redis, found] = await Promise.all([
      this.#local(check, now),
      this.#step('listeners', PATIENCE, async (signal) => {
        checkListeners(await listenerFacts(check.haraka, signal), this.#report)
      }),
      this.#redis(check),
      this.#queue(now),
    ])
    const directory = await this.#directory(check, redis)
    const usage = directory === null ? null : await this.#traffic(check, directory)
    await Promise.all([
      this.#outbound(check, directory, now),
      this.#dns(check, directory),
      this.#step('clock', PATIENCE, async () => {
        checkClock(await this.#clockFacts(check, redis, found, usage), Date.now(), this.#report)
      }),
    ])
  }

  #step<T>(
    group: FindingGroup,
    milliseconds: number,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T | null> {
    return examineGroup(this.#findings, { group, milliseconds, signal: this.#options.signal }, work)
  }

  /** A long queue takes its time; each process that has a part of it has five seconds to answer. */
  async #queue(now: number): Promise<EntryFacts | null> {
    const { instance } = this.#options
    return this.#step('queue', LONG_PATIENCE, async (signal) => {
      const facts = await queueFacts(instance, signal)
      if (facts === null) return null
      checkQueue(facts, this.#report)
      const entries = await entryFacts(queueToSee(instance), signal)
      checkEntries(entries, now, this.#report)
      return entries
    })
  }

  async #local({ haraka, settings }: CheckResult, now: number): Promise<void> {
    const { instance } = this.#options
    const queue = join(instance, 'queue')
    const report = this.#report
    await Promise.all([
      this.#step('host', PATIENCE, () => {
        checkHost(hostFacts(instance, haraka.user), new Date(now).toISOString(), report)
        return Promise.resolve()
      }),
      this.#step('certificates', PATIENCE, () => {
        checkCertificates(certificateFacts(instance, settings, haraka, now), now, report)
        return Promise.resolve()
      }),
      this.#step('permissions', PATIENCE, async () => {
        checkPermissions(await permissionFacts(instance, haraka, queue), report)
      }),
      this.#step('disk', PATIENCE, async () => {
        checkDisks(await diskFacts(instance, queue), report)
      }),
    ])
  }

  /** Null when the directory is not in Redis, or where is not known. */
  async #redis(check: CheckResult): Promise<RedisFacts | null> {
    if (check.settings.directory.store !== 'redis' || hasErrors(check)) return null
    const { instance } = this.#options
    return this.#step('redis', PATIENCE, async (signal) => {
      const seen = seenBy(instance, { warn: () => undefined }).read()
      const facts = await redisFacts(redisSettingsOf(instance), seen, signal)
      checkRedisServer(facts, this.#report)
      return facts
    })
  }

  /** Reads every organisation once, and says what is wrong with them. */
  async #directory(check: CheckResult, redis: RedisFacts | null): Promise<DirectoryFacts | null> {
    const isInRedis = check.settings.directory.store === 'redis'
    // What is wrong with the settings or with Redis was said; what it holds is not known.
    if (isInRedis ? redis?.failure !== null || redis.header?.kind !== 'found' : hasErrors(check)) return null
    const total = redis?.header?.kind === 'found' ? redis.header.organizations : check.organizations.length
    const terms: Terms = {
      now: new Date().toISOString(),
      requireDomainProof: check.settings.relay.requireDomainProof,
    }
    const read = await this.#step('connectors', LONG_PATIENCE, async (signal) => {
      const facts = new DirectoryFacts()
      const source = isInRedis
        ? organizationsInRedis(redisSettingsOf(this.#options.instance), signal, this.#report)
        : check.organizations
      try {
        await this.#walk(source, facts, terms, total)
      } catch (error) {
        if (!(error instanceof NotRead)) throw error
        const isForbidden = error.message.startsWith('NOPERM')
        this.#report(isForbidden ? 'info' : 'warning', 'directory-not-read', error.message)
        return null
      }
      checkBridgeConnectors(facts.connectors, this.#report)
      for (const own of facts.authorities.values()) checkOwnAuthorities(own, Date.now(), this.#report)
      return facts
    })
    if (read === null) return null
    if (read.sharing > 1 && !terms.requireDomainProof) {
      this.#report('warning', 'proof-not-required', `${read.sharing} organisations have accepted domains`)
    }
    this.#findings.looked('domains')
    return read
  }

  async #walk(
    source: AsyncIterable<Organization> | Iterable<Organization>,
    facts: DirectoryFacts,
    terms: Terms,
    total: number,
  ): Promise<void> {
    for await (const organization of source) {
      checkOrganization(organization, facts.add(organization, terms), terms, this.#report)
      this.#options.progress('reading the directory', total === 0 ? 1 : facts.organizations / total)
    }
  }

  /** What the journals show, and which connectors never can be in them. */
  async #traffic(check: CheckResult, directory: DirectoryFacts): Promise<UsageFacts | null> {
    const { journals, since } = this.#options
    const usage = await this.#step('journal', LONG_PATIENCE, async (signal) => {
      const progress = (share: number): void => {
        this.#options.progress('reading the journal', share)
      }
      const found = await countUsage(journals, since, directory, { signal, progress })
      checkJournal(found, this.#report)
      return found
    })
    await this.#step('connectors', PATIENCE, () => {
      const reach = checkReach(directory.connectors, arrivalOf(check), this.#report)
      checkOverlap(
        directory.connectors.filter(
          (one) => one.enabled && one.connectorType === 'OnPremises' && !reach.unreachable.has(one),
        ),
        this.#report,
      )
      checkTraffic(
        {
          directory,
          reach,
          usage: usage ?? nothingRead(since),
          now: new Date().toISOString(),
          shared: check.settings.directory.store === 'redis',
        },
        this.#report,
      )
      return Promise.resolve()
    })
    return usage
  }

  /** What outbound connectors show of this server. */
  async #outbound({ haraka }: CheckResult, directory: DirectoryFacts | null, now: number): Promise<void> {
    const { instance } = this.#options
    if (directory === null || directory.outbound.length === 0) return
    await this.#step('connectors', PATIENCE, async (signal) => {
      const facts = await identityFacts(instance, directory.outbound, now, signal)
      checkIdentities(facts, now, this.#report)
      const paths = facts.flatMap((one) => one.paths)
      checkPermissions({ ...(await usersOf(instance, haraka)), paths }, this.#report)
    })
  }

  async #dns({ settings }: CheckResult, directory: DirectoryFacts | null): Promise<void> {
    const { dns } = this.#options
    if (!dns.enabled) {
      this.#report('info', 'dns-skipped', '--no-dns was given')
      return
    }
    const own = [...ownAddresses('outside')]
    const addresses = dns.addresses.length > 0 ? dns.addresses : own.filter((address) => isPublic(address))
    if (addresses.length === 0) {
      this.#report(
        'info',
        'address-unknown',
        own.length === 0 ? 'loopback only' : own.slice(0, 10).join(', '),
      )
      return
    }
    const smartHost =
      settings.outbound.smartHost === null ? null : formatEndpoint(settings.outbound.smartHost)
    await this.#step('dns', PATIENCE, async () => {
      const domains = smartHost === null ? domainsToAsk(dns.domains, directory) : []
      const facts = await dnsFacts({ resolver: dns.resolver, addresses, domains })
      checkDns(facts, smartHost, this.#report)
    })
  }

  async #clockFacts(
    { settings }: CheckResult,
    redis: RedisFacts | null,
    queue: EntryFacts | null,
    usage: UsageFacts | null,
  ): Promise<ClockFacts> {
    const data = await stat(join(this.#options.instance, 'data')).catch(() => null)
    const written = [
      { what: 'data/', time: data?.mtimeMs ?? null },
      { what: 'the newest message of the queue', time: queue?.newest ?? null },
      {
        what: 'the last decision of the journal',
        time: usage?.latest == null ? null : Date.parse(usage.latest),
      },
    ]
    const clock = redis?.servers.find((server) => server.clock !== null)?.clock ?? null
    const isInRedis = settings.directory.store === 'redis'
    return {
      redis: clock,
      why: isInRedis
        ? 'Redis did not tell its time'
        : 'the directory is a file: there is no other machine to ask',
      written: written.flatMap(({ time, what }) => (time === null ? [] : [{ what, time }])),
    }
  }
}

/** With errors there the settings are the defaults: what they were meant to be is not known. */
function hasErrors({ problems }: CheckResult): boolean {
  const files = ['config/connectors.ini', 'config/redis.ini', 'config/organizations.yaml']
  return problems.some(({ file, severity }) => severity === 'error' && files.includes(file))
}

/** Behind a proxy the client's address comes in a header, whatever its family. */
function arrivalOf({ haraka }: CheckResult): Arrival {
  const hosts = haraka.listen.map(({ host }) => host)
  const all = haraka.proxies.length > 0 || hosts.length === 0 || hosts.includes('::')
  const isNumber = hosts.every((host) => /^[\d.]+$/.test(host) || host.includes(':'))
  if (all || !isNumber) return { v4: true, v6: true }
  return { v4: hosts.some((host) => !host.includes(':')), v6: hosts.some((host) => host.includes(':')) }
}

/** Those that are used first. */
function domainsToAsk(named: readonly string[], directory: DirectoryFacts | null): readonly string[] {
  if (named.length > 0 || directory === null) return named
  const sending = [...directory.domains].filter(([, { sends }]) => sends)
  const used = sending.filter(([, domain]) => domain.used)
  const others = sending.filter(([, domain]) => !domain.used)
  return [...used, ...others].map(([name]) => name)
}
