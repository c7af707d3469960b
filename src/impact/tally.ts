/**
 * Counts what would change, per connector and sender domain. Counts are exact; what is listed (groups, servers,
 * examples) is bounded, and it is said where there is more: the journal is full of what strangers sent.
 */

import type { JournalRecord } from '../journal/record.ts'
import type { ReasonCode } from '../policy/reasons.ts'
import type { KnownOfOrganization } from './fix.ts'
import type { Fate, FixFacts, Judgement, UncertainReason } from './judgement.ts'
import { isLoss } from './judgement.ts'
import type { ReplayQuestion } from './question.ts'
import type { Judged } from './replay.ts'

/** Sender domains that are told apart, over all connectors; what comes later is counted together. */
const MOST_GROUPS = 5_000
/** Servers of one group that are counted each; what comes later is counted together. */
const MOST_SERVERS = 50
const MOST_EXAMPLES = 3
/** Servers that are counted over all groups. */
const MOST_SERVERS_IN_ALL = 10_000
/** Organisations of which something is remembered for the advice. */
const MOST_KNOWN = 10_000
const NOTHING_KNOWN: KnownOfOrganization = { domain: null, byCertificate: null }
/** RFC 5321 section 4.5.3.1: an address with its local part of 64 octets and its domain of 255. */
const LONGEST_ADDRESS = 320
const LONGEST_NAME = 255

/** A decision that stands for others. */
export interface Example {
  readonly time: string
  readonly id: string
  readonly sender: string
  readonly recipient: string
}

export interface ServerCount {
  readonly address: string
  readonly messages: number
}

interface Counts {
  /** Transactions; one to several recipients is one. */
  readonly messages: number
  readonly recipients: number
  /** The one with the most messages first. */
  readonly servers: readonly ServerCount[]
  /** Messages of further servers. */
  readonly moreServers: number
  readonly examples: readonly Example[]
}

/** Mail of one connector and one sender domain, of which the same would become. */
interface ChangeIdentity {
  /** Of the connector as it is; of the proposed one where there is none; null for a stranger. */
  readonly organization: string | null
  readonly connector: string | null
  /**
   * null: the null sender. bare: a sender without a domain. any: of mail to an accepted domain, whoever sent it. other:
   * domains that were too many to be told apart.
   */
  readonly senderKind: 'null' | 'bare' | 'domain' | 'any' | 'other'
  /** '' unless it is of the kind `domain`. */
  readonly senderDomain: string
  /** '' unless it is of the kind `any`. */
  readonly recipientDomain: string
  readonly from: Fate
  readonly to: Fate
  /** Why it is what it is now, and why it would be otherwise; of report-only mode what it would be denied for. */
  readonly fromReason: ReasonCode
  readonly reason: ReasonCode
  readonly facts: FixFacts
}

export interface ChangeCount extends ChangeIdentity, Counts {
  readonly isLoss: boolean
  /** Messages in the time that all journals cover. */
  readonly covered: number
}

interface UncertainIdentity {
  readonly organization: string | null
  readonly connector: string | null
  readonly reason: UncertainReason
  readonly mayBeRefused: boolean
}

export type UncertainCount = UncertainIdentity & Counts

interface Group {
  readonly identity: ChangeIdentity
  readonly counter: Counter
  covered: number
}

/** The time that all journals cover; see `period.ts`. */
interface Covered {
  readonly from: string
  readonly to: string
}

export class Tally {
  /** Decisions that were replayed, and those of them of which the same would become. */
  decisions = 0
  unchanged = 0
  /** Of the unchanged those for which another reason would be given. */
  otherReason = 0
  otherwiseThen = 0
  /** Those that cannot be told are neither changed nor unchanged. */
  uncertain = 0
  readonly #covered: Covered | null
  readonly #groups = new Map<string, Group>()
  readonly #uncertain = new Map<string, { readonly identity: UncertainIdentity; readonly counter: Counter }>()
  readonly #lossServers = new Set<string>()
  readonly #known = new Map<string, KnownOfOrganization>()
  readonly #seen = new Recent()

