/** What remedies are made of. */

import type { Directory } from '../directory/directory.ts'
import type { Organization } from '../directory/model.ts'
import type { AcceptedDomain, InboundConnector, OutboundConnector, PeerCertificate } from '../policy/types.ts'
import type { SimulatedMessage, Simulation, SimulationSettings } from './simulate.ts'

/** One change. */
export interface Change {
  /** A sentence without its full stop. */
  readonly what: string
  /** Arguments of connectorctl that make it; null where it is made elsewhere. */
  readonly command: readonly string[] | null
  readonly domain?: AcceptedDomain
  readonly connector?: InboundConnector
  readonly outbound?: OutboundConnector
  /** What the server would present from then on. */
  readonly certificate?: PeerCertificate
  readonly settings?: SimulationSettings
}

/** A message that was not accepted, and what is known about it. */
export interface Question {
  readonly directory: Directory
  readonly settings: SimulationSettings
  readonly message: SimulatedMessage
  readonly simulation: Simulation
  /** The organisation whose mail it seems to be, with all that it owns; null when nobody knows. */
  readonly organization: Organization | null
  /** ISO 8601 in UTC, up to when report-only mode may last. */
  readonly reportOnlyUntil: string
}
