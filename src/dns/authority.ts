/** The TXT records of a name as its authoritative servers show them, each by itself. */

import { ask } from './ask.ts'
import type { Resolver, ServerFailure } from './lookup.ts'
import { errorOf, MOST_ALIASES } from './lookup.ts'
import type { Message, RecordOf, ResourceRecord } from './message.ts'
import { RCODES } from './message.ts'
import { isAtOrBelow } from './name.ts'
import { formatNameServer } from './server.ts'
import type { Zone, ZoneServer } from './zone.ts'
import { zoneOf, zoneServedBy } from './zone.ts'

/** What one authoritative server said. */
export interface ServerAnswer {
  /** Its name and address, `ns1.contoso.com (192.0.2.1)`; may hold text from the network. */
  readonly server: string
  /** The name that it was asked about: another one where CNAME records led there. */
  readonly name: string
  /** The uppermost name of the zone that it answered from. */
  readonly zone: string
  readonly kind: 'texts' | 'none' | 'no-such-name'
  /** The TXT records at that name. */
  readonly texts: readonly string[]
}

export interface Authority {
  readonly resolver: Resolver
  /** Where authoritative servers listen: 53, except in tests. */
  readonly port: number
}

export interface Answers {
  readonly answers: readonly ServerAnswer[]
  readonly failures: readonly ServerFailure[]
}

/** All zones and names that one question may lead to. */
const MOST_STEPS = 3 * MOST_ALIASES

const NXDOMAIN = RCODES.indexOf('NXDOMAIN')

/**
 * Follows CNAME records, each to the authoritative servers of where it leads: what the server that shows one adds about
 * the target is not used. DNAME records need nothing more, as servers make a CNAME of each (RFC 6672 section 3.1).
 * @param name a domain name
 * @param authority how its servers are found
 * @returns what each server says; never rejects for what a server does
 */
export async function textsAtAuthority(name: string, authority: Authority): Promise<Answers> {
  return new Walk(authority).at(name, [])
}

/**
 * @param zone a zone, as an answer named it
 * @param name a name in it
 * @param authority how its servers are found
 * @returns whether one of its servers says that there is no such name, and none that there is
 */
export async function isMissingAtAuthority(
  zone: string,
  name: string,
  authority: Authority,
): Promise<boolean> {
  const found = await zoneOf(zone, authority.resolver)
  if (!('servers' in found)) return false
  const { port, resolver } = authority
  const replies = await Promise.all(
    found.servers.map(({ address }) =>
      ask({ address, port }, { name, type: 'SOA' }, false, resolver.patience),
    ),
  )
  const rcodes = replies.flatMap((asked) =>
    asked.ok && asked.message.authoritative ? [asked.message.rcode] : [],
  )
  return rcodes.length > 0 && rcodes.every((rcode) => rcode === NXDOMAIN)
}

const NOTHING: Answers = { answers: [], failures: [] }

class Walk {
  readonly #authority: Authority
  #steps = 0

  constructor(authority: Authority) {
    this.#authority = authority
  }

