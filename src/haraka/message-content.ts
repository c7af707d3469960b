/**
 * What goes out of a message that came in, as it goes over the wire. Haraka writes header fields back from decoded text,
 * which changes every byte that is not UTF-8 (haraka/Haraka#2176 was the same for bodies): here they go out as they came
 * in, with the fields that plugins put before or after them. When a plugin removed a field, its will comes first and
 * Haraka's text is used.
 */

import { Writable } from 'node:stream'
import { Gathered } from './gathered.ts'
import type { Watch } from './message-watch.ts'
import { MOST_HEADER_BYTES, watchOf } from './message-watch.ts'
import type { MessageStream, Transaction } from './types.ts'

const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e
const CRLF = Buffer.from('\r\n')

/**
 * @param transaction a message that is complete
 * @returns its content: lines end in CRLF, leading dots are doubled, the final dot is not there
 */
export async function contentOf(transaction: Transaction): Promise<Buffer> {
  const watch = watchOf(transaction)
  const { message_stream: stream } = transaction
  // Another plugin may have put a stream of its own there, or the message was made here.
  const known =
    watch !== undefined && watch.stream === stream && stream.bytes_read === watch.before + watch.stored.length
  return known ? withHeader(transaction, watch, watch.stored.pieces()) : readBack(stream)
}

function withHeader(transaction: Transaction, watch: Watch, stored: readonly Buffer[]): Buffer {
  const body = linesAfterHeader(transaction, watch) ?? bodyIn(stored)
  return Buffer.concat([...headerParts(transaction.header.header_list, watch), CRLF, ...body])
}

/**
 * A message without an empty line: Haraka ends the header where the first line is that is none, but keeps only the first
 * thousand lines, as text. null where there was an empty line, or a plugin may have changed the body.
 */
function linesAfterHeader(
  { header_lines: header, parse_body: parsed }: Transaction,
  watch: Watch,
): Buffer[] | null {
  if (watch.parsedHeader !== null || watch.headerBytes > MOST_HEADER_BYTES || parsed) return null
  // The first is what Haraka had put there before.
  return watch.rawHeader.slice(1 + Math.max(0, header.length - watch.linesBefore))
}

/** What has no empty line has no body. */
function bodyIn(stored: readonly Buffer[]): readonly Buffer[] {
  const [first = Buffer.alloc(0), ...others] = stored
  const end = endOfHeader(first)
  if (end !== -1) return [first.subarray(end + CRLF.length), ...others]
  if (others.length === 0) return []
  const whole = Buffer.concat(stored)
  const later = endOfHeader(whole)
  return later === -1 ? [] : [whole.subarray(later + CRLF.length)]
}

function headerParts(current: readonly string[], watch: Watch): Buffer[] {
  const parsed = watch.parsedHeader
  if (parsed === null || watch.headerBytes > MOST_HEADER_BYTES) return [stuffed(current)]
  const raw = Buffer.concat(watch.rawHeader)
  const start = parsed.length === 0 ? 0 : indexOfRun(current, parsed)
  if (start === -1) return [stuffed(current)]
  return [stuffed(current.slice(0, start)), raw, stuffed(current.slice(start + parsed.length))]
}

/** Fields in Haraka's text, as they go over the wire. */
function stuffed(fields: readonly string[]): Buffer {
  const bytes = Buffer.from(fields.join('').replaceAll(/\r?\n/g, '\r\n'))
  if (bytes[0] !== DOT && !bytes.includes('\n.')) return bytes
  return Buffer.from(bytes.toString('latin1').replaceAll(/^\./gm, '..'), 'latin1')
}

function indexOfRun(list: readonly string[], run: readonly string[]): number {
  for (let start = 0; start + run.length <= list.length; start++) {
    if (run.every((item, offset) => list[start + offset] === item)) return start
  }
  return -1
}

/** Where the empty line begins, or -1. */
function endOfHeader(bytes: Buffer): number {
  if (bytes[0] === CR && bytes[1] === LF) return 0
  const end = bytes.indexOf('\r\n\r\n')
  return end === -1 ? -1 : end + CRLF.length
}

/** Slower, but whatever is in the stream. */
function readBack(stream: MessageStream): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const gathered = new Gathered()
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        gathered.add(chunk)
        done()
      },
      final: (done) => {
        done()
        resolve(wireForm(Buffer.concat(gathered.pieces())))
      },
    })
    stream.once('error', reject)
    sink.once('error', reject)
    // Haraka's name for: leave the dots as they are stored, doubled.
    stream.pipe(sink, { dot_stuffed: false })
  })
}

/** The last line is whole. */
function wireForm(bytes: Buffer): Buffer {
  return bytes.length === 0 || bytes.at(-1) === LF ? bytes : Buffer.concat([bytes, CRLF])
}
