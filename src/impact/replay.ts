/**
 * Decides again what the journal holds, under the directory as it is and under a proposed one, on the same path as the
 * plugins. The same servers ask the same again and again: equal questions are decided once.
 */

import { LRUCache } from 'lru-cache'
import type { ConnectorMatch } from '../directory/directory.ts'
import type { JournalRecord } from '../journal/record.ts'
import { isUnknown } from '../policy/attribute.ts'
import type { Simulation, SimulationSettings } from '../relaying/simulate.ts'
import { simulate } from '../relaying/simulate.ts'
import type { Fate, FixFacts, Judgement, UncertainReason } from './judgement.ts'
import { fateOf, isLoss, recordedFate } from './judgement.ts'
import type { DomainClass, LookupOptions, ReplaySide } from './lookups.ts'
import { Lookups } from './lookups.ts'
import type { ReplayPeer, ReplayQuestion } from './question.ts'
import { peerOf, questionOf } from './question.ts'
import type { Possible, Verdicts } from './verdicts.ts'
import { certificateByDefault, certificateUnder, possibleVerdicts } from './verdicts.ts'

export interface ReplayOptions extends LookupOptions {
  readonly settings: SimulationSettings & { readonly relay: { readonly respectRelaying: boolean } }
}

export interface Judged {
  readonly question: ReplayQuestion
  readonly judgement: Judgement
}

/** What is remembered at most, about. */
const DECISION_BYTES = 64 * 1024 * 1024
/** Of an entry beside its key. */
const DECISION_OVERHEAD = 1500

interface Asked {
  readonly record: JournalRecord
  readonly question: ReplayQuestion
}

/** What of a batch is alike for the rule. */
interface Classes {
  readonly domains: ReadonlyMap<string, DomainClass>
  /** Of peers without a certificate. */
  readonly addresses: ReadonlyMap<string, string>
}

/** One way in which it may have been, decided on both sides. */
interface World {
  readonly present: Simulation
  readonly proposed: Simulation
}

