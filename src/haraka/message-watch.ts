/**
 * Watches a message as it comes in. Haraka takes a bare CR and NUL inside DATA, breaks long lines, and writes header
 * fields back from decoded text, which changes every byte that is not UTF-8 (haraka/Haraka#2176 was the same for
 * bodies). Here the first two are found before anything is queued, and header fields go out as they came in.
 */

import { Transform } from 'node:stream'
import type { TransformCallback } from 'node:stream'
import type { Reply } from '../policy/replies.ts'
import type { Transaction } from './types.ts'

const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e

/** As much header as a message may have; Exim's limit, ten times Postfix's. */
const MOST_HEADER_BYTES = 1_048_576

interface Watch {
  bareCr: boolean
  nul: boolean
  headerBytes: number
  /** The header lines as received, dot-stuffed, until the header ends. */
  rawHeader: Buffer[]
  /** What Haraka made of them, once the header has ended. */
  parsedHeader: readonly string[] | null
}

const WATCHES = new WeakMap<Transaction, Watch>()

/**
 * Starts watching: call it at the `data` hook, before the first line of the message.
 * @param transaction the transaction whose message comes next
 */
export function watchMessage(transaction: Transaction): void {
  const watch: Watch = { bareCr: false, nul: false, headerBytes: 0, rawHeader: [], parsedHeader: null }
  WATCHES.set(transaction, watch)
  const addData = transaction.add_data.bind(transaction)
  transaction.add_data = (line: Buffer) => {
    inspect(watch, line)
    addData(line)
    if (watch.parsedHeader === null) keepHeader(watch, transaction, line)
  }
}

function inspect(watch: Watch, line: Buffer): void {
  if (line.includes(0)) watch.nul = true
  const cr = line.indexOf(CR)
  // Haraka has refused bare LF by now, so each line ends in CRLF: any CR before that is bare.
  if (cr !== -1 && cr !== line.length - 2) watch.bareCr = true
}

function keepHeader(watch: Watch, transaction: Transaction, line: Buffer): void {
  if (transaction.found_hb_sep) {
    watch.parsedHeader = [...transaction.header.header_list]
    return
  }
  watch.headerBytes += line.length
  if (watch.headerBytes <= MOST_HEADER_BYTES) watch.rawHeader.push(line)
}

/**
 * @param transaction a transaction whose message is complete
 * @param mostReceived how many Received fields make a loop (RFC 5321 section 6.3)
 * @returns why the message must be refused, or null
 */
export function findFault(transaction: Transaction, mostReceived: number): Reply | null {
  const watch = WATCHES.get(transaction)
  if (watch?.nul === true) return refused(554, '5.6.0', 'The message holds a NUL character')
  if (watch?.bareCr === true) return refused(554, '5.6.0', 'The message holds a bare CR')
  if (transaction.notes['data_line_length_exceeded'] === true) {
    return refused(554, '5.6.0', 'The message holds a line that is too long to be passed on unbroken')
  }
  if (watch !== undefined && watch.headerBytes > MOST_HEADER_BYTES) {
    return refused(552, '5.3.4', 'The header of the message is too large')
  }
  // One of them is our own.
  const hops = transaction.header.get_all('received').length - 1
  if (hops > mostReceived) return refused(554, '5.4.6', `Routing loop detected: ${hops} Received fields`)
  return null
}

function refused(code: Reply['code'], status: string, text: string): Reply {
  return { code, status, text }
}

/**
 * Lets the header go out as it came in when Haraka's own text of it would differ. Fields that plugins put before or
 * after it are kept. When a plugin removed a field, its will comes first and Haraka's text is used.
 * @param transaction a transaction about to be queued
 */
export function keepHeaderBytes(transaction: Transaction): void {
  const watch = WATCHES.get(transaction)
  if (watch === undefined || watch.parsedHeader === null) return
  if (watch.headerBytes > MOST_HEADER_BYTES || isFaithful(watch.rawHeader, watch.parsedHeader)) return

  const parsed = watch.parsedHeader
  const stream = transaction.message_stream
  const pipe = stream.pipe.bind(stream)
  stream.pipe = (destination, options) => {
    const current = transaction.header.header_list
    const start = parsed.length === 0 ? 0 : indexOfRun(current, parsed)
    if (start === -1) return pipe(destination, options)
    const before = serialize(current.slice(0, start))
    const after = serialize(current.slice(start + parsed.length))
    const constructed = stream.headers
    // An empty list makes the stream write the bytes that it stored.
    stream.headers = []
    const wrapped = new HeaderWrap(before, after)
    wrapped.pipe(destination)
    pipe(wrapped, options)
    stream.headers = constructed
    return destination
  }
}

/** Whether Haraka's text of the header is byte for byte what came in. */
function isFaithful(raw: readonly Buffer[], parsed: readonly string[]): boolean {
  // A line with a leading dot is unstuffed for the parser and would be queued that way.
  if (raw.some((line) => line[0] === DOT)) return false
  return Buffer.concat(raw).equals(serialize(parsed))
}

function serialize(fields: readonly string[]): Buffer {
  return Buffer.from(fields.join('').replaceAll(/\r?\n/g, '\r\n'))
}

function indexOfRun(list: readonly string[], run: readonly string[]): number {
  for (let start = 0; start + run.length <= list.length; start++) {
    if (run.every((item, offset) => list[start + offset] === item)) return start
  }
  return -1
}

/** Puts bytes before the header and others at its end, before the empty line. */
class HeaderWrap extends Transform {
  readonly #after: Buffer
  #pending: Buffer
  #done = false

  constructor(before: Buffer, after: Buffer) {
    super()
    this.#after = after
    this.#pending = Buffer.alloc(0)
    if (before.length > 0) this.push(before)
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#done) {
      done(null, chunk)
      return
    }
    this.#pending = Buffer.concat([this.#pending, chunk])
    const end = endOfHeader(this.#pending)
    if (end === -1) {
      done()
      return
    }
    this.#done = true
    this.push(this.#pending.subarray(0, end))
    this.push(this.#after)
    done(null, this.#pending.subarray(end))
    this.#pending = Buffer.alloc(0)
  }

  override _flush(done: TransformCallback): void {
    done(null, Buffer.concat([this.#pending, ...(this.#done ? [] : [this.#after])]))
  }
}

/** Where the empty line begins, or -1. */
function endOfHeader(bytes: Buffer): number {
  if (bytes[0] === CR && bytes[1] === LF) return 0
  const end = bytes.indexOf('\r\n\r\n')
  return end === -1 ? -1 : end + 2
}
