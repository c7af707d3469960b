/** What a report tells of the message that it is about: its subject, its Message-ID, its header. All of it is hostile. */

import { printable } from '../../text/printable.ts'
import type { Content } from '../types.ts'
import { unstuffDots } from './mime.ts'

/** Of a header; what is longer is cut at the end of a line. */
const MOST_HEADER_BYTES = 64 * 1024

/** Of one field that is read. */
const MOST_FIELD_CHARACTERS = 4096

const LONGEST_SUBJECT = 200

/** RFC 5322 section 3.6.4, as loose as mail in the wild is, but nothing that would end a header field. */
const MESSAGE_ID = /<[!-;=?-~]{1,500}>/

const FIELD = /^[!-9;-~]+[ \t]*:/
const CONTINUATION = /^[ \t]/

export interface Original {
  /** The header section as bytes, without dots of the wire, without the empty line; lines end in CRLF. */
  readonly header: Buffer
  /** Decoded, one printable line; '' without one. */
  readonly subject: string
  /** With angle brackets; null without one that could be referred to. */
  readonly messageId: string | null
  /** The Date field as it stands there, one printable line; '' without one. */
  readonly date: string
}

/**
 * @param content in wire form
 * @returns what is known of the message. The header ends where its first line is that is none: at the empty line, or where
 *   a body began without one
 */
export function readOriginal(content: Content): Original {
  const start = content.subarray(0, MOST_HEADER_BYTES)
  const lines = unstuffDots(start).toString('latin1').split('\r\n')
  // The last line is not whole, or follows the last CRLF and is empty.
  lines.pop()
  const end = lines.findIndex((line, index) => !FIELD.test(line) && (index === 0 || !CONTINUATION.test(line)))
  const header = end === -1 ? lines : lines.slice(0, end)
  return {
    header: Buffer.from(header.map((line) => `${line}\r\n`).join(''), 'latin1'),
    subject: printable(oneLine(decodeWords(fieldOf(header, 'subject'))), LONGEST_SUBJECT),
    messageId: MESSAGE_ID.exec(fieldOf(header, 'message-id'))?.[0] ?? null,
    date: printable(oneLine(utf8(fieldOf(header, 'date'))), 80),
  }
}

/** @returns the first field of that name, unfolded, each character one byte */
function fieldOf(header: readonly string[], name: string): string {
  const first = header.findIndex((line) => line.slice(0, line.indexOf(':')).trimEnd().toLowerCase() === name)
  if (first === -1) return ''
  const next = header.findIndex((line, index) => index > first && !CONTINUATION.test(line))
  const lines = header.slice(first, next === -1 ? undefined : next)
  const text = lines.join('')
  return text.slice(text.indexOf(':') + 1, MOST_FIELD_CHARACTERS).trim()
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}

/** Bytes that are no UTF-8 become U+FFFD. */
function utf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

const ENCODED_WORD = /=\?([^\s?*]{1,40})(?:\*[^\s?]{0,40})?\?([BbQq])\?([^\s?]{0,2000})\?=/g

interface Run {
  charset: string
  bytes: Buffer[]
}

/** RFC 2047. Neighbours of one charset are decoded as one: some writers cut characters in two. */
function decodeWords(text: string): string {
  let decoded = ''
  let run: Run | null = null
  let last = 0
  for (const match of text.matchAll(ENCODED_WORD)) {
    const [whole, charset = '', encoding = '', encoded = ''] = match
    const between = text.slice(last, match.index)
    last = match.index + whole.length
    const bytes = encoding.toUpperCase() === 'B' ? Buffer.from(encoded, 'base64') : fromQ(encoded)
    if (run !== null && between.trim() === '' && run.charset === charset.toLowerCase()) {
      run.bytes.push(bytes)
      continue
    }
    const adjacent = run !== null && between.trim() === ''
    decoded += decodeRun(run) + (adjacent ? '' : utf8(between))
    run = { charset: charset.toLowerCase(), bytes: [bytes] }
  }
  return decoded + decodeRun(run) + utf8(text.slice(last))
}

function fromQ(encoded: string): Buffer {
  const text = encoded
    .replaceAll('_', ' ')
    .replaceAll(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(text, 'latin1')
}

function decodeRun(run: Run | null): string {
  if (run === null) return ''
  const bytes = Buffer.concat(run.bytes)
  try {
    return new TextDecoder(run.charset).decode(bytes)
  } catch {
    // A charset that nobody here knows.
    return bytes.toString('latin1').replaceAll(/[^ -~]/g, '\ufffd')
  }
}
