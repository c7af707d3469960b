/** What an outbound connector carried lately, from the deliveries in the journals. */

import type { ConfiguredOutboundConnector } from '../../directory/model.ts'
import { nameKey } from '../../directory/model.ts'
import type { JournalGap } from '../../journal/coverage.ts'
import { gapsOf, gapText, later } from '../../journal/coverage.ts'
import { Told } from '../../journal/gone.ts'
import { DELIVERIES } from '../../journal/line-kind.ts'
import type { DeliveryEvent, DeliveryRecord } from '../../journal/record.ts'
import { scanLines } from '../../journal/scan.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import type { OpenEditor } from '../editor.ts'
import { CommandFailed } from '../errors.ts'
import type { Options } from './flags.ts'
import type { ReadReport } from './recent-journals.ts'
import { DAYS, readJournals, readLine, recentJournals, recipients, silentLine } from './recent-journals.ts'
import { named } from './records.ts'
import type { RecentTraffic } from './traffic.ts'

/** Connectors of deliveries that are kept until it is known whether they are there; more are taken to be gone. */
const MOST_OTHERS = 10_000
const MOST_HOSTS = 10

/** What is known of deliveries, of one connector. */
class Carried {
  deliveries = 0
  last: string | null = null
  readonly events = new Map<DeliveryEvent, number>()
  /** The first few servers that it went to, as recorded. */
  readonly hosts = new Set<string>()
  moreHosts = false

  add({ event, recipients: { length }, remote, time }: DeliveryRecord): void {
    this.deliveries += length
    this.events.set(event, (this.events.get(event) ?? 0) + length)
    this.last = later(this.last, time)
    if (remote === null || this.hosts.has(remote.host)) return
    if (this.hosts.size < MOST_HOSTS) this.hosts.add(remote.host)
    else this.moreHosts = true
  }
}

/** Deliveries through connectors of other names. */
class Others {
  readonly #counts = new Map<string, { organization: string; connector: string; deliveries: number }>()
  #beyond = 0

  add(organization: string, connector: string, deliveries: number): void {
    const key = `${nameKey(organization)}\n${nameKey(connector)}`
    const known = this.#counts.get(key)
    if (known !== undefined) known.deliveries += deliveries
    else if (this.#counts.size < MOST_OTHERS) this.#counts.set(key, { organization, connector, deliveries })
    else this.#beyond += deliveries
  }

  /**
   * Who renames a connector or its organisation must not be told that nobody used it.
   * @returns what went through connectors that may have been this one under another name, in words; null for none
   */
  async gone({ editor }: OpenEditor, owner: string): Promise<string | null> {
    const [connectors, organizations] = [new Told(), new Told()]
    let deliveries = this.#beyond
    const present = await outboundNames(editor, owner)
    const known = new Map<string, boolean>([[nameKey(owner), true]])
    for (const other of this.#counts.values()) {
      const key = nameKey(other.organization)
      const isThere = known.get(key) ?? (await editor.read(key)) !== null
      known.set(key, isThere)
      const isOwn = key === nameKey(owner)
      if (isOwn ? present.has(nameKey(other.connector)) : isThere) continue
      deliveries += other.deliveries
      if (isOwn) connectors.add(other.connector)
      else organizations.add(other.organization)
    }
    if (deliveries === 0) return null
    const names = [...connectors.names, ...organizations.names.map((name) => `those of ${name}`)]
    const which = names.length === 0 ? '' : ` (${named(names)})`
    return `unknown: mail to ${recipients(deliveries)} went through outbound connectors that are not there any more${which}`
  }
}

async function outboundNames(editor: OpenEditor['editor'], owner: string): Promise<Set<string>> {
  const stored = await editor.read(nameKey(owner))
  return new Set(stored?.organization.outboundConnectors.map(({ name }) => nameKey(name)))
}

interface DeliveryReport extends ReadReport {
  readonly gaps: readonly JournalGap[]
  readonly carried: Carried
  readonly gone: string | null
}

/**
 * @param open the directory
 * @param options what commander made of the flags
 * @param connector an outbound connector
 * @param context where progress is shown
 * @returns what went through it in the last seven days
 * @throws CommandFailed when a journal or the directory cannot be read
 */
export async function carriedTraffic(
  open: OpenEditor,
  options: Options,
  connector: ConfiguredOutboundConnector,
  context: CliContext,
): Promise<RecentTraffic> {
  const report = await reportOf(open, options, connector, context)
  const { gaps, gone } = report
  const unknown = [...gaps.map((gap) => gapText(gap)), ...(gone === null ? [] : [gone])]
  return {
    lines: [
      ...carriedLines(report, unknown),
      ...unknown,
      ...report.nodes.map((node) => readLine(node, report, 'deliveries')),
    ],
    json: jsonOf(report),
    requireCovered: ({ force }) => {
      if (unknown.length === 0 || force === true) return
      throw new CommandFailed(
        `nothing was changed: what used it in the last ${DAYS} days is not known (${unknown.join('; ')}); add --force to remove it all the same`,
      )
    },
  }
}

async function reportOf(
  open: OpenEditor,
  options: Options,
  { name, organization }: ConfiguredOutboundConnector,
  context: CliContext,
): Promise<DeliveryReport> {
  const { copies, own, since, until } = recentJournals(open.instance, options)
  const [carried, others] = [new Carried(), new Others()]
  const is = (owner: string, other: string): boolean =>
    nameKey(other) === nameKey(name) && nameKey(owner) === nameKey(organization)
  const nodes = await readJournals(context, async (progress) => {
    const scan = scanLines(DELIVERIES, [own, ...copies], { since, until })
    for await (const records of scan.batches) {
      for (const record of records) {
        const { route } = record
        if (route?.via !== 'connector' || route.organization === null || route.connector === null) continue
        if (is(route.organization, route.connector)) carried.add(record)
        else others.add(route.organization, route.connector, record.recipients.length)
      }
      progress(scan.share())
    }
    return scan.coverage()
  })
  return {
    since: since.toISOString(),
    until: until.toISOString(),
    nodes,
    gaps: gapsOf(nodes, own, since, until),
    carried,
    // After the journal: what is renamed meanwhile is seen as well.
    gone: await others.gone(open, organization),
  }
}

function carriedLines({ carried }: DeliveryReport, unknown: readonly string[]): string[] {
  const { deliveries, events, hosts, last, moreHosts } = carried
  if (deliveries === 0) return [silentLine(unknown)]
  const counts = [...events].map(([event, count]) => `${count} ${event}`).join(', ')
  const to = [...hosts].map((host) => printable(host, 80))
  const where = to.length === 0 ? '' : `, to ${[...to, ...(moreHosts ? ['...'] : [])].join(', ')}`
  return [`mail through it: ${counts} (recipients, each attempt), the last at ${last ?? ''}${where}`]
}

function jsonOf({ carried, gaps, gone, nodes, since, until }: DeliveryReport): object {
  const { deliveries, events, hosts, last } = carried
  return {
    since,
    until,
    covered: gaps.length === 0 && gone === null,
    gaps,
    gone,
    nodes,
    counts: { deliveries, events: Object.fromEntries(events), last, hosts: [...hosts] },
  }
}
