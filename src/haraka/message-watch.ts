/**
 * Watches a message as it comes in. Haraka takes a bare CR and NUL inside DATA and breaks long lines: both are found here
 * before anything is queued. What is stored is gathered at the same time, so that the queue need not read it back
 * (`message-content.ts`).
 */

import type { Reply } from '../policy/replies.ts'
import { Gathered } from './gathered.ts'
import type { MessageStream, Transaction } from './types.ts'

const CR = 0x0d

/** As much header as a message may have; Exim's limit, ten times Postfix's. */
export const MOST_HEADER_BYTES = 1_048_576

export interface Watch {
  bareCr: boolean
  nul: boolean
  headerBytes: number
  /** The header lines as received, dot-stuffed, until the header ends; Haraka's own Received field first. */
  rawHeader: Buffer[]
  /** How many lines of a header there were before: Haraka's own. */
  readonly linesBefore: number
  /** What Haraka made of them, once the header has ended. */
  parsedHeader: readonly string[] | null
  /** What Haraka's stream was given since then. */
  readonly stored: Gathered
  /** Octets that it had been given before: Haraka's own Received field. */
  readonly before: number
  readonly stream: MessageStream
}

const WATCHES = new WeakMap<Transaction, Watch>()

/**
 * Starts watching: call it at the `data` hook, before the first line of the message.
 * @param transaction the transaction whose message comes next
 */
export function watchMessage(transaction: Transaction): void {
  const stream = transaction.message_stream
  const watch: Watch = {
    bareCr: false,
    nul: false,
    headerBytes: 0,
    rawHeader: [alreadyThere(transaction)],
    linesBefore: transaction.header_lines.length,
    parsedHeader: null,
    stored: new Gathered(),
    before: stream.bytes_read,
    stream,
  }
  WATCHES.set(transaction, watch)
  const addLine = stream.add_line.bind(stream)
  stream.add_line = (line: Buffer | string) => {
    watch.stored.add(line)
    addLine(line)
  }
  const addData = transaction.add_data.bind(transaction)
  transaction.add_data = (line: Buffer) => {
    inspect(watch, line)
    addData(line)
    if (watch.parsedHeader === null) keepHeader(watch, transaction, line)
  }
}

function alreadyThere({ header_lines: lines }: Transaction): Buffer {
  return Buffer.from(lines.join('').replaceAll(/\r?\n/g, '\r\n'))
}

/**
 * @param transaction a transaction
 * @returns what was seen of its message; undefined when nobody watched
 */
export function watchOf(transaction: Transaction): Watch | undefined {
  return WATCHES.get(transaction)
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
