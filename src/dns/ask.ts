/**
 * One question to one server: over UDP, and over TCP where the answer does not fit (RFC 7766 section 5). What does not
 * answer this very question (its number, its name and type, from the address and port that were asked) is passed over
 * while the real answer is waited for: whoever cannot see the question has to guess its number and our port (RFC 5452).
 */

import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { messageOf } from '../text/message-of.ts'
import type { Message, Question } from './message.ts'
import { decodeMessage, encodeQuery, RCODES } from './message.ts'
import { canonicalName } from './name.ts'
import type { Patience } from './patience.ts'
import type { NameServer } from './server.ts'

/** Why a server has not answered. */
export type AskFailure =
  /** Nothing came in time. */
  | 'timeout'
  /** The network or the host refuses. */
  | 'unreachable'
  /** What came is no answer to the question. */
  | 'garbled'
  /** The answer does not fit into UDP, and cannot be had over TCP. */
  | 'truncated'
  /** The question cannot be put. */
  | 'bad-name'

export type Asked =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly why: AskFailure; readonly detail: string }

/** A flood of wrong answers is somebody's guessing: better no answer than one that was guessed. */
const MOST_FOREIGN = 100

const FORMERR = RCODES.indexOf('FORMERR')
const NOTIMP = RCODES.indexOf('NOTIMP')
const NXDOMAIN = RCODES.indexOf('NXDOMAIN')

/**
 * @param server whom to ask
 * @param question what
 * @param recursion whether the server shall ask others
 * @param patience how long to wait
 * @returns its answer, whatever its RCODE is; never rejects for what a server does
 */
export async function ask(
  server: NameServer,
  question: Question,
  recursion: boolean,
  patience: Patience,
): Promise<Asked> {
  let edns = true
  let last: Asked = failed('timeout', 'the time was up before it was asked')
  for (let tried = 0; tried < patience.tries && !patience.signal.aborted; tried += 1) {
    last = await askOnce(server, question, { recursion, edns }, patience)
    if (!last.ok) {
      if (last.why !== 'timeout') return last
    } else if (edns && (last.message.rcode === FORMERR || last.message.rcode === NOTIMP)) {
      // RFC 6891 section 7: so answers a server that does not know EDNS.
      edns = false
      tried -= 1
    } else return last
  }
  return last
}

type Manner = { readonly recursion: boolean; readonly edns: boolean }

async function askOnce(
  server: NameServer,
  question: Question,
  manner: Manner,
  patience: Patience,
): Promise<Asked> {
  const query = newQuery(question, manner)
  if (query === null) return failed('bad-name', 'the name is too long, or is none')
  const asked = await overUdp(server, query, patience)
  if (!asked.ok || !asked.message.truncated) return asked
  const again = newQuery(question, manner)
  return again === null ? asked : overTcp(server, again, patience)
}

interface Query {
  readonly bytes: Buffer
  /** Whether this answers it; throws MalformedMessage for what is no message. */
  read(bytes: Buffer): Message | null
}

function newQuery({ name, type }: Question, manner: Manner): Query | null {
  const id = randomInt(0x1_0000)
  const bytes = encodeQuery({ name, type }, { id, ...manner })
  const asked = canonicalName(name)
  if (bytes === null) return null
  return {
    bytes,
    read: (received) => {
      const message = decodeMessage(received)
      if (!message.isResponse || message.id !== id) return null
      const { question, rcode } = message
      // A server that did not understand the question may leave it out.
      if (question === null) return rcode === 0 || rcode === NXDOMAIN ? null : message
      return question.name === asked && question.type === type ? message : null
    },
  }
}

async function overUdp(server: NameServer, query: Query, patience: Patience): Promise<Asked> {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
  let foreign = 0
  try {
    return await settled(patience, (settle) => {
      socket.on('error', (error) => {
        settle(failed('unreachable', messageOf(error)))
      })
      // A connected socket takes from that address and port only; the kernel chose ours at random.
      socket.on('connect', () => {
        socket.send(query.bytes)
      })
      socket.on('message', (received) => {
        const message = readOrNull(query, received)
        if (message !== null) {
          settle({ ok: true, message })
          return
        }
        foreign += 1
        if (foreign > MOST_FOREIGN) settle(failed('garbled', `more than ${MOST_FOREIGN} answers did not fit`))
      })
      socket.connect(server.port, server.address)
      return () => late(patience, foreign)
    })
  } finally {
    socket.close()
  }
}

function late({ signal, timeoutMilliseconds }: Patience, foreign: number): Asked {
  if (foreign > 0)
    return failed('garbled', `what came does not answer the question (passed over: ${foreign})`)
  return failed(
    'timeout',
    signal.aborted ? 'no answer before the time was up' : `no answer within ${timeoutMilliseconds / 1000} s`,
  )
}

function readOrNull(query: Query, received: Buffer): Message | null {
  try {
    return query.read(received)
  } catch {
    return null
  }
}

async function overTcp(server: NameServer, query: Query, patience: Patience): Promise<Asked> {
  const socket = connect({ host: server.address, port: server.port })
  const chunks: Buffer[] = []
  let octets = 0
  try {
    return await settled(patience, (settle) => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(query.bytes.length)
      socket.write(Buffer.concat([length, query.bytes]))
      socket.on('error', (error) => {
        settle(broken(messageOf(error)))
      })
      socket.on('close', () => {
        settle(broken('the server closed the connection'))
      })
      // RFC 1035 section 4.2.2: two octets of length, so never more than 64 KiB.
      socket.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        octets += chunk.length
        // The first two chunks hold the length, be they of one octet each.
        const [high = 0, low = 0] = Buffer.concat(chunks.slice(0, 2))
        const end = 2 + high * 256 + low
        if (octets < end) return
        const message = readOrNull(query, Buffer.concat(chunks).subarray(2, end))
        if (message === null) settle(broken('what came does not answer the question'))
        else if (message.truncated) settle(broken('it is cut short there, too'))
        else settle({ ok: true, message })
      })
      return () => broken(`no answer within ${patience.timeoutMilliseconds / 1000} s`)
    })
  } finally {
    socket.destroy()
  }
}

function broken(detail: string): Asked {
  return failed('truncated', `the answer does not fit into UDP, and over TCP: ${detail}`)
}

/** The first of: what settles, the timeout, the deadline. What comes after it changes nothing. */
async function settled(
  { signal, timeoutMilliseconds }: Patience,
  start: (settle: (asked: Asked) => void) => () => Asked,
): Promise<Asked> {
  const race = new AbortController()
  try {
    return await new Promise<Asked>((resolve) => {
      const whenLate = start(resolve)
      const end = (): void => {
        resolve(whenLate())
      }
      const timer = setTimeout(end, timeoutMilliseconds)
      race.signal.addEventListener('abort', () => {
        clearTimeout(timer)
      })
      signal.addEventListener('abort', end, { once: true, signal: race.signal })
      if (signal.aborted) end()
    })
  } finally {
    race.abort()
  }
}

function failed(why: AskFailure, detail: string): Asked {
  return { ok: false, why, detail }
}
