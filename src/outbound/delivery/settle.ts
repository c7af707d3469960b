/** What comes of an attempt is kept: reports, state, journal; one after the other for each message. */

import type { DeliveryRecord } from '../../journal/record.ts'
import { messageOf } from '../../text/message-of.ts'
import type { ReportContext } from '../report/report.ts'
import { mayReport, wants } from '../report/wants.ts'
import type {
  Content,
  MessageState,
  QueuedMessage,
  QueueLog,
  RecipientState,
  Report,
  Session,
  Spool,
} from '../types.ts'
import type { Acting, Applied as Acted } from '../control/actions.ts'
import type { Entry } from './entry.ts'
import type { Applied, Attempt } from './outcome.ts'
import { applyAttempt, isDone } from './outcome.ts'
import type { Reports } from './queue-type.ts'
import { recordsOf } from './record.ts'
import type { DeliverySettings } from './settings-type.ts'

export interface SettlingOptions {
  readonly spool: Spool
  readonly settings: () => DeliverySettings
  readonly reports: Reports
  readonly reportContext: (message: QueuedMessage) => ReportContext
  readonly log: QueueLog
  readonly now: () => number
  readonly random: () => number
  /** Puts a report into the queue. @throws NotStored */
  readonly accept: (report: Report) => Promise<void>
  readonly forget: (entry: Entry) => void
  readonly wait: (entry: Entry) => void
}

type Spoken = Pick<Session, 'target' | 'tls'> | undefined

/** A report that could not be stored is made again after so long. */
const REPORT_RETRY = 60_000

/** A message that could not be removed is removed after so long. */
const REMOVE_RETRY = 60_000

export class Settling {
  readonly #options: SettlingOptions
  readonly #working = new Set<Promise<void>>()
  #finished = false

  constructor(options: SettlingOptions) {
    this.#options = options
  }

  /**
   * @param entry the message
   * @param attempt what became of some of its recipients
   * @param route how they went
   * @param session the connection, where there was one
   */
  add(entry: Entry, attempt: Attempt, route: DeliveryRecord['route'], session: Spoken): void {
    this.#queue(entry, () => this.#settle(entry, attempt, route, session))
  }

  /** @param entry one of whose parts has ended without anything to keep */
  end(entry: Entry): void {
    entry.groups -= 1
    if (entry.groups === 0) this.#options.wait(entry)
  }

  /**
   * Keeps what an administrator's word made of it, before anything that an attempt makes of it from now on.
   * @returns the id of the bounce that was made
   */
  act(entry: Entry, acted: Acted, acting: Acting): Promise<string | null> {
    const run = entry.work.then(() => this.#act(entry, acted, acting))
    const work = run
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => {
        this.#working.delete(work)
      })
    entry.work = work
    this.#working.add(work)
    return run
  }