  /** @param before the names that led here */
  async at(name: string, before: readonly string[]): Promise<Answers> {
    if (before.includes(name)) return chainFailure(`the CNAME records at ${name} lead in circles`)
    if (before.length > MOST_ALIASES) {
      return chainFailure(`more than ${MOST_ALIASES} CNAME records follow one another`)
    }
    if (!this.#step()) return tooManySteps()
    const zone = await zoneOf(name, this.#authority.resolver)
    if (!('servers' in zone)) return { answers: [], failures: zone.failures }
    return this.#inZone(name, zone, before)
  }

  #step(): boolean {
    this.#steps += 1
    return this.#steps <= MOST_STEPS
  }

  async #inZone(name: string, zone: Zone, before: readonly string[]): Promise<Answers> {
    const said = await Promise.all(zone.servers.map((server) => this.#ask(server, name, zone.apex)))
    const answers = said.flatMap((one) => (one.kind === 'answer' ? [one.answer] : []))
    const failures = said.flatMap((one) => (one.kind === 'failure' ? [one.failure] : []))
    const targets = new Set(said.flatMap((one) => (one.kind === 'alias' ? [one.target] : [])))
    const below = new Map(said.flatMap((one) => (one.kind === 'referral' ? [[one.apex, one.names]] : [])))

    // One after another: a bound on the steps is a bound on what is asked at a time.
    const parts: Answers[] = [{ answers, failures: [...zone.failures, ...failures] }]
    for (const target of targets) {
      parts.push(await this.at(target, [...before, name]))
      if (this.#steps > MOST_STEPS) break
    }
    for (const [apex, names] of below) {
      if (!this.#step()) parts.push(tooManySteps())
      if (this.#steps > MOST_STEPS) break
      const lower = await zoneServedBy(apex, names, this.#authority.resolver)
      parts.push(await this.#inZone(name, lower, before))
    }
    return parts.reduce(
      (all, part) => ({
        answers: [...all.answers, ...part.answers],
        failures: [...all.failures, ...part.failures],
      }),
      NOTHING,
    )
  }

  async #ask({ name: serverName, address }: ZoneServer, name: string, zone: string): Promise<Said> {
    const { port, resolver } = this.#authority
    const where = `${serverName} (${formatNameServer({ address, port })})`
    const asked = await ask({ address, port }, { name, type: 'TXT' }, false, resolver.patience)
    return asked.ok
      ? read(asked.message, where, { name, zone })
      : { kind: 'failure', failure: { server: where, why: asked.why, detail: asked.detail } }
  }
}

type Said =
  | { readonly kind: 'answer'; readonly answer: ServerAnswer }
  | { readonly kind: 'alias'; readonly target: string }
  | { readonly kind: 'referral'; readonly apex: string; readonly names: readonly string[] }
  | { readonly kind: 'failure'; readonly failure: ServerFailure }

function read(message: Message, server: string, { name, zone }: { name: string; zone: string }): Said {
  const error = errorOf(message)
  if (error !== null) return { kind: 'failure', failure: { server, ...error } }
  if (!message.authoritative) return referralIn(message, { server, name, zone })
  const own = message.answers.filter((record) => record.name === name)
  const alias = own.find((record): record is RecordOf<'CNAME'> => record.type === 'CNAME')
  if (alias !== undefined) return { kind: 'alias', target: alias.target }
  const texts = own.flatMap((record) => (record.type === 'TXT' ? [record.text] : []))
  const kind = texts.length > 0 ? 'texts' : message.rcode === NXDOMAIN ? 'no-such-name' : 'none'
  return { kind: 'answer', answer: { server, name, zone, kind, texts } }
}

/** RFC 1034 section 4.3.2: not authoritative, but it names the servers of a zone below its own. */
function referralIn(
  { answers, authorities }: Message,
  { server, name, zone }: { server: string; name: string; zone: string },
): Said {
  const isBelow = (record: ResourceRecord): record is RecordOf<'NS'> =>
    record.type === 'NS' &&
    record.name !== zone &&
    isAtOrBelow(record.name, zone) &&
    isAtOrBelow(name, record.name)
  const servers = authorities.filter(isBelow)
  const [first] = servers
  if (answers.length === 0 && first !== undefined) {
    const names = servers.filter((record) => record.name === first.name).map(({ target }) => target)
    return { kind: 'referral', apex: first.name, names }
  }
  const detail = `it is named as a server of ${zone === '' ? 'the root' : zone}, but not authoritative for it`
  return { kind: 'failure', failure: { server, why: 'lame', detail } }
}

function tooManySteps(): Answers {
  return chainFailure(`more than ${MOST_STEPS} zones would have to be asked`)
}

function chainFailure(detail: string): Answers {
  return { answers: [], failures: [{ server: '', why: 'alias-chain', detail }] }
}
