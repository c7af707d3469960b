/**
 * DNS messages (RFC 1035 section 4, EDNS: RFC 6891), as much of them as is asked for here. A reader of our own: dns-packet
 * takes half a second for one hostile message (names of 8000 pointers), refuses a whole message for one record that
 * nobody asked about, and writes a dot inside a label like one between two.
 */

import { isIPv6 } from 'node:net'
import { normalizeAddress } from '../text/ip-address.ts'
import { decodeName, encodeName, MalformedMessage } from './name.ts'

export type RecordType = 'A' | 'NS' | 'CNAME' | 'SOA' | 'PTR' | 'MX' | 'TXT' | 'AAAA'

const TYPE_CODES: Readonly<Record<RecordType, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
}
const TYPES = new Map(
  Object.entries(TYPE_CODES).map(([type, code]): [number, RecordType] => [code, type as RecordType]),
)

const CLASS_IN = 1
const TYPE_OPT = 41
/** RFC 9715 section 3.1: what passes everywhere without fragments. */
const UDP_PAYLOAD = 1232
const HEADER_OCTETS = 12

interface Owned<Type extends RecordType> {
  /** In lower case, without a trailing dot (`name.ts`). */
  readonly name: string
  readonly type: Type
}

/** A record that was read; one of another type or class is passed over. */
export type ResourceRecord =
  | (Owned<'A'> & { readonly address: string })
  | (Owned<'AAAA'> & { readonly address: string })
  | (Owned<'NS'> & { readonly target: string })
  | (Owned<'CNAME'> & { readonly target: string })
  | (Owned<'PTR'> & { readonly target: string })
  | (Owned<'MX'> & { readonly preference: number; readonly exchange: string })
  /** The strings of a TXT record are one text (RFC 7208 section 3.3); read as UTF-8. */
  | (Owned<'TXT'> & { readonly text: string })
  | Owned<'SOA'>

export type RecordOf<Type extends RecordType> = Extract<ResourceRecord, { readonly type: Type }>

export interface Question {
  readonly name: string
  readonly type: RecordType
}

/** RFC 1035 section 4.1.1, RFC 2136 section 2.2. */
export const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'] as const

export interface Message {
  readonly id: number
  readonly isResponse: boolean
  /** AA: the server answers out of the zone itself. */
  readonly authoritative: boolean
  /** TC: the rest is to be had over TCP; nothing of the records is read then. */
  readonly truncated: boolean
  /** RA: the server asks others. */
  readonly recursive: boolean
  readonly rcode: number
  /** Null where a server that did not understand left it out. */
  readonly question: { readonly name: string; readonly type: RecordType | null } | null
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
}

/** How a question is put. */
export interface QueryOptions {
  readonly id: number
  /** RD: the server shall ask others. */
  readonly recursion: boolean
  /** Whether answers of more than 512 octets are taken over UDP (EDNS); servers of long ago do not know it. */
  readonly edns: boolean
}

/**
 * @param question what is asked
 * @param options how
 * @returns the octets of the query; null when the name does not fit into one
 */
