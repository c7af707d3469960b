/** What one write does to Redis, collected before anything is done: all of it happens at once, or nothing. */

/** One step: an operation, its key and up to two values. */
export type Step = readonly [operation: Operation, key: string, first: string, second: string]

type Operation = 'set' | 'del' | 'zadd' | 'zrem' | 'hset' | 'hdel'

/** Who changed what, for the audit stream. */
export interface AuditEntry {
  /** e.g. `accepted-domain contoso.com`. */
  readonly record: string
  readonly organization: string
  /** JSON, or '' for nothing. */
  readonly before: string
  readonly after: string
}

export class Changeset {
  /** Keys that near caches hold: they are told of these. */
  readonly changed = new Set<string>()
  readonly steps: Step[] = []
  readonly audit: AuditEntry[] = []

  /** Sets a record that look-ups read, or removes it. */
  record(key: string, json: string | null): void {
    this.changed.add(key)
    this.keep(key, json)
  }

  /** Sets what only writers read, or removes it. */
  keep(key: string, json: string | null): void {
    this.steps.push(json === null ? ['del', key, '', ''] : ['set', key, json, ''])
  }

  member(key: string, member: string, present: boolean): void {
    this.steps.push([present ? 'zadd' : 'zrem', key, member, ''])
  }

  field(key: string, field: string, json: string | null): void {
    this.steps.push(json === null ? ['hdel', key, field, ''] : ['hset', key, field, json])
  }

  get empty(): boolean {
    return this.audit.length === 0
  }
}