  /** @param covered the time that figures a day are made from; null for none */
  constructor(covered: Covered | null) {
    this.#covered = covered
  }

  get changes(): readonly ChangeCount[] {
    return [...this.#groups.values()].map(({ counter, covered, identity }) => ({
      ...identity,
      isLoss: isLoss(identity.from, identity.to),
      covered,
      ...counter.counts(),
    }))
  }

  get uncertainties(): readonly UncertainCount[] {
    return [...this.#uncertain.values()].map(({ counter, identity }) => ({
      ...identity,
      ...counter.counts(),
    }))
  }

  /** @returns servers whose mail would be lost, and whether there are more than were counted */
  get lossServers(): { readonly count: number; readonly isMore: boolean } {
    const { size } = this.#lossServers
    return { count: size, isMore: size >= MOST_SERVERS_IN_ALL }
  }

  /**
   * @param organization an organisation
   * @returns what its mail that is relayed shows of it
   */
  known(organization: string): KnownOfOrganization {
    return this.#known.get(organization) ?? NOTHING_KNOWN
  }

  add(record: JournalRecord, { judgement, question }: Judged): void {
    this.decisions += 1
    if (judgement.isOtherwise) this.otherwiseThen += 1
    const { facts, from, present, proposed, to } = judgement
    this.#noteKnown(judgement)
    if (judgement.uncertain !== null) {
      this.uncertain += 1
      this.#addUncertain(record, judgement.uncertain, judgement)
      return
    }
    if (from === to) {
      this.unchanged += 1
      if (present.reason !== proposed.reason) this.otherReason += 1
      return
    }
    const { connector, organization } = ownerOf(judgement)
    const group = this.#groupOf({
      organization,
      connector,
      ...whatOf(question, from === 'deliver' || to === 'deliver'),
      from,
      to,
      fromReason: present.wouldBe ?? present.reason,
      reason: proposed.wouldBe ?? proposed.reason,
      facts,
    })
    if (group.counter.add(record, this.#seen) && this.#isCovered(record)) group.covered += 1
    if (isLoss(from, to) && this.#lossServers.size < MOST_SERVERS_IN_ALL) {
      this.#lossServers.add(copied(record.peer.address, LONGEST_NAME))
    }
  }

  /** For the advice: what mends one server's mail is what another's has. */
  #noteKnown({ facts, proposed: { connector, organization, reason } }: Judgement): void {
    if (organization === null) return
    const domain = facts.senderDomain?.acceptedDomain?.domainName
    const { certificateName: name } = facts
    if (reason === 'sender-domain-accepted' && domain !== undefined) this.#note(organization, { domain })
    if (reason === 'certificate-domain-accepted' && connector !== null && name !== null) {
      this.#note(organization, { byCertificate: { connector, name } })
    }
  }

  #note(organization: string, seen: Partial<KnownOfOrganization>): void {
    const known = this.known(organization)
    if (known === NOTHING_KNOWN && this.#known.size >= MOST_KNOWN) return
    const { byCertificate = null, domain = null } = seen
    if (
      (known.domain ?? domain) === known.domain &&
      (known.byCertificate ?? byCertificate) === known.byCertificate
    )
      return
    this.#known.set(organization, {
      domain: known.domain ?? domain,
      byCertificate: known.byCertificate ?? byCertificate,
    })
  }

  #isCovered({ time }: JournalRecord): boolean {
    return this.#covered !== null && time >= this.#covered.from && time <= this.#covered.to
  }

  #groupOf(identity: ChangeIdentity): Group {
    const key = keyOf(identity)
    const known = this.#groups.get(key)
    if (known !== undefined) return known
    if (this.#groups.size >= MOST_GROUPS && identity.senderDomain + identity.recipientDomain !== '') {
      return this.#groupOf({ ...identity, senderKind: 'other', senderDomain: '', recipientDomain: '' })
    }
    const group: Group = { identity, counter: new Counter(String(this.#groups.size)), covered: 0 }
    this.#groups.set(key, group)
    return group
  }

  #addUncertain(record: JournalRecord, reason: UncertainReason, judgement: Judgement): void {
    const { mayBeRefused } = judgement
    const { connector, organization } = ownerOf(judgement)
    const key = JSON.stringify([organization, connector, reason, mayBeRefused])
    const group = this.#uncertain.get(key) ?? {
      identity: { organization, connector, reason, mayBeRefused },
      counter: new Counter(`?${this.#uncertain.size}`),
    }
    this.#uncertain.set(key, group)
    group.counter.add(record, this.#seen)
  }
}

