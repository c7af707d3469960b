/** What belongs to a code of the closed list. */

/** What belongs together is examined, and told, together. */
export type FindingGroup =
  | 'checks'
  | 'settings'
  | 'host'
  | 'certificates'
  | 'listeners'
  | 'permissions'
  | 'clock'
  | 'disk'
  | 'queue'
  | 'redis'
  | 'connectors'
  | 'domains'
  | 'journal'
  | 'dns'

export interface FindingText {
  readonly code: string
  readonly group: FindingGroup
  /** One sentence: what is wrong, or worth knowing. */
  readonly meaning: string
  /** What a finding tells as evidence. */
  readonly evidence: string
  /** What to do; a finding may say it more exactly. */
  readonly remedy: string
}