export function encodeQuery(question: Question, { id, recursion, edns }: QueryOptions): Buffer | null {
  const name = encodeName(question.name)
  if (name === null) return null
  const header = Buffer.alloc(HEADER_OCTETS)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(recursion ? 0x0100 : 0, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(edns ? 1 : 0, 10)
  const asked = Buffer.alloc(4)
  asked.writeUInt16BE(TYPE_CODES[question.type], 0)
  asked.writeUInt16BE(CLASS_IN, 2)
  const opt = Buffer.alloc(edns ? 11 : 0)
  if (edns) {
    opt.writeUInt16BE(TYPE_OPT, 1)
    opt.writeUInt16BE(UDP_PAYLOAD, 3)
  }
  return Buffer.concat([header, name, asked, opt])
}

/**
 * @param bytes what came from the network
 * @returns the message; of its records those of the answer and the authority section (what a server adds unasked is
 *   nothing to rely on)
 * @throws MalformedMessage when it is none
 */
export function decodeMessage(bytes: Buffer): Message {
  if (bytes.length < HEADER_OCTETS) throw new MalformedMessage('it is shorter than a header')
  const flags = bytes.readUInt16BE(2)
  const truncated = (flags & 0x0200) !== 0
  const { question, end } = decodeQuestion(bytes)
  const answers = truncated ? null : decodeRecords(bytes, end, bytes.readUInt16BE(6))
  const authorities = answers === null ? null : decodeRecords(bytes, answers.end, bytes.readUInt16BE(8))
  return {
    id: bytes.readUInt16BE(0),
    isResponse: (flags & 0x8000) !== 0 && (flags & 0x7800) === 0,
    authoritative: (flags & 0x0400) !== 0,
    truncated,
    recursive: (flags & 0x0080) !== 0,
    rcode: flags & 0xf,
    question,
    answers: answers?.records ?? [],
    authorities: authorities?.records ?? [],
  }
}

function decodeQuestion(bytes: Buffer): { question: Message['question']; end: number } {
  const count = bytes.readUInt16BE(4)
  if (count === 0) return { question: null, end: HEADER_OCTETS }
  if (count > 1) throw new MalformedMessage('it holds several questions')
  const { name, end } = decodeName(bytes, HEADER_OCTETS, bytes.length)
  requireOctets(bytes, end, 4)
  const type = bytes.readUInt16BE(end + 2) === CLASS_IN ? TYPES.get(bytes.readUInt16BE(end)) : undefined
  return { question: { name, type: type ?? null }, end: end + 4 }
}

function decodeRecords(
  bytes: Buffer,
  start: number,
  count: number,
): { records: ResourceRecord[]; end: number } {
  const records: ResourceRecord[] = []
  let at = start
  for (let read = 0; read < count; read += 1) {
    const { name, end } = decodeName(bytes, at, bytes.length)
    requireOctets(bytes, end, 10)
    const from = end + 10
    const to = from + bytes.readUInt16BE(end + 8)
    requireOctets(bytes, from, to - from)
    const type = bytes.readUInt16BE(end + 2) === CLASS_IN ? TYPES.get(bytes.readUInt16BE(end)) : undefined
    if (type !== undefined) records.push(decodeRecord(bytes, { name, type, from, to }))
    at = to
  }
  return { records, end: at }
}

interface Raw {
  readonly name: string
  readonly type: RecordType
  readonly from: number
  readonly to: number
}

function decodeRecord(bytes: Buffer, { name, type, from, to }: Raw): ResourceRecord {
  switch (type) {
    case 'A':
      return { name, type, address: decodeAddress(bytes.subarray(from, to), 4) }
    case 'AAAA':
      return { name, type, address: decodeAddress(bytes.subarray(from, to), 16) }
    case 'NS':
    case 'CNAME':
    case 'PTR':
      return { name, type, target: decodeTarget(bytes, from, to) }
    case 'MX':
      if (to - from < 3) throw new MalformedMessage('an MX record is too short')
      return {
        name,
        type,
        preference: bytes.readUInt16BE(from),
        exchange: decodeTarget(bytes, from + 2, to),
      }
    case 'TXT':
      return { name, type, text: decodeText(bytes.subarray(from, to)) }
    case 'SOA':
      return { name, type }
    default:
      return type satisfies never
  }
}

function decodeAddress(data: Buffer, octets: number): string {
  if (data.length !== octets) throw new MalformedMessage('an address has another length')
  if (octets === 4) return data.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => data.readUInt16BE(2 * index).toString(16))
  const text = groups.join(':')
  const address = normalizeAddress(text)
  if (address === null) throw new MalformedMessage('an address cannot be read')
  // An AAAA record of ::ffff:a.b.c.d is no way to an IPv4 server: it stays what it is.
  return isIPv6(address) ? address : `::ffff:${address}`
}

function decodeTarget(bytes: Buffer, from: number, to: number): string {
  const { name, end } = decodeName(bytes, from, to)
  if (end !== to) throw new MalformedMessage('a name ends before its record')
  return name
}

function decodeText(data: Buffer): string {
  const strings: Buffer[] = []
  for (let at = 0; at < data.length;) {
    const end = at + 1 + (data[at] ?? 0)
    if (end > data.length) throw new MalformedMessage('a text ends after its record')
    strings.push(data.subarray(at + 1, end))
    at = end
  }
  return Buffer.concat(strings).toString('utf8')
}

function requireOctets(bytes: Buffer, from: number, count: number): void {
  if (from + count > bytes.length) throw new MalformedMessage('it ends too early')
}