export class Replay {
  readonly #options: ReplayOptions
  readonly #known = new LRUCache<string, Judgement>({
    maxSize: DECISION_BYTES,
    sizeCalculation: (_judgement, key) => DECISION_OVERHEAD + 2 * key.length,
  })
  readonly #lookups: Lookups
  /** What is being decided: whoever wants the same waits for it. */
  readonly #flights = new Map<string, Promise<Judgement>>()

  constructor(options: ReplayOptions) {
    this.#options = options
    this.#lookups = new Lookups(options)
  }

  /**
   * @param records records of the journal
   * @returns what would become of each, in their order
   */
  async judge(records: readonly JournalRecord[]): Promise<readonly Judged[]> {
    const asked = records.map((record) => ({ record, question: questionOf(record) }))
    const classes = await this.#classesOf(asked)
    const judged = asked.map(({ question, record }) => {
      const key = keyOf(record, question, classes)
      const judgement = this.#known.get(key) ?? this.#judgeOnce(key, record, question)
      return { question, judgement }
    })
    await Promise.all(judged.flatMap(({ judgement }) => (judgement instanceof Promise ? [judgement] : [])))
    const made: Judged[] = []
    for (const { judgement, question } of judged) {
      made.push({ question, judgement: judgement instanceof Promise ? await judgement : judgement })
    }
    return made
  }

  /** Looked up for all at once: a store that is far away is asked for many in one round trip. */
  async #classesOf(asked: readonly Asked[]): Promise<Classes> {
    function* domains(): Generator<string> {
      for (const { question } of asked) {
        yield question.sender.domain
        yield question.recipient.domain
      }
    }
    function* addresses(): Generator<string> {
      for (const { record } of asked) if (isWithoutCertificate(record)) yield record.peer.address
    }
    const [known, peers] = await Promise.all([
      this.#lookups.domains(domains()),
      this.#lookups.addresses(addresses()),
    ])
    return { domains: known, addresses: peers }
  }

  #judgeOnce(key: string, record: JournalRecord, question: ReplayQuestion): Promise<Judgement> {
    const before = this.#flights.get(key)
    if (before !== undefined) return before
    const flight = this.#decide(record, question)
      .then((judgement) => {
        // What could not be asked may be known the next time.
        if (judgement.uncertain !== 'directory-unavailable') this.#known.set(key, judgement)
        return judgement
      })
      .finally(() => {
        this.#flights.delete(key)
      })
    this.#flights.set(key, flight)
    return flight
  }

  async #decide(record: JournalRecord, question: ReplayQuestion): Promise<Judgement> {
    const { isProxy, settings } = this.#options
    const peer = peerOf(record.peer, isProxy)
    const possible = await this.#verdictsFor(record, peer)
    const { relayingBefore } = question
    const before = !settings.relay.respectRelaying
      ? [false]
      : relayingBefore === null
        ? [false, true]
        : [relayingBefore]
    const worlds: World[] = []
    for (const relaying of before) {
      for (const verdicts of possible.verdicts) {
        worlds.push(await this.#world(peer, question, verdicts, relaying))
      }
    }
    // What agrees with what was decided is how it was, while the directory is as it was.
    const fitting = worlds.filter(({ present }) => isAsRecorded(present, record))
    return this.#judgementOf(record, question, peer, {
      possible,
      worlds: fitting.length > 0 ? fitting : worlds,
      isAsRecorded: fitting.length > 0,
    })
  }

  async #verdictsFor(record: JournalRecord, { address, certificate }: ReplayPeer): Promise<Possible> {
    const none: Possible = { verdicts: [new Map()], isCut: false, isGone: false }
    if (!('names' in certificate)) return none
    const { present, proposed } = this.#options
    const asked = { presentedNames: certificate.names, address, domains: [] }
    const [now, then] = await Promise.all(
      [present, proposed].map(async ({ directory }): Promise<readonly ConnectorMatch[]> => {
        const { connectors } = await directory.ask(asked)
        return isUnknown(connectors) ? [] : connectors
      }),
    )
    return possibleVerdicts(record, now ?? [], then ?? [])
  }

  async #world(
    { address, certificate }: ReplayPeer,
    { recipient, sender }: ReplayQuestion,
    verdicts: Verdicts,
    relayingRespected: boolean,
  ): Promise<World> {
    const { present, proposed, settings } = this.#options
    const peer = {
      address,
      certificate: certificateByDefault(certificate, verdicts),
      certificateFor: certificateUnder(certificate, verdicts),
    }
    const decided = ({ directory, now }: ReplaySide): Promise<Simulation> =>
      simulate(directory, settings, { peer, sender, recipient, relayingRespected, now }, { steps: false })
    return { present: await decided(present), proposed: await decided(proposed) }
  }

  #judgementOf(
    record: JournalRecord,
    question: ReplayQuestion,
    peer: ReplayPeer,
    seen: { readonly possible: Possible; readonly worlds: readonly World[]; readonly isAsRecorded: boolean },
  ): Judgement {
    const { worlds } = seen
    const [world] = worlds
    if (world === undefined) throw new Error('nothing was decided')
    const fates = worlds.map(({ present, proposed }): { readonly from: Fate; readonly to: Fate } => ({
      from: fateOf(present.decision),
      to: fateOf(proposed.decision),
    }))
    const { from, to } = fates[0] ?? { from: 'defer', to: 'defer' }
    const isSame =
      new Set(fates.map((fate) => (fate.from === fate.to ? '' : `${fate.from} ${fate.to}`))).size === 1
    const uncertain = this.#whyUncertain(question, peer, seen, isSame)
    return {
      present: world.present.decision,
      proposed: world.proposed.decision,
      from,
      to,
      isOtherwise: recordedFate(record) !== from,
      uncertain,
      mayBeRefused: uncertain !== null && (isSame || fates.some((fate) => isLoss(fate.from, fate.to))),
      facts: factsOf(world.proposed),
    }
  }

  #whyUncertain(
    { isCut }: ReplayQuestion,
    peer: ReplayPeer,
    seen: { readonly possible: Possible; readonly worlds: readonly World[]; readonly isAsRecorded: boolean },
    isSame: boolean,
  ): UncertainReason | null {
    const { possible, worlds } = seen
    const decisions = worlds.flatMap(({ present, proposed }) => [present.decision, proposed.decision])
    if (decisions.some(({ reason }) => reason === 'directory-unavailable')) return 'directory-unavailable'
    if (isCut) return 'address-cut'
    // Names that are not there can bring another connector only where there is one, or where there was.
    const hangsOnPeer = decisions.some(({ outcome }) => outcome !== 'deliver')
    if (peer.isCut && hangsOnPeer && (this.#options.isOtherDirectory || !seen.isAsRecorded))
      return 'names-cut'
    if (isSame && !possible.isCut) return null
    if (possible.verdicts.length === 1) return 'relaying-unknown'
    return possible.isGone ? 'connector-gone' : 'other-trust'
  }
}

function isAsRecorded({ decision }: Simulation, record: JournalRecord): boolean {
  return (
    decision.outcome === record.outcome &&
    decision.reason === record.reason &&
    decision.organization === record.organization &&
    decision.connector === record.connector &&
    decision.via === record.via
  )
}

function factsOf({ attribution }: Simulation): FixFacts {
  const { matched, senderDomain } = attribution
  const certificateDomain = matched?.certificateDomain ?? null
  return {
    certificateName: matched?.match.via === 'certificate' ? matched.connector.tlsSenderCertificateName : null,
    certificateDomain: isUnknown(certificateDomain) ? null : certificateDomain,
    senderDomain: isUnknown(senderDomain) ? null : senderDomain,
  }
}

function isWithoutCertificate({ peer }: JournalRecord): boolean {
  const { state } = peer.certificate
  return state === 'no-tls' || state === 'no-certificate'
}

/** All that a decision hangs on, and what was decided. Whatever came from outside cannot pass for two parts. */
function keyOf(record: JournalRecord, question: ReplayQuestion, { addresses, domains }: Classes): string {
  const { recipient, sender } = question
  const { address: spoken, certificate } = record.peer
  const { names } = certificate
  const address = isWithoutCertificate(record) ? (addresses.get(spoken) ?? spoken) : spoken
  let key = `${kindOf(record, question)} ${names.length}`
  for (const part of [address, ...decidedParts(record), ...names]) key += `\n${part.length} ${part}`
  return `${key}\n${domains.get(sender.domain)?.sender ?? ''}\n${domains.get(recipient.domain)?.recipient ?? ''}`
}

function kindOf({ outcome, peer, via }: JournalRecord, { isCut, recipient, sender }: ReplayQuestion): string {
  const { state } = peer.certificate
  return `${outcome} ${via ?? ''} ${state} ${isCut ? 'cut' : ''} ${senderKind(sender)} ${recipientKind(recipient)}`
}

function decidedParts({ connector, organization, reason, wouldBe }: JournalRecord): string[] {
  return [organization ?? '', connector ?? '', reason, wouldBe ?? '']
}

function senderKind({ address, domain }: ReplayQuestion['sender']): string {
  if (address === '') return 'null'
  return domain === '' ? 'bare' : 'domain'
}

function recipientKind({ domain, localPart, sourceRoute }: ReplayQuestion['recipient']): string {
  if (sourceRoute) return 'route'
  if (domain === '') return localPart.toLowerCase() === 'postmaster' ? 'postmaster' : 'bare'
  return /[%!@]/.test(localPart) ? 'routing' : 'plain'
}
