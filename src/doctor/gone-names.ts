/** Decisions for connectors that the directory does not have any more under that name, by organisation. */

import { nameKey } from '../directory/model.ts'
import type { GoneDecisions } from '../journal/gone.ts'
import { Told } from '../journal/gone.ts'

interface Count {
  decisions: number
  readonly told: Told
}

export class GoneNames {
  readonly #connectors = new Map<string, Count>()
  readonly #organizations: Count = { decisions: 0, told: new Told() }

  /**
   * @param organization as the record has it
   * @param connector likewise; the directory has none of that name there
   * @param isThere whether the directory has the organisation
   */
  add(organization: string, connector: string, isThere: boolean): void {
    const count = isThere ? this.#countOf(nameKey(organization)) : this.#organizations
    count.decisions += 1
    count.told.add(isThere ? connector : organization)
  }

  /**
   * @param organization an organisation of the directory
   * @returns decisions that may have been of its connectors, when they or it had other names; null for none
   */
  of(organization: string): GoneDecisions | null {
    const own = this.#connectors.get(nameKey(organization))
    const others = this.#organizations
    const decisions = (own?.decisions ?? 0) + others.decisions
    if (decisions === 0) return null
    return {
      decisions,
      connectors: own?.told.names ?? [],
      organizations: others.told.names,
      isMore: own?.told.isMore === true || others.told.isMore,
    }
  }

  #countOf(key: string): Count {
    const count = this.#connectors.get(key) ?? { decisions: 0, told: new Told() }
    this.#connectors.set(key, count)
    return count
  }
}