/** A stranger that would have a connector is that one's. */
function ownerOf({ present, proposed }: Judgement): Pick<ChangeIdentity, 'organization' | 'connector'> {
  const { connector, organization } =
    present.connector === null && proposed.connector !== null ? proposed : present
  return { connector, organization: organization ?? proposed.organization }
}

type What = Pick<ChangeIdentity, 'senderKind' | 'senderDomain' | 'recipientDomain'>

function whatOf({ recipient, sender }: ReplayQuestion, isDelivery: boolean): What {
  const nothing = { senderDomain: '', recipientDomain: '' }
  if (isDelivery) {
    return { ...nothing, senderKind: 'any', recipientDomain: copied(recipient.domain, LONGEST_NAME) }
  }
  if (sender.address === '') return { ...nothing, senderKind: 'null' }
  if (sender.domain === '') return { ...nothing, senderKind: 'bare' }
  return { ...nothing, senderKind: 'domain', senderDomain: copied(sender.domain, LONGEST_NAME) }
}

/** Names of organisations and connectors hold no control characters (`directory/schema-name.ts`). */
function keyOf({
  connector,
  from,
  fromReason,
  organization,
  reason,
  recipientDomain,
  senderDomain,
  senderKind,
  to,
}: ChangeIdentity): string {
  return `${from} ${to} ${fromReason} ${reason} ${senderKind}\n${organization ?? ''}\n${connector ?? ''}\n${senderDomain}\n${recipientDomain}`
}

class Counter {
  messages = 0
  recipients = 0
  moreServers = 0
  readonly examples: Example[] = []
  readonly #id: string
  readonly #servers = new Map<string, number>()

  constructor(id: string) {
    this.#id = id
  }

  counts(): Counts {
    const { examples, messages, moreServers, recipients } = this
    const servers = [...this.#servers]
      .map(([address, count]) => ({ address, messages: count }))
      .toSorted((left, right) => right.messages - left.messages)
    return { messages, recipients, servers, moreServers, examples }
  }

  /** @returns whether it is another message than before */
  add({ id, peer, recipient, sender, time }: JournalRecord, seen: Recent): boolean {
    this.recipients += 1
    if (!seen.isNew(`${this.#id} ${copied(id, LONGEST_NAME)}`)) return false
    this.messages += 1
    const address = copied(peer.address, LONGEST_NAME)
    const before = this.#servers.get(address)
    if (before !== undefined || this.#servers.size < MOST_SERVERS) {
      this.#servers.set(address, (before ?? 0) + 1)
    } else this.moreServers += 1
    if (this.examples.length < MOST_EXAMPLES) {
      this.examples.push({
        time,
        id: copied(id, LONGEST_NAME),
        sender: copied(sender, LONGEST_ADDRESS),
        recipient: copied(recipient, LONGEST_ADDRESS),
      })
    }
    return true
  }
}

/** Transactions of which a recipient was counted: the recipients of one come close to each other in time. */
class Recent {
  static readonly #MOST = 50_000
  #newer = new Set<string>()
  #older = new Set<string>()

  isNew(transaction: string): boolean {
    if (this.#newer.has(transaction) || this.#older.has(transaction)) return false
    if (this.#newer.size >= Recent.#MOST) {
      this.#older = this.#newer
      this.#newer = new Set()
    }
    this.#newer.add(transaction)
    return true
  }
}

/** A part of a string keeps the whole of it in memory. */
function copied(text: string, most: number): string {
  return text.length <= most ? text : Buffer.from(text.slice(0, most)).toString()
}
