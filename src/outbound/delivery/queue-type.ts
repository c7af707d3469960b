/** What the queue of a process needs, and what it is to others. */

import type { OutboundConnector } from '../../policy/types.ts'
import type { ReportContext } from '../report/report.ts'
import type {
  ClientIdentity,
  Connect,
  Content,
  Envelope,
  QueueControl,
  QueuedMessage,
  QueueLog,
  Report,
  RouteOf,
  Said,
  Spool,
} from '../types.ts'
import type { HopContext } from './hop.ts'
import type { DeliverySettings } from './settings-type.ts'

/** What reports are made by (`report/report.ts`). */
export interface Reports {
  bounce(
    message: QueuedMessage,
    content: Content,
    recipients: readonly number[],
    context: ReportContext,
  ): Report | null
  delayWarning(
    message: QueuedMessage,
    content: Content,
    recipients: readonly number[],
    context: ReportContext,
  ): Report | null
  successReport(
    message: QueuedMessage,
    content: Content,
    recipients: readonly number[],
    context: ReportContext,
  ): Report | null
}

export interface QueueOptions {
  readonly owner: string
  readonly spool: Spool
  readonly connect: Connect
  readonly routeOf: RouteOf
  /** What this server shows of itself, or why it cannot. */
  readonly identityOf: (
    connector: OutboundConnector | null,
  ) => Promise<ClientIdentity | { readonly failure: Said }>
  readonly hops: HopContext
  readonly settings: () => DeliverySettings
  readonly reports: Reports
  readonly reportContext: (message: QueuedMessage) => ReportContext
  readonly log: QueueLog
  readonly now?: () => number
  readonly random?: () => number
}

export interface QueueCounts {
  /** Transactions under way. */
  readonly active: number
  /** Due, and waiting for their turn. */
  readonly ready: number
  /** Waiting for their time, or held. */
  readonly later: number
}

export interface OutboundQueue {
  /**
   * @throws NotStored, and then nothing of it is left
   */
  accept(envelope: Envelope, content: Content): Promise<void>
  /** Loads what is on the disk, in the background; returns when all of it is known. */
  start(): Promise<void>
  /** No new attempts; those under way may take so long. What is left stays on the disk. */
  stop(graceMilliseconds: number): Promise<void>
  readonly counts: QueueCounts
  readonly control: QueueControl
}