  async #act(entry: Entry, acted: Acted, { now }: Acting): Promise<string | null> {
    const { reportContext, reports, spool } = this.#options
    const after = { ...entry.message, state: acted.state }
    let related: string | null = null
    if (acted.failed.length > 0) {
      const content = await this.#contentOf(entry)
      related = await this.#report(
        reports.bounce(after, content, acted.failed, { ...reportContext(after), now }),
      )
    }
    if (acted.remove) {
      entry.message = after
      await this.#remove(entry)
    } else entry.message = await spool.saveState(entry.message, acted.state, true)
    return related
  }

  /** @param graceMilliseconds how long what is being written may take */
  async finish(graceMilliseconds: number): Promise<void> {
    this.#finished = true
    const all = Promise.all(this.#working)
    const patience = new Promise((resolve) => setTimeout(resolve, Math.max(graceMilliseconds, 1000)).unref())
    await Promise.race([all, patience])
  }

  #queue(entry: Entry, work: () => Promise<void>): void {
    const run = entry.work
      .then(work)
      .catch((error: unknown) => {
        this.#options.log.error(
          `what happened to message ${entry.message.envelope.id} could not be kept: ${messageOf(error)}`,
        )
      })
      .finally(() => {
        this.#working.delete(run)
        this.end(entry)
      })
    entry.work = run
    this.#working.add(run)
  }

  async #settle(
    entry: Entry,
    attempt: Attempt,
    route: DeliveryRecord['route'],
    session: Spoken,
  ): Promise<void> {
    const { log, now, random, settings } = this.#options
    const outcome = applyAttempt(entry.message, attempt, { now: now(), random, settings: settings() })
    const { applied, related } = await this.#reportFailures(entry, outcome)
    const after = { ...entry.message, state: applied.state }
    await this.#reportSuccess(entry, after, applied)
    for (const record of this.#records(after, applied, route, session, related)) log.journal(record)
    await this.#keep(entry, after, applied)
    await this.#warnOfDelay(entry, applied)
  }

  *#records(
    after: QueuedMessage,
    { changes }: Applied,
    route: DeliveryRecord['route'],
    session: Spoken,
    related: string | null,
  ): Generator<DeliveryRecord> {
    const happened = { now: this.#options.now(), route, session }
    const { deferred, delivered, failed, kept, news } = changes
    yield* recordsOf(after, { ...happened, event: 'delivered', recipients: delivered })
    if (news) yield* recordsOf(after, { ...happened, event: 'deferred', recipients: deferred })
    yield* recordsOf(after, { ...happened, event: 'bounced', recipients: failed, related })
    yield* recordsOf(after, { ...happened, event: 'held', recipients: kept })
  }

  /** Stored before the state says so. Where it cannot be, those that failed are tried again; the others have theirs. */
  async #reportFailures(
    entry: Entry,
    outcome: Applied,
  ): Promise<{ readonly applied: Applied; readonly related: string | null }> {
    const { log, now, reportContext, reports } = this.#options
    const { failed } = outcome.changes
    const after = { ...entry.message, state: outcome.state }
    const told = failed.filter((index) => wants(after.envelope.recipients[index]?.notify ?? null, 'failure'))
    if (told.length === 0) return { applied: outcome, related: null }
    try {
      const content = await this.#contentOf(entry)
      const related = await this.#report(reports.bounce(after, content, told, reportContext(after)))
      return { applied: outcome, related }
    } catch (error) {
      log.error(
        `the bounce of message ${after.envelope.id} could not be stored: ${messageOf(error)}; it is kept`,
      )
      return { applied: postponed(outcome, now() + REPORT_RETRY), related: null }
    }
  }

  /** RFC 3461 section 6.2.5: it was relayed to a server that will not confirm its delivery. */
  async #reportSuccess(
    entry: Entry,
    after: QueuedMessage,
    { changes: { delivered } }: Applied,
  ): Promise<void> {
    const { envelope } = after
    const asked = delivered.filter((index) => wants(envelope.recipients[index]?.notify ?? null, 'success'))
    if (asked.length === 0 || !mayReport(envelope)) return
    const { log, reportContext, reports } = this.#options
    try {
      await this.#report(
        reports.successReport(after, await this.#contentOf(entry), asked, reportContext(after)),
      )
    } catch (error) {
      log.warn(`the report that ${envelope.id} was relayed could not be stored: ${messageOf(error)}`)
    }
  }

  async #report(report: Report | null): Promise<string | null> {
    if (report === null) return null
    await this.#options.accept(report)
    return report.envelope.id
  }

  async #keep(entry: Entry, after: QueuedMessage, { changes, state }: Applied): Promise<void> {
    const { spool } = this.#options
    if (isDone(state)) {
      // Also where it cannot be removed: it is done.
      entry.message = after
      await this.#remove(entry)
      return
    }
    const { deferred, delivered, failed, kept, news } = changes
    const final = delivered.length + failed.length + kept.length > 0
    entry.message = after
    // That a destination still does not answer is known already.
    if (final || (deferred.length > 0 && news))
      entry.message = await spool.saveState(after, state, final || tellsMore(state))
  }

  /** What cannot be removed is done all the same: it is not tried again, but its removal is. */
  async #remove(entry: Entry): Promise<void> {
    const { forget, log, spool } = this.#options
    try {
      await spool.remove(entry.message)
      forget(entry)
    } catch (error) {
      log.error(
        `message ${entry.message.envelope.id} is done, and cannot be removed from the queue: ${messageOf(error)}`,
      )
      setTimeout(() => {
        if (!this.#finished) void this.#remove(entry)
      }, REMOVE_RETRY).unref()
    }
  }

  async #warnOfDelay(entry: Entry, { changes: { deferred } }: Applied): Promise<void> {
    const { log, now, reportContext, reports, settings, spool } = this.#options
    const { envelope, state } = entry.message
    const { delayWarningAfter } = settings()
    if (deferred.length === 0 || delayWarningAfter === 0 || state.warnedAt !== null || !mayReport(envelope))
      return
    if (now() - envelope.receivedAt < delayWarningAfter) return
    const told = deferred.filter((index) => wants(envelope.recipients[index]?.notify ?? null, 'delay'))
    if (told.length === 0) return
    try {
      const report = reports.delayWarning(
        entry.message,
        await this.#contentOf(entry),
        told,
        reportContext(entry.message),
      )
      const related = await this.#report(report)
      entry.message = await spool.saveState(entry.message, { ...state, warnedAt: now() }, true)
      if (related === null) return
      for (const record of recordsOf(entry.message, {
        event: 'delayed',
        recipients: told,
        now: now(),
        related,
      })) {
        log.journal(record)
      }
    } catch (error) {
      log.warn(`the warning that ${envelope.id} is late could not be stored: ${messageOf(error)}`)
    }
  }

  #contentOf(entry: Entry): Promise<Content> {
    return entry.content === null ? this.#options.spool.read(entry.message) : Promise.resolve(entry.content)
  }
}

/** Whether it tells what must not be forgotten: it takes the place of a state that was synced. */
function tellsMore({ hold, recipients, warnedAt }: MessageState): boolean {
  return hold !== null || warnedAt !== null || recipients.some(({ status }) => status !== 'waiting')
}

/** Those that failed wait again, as nobody could be told. */
function postponed({ changes, state }: Applied, until: number): Applied {
  const recipients = state.recipients.map((recipient, index): RecipientState =>
    changes.failed.includes(index) ? { ...recipient, status: 'waiting', nextAttempt: until } : recipient,
  )
  return { state: { ...state, recipients }, changes: { ...changes, failed: [] } }
}
