/** What was true when, from the audit stream: every answer of the soak is held against it. */

import type { Audited } from '../src/directory/redis/audit.ts'
import type { Read, Seen, SubjectState } from './soak-world.ts'
import { CONTESTED, FIRST_STATE, outcomeOf, subjectOf } from './soak-world.ts'

interface Moment {
  /** Milliseconds since 1970, by Redis' clock: it is this machine's. */
  readonly from: number
  readonly state: SubjectState
}

/** Ids of the stream are whole milliseconds, and so is the clock that the reads were logged by. */
const ROUNDING = 1

export class History {
  /** Things in the stream itself that cannot be, e.g. a domain given to somebody while another had it. */
  readonly faults: string[] = []
  readonly #moments: readonly Moment[][]
  #contested = ''

  /**
   * @param workers how many subjects there are
   * @param entries the whole audit stream, the oldest first
   */
  constructor(workers: number, entries: readonly Audited[]) {
    this.#moments = Array.from({ length: workers }, () => [])
    const subjects = Array.from({ length: workers }, (_, worker) => subjectOf(worker))
    const states = subjects.map(() => FIRST_STATE)
    for (const entry of entries) {
      if (entry.record === `accepted-domain ${CONTESTED}`) this.#contest(entry)
      for (const [index, subject] of subjects.entries()) {
        const state = changed(states[index] ?? FIRST_STATE, subject, entry)
        if (state === null) continue
        states[index] = state
        const from = Number(entry.id.split('-')[0])
        const moments = this.#moments[index] ?? []
        // A domain that moves is removed and added in one write.
        if (moments.at(-1)?.from === from) moments.pop()
        moments.push({ from, state })
      }
    }
  }

  #contest({ organization, before, after, id }: Audited): void {
    if (before !== '' && after !== '') return
    const expected = after === '' ? organization : ''
    if (this.#contested !== expected) {
      this.faults.push(`${id}: ${CONTESTED} of ${organization}, though ${this.#contested || 'nobody'} had it`)
    }
    this.#contested = after === '' ? '' : organization
  }

  /**
   * @param read what somebody saw, and when
   * @returns for how many milliseconds it had not been true any more when it was asked for; Infinity when it never was
   */
  staleness({ subject, asked, answered, seen }: Read): number {
    const moments = this.#moments[subject] ?? []
    for (let at = lastUpTo(moments, answered + ROUNDING); at >= 0; at -= 1) {
      const { state } = moments[at] ?? { state: FIRST_STATE }
      const ended = moments[at + 1]?.from ?? Infinity
      if (agrees(seen, state)) return Math.max(0, asked - ended)
    }
    return Infinity
  }
}

function changed(
  state: SubjectState,
  { organizations, moving, flip }: ReturnType<typeof subjectOf>,
  { record, organization, after }: Audited,
): SubjectState | null {
  if (record === `accepted-domain ${moving}` && after !== '') {
    return { ...state, owner: organization === organizations[0] ? 0 : 1 }
  }
  if (record === `accepted-domain ${flip}`) return { ...state, flip: after !== '' }
  if (record.startsWith(`inbound-connector ${organizations[0]}/`))
    return { ...state, connector: after !== '' }
  return null
}

/** The last moment that had begun, -1 when none had. */
function lastUpTo(moments: readonly Moment[], time: number): number {
  let [low, high] = [0, moments.length]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if ((moments[middle]?.from ?? Infinity) <= time) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** What could not be asked contradicts nothing. */
function agrees({ owner, connector, outcome }: Seen, state: SubjectState): boolean {
  return (
    (owner === null || owner === state.owner) &&
    (connector === null || connector === state.connector) &&
    (outcome === 'defer' || outcome === outcomeOf(state))
  )
}
