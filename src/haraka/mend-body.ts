/**
 * Haraka takes the body of a message apart line by line, and copies each of them several times: at 1 MiB that is half of all
 * CPU that a message costs. Lines that nobody has to look at one by one go on in blocks. Whatever is special about a
 * line (its length, a bare CR or LF, a NUL, a lone dot, what may be a MIME boundary) leaves it to Haraka's own code.
 */

import constants from 'haraka-constants'
import type { HarakaModules, Mend } from './mend.ts'
import type { Connection, Transaction } from './types.ts'

const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e
const HYPHEN = 0x2d

export const BODY_MENDS: readonly Mend[] = [
  {
    name: 'the body of a message is taken in blocks',
    upstream: 'not reported',
    recognise: ({ connection }) => [
      connection.Connection.prototype.accumulate_data,
      /this\.transaction\.data_bytes \+= line\.length/,
      /mime_part_count >= cfg\.max\.mime_parts/,
      /this\.transaction\.add_data\(line\)\s*\}$/,
    ],
    apply: mendBody,
  },
]

function mendBody({ connection: { Connection, cfg }, logger }: HarakaModules): void {
  const { prototype } = Connection
  const original = prototype._process_data
  prototype._process_data = function () {
    // Whoever debugs wants to see each line.
    if (!logger.would_log(logger.LOGDATA)) takeBody(this, cfg.max)
    original.call(this)
  }
}

/**
 * Gives the plain lines at the beginning of what has arrived to the message.
 * @param connection one that may be in the middle of a body
 * @param max Haraka's limits: octets of a message, 0 for none, and of a line
 */
export function takeBody(
  connection: Pick<Connection, 'state' | 'current_data' | 'transaction'>,
  max: { readonly bytes: number; readonly data_line_length: number },
): void {
  const { current_data: data, transaction } = connection
  if (connection.state !== constants.connection.state.DATA || data === null || !isPlain(transaction)) return
  const end = endOfPlainLines(data, max.data_line_length)
  if (end === 0 || (max.bytes > 0 && transaction.data_bytes + end > max.bytes)) return
  connection.current_data = data.subarray(end)
  transaction.data_bytes += end
  transaction.message_stream.add_line(data.subarray(0, end))
}

/** Whether nobody looks into its lines: the header is over, and no plugin wants the parts of the body. */
function isPlain(transaction: Transaction | null): transaction is Transaction {
  return (
    transaction !== null && transaction.found_hb_sep && !transaction.parse_body && !transaction.discard_data
  )
}

/**
 * @param data octets at the beginning of a line
 * @param longest how long a line may be
 * @returns where the first line begins that is not whole or not plain
 */
export function endOfPlainLines(data: Buffer, longest: number): number {
  let start = 0
  for (let end = data.indexOf(LF); end !== -1; end = data.indexOf(LF, start)) {
    if (end - start >= longest || !isPlainLine(data, start, end)) return start
    start = end + 1
  }
  return start
}

function isPlainLine(data: Buffer, start: number, end: number): boolean {
  // RFC 5322 section 2.3: CR and LF only together.
  if (end === start || data[end - 1] !== CR) return false
  const first = data[start]
  if (first === DOT && end - start === 2) return false
  if (first === HYPHEN && data[start + 1] === HYPHEN) return false
  for (let at = start; at < end - 1; at += 1) {
    const octet = data[at]
    if (octet === CR || octet === 0) return false
  }
  return true
}
