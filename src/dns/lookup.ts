/** What a resolver says: one that asks others for us (RFC 1034 section 5.3.1), or one that knows the zones itself. */

import type { AskFailure } from './ask.ts'
import { ask } from './ask.ts'
import type { Message, RecordOf, RecordType, ResourceRecord } from './message.ts'
import { RCODES } from './message.ts'
import { canonicalName } from './name.ts'
import type { Patience } from './patience.ts'
import type { NameServer } from './server.ts'
import { formatNameServer, systemNameServers } from './server.ts'

/** Why nothing can be said: none of these means that a record is not there. */
export type FailureReason =
  | AskFailure
  /** SERVFAIL: it cannot answer now, or DNSSEC says that the answer is forged. */
  | 'servfail'
  /** REFUSED: it does not answer this, or not us. */
  | 'refused'
  /** Another RCODE. */
  | 'error-code'
  /** It answers, but is neither authoritative for the zone nor asks others. */
  | 'lame'
  /** The name server's own name has no address. */
  | 'no-address'
  /** CNAME records lead in circles, or through too many names. */
  | 'alias-chain'

/** That one server could not be asked, and why. */
export interface ServerFailure {
  /** A name with an address, or one of both; may hold text from the network. */
  readonly server: string
  readonly why: FailureReason
  /** In words; may hold text from the network. */
  readonly detail: string
}

/** What is known about a name; `name` is where CNAME records led to. */
export type Lookup<Type extends RecordType> =
  | { readonly kind: 'found'; readonly name: string; readonly records: readonly RecordOf<Type>[] }
  /** The name is there, without records of this type. */
  | { readonly kind: 'none'; readonly name: string }
  /** NXDOMAIN. */
  | { readonly kind: 'no-such-name'; readonly name: string }
  | { readonly kind: 'failed'; readonly failures: readonly ServerFailure[] }

export interface Resolver {
  readonly servers: readonly NameServer[]
  readonly patience: Patience
}

/** More are not looked at: so many does glibc. */
const MOST_SERVERS = 3

/** As BIND does, more or less: longer chains are somebody's mistake or attack. */
export const MOST_ALIASES = 8

const NXDOMAIN = RCODES.indexOf('NXDOMAIN')

/**
 * @param servers the resolver to ask, or null for those of the system
 * @param patience how long to wait
 */
export function resolverOf(servers: readonly NameServer[] | null, patience: Patience): Resolver {
  return { servers: (servers ?? systemNameServers()).slice(0, MOST_SERVERS), patience }
}

/**
 * @param resolver whom to ask, the next where one fails
 * @param name what about
 * @param type which records; not CNAME, as these are followed
 * @returns what is known; never rejects for what a server does
 */
export async function lookup<Type extends Exclude<RecordType, 'CNAME'>>(
  resolver: Resolver,
  name: string,
  type: Type,
): Promise<Lookup<Type>> {
  let current = canonicalName(name) ?? name
  const seen = new Set<string>()
  for (let asked = 0; asked <= MOST_ALIASES; asked += 1) {
    const answer = await askResolver(resolver, current, type)
    if ('failures' in answer) return { kind: 'failed', failures: answer.failures }
    const { message, server } = answer
    const end = followAliases(message.answers, current, seen)
    if (end === null)
      return failedAt(server, 'alias-chain', `the CNAME records at ${current} lead in circles`)
    const records = message.answers.filter((record) => isOf(record, end, type))
    if (records.length > 0) return { kind: 'found', name: end, records }
    if (message.rcode === NXDOMAIN) return { kind: 'no-such-name', name: end }
    if (end === current) return { kind: 'none', name: end }
    // A server that asks nobody stops where its zones end.
    current = end
  }
  return failedAt('', 'alias-chain', `more than ${MOST_ALIASES} CNAME records follow one another`)
}

function failedAt(server: string, why: FailureReason, detail: string): Lookup<never> {
  return { kind: 'failed', failures: [{ server, why, detail }] }
}

function isOf<Type extends RecordType>(
  record: ResourceRecord,
  name: string,
  type: Type,
): record is RecordOf<Type> {
  return record.type === type && record.name === name
}

/** Where the CNAME records of one answer lead; null for a circle or a chain that is too long. */
function followAliases(records: readonly ResourceRecord[], name: string, seen: Set<string>): string | null {
  const targets = new Map(
    records.flatMap((record): [string, string][] =>
      record.type === 'CNAME' ? [[record.name, record.target]] : [],
    ),
  )
  let current = name
  for (let target = targets.get(current); target !== undefined; target = targets.get(current)) {
    if (seen.has(current) || seen.size > MOST_ALIASES) return null
    seen.add(current)
    current = target
  }
  return current
}

type Answer =
  { readonly message: Message; readonly server: string } | { readonly failures: readonly ServerFailure[] }

async function askResolver({ servers, patience }: Resolver, name: string, type: RecordType): Promise<Answer> {
  const failures: ServerFailure[] = []
  for (const server of servers) {
    const where = formatNameServer(server)
    const asked = await ask(server, { name, type }, true, patience)
    const failure = asked.ok ? failureOf(asked.message) : asked
    if (asked.ok && failure === null) return { message: asked.message, server: where }
    if (failure !== null) failures.push({ server: where, why: failure.why, detail: failure.detail })
  }
  if (servers.length > 0) return { failures }
  return { failures: [{ server: '', why: 'unreachable', detail: 'the system has no name servers' }] }
}

function failureOf(message: Message): Pick<ServerFailure, 'why' | 'detail'> | null {
  const error = errorOf(message)
  if (error !== null || message.authoritative || message.recursive) return error
  return { why: 'lame', detail: 'it is neither authoritative for the name nor does it ask others' }
}

/**
 * @param message an answer
 * @returns what its RCODE means when it says neither that the name is there nor that it is not
 */
export function errorOf({ rcode }: Message): Pick<ServerFailure, 'why' | 'detail'> | null {
  const name = RCODES[rcode]
  if (name === 'NOERROR' || name === 'NXDOMAIN') return null
  if (name === 'SERVFAIL') return { why: 'servfail', detail: 'it answers SERVFAIL' }
  if (name === 'REFUSED') return { why: 'refused', detail: 'it answers REFUSED' }
  return { why: 'error-code', detail: `it answers ${name ?? `RCODE ${rcode}`}` }
}
