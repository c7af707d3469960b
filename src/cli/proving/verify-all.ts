/** `connectorctl domain verify --all`: proves what can be proven, and looks again at what was. */

import { setMaxListeners } from 'node:events'
import { nameKey } from '../../directory/model.ts'
import type { Look } from '../../proof/last-look.ts'
import type { LookedBatch } from '../../proof/look-all.ts'
import { lookAtAll } from '../../proof/look-all.ts'
import type { Looked, LookState } from '../../proof/look.ts'
import { printable } from '../../text/printable.ts'
import type { CliContext } from '../context.ts'
import { changeDirectory } from '../editor.ts'
import { CommandFailed } from '../errors.ts'
import { organizationNamed } from '../manage/records.ts'
import { Progress } from '../terminal.ts'
import type { Proving, VerifyOptions } from './options.ts'
import { askWith, durationOf } from './options.ts'

/** Domains of each kind that are named for people, and of those that are lost; --json names all. */
const MOST_NAMED = 20
const MOST_LOST_NAMED = 100

/** What is said of each kind, in this order. */
const STATES: readonly (readonly [state: LookState, text: string])[] = [
  ['newly-lost', 'lost just now'],
  ['lost', 'lost'],
  ['unknown', 'could not be asked about'],
  ['newly-proven', 'newly proven'],
  ['found-again', 'found again'],
  ['unproven', 'not proven'],
  ['proven', 'proven before, and still'],
]

/**
 * @param proving the directory, and what is kept beside it
 * @param options what commander made of the flags
 * @param context where to write
 * @throws CommandFailed when a domain is lost, or what was found could not be written
 */
export async function verifyAll(
  { memory, open }: Proving,
  options: VerifyOptions,
  context: CliContext,
): Promise<void> {
  const organization =
    options.organization === undefined ? null : await organizationNamed(open, options.organization)
  const ask = askWith({ open }, options, context.signal)
  if (options.ifOlder !== undefined) {
    const longest = durationOf(options.ifOlder, '--if-older')
    const last = await memory.lastLook()
    if (last !== null && Date.now() - Date.parse(last.lookedAt) < longest) {
      notDue(last, options, context)
      return
    }
  }
  if (!(await memory.beginLook())) {
    if (options.ifOlder === undefined) {
      throw new CommandFailed('another node looks at the proofs just now: nothing was done')
    }
    notDue(null, options, context)
    return
  }
  // Each domain that is asked about listens.
  setMaxListeners(0, context.signal)
  const report = new Report()
  const progress = new Progress(context)
  const now = new Date().toISOString()
  try {
    const batches = lookAtAll({
      editor: open.editor,
      change: (prepare) => changeDirectory(open, prepare),
      organization: organization === null ? null : nameKey(organization.organization.name),
      installationId: await memory.installationId(),
      signal: context.signal,
      progress: (share) => {
        progress.show('Looking at proofs', share)
      },
      ask,
      now,
    })
    for await (const batch of batches) report.add(batch)
  } finally {
    progress.done()
    await memory.endLook()
  }
  const interrupted = context.signal.aborted
  const look = report.look(now)
  // A look at a part says nothing about the rest.
  if (!interrupted && organization === null) await memory.rememberLook(look)
  report.tell({ look, interrupted, json: options.json === true }, context)
}

function notDue(last: Look | null, { json }: VerifyOptions, { stdout }: CliContext): void {
  if (json === true) stdout.write(`${JSON.stringify({ looked: false, lookedAt: last?.lookedAt ?? null })}\n`)
}

/** What is kept of a domain until all of it is told: not the answers of the DNS. */
interface Told {
  readonly domain: string
  readonly organization: string
  readonly state: LookState
  readonly countsUntil: string | null
  readonly found: string
}

class Report {
  readonly #counts = new Map<LookState, number>()
  readonly #told: Told[] = []
  #unwritten = 0
  #why: string | null = null

  add({ looked, unwritten }: LookedBatch): void {
    if (unwritten !== null) {
      this.#why = unwritten
      this.#unwritten += looked.filter(({ state }) => CHANGING.has(state)).length
    }
    for (const one of looked) {
      this.#counts.set(one.state, this.#count(one.state) + 1)
      if (one.state !== 'proven') this.#told.push(toldOf(one))
    }
  }

  #count(state: LookState): number {
    return this.#counts.get(state) ?? 0
  }

  look(lookedAt: string): Look {
    return {
      lookedAt,
      domains: [...this.#counts.values()].reduce((sum, count) => sum + count, 0),
      lost: this.#count('lost') + this.#count('newly-lost'),
      unknown: this.#count('unknown'),
      unwritten: this.#unwritten,
    }
  }

  tell(
    {
      interrupted,
      json,
      look,
    }: { readonly interrupted: boolean; readonly json: boolean; readonly look: Look },
    { stdout }: CliContext,
  ): void {
    if (json) {
      const counts = Object.fromEntries(STATES.map(([state]) => [state, this.#count(state)]))
      const told = { looked: true, interrupted, ...look, counts, domains: this.#told, why: this.#why }
      stdout.write(`${JSON.stringify(told)}\n`)
    } else {
      for (const line of this.#lines(look)) stdout.write(`${line}\n`)
    }
    if (this.#why !== null) throw new CommandFailed(this.#refusal())
    if (interrupted) throw new CommandFailed('stopped: the other domains were not looked at')
    if (look.lost > 0) throw new CommandFailed('')
  }

  *#lines({ domains }: Look): Generator<string> {
    for (const [state, text] of STATES) {
      const told = this.#told.filter((one) => one.state === state)
      const most = state === 'lost' || state === 'newly-lost' ? MOST_LOST_NAMED : MOST_NAMED
      for (const one of told.slice(0, most)) yield lineOf(one, text)
      if (told.length > most) yield `and ${told.length - most} more: ${text}`
    }
    const counts = STATES.filter(([state]) => this.#count(state) > 0).map(
      ([state, text]) => `${this.#count(state)} ${text}`,
    )
    yield `proofs of domains were looked at: ${domains === 0 ? 'there are none' : counts.join(', ')}`
  }

  #refusal(): string {
    const names = this.#told
      .filter(({ state }) => state === 'newly-lost')
      .slice(0, 10)
      .map(({ domain }) => domain)
    const lost = names.length === 0 ? '' : ` (lost: ${names.join(', ')})`
    return `what was found of ${this.#unwritten} domains${lost} could not be written, and nothing changes by it: ${this.#why ?? ''}; run connectorctl domain verify --all as a user who may write the directory`
  }
}

/** What has to be written. */
const CHANGING: ReadonlySet<LookState> = new Set(['newly-lost', 'newly-proven', 'found-again'])

function toldOf({ domain, proof, result, state }: Looked): Told {
  const { domainName, organization } = domain
  return {
    domain: domainName,
    organization,
    state,
    countsUntil: proof?.countsUntil ?? null,
    found: result.kind,
  }
}

function lineOf({ countsUntil, domain, found, organization, state }: Told, text: string): string {
  const until = countsUntil === null ? '' : `; it counts until ${countsUntil} where proof is required`
  const why = state === 'newly-proven' || state === 'found-again' ? '' : ` (${found})`
  return `${domain} of ${printable(organization, 80)}: ${text}${why}${until}`
}
