/**
 * What the soak changes and asks. Each worker has a subject that only it changes: a domain that moves between two
 * organisations, a connector that comes and goes, a domain that comes and goes. All workers ask about all subjects. And
 * one more domain is everybody's who takes it first.
 */

import type { ConfiguredConnector, Organization } from '../src/directory/model.ts'
import { connector, domain } from '../test/support/policy-world.ts'

/** A subject as it stands. */
export interface SubjectState {
  /** Which of its two organisations has the moving domain. */
  readonly owner: 0 | 1
  /** Whether the connector of the first organisation is there. */
  readonly connector: boolean
  /** Whether the other domain is registered. */
  readonly flip: boolean
}

export const FIRST_STATE: SubjectState = { owner: 0, connector: true, flip: false }

/** The domain that every worker wants. */
export const CONTESTED = 'contested.example'

/** The names of a worker's subject. */
export interface Subject {
  readonly organizations: readonly [string, string]
  readonly moving: string
  readonly flip: string
  readonly certificateName: string
}

/** @returns the names of a worker's subject */
export function subjectOf(worker: number): Subject {
  return {
    organizations: [`w${worker}-a`, `w${worker}-b`],
    moving: `moving${worker}.example`,
    flip: `flip${worker}.example`,
    certificateName: `mail.servers${worker}.example`,
  }
}

/**
 * @param worker whose subject
 * @param state it as it shall be
 * @param contested whether its second organisation shall have the contested domain as well
 * @returns both organisations
 */
export function organizationsFor(
  worker: number,
  { owner, connector: present, flip }: SubjectState,
  contested: boolean,
): readonly Organization[] {
  const subject = subjectOf(worker)
  const [first, second] = subject.organizations
  const moving = domain(subject.organizations[owner], subject.moving)
  const domains = [
    [...(flip ? [domain(first, subject.flip)] : []), ...(owner === 0 ? [moving] : [])],
    [...(contested ? [domain(second, CONTESTED)] : []), ...(owner === 1 ? [moving] : [])],
  ]
  return subject.organizations.map((name, index) => ({
    name,
    comment: null,
    acceptedDomains: domains[index] ?? [],
    inboundConnectors: index === 0 && present ? [connectorOf(name, subject.certificateName)] : [],
    outboundConnectors: [],
  }))
}

function connectorOf(organization: string, tlsSenderCertificateName: string): ConfiguredConnector {
  const common = connector(organization, 'Servers', { tlsSenderCertificateName })
  return { ...common, senderDomains: [], allowWideAddresses: false, comment: null }
}

/** Decisions there are, as they are kept in a file. */
export const OUTCOMES = ['deny', 'relay', 'deliver', 'defer'] as const

/** What one message showed of a subject; null where Redis could not be asked. */
export interface Seen {
  /** The organisation that has the sender's domain: 0, 1, or 2 for nobody. */
  readonly owner: 0 | 1 | 2 | null
  /** Whether the connector was found. */
  readonly connector: boolean | null
  readonly outcome: (typeof OUTCOMES)[number]
}

/**
 * @param state a subject
 * @returns what is decided on a message of its server, from the moving domain to the other one
 */
export function outcomeOf({ owner, connector: present, flip }: SubjectState): Seen['outcome'] {
  // Rule 5 before rule 6: mail to an accepted domain is taken from anybody.
  if (flip) return 'deliver'
  return present && owner === 0 ? 'relay' : 'deny'
}

/** One line of a worker's file. Times are milliseconds since 1970. */
export interface Read {
  readonly subject: number
  readonly asked: number
  readonly answered: number
  /** Whether the worker had noticed that Redis could not be asked: what it remembers counts for longer then. */
  readonly away: boolean
  readonly seen: Seen
}

/** @returns a read as a line without its end */
export function writeRead({ subject, asked, answered, away, seen }: Read): string {
  const connector = seen.connector === null ? '?' : seen.connector ? 1 : 0
  return `${asked} ${answered - asked} ${subject} ${seen.owner ?? '?'} ${connector} ${OUTCOMES.indexOf(seen.outcome)} ${away ? 1 : 0}`
}

/** @returns the read that a line says */
export function readRead(line: string): Read {
  const [asked = '', took = '', subject = '', owner = '?', connector = '?', outcome = '', away = ''] =
    line.split(' ')
  const owners = { '0': 0, '1': 1, '2': 2 } as const
  return {
    subject: Number(subject),
    asked: Number(asked),
    answered: Number(asked) + Number(took),
    away: away === '1',
    seen: {
      owner: owner in owners ? owners[owner as keyof typeof owners] : null,
      connector: connector === '?' ? null : connector === '1',
      outcome: OUTCOMES[Number(outcome)] ?? 'defer',
    },
  }
}
